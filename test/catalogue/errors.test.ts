// Checks 1, 21 and 29 of CATALOGUE.md: no socket in the main thread, TLS as it is meant, and an error for each phase.

import type * as tls from 'node:tls';
import { expect } from 'chai';
import { GunportError, type Phase } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { run } from '../support/child.ts';
import { cowboy } from '../support/cowboy.ts';
import { moduleOf } from '../support/failures.ts';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { answers, peer, refusing, silent, wsServer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

describe('the main thread', () => {
  it('check 1: has no socket while it uses HTTP/1.1, HTTP/2 over TLS, and a WebSocket', async () => {
    await using one = await cowboy('http');
    await using two = await cowboy('h2');
    await using ws = await wsServer();
    ws.server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const { output, errors, code } = await run(
      `const [one, two, ws, trust] = args;
       const connections = [gunport.open(one), gunport.open(two, trust)];
       const feed = await gunport.connect(ws);
       const seen = new Set();
       const look = () => process.getActiveResourcesInfo().forEach((name) => seen.add(name));
       for (let i = 0; i < 20; i++) {
         const texts = connections.map((connection) => connection.get('/').text());
         feed.send('x');
         look();
         await connection(texts);
         await feed.connection.await(feed);
         look();
       }
       async function connection(texts) { for (const text of texts) { await text; look(); } }
       console.log([...seen].sort().join());
       for (const open of [...connections, feed]) await open.close();`,
      { args: [one.url, two.url, ws.url, two.trust] },
    );
    expect({ errors, code }).to.deep.equal({ errors: '', code: 0 });
    expect(output)
      .to.include('MessagePort')
      .and.not.match(/TCP|TLS|Http|Http2|DNS|GetAddrInfo/i);
    expect([one.taken, two.taken, ws.taken]).to.deep.equal([1, 1, 1]);
  });
});

describe('TLS', () => {
  const { open, connect, keep } = feeds();

  it('check 21: refuses who vouches for himself, with the cause, and takes him with `ca`', async () => {
    const { selfSigned } = await certificates();
    const server = await keep(
      origin((talk) => talk.request().then(() => talk.answer(200, 'hi')), { secure: selfSigned }),
    );
    const error = await rejects(open(server.url, { retry: 0 }).awaitUp(), 'ERR_GUNPORT_TLS');
    expect(error.phase).to.equal('tls');
    let root: Error = error;
    while (root.cause instanceof Error) root = root.cause;
    expect(root).to.have.property('code', 'DEPTH_ZERO_SELF_SIGNED_CERT');
    const trusting = open(server.url, { tls: { ca: selfSigned.cert }, protocols: ['http'] });
    expect(await trusting.get('/').text()).to.equal('hi');
  });

  it('check 21: chooses HTTP/2 by ALPN where the server has it, else HTTP/1.1', async () => {
    const { ca } = await certificates();
    for (const [speaks, protocol] of [
      ['h2', 'http2'],
      ['https', 'http'],
    ] as const) {
      const server = await keep(cowboy(speaks));
      const connection = open(server.url, { tls: { ca } });
      expect(await connection.awaitUp()).to.include({ protocol });
      expect((await connection.info()).tls).to.include({ alpn: speaks === 'h2' ? 'h2' : 'http/1.1' });
    }
  });

  it('check 21: tells the server its name, and shows it the certificate of the client', async () => {
    const { ca, localhost, client } = await certificates();
    const seen: unknown[] = [];
    const secure = { ...localhost, ca, requestCert: true, rejectUnauthorized: true };
    const server = await keep(
      origin(
        async (talk) => {
          const socket = talk.socket as tls.TLSSocket; // Its server speaks TLS.
          seen.push(socket.servername, socket.getPeerCertificate().subject.CN);
          await talk.request();
          await talk.answer(200);
        },
        { secure },
      ),
    );
    const connection = open(server.url, { tls: { ca, cert: client.cert, key: client.key } });
    await connection.get('/').text();
    expect(seen).to.deep.equal(['localhost', 'client.example']);
  });

  it('check 29: an error of each phase is typed, and tells its cause', async () => {
    const { localhost } = await certificates();
    const gone = await refusing();
    const failing = moduleOf(`export default (host, options, callback) =>
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));`);
    const untrusted = await keep(peer(silent, { secure: localhost }));
    const refuses = await keep(peer(answers(403, 'length', 'not you')));
    const breaks = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write('no HTTP at all\r\n\r\n');
      }),
    );
    const drops = await keep(
      origin(async (talk) => {
        await talk.request();
        talk.reset();
      }),
    );
    const mute = await keep(origin());
    const abort = AbortSignal.abort(new Error('enough'));
    const dying = open(mute.url);
    await dying.awaitUp();
    const waiting = open(mute.url);
    const phases: Partial<Record<Phase, () => Promise<unknown>>> = {
      dns: () => connect('ws://nowhere.test', { lookup: failing }),
      connect: () => connect(gone.url),
      tls: () => connect(untrusted.url),
      upgrade: () => connect(refuses.url),
      protocol: () => open(breaks.url, { retry: 0 }).get('/').text(),
      closed: () => open(drops.url, { retry: 0 }).get('/').text(),
      timeout: () => waiting.get('/').response({ timeout: 20 }),
      aborted: () => waiting.get('/').response({ signal: abort }),
      stream: async () => {
        const stream = waiting.get('/');
        stream.cancel();
        return stream.text();
      },
      down: async () => {
        const text = dying.get('/').text();
        text.catch(() => {});
        await dying.close();
        return text.catch(() => dying.get('/'));
      },
    };
    const causes: Partial<Record<Phase, string>> = { dns: 'ENOTFOUND', connect: 'ECONNREFUSED' };
    for (const [phase, provoke] of Object.entries(phases)) {
      const error = await provoke().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error, phase).to.be.instanceOf(GunportError);
      const { code, cause } = error as GunportError; // As was just seen.
      expect(error, phase).to.include({ phase });
      expect(code, phase).to.match(/^ERR_GUNPORT_/);
      const expected = causes[phase as Phase]; // The keys are phases.
      if (expected !== undefined) expect(cause, phase).to.include({ code: expected });
    }
    const refused = await rejects(connect(refuses.url), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(refused).to.deep.include({ status: 403, body: new Uint8Array(Buffer.from('not you')) });
    expect(refused.headers).to.include({ 'content-type': 'text/plain' });
  });
});
