// Checks 5 to 7 of CATALOGUE.md: the await functions, each kind of what they wait for, and whole bodies.

import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import type { Connection, PushNotice, Stream } from '../../lib/index.ts';
import { moduleOf } from '../support/failures.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

/** Of one connection. */
type Push = PushNotice<Stream<Connection>>;

const OK = { ':status': 200 };

describe('awaiting', () => {
  const { open, keep, pool, talk } = feeds();

  it('check 5: awaitUp() tells the protocol, or why not: its thread was killed, the time is over, it was aborted', async () => {
    const server = await keep(origin());
    expect(await open(server.url).awaitUp()).to.include({ type: 'up', protocol: 'http' });
    // Its lookup never answers.
    const lookup = moduleOf('export default () => {};');
    const dialling = open('http://never.test', { lookup, lookupTimeout: 60_000 });
    const { signal } = new AbortController();
    const began = performance.now();
    const late = await rejects(dialling.awaitUp({ timeout: 40, signal }), 'ERR_GUNPORT_TIMEOUT');
    expect(late.phase).to.equal('timeout');
    expect(performance.now() - began).to.be.at.least(39);
    const abort = new AbortController();
    const aborted = rejects(dialling.awaitUp({ signal: abort.signal }), 'ERR_GUNPORT_ABORTED');
    abort.abort();
    await aborted;
    const monitor = dialling.monitor();
    const killed = rejects(dialling.awaitUp({ timeout: 60_000, monitor, signal }), 'ERR_GUNPORT_DOWN');
    await pool.terminate(dialling.threadId);
    expect(await killed).to.include({ phase: 'down', reason: 'terminated' });
    for (const one of [signal, abort.signal]) expect(getEventListeners(one, 'abort')).to.deep.equal([]);
  });

  it('check 6: await() gives the messages of a WebSocket and its close, each typed', async () => {
    const { feed, server } = await talk();
    const { connection } = feed;
    server.send('81 01 61  82 02 0102  88 02 03e8');
    server.end();
    expect(await connection.await(feed)).to.deep.equal({ type: 'ws', frame: 'text', data: 'a' });
    const binary = await connection.await(feed);
    expect(binary).to.deep.include({ type: 'ws', frame: 'binary' });
    expect([...(binary as { data: Uint8Array }).data]).to.deep.equal([1, 2]); // As it says.
    expect(await connection.await(feed)).to.include({ type: 'ws', frame: 'close', code: 1000 });
  });

  it('check 7: awaitBody() gives 10 MB of chunks, byte for byte, and what trails them', async () => {
    const bytes = Buffer.alloc(10_000_000);
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i);
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        for (let at = 0, size = 1; at < bytes.length; at += size, size = Math.min(size * 3, 1_000_003)) {
          const part = bytes.subarray(at, at + size);
          await talk.write(`${part.length.toString(16)}\r\n`);
          await talk.write(part);
          await talk.write('\r\n');
        }
        await talk.write('0\r\nx-sum: good\r\n\r\n');
      }),
    );
    const connection = open(server.url);
    const body = await connection.awaitBody(connection.get('/', { headers: { te: 'trailers' } }));
    const sum = (data: Uint8Array): string => createHash('sha1').update(data).digest('hex');
    expect(sum(body.body)).to.equal(sum(bytes));
    expect(body.trailers).to.include({ 'x-sum': 'good' });
  });

  it('check 7: awaitBody() rejects with the Down when the thread is killed in the midst', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    const stream = connection.get('/');
    const talk = await server.next();
    await talk.request();
    await talk.write('HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\nonly this');
    await stream.response();
    const body = rejects(connection.awaitBody(stream, { timeout: 60_000 }), 'ERR_GUNPORT_DOWN');
    await pool.terminate(connection.threadId);
    expect(await body).to.include({ phase: 'down', reason: 'terminated' });
  });
});

describe('awaiting over HTTP/2', () => {
  const { both } = h2talks();

  it('check 6: await() gives each kind of notice to its own stream; those of others stay queued', async () => {
    const { connection, server } = await both({ push: true });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const [one, two] = await server.requests(2);
    const promised = { ...one!.fields, ':path': '/pushed' };
    server.send(
      h2.headers(one!.stream, { ':status': 103, link: '</x>' }),
      h2.promise(one!.stream, 2, promised),
      h2.headers(two!.stream, OK),
      h2.headers(one!.stream, OK),
      h2.data(two!.stream, 'second', true),
      h2.data(one!.stream, 'first'),
      h2.headers(one!.stream, { 'x-trail': 'yes' }, { fin: true }),
      h2.headers(2, OK),
      h2.data(2, 'pushed', true),
    );
    const kinds: string[] = [];
    for (let i = 0; i < 5; i++) {
      const notice = await connection.await(first);
      kinds.push(notice.type);
      if (notice.type === 'inform') expect(notice.status).to.equal(103);
      if (notice.type === 'data') expect(Buffer.from(notice.data).toString()).to.equal('first');
      if (notice.type === 'trailers') expect(notice.headers['x-trail']).to.equal('yes');
      if (notice.type === 'push') expect(await (notice as Push).stream.text()).to.equal('pushed');
    }
    expect(kinds).to.have.members(['inform', 'push', 'response', 'data', 'trailers']);
    expect(await connection.await(second)).to.include({ type: 'response', status: 200 });
    expect(await connection.await(second)).to.include({ type: 'data', fin: true });
    const third = connection.get('/3');
    const { stream } = await server.request();
    server.send(h2.reset(stream, 'REFUSED_STREAM'));
    expect(await rejects(connection.await(third), 'ERR_GUNPORT_RESET')).to.include({ phase: 'stream' });
  });

  it('check 6: await() gives the upgrade of a WebSocket', async () => {
    const { connection, server } = await both({}, { settings: { enableConnectProtocol: 1 } });
    const socket = connection.wsUpgrade('/chat');
    const { stream, fields } = await server.request();
    expect(fields[':protocol']).to.equal('websocket');
    server.send(h2.headers(stream, OK), h2.data(stream, Buffer.from('810161', 'hex')));
    expect(await connection.await(socket)).to.include({ type: 'upgrade' });
    expect(await connection.await(socket)).to.include({ type: 'ws', data: 'a' });
  });
});
