import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Renewal } from '../../lib/options.ts';
import type { AttemptInfo } from '../../lib/types.ts';
import { certificates } from '../support/certificates.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, feeds, frame, take } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { type Conversation, type WsPeerOptions, wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { upgrading } from '../support/upgrading.ts';

describe('renew', () => {
  const { connect, open, keep } = feeds();
  const heard = listening();
  const quick = { retry: 9, backoff: { first: 1, longest: 2 } };

  /** Says the number of each client, and drops each before `last`; `requests` are their heads. */
  async function counted(last = 2, options: WsPeerOptions = {}) {
    const requests: string[] = [];
    const script = (one: Conversation): void => {
      requests.push(one.request);
      one.send(frame(0x81, String(requests.length)));
      if (requests.length < last) one.end();
    };
    return { server: await keep(wsPeer(script, options)), requests };
  }
  const lineOf = (request: string | undefined) => request?.slice(0, request.indexOf(' HTTP'));

  it('check 26: is asked before each attempt, the first too, and the server sees what it gave', async () => {
    const { server, requests } = await counted(3);
    const asked: AttemptInfo[] = [];
    const renew = async (info: AttemptInfo): Promise<Renewal> => {
      asked.push(info);
      await new Promise((resolve) => setImmediate(resolve));
      const token = `t${info.attempt}`;
      return { url: `${server.url}/feed?token=${token}`, headers: { Authorization: `Bearer ${token}` } };
    };
    const feed = await connect(`${server.url}/feed`, {
      ...quick,
      headers: { authorization: 'old', 'x-kept': '1' },
      renew,
    });
    expect(await take(feed, 3)).to.deep.equal(['1', '2', '3']);
    expect(requests.map(lineOf)).to.deep.equal([1, 2, 3].map((n) => `GET /feed?token=t${n}`));
    for (const [i, request] of requests.entries()) {
      expect(request)
        .to.include(`Authorization: Bearer t${i + 1}`)
        .and.include('x-kept: 1');
      expect(request).not.to.include('old');
    }
    expect(asked.map(({ attempt, failures }) => [attempt, failures])).to.deep.equal([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
    expect(asked.map(({ url }) => url)).to.deep.equal([
      `${server.url}/feed`,
      `${server.url}/feed?token=t1`,
      `${server.url}/feed?token=t2`,
    ]);
    expect(asked.map(({ lastError }) => lastError?.code)).to.deep.equal([
      undefined,
      'ERR_GUNPORT_CLOSED',
      'ERR_GUNPORT_CLOSED',
    ]);
  });

  it('is for one attempt: with nothing, the next is as the options say', async () => {
    const { server, requests } = await counted();
    const renew = ({ attempt }: AttemptInfo) => (attempt === 1 ? { url: `${server.url}/once` } : undefined);
    await take(await connect(`${server.url}/always`, { ...quick, renew }), 2);
    expect(requests.map(lineOf)).to.deep.equal(['GET /once', 'GET /always']);
  });

  it('leads to another host and port, with Host, user and subprotocols of its own; back again, too', async () => {
    const first = await counted(9);
    const second = await counted(9, { headers: 'Sec-WebSocket-Protocol: other\r\n' });
    const renew = ({ attempt }: AttemptInfo): Renewal | undefined =>
      attempt === 2
        ? { url: second.server.url.replace('//127.0.0.1', '//user:pass@localhost'), subprotocols: ['other'] }
        : undefined;
    const feed = await connect(first.server.url, { ...quick, renew });
    const up = once(feed, 'up');
    expect(await take(feed, 1)).to.deep.equal(['1']);
    await up;
    expect(feed.protocol).to.equal('other');
    expect(await take(feed, 2)).to.deep.equal(['1', '2']);
    const [request] = second.requests;
    expect(request).to.include(`Host: localhost:${second.server.port}`);
    expect(request).to.include(`Authorization: Basic ${Buffer.from('user:pass').toString('base64')}`);
    expect(first.requests[1]).to.include(`Host: 127.0.0.1:${first.server.port}`);
    expect(first.requests[1]).not.to.match(/authorization|protocol: /i);
  });

  it('leads from ws: to wss: with the name of its host as SNI, verified as by default', async () => {
    const { ca, localhost } = await certificates();
    const names: unknown[] = [];
    const SNICallback = (name: string, done: (error: null) => void): void => {
      names.push(name);
      done(null);
    };
    const plain = await counted(9);
    const secure = await counted(9, { secure: { ...localhost, SNICallback } });
    const renew = (info: AttemptInfo) => (info.attempt === 2 ? { url: secure.server.url } : undefined);
    const feed = await connect(plain.server.url, { retry: 1, renew });
    const { error } = await drain(feed);
    expect(error?.cause).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
    expect(names).to.deep.equal(['localhost']);
    const other = await connect(`${secure.server.url}/a`, {
      tls: { ca },
      ...quick,
      renew: ({ attempt }) => (attempt === 1 ? undefined : { url: `${plain.server.url}/b` }),
    });
    await take(other, 2);
    expect([lineOf(secure.requests.at(-1)), lineOf(plain.requests.at(-1))]).to.deep.equal([
      'GET /a',
      'GET /b',
    ]);
  });

  it('goes through the same proxy', async () => {
    const { server, requests } = await counted(1);
    const proxy = await keep(connectProxy());
    const renew = () => ({ url: `${server.url}/renewed` });
    const feed = await connect('ws://nowhere.invalid/', { proxy: proxy.url, renew });
    await take(feed, 1);
    expect(lineOf(requests[0])).to.equal('GET /renewed');
  });

  it('is not shown: not in url, origin, info, errors, events, nor where they are inspected', async () => {
    const { server } = await counted(3);
    heard.to();
    const secret = 'hush-hush';
    const renew = () => ({
      url: `${server.url.replace('//', `//${secret}:${secret}@`)}/${secret}?token=${secret}`,
      headers: { authorization: `Bearer ${secret}` },
    });
    const feed = await connect(`${server.url}/shown`, { ...quick, renew });
    const downs: unknown[] = [];
    feed.on('down', (down) => downs.push(down));
    await take(feed, 3);
    const { connection } = feed;
    const info = [await connection.info(), await connection.streamInfo(feed)];
    await connection.close();
    await heard.next('gunport:terminate', ({ connection: id }) => id === connection.id);
    expect(feed.url).to.equal(`${server.url}/shown`);
    expect(connection.origin).to.equal(server.url);
    expect(downs).to.have.lengthOf(2);
    expect(heard.of('gunport:ws:upgrade').map(({ path }) => path)).to.include('/…');
    const shown = [feed, connection, info, downs, connection.lastError, feed.url, heard.all];
    expect(inspect(shown, { depth: 12, showHidden: true })).not.to.include(secret);
  });

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`goes with the upgrade over ${version}, back to a server that was lost or has closed`, async () => {
      const server = await keep(upgrading(version, { session: (socket) => socket.send('hello') }));
      const renew = ({ attempt }: AttemptInfo): Renewal => ({
        url: `${server.url.replace(/^http/, 'ws')}/at?n=${attempt}`,
        headers: { 'x-n': attempt },
      });
      const protocols = [version === 'HTTP/2' ? ('http2' as const) : ('http' as const)];
      const feed = await connect(server.url.replace(/^http/, 'ws'), {
        ...quick,
        protocols,
        renew,
        reconnectOn: [4000],
      });
      await take(feed, 1);
      (await server.next()).close(4000);
      await take(feed, 1);
      (await server.next()).terminate();
      await take(feed, 1);
      expect(server.asked.map(({ path, headers }) => [path, headers['x-n']])).to.deep.equal(
        ['1', '2', '3'].map((n) => [`/at?n=${n}`, n]),
      );
    });
  }

  it('changes path and Host behind a unix socket', async () => {
    const path = join(tmpdir(), `gunport-renew-${process.pid}.sock`);
    const { requests } = await counted(1, { path });
    const renew = () => ({ url: 'ws://renewed.example:8080/path' });
    await take(await connect('ws://localhost/', { socketPath: path, renew }), 1);
    expect(requests[0])
      .to.match(/^GET \/path HTTP/)
      .and.include('Host: renewed.example:8080');
  });

  it('may be a module, which runs beside the socket', async () => {
    const { server, requests } = await counted();
    const renew = moduleOf(`import { threadId } from 'node:worker_threads';
      export default async ({ attempt, failures, url, lastError }) => ({
        headers: { 'x-info': [threadId > 0, attempt, failures, url, lastError?.code].join(' ') },
        subprotocols: [],
      });`);
    await take(await connect(server.url, { ...quick, subprotocols: ['x'], renew }), 2);
    expect(requests[0]).to.include(`x-info: true 1 0 ${server.url}/ \r\n`.trimEnd());
    expect(requests[1]).to.include(`x-info: true 2 1 ${server.url}/ ERR_GUNPORT_CLOSED`);
    expect(requests[0]).not.to.match(/subprotocol|Sec-WebSocket-Protocol/i);
  });

  it('of an open() lays its headers over those of each request', async () => {
    const { server, requests } = await counted(1);
    let asked = 0;
    const renew = () => ({ headers: { 'X-Token': `t${++asked}` } });
    const connection = open(server.url.replace('ws', 'http'), { headers: { 'x-token': 'old' }, renew });
    connection.get('/some');
    while (requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(requests[0])
      .to.match(/^GET \/some HTTP/)
      .and.include('x-token: t1');
  });

  describe('that fails', () => {
    it('fails the attempt with ERR_GUNPORT_HANDLER and its cause, and retries follow', async () => {
      const { server, requests } = await counted(1);
      const cause = Object.assign(new RangeError('no token'), { code: 'E_TOKEN' });
      for (const renew of [
        () => {
          throw cause;
        },
        () => Promise.reject(cause),
        moduleOf(`export default () => {
          throw Object.assign(new RangeError('no token'), { code: 'E_TOKEN' });
        };`),
      ]) {
        const error = await rejects(connect(server.url, { renew }), 'ERR_GUNPORT_HANDLER');
        expect(error).to.include({ message: 'renew failed: no token', phase: 'connect' });
        expect(error.cause).to.include({ name: 'RangeError', code: 'E_TOKEN' });
      }
      expect(server.taken).to.equal(0);
      let asked = 0;
      const renew = () => {
        if (++asked < 3) throw cause;
        return undefined;
      };
      await take(await connect(server.url, { ...quick, renew }), 1);
      expect([asked, requests.length]).to.deep.equal([3, 1]);
    });

    it('by what it gives fails for good with ERR_GUNPORT_OPTION, which shows no secret', async () => {
      const { server } = await counted(1);
      const bad: [unknown, RegExp][] = [
        [5, /^renewal must be an object, got a number/],
        [{ uri: 'x' }, /^unknown option renewal.uri/],
        [{ url: '/relative?hush' }, /^renewal.url must be an absolute URL/],
        [{ url: 5 }, /^renewal.url must be a URL/],
        [{ url: 'http://a.example/?hush' }, /^renewal.url must be a ws: or wss: URL, got "http:"/],
        [{ url: 'ws://a.example/#hush' }, /^renewal.url must not have a fragment/],
        [{ headers: { 'sec-websocket-key': 'hush' } }, /^renewal.headers must not have sec-websocket-key/],
        [{ headers: { 'x-a': 'hush\r\n' } }, /^renewal.headers.x-a must be printable latin1/],
        [{ subprotocols: ['a', 'a'] }, /^renewal.subprotocols must be an array of distinct names/],
      ];
      for (const [given, message] of bad) {
        const renew = () => given as Renewal;
        const error = await rejects(connect(server.url, { retry: 9, renew }), 'ERR_GUNPORT_OPTION');
        expect(error.message).to.match(message).and.not.include('hush');
      }
      const module = moduleOf("export default () => ({ url: 'ftp://a.example/' });");
      await rejects(connect(server.url, { retry: 9, renew: module }), 'ERR_GUNPORT_OPTION');
      const missing = { module: 'file:///nonexistent/renew.js' };
      await rejects(connect(server.url, { retry: 9, renew: missing }), 'ERR_GUNPORT_OPTION');
      expect(server.taken).to.equal(0);
    });

    it('to come in connectTimeout, beside the socket, fails the attempt', async () => {
      const { server } = await counted(1);
      const renew = moduleOf('export default () => new Promise(() => {});');
      const error = await rejects(connect(server.url, { renew, connectTimeout: 20 }), 'ERR_GUNPORT_HANDLER');
      expect(error.message).to.equal('renew failed: it took longer than 20 ms');
    });

    it('to come is no hindrance to close() and abort', async () => {
      const { server } = await counted(1);
      const never = () => new Promise<undefined>(() => {});
      for (const renew of [never, moduleOf('export default () => new Promise(() => {});')]) {
        const connection = open(server.url, { renew });
        const waiting = rejects(connection.awaitUp({ timeout: 60_000 }), 'ERR_GUNPORT_DOWN');
        await connection.close();
        await waiting;
        const { signal } = new AbortController();
        const abort = new AbortController();
        const opening = rejects(
          connect(server.url, { renew, signal: AbortSignal.any([signal, abort.signal]) }),
          'ERR_GUNPORT_ABORTED',
        );
        abort.abort();
        await opening;
      }
      expect(server.taken).to.equal(0);
    });
  });
});
