// How the connections of an authority come and go: grown, spread, kept, evicted, replaced, and opened with patience.

import { expect } from 'chai';
import type { AuthorityNotice, AuthorityOptions, Connection } from '../../lib/index.ts';
import { Pool } from '../../lib/index.ts';
import { goaway } from '../support/h2frames.ts';
import { h2origin } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { peer, refusing, silent, tlsRefusing } from '../support/peers.ts';
import { echo, only, poolStage, turns, until } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';

describe('the connections of an authority', () => {
  const { pool, asked, keep } = poolStage();

  const loads = (one: Pool): number[] => only(one)!.connections.map(({ load }) => load);

  it('are opened when all are at their capacity, up to maxConnections, and not before', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 3 });
    const texts = [one.get(server.url).text()];
    const first = await server.next();
    expect(loads(one)).to.deep.equal([1]);
    first.answer();
    await texts[0];
    texts.push(one.get(server.url).text());
    const second = await server.next();
    expect(loads(one)).to.deep.equal([1]);
    for (let i = 0; i < 5; i++) texts.push(one.get(server.url).text());
    expect(loads(one)).to.have.lengthOf(3);
    const others = [await server.next(), await server.next()];
    expect([loads(one), only(one)!.queue]).to.deep.equal([[1, 1, 1], 3]);
    for (const { answer } of [second, ...others]) answer();
    for (let i = 0; i < 3; i++) (await server.next()).answer();
    await Promise.all(texts);
    expect([server.taken, server.most]).to.deep.equal([3, 3]);
  });

  it('are spread over the threads of the pool', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 4 }, 2);
    const texts = Array.from({ length: 4 }, () => one.get(server.url).text());
    const all = [await server.next(), await server.next(), await server.next(), await server.next()];
    expect(new Set(only(one)!.connections.map(({ threadId }) => threadId)).size).to.equal(2);
    for (const { answer } of all) answer();
    await Promise.all(texts);
  });

  it('are given to the least loaded of them first, on HTTP/2', async () => {
    const server = await keep(h2origin());
    const one = pool({ minConnections: 3, maxConnections: 3, connection: server.options, maxStreams: 4 });
    await one.awaitUp(server.url);
    const requests = Array.from({ length: 7 }, () => one.get(server.url));
    expect(loads(one).sort()).to.deep.equal([2, 2, 3]);
    expect(only(one)!.connections.map(({ capacity }) => capacity)).to.deep.equal([4, 4, 4]);
    requests.push(...Array.from({ length: 8 }, () => one.get(server.url)));
    expect([loads(one), only(one)!.queue]).to.deep.equal([[4, 4, 4], 3]);
    for (const request of requests) request.cancel();
    expect(loads(one)).to.deep.equal([0, 0, 0]);
    for (const request of requests) await rejects(request.text(), 'ERR_GUNPORT_CANCELLED');
  });

  it('are one for many requests where HTTP/2 is expected', async () => {
    const server = await keep(
      h2origin(async (talk) => {
        for (;;) talk.answer((await talk.request()).stream, 200);
      }),
    );
    const one = pool({ connection: server.options });
    await Promise.all(Array.from({ length: 50 }, () => one.get(server.url).text()));
    expect(server.taken).to.equal(1);
  });

  it('take what the server allows, and less when it allows less', async () => {
    const server = await keep(h2origin(() => {}, { settings: { maxConcurrentStreams: 2 } }));
    const one = pool({ minConnections: 1, maxConnections: 1, connection: server.options });
    await one.awaitUp(server.url);
    expect(only(one)!.connections[0]).to.include({ capacity: 2, protocol: 'http2', status: 'up' });
    const talk = await server.next();
    talk.send('00 0006 04 00 00000000 0003 00000007');
    await until(() => only(one)!.connections[0]!.capacity === 7);
    talk.send('00 0006 04 00 00000000 0003 00000001');
    await until(() => only(one)!.connections[0]!.capacity === 1);
    const [first, second] = [one.get(server.url), one.get(server.url)];
    expect([loads(one), only(one)!.queue]).to.deep.equal([[1], 1]);
    const { stream } = await talk.request();
    talk.answer(stream, 200, 'first');
    talk.answer((await talk.request()).stream, 200, 'second');
    expect([await first.text(), await second.text()]).to.deep.equal(['first', 'second']);
  });

  it('are closed when nobody has used them for idleTimeout, down to minConnections', async () => {
    const server = await asked();
    const one = pool({ minConnections: 1, maxConnections: 4, idleTimeout: 60 });
    const texts = Array.from({ length: 4 }, () => one.get(server.url).text());
    for (let i = 0; i < 4; i++) (await server.next()).answer();
    await Promise.all(texts);
    await until(() => server.open === 1 && only(one)!.connections.length === 1);
    expect(only(one)).to.deep.include({ state: 'operational', queue: 0 });
    const none = pool({ idleTimeout: 30 });
    const text = none.get(server.url).text();
    (await server.next()).answer();
    await text;
    await until(() => none.authorities().length === 0 && server.open === 1);
  });

  it('stay while they are used, however long that is', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 2, idleTimeout: 40 });
    const [held, other] = [one.get(`${server.url}/held`), one.get(`${server.url}/other`)];
    const [a, b] = [await server.next(), await server.next()];
    const [slow, fast] = a.request.url === '/held' ? [a, b] : [b, a];
    fast.answer();
    await other.text();
    await until(() => server.open === 1);
    slow.answer('late');
    expect(await held.text()).to.equal('late');
  });

  it('are kept at minConnections when one is lost, and told degraded until they are', async () => {
    const server = await asked(echo);
    const one = pool({ minConnections: 2, maxConnections: 2 });
    const words = turns(one);
    await one.awaitUp(server.url);
    await until(() => server.sockets.size === 2);
    expect(await one.get(server.url).text()).to.equal('/');
    words.length = 0;
    for (const socket of server.sockets) socket.destroy();
    await until(() => server.taken >= 4 && only(one)!.connections.every(({ status }) => status === 'up'));
    expect(words[0]).to.equal('degraded');
    // What was never asked anything is known to be good once it has answered.
    const texts = await Promise.all(['/x', '/y'].map((path) => one.get(server.url + path).text()));
    expect(texts).to.deep.equal(['/x', '/y']);
    expect(words.at(-1)).to.equal('operational');
  });

  it('are replaced when their thread is killed, and what was under way fails or is sent again', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1, retry: 'idempotent' });
    const [get, post] = [one.get(`${server.url}/get`), one.post(`${server.url}/post`)];
    const before = await server.next();
    await one.terminate(only(one)!.connections[0]!.threadId);
    for (const path of ['/get', '/post']) {
      const { request, answer } = await server.next();
      expect(request.url).to.equal(path);
      answer(path);
    }
    expect([await get.text(), await post.text()]).to.deep.equal(['/get', '/post']);
    expect([before.request.url, get.attempts, post.attempts]).to.deep.equal(['/get', 2, 1]);
    const lost = one.post(server.url);
    await server.next();
    await one.terminate(only(one)!.connections[0]!.threadId);
    expect((await rejects(lost.text(), 'ERR_GUNPORT_DOWN')).reason).to.equal('terminated');
    const again = one.get(server.url).text();
    (await server.next()).answer('again');
    expect(await again).to.equal('again');
  });

  it('are given no new request when their server goes away, and are not counted while they finish', async () => {
    const server = await keep(h2origin());
    const one = pool({ maxConnections: 1, connection: server.options });
    const slow = one.get(`${server.url}/slow`);
    const first = await server.next();
    const { stream } = await first.request();
    first.send(goaway(stream));
    await first.roundTrip();
    const next = one.post(`${server.url}/next`);
    const second = await server.next();
    second.answer((await second.request()).stream, 200, 'next');
    expect(await next.text()).to.equal('next');
    first.answer(stream, 200, 'slow');
    expect(await slow.text()).to.equal('slow');
    await until(() => only(one)!.connections.length === 1);
  });

  it('are opened again with growing patience: a dead server is not hammered', async () => {
    const server = await keep(peer(tlsRefusing, { scheme: 'wss' }));
    const one = pool({ reopenDelay: 40, maxReopenDelay: 80, queueTimeout: 500 });
    const url = server.url.replace('wss', 'https');
    const notices: AuthorityNotice[] = [];
    one.on('degraded', (notice) => notices.push(notice));
    const texts = Array.from({ length: 100 }, () => rejects(one.get(url).text(), 'ERR_GUNPORT_TIMEOUT'));
    const [error] = await Promise.all(texts);
    expect(error!.cause).to.have.property('code').that.is.oneOf(['ERR_GUNPORT_TLS', 'ERR_GUNPORT_CLOSED']);
    // Half of each delay is fixed: at least 20, 40, 40 … ms, and one at a time.
    expect(server.taken).to.be.within(3, 8 + 500 / 40);
    expect(notices).to.have.lengthOf(1);
    expect(notices[0]).to.include({ origin: url, scope: '', state: 'degraded' });
  });

  it('whose certificate does not verify fail who waits at once: it would be the same again', async () => {
    const server = await keep(peer(silent, { secure: true }));
    const one = pool();
    const url = server.url.replace('wss', 'https');
    const begun = performance.now();
    const all = [one.get(url).text(), one.checkout(url), one.awaitUp(url)];
    for (const failed of all.map((each) => rejects(each, 'ERR_GUNPORT_TLS'))) await failed;
    expect(performance.now() - begun).to.be.below(4_000);
    expect(server.taken).to.be.at.most(8);
  });

  it('are set up before they are used, and closed when that fails', async () => {
    const server = await asked(echo);
    let attempts = 0;
    const setup = async (connection: Connection, name: object): Promise<string> => {
      expect(name).to.deep.equal({ origin: server.url, scope: 'x' });
      if (++attempts === 1) throw new Error('not yet');
      return connection.get('/login').text();
    };
    const one = pool({ maxConnections: 1, setup, reopenDelay: 5 });
    const degraded: unknown[] = [];
    one.on('degraded', ({ reason }) => degraded.push(reason?.message));
    const lease = await one.checkout<string>(server.url, { scope: 'x' });
    expect(lease.meta).to.equal('/login');
    lease.release();
    expect(await one.get(`${server.url}/y`, { scope: 'x' }).text()).to.equal('/y');
    expect([attempts, server.requests]).to.deep.equal([2, ['GET /login', 'GET /y']]);
    expect(degraded).to.deep.equal(['the setup of a connection failed: not yet']);
  });

  it('that are set up for ever are given up after setupTimeout (S1)', async () => {
    const server = await asked(echo);
    const one = pool({
      maxConnections: 1,
      setup: () => new Promise(() => {}),
      setupTimeout: 30,
      queueTimeout: 400,
    });
    const error = await rejects(one.get(server.url).text(), 'ERR_GUNPORT_TIMEOUT');
    expect((error.cause as Error).message).to.include('setup() took longer than 30 ms');
    await one.stop(server.url);
    await until(() => server.open === 0);
  });

  it('are waited for by awaitUp(), which opens one where none is needed', async () => {
    const server = await asked(echo);
    const one = pool();
    await one.awaitUp(server.url);
    expect(only(one)!.connections).to.have.lengthOf(1);
    await one.awaitUp(server.url);
    expect(server.taken).to.equal(1);
    const gone = await refusing();
    const down = gone.url.replace('ws', 'http');
    const other = pool({ reopenDelay: 10 });
    await other.awaitUp(server.url); // Its thread is there.
    const error = await rejects(other.awaitUp(down, { timeout: 300 }), 'ERR_GUNPORT_TIMEOUT');
    expect(error.cause).to.include({ code: 'ERR_GUNPORT_CONNECT' });
    const controller = new AbortController();
    const aborted = rejects(other.awaitUp(down, { signal: controller.signal }), 'ERR_GUNPORT_ABORTED');
    controller.abort();
    await aborted;
    await rejects(other.awaitUp(down, { timeout: -1 }), 'ERR_GUNPORT_OPTION');
  });

  it('are configured for one authority alone, before it is used', async () => {
    const [server, other] = [await asked(echo), await asked(echo)];
    const one = pool({ maxConnections: 1 });
    one.configure(server.url, { minConnections: 3, maxConnections: 3 });
    await one.awaitUp(server.url);
    expect(only(one)!.connections).to.have.lengthOf(3);
    await one.awaitUp(other.url);
    expect(one.authorities().map(({ connections }) => connections.length)).to.deep.equal([3, 1]);
    expect(() => one.configure(server.url, {})).to.throw('is in use already');
    await one.stop(server.url);
    await one.awaitUp(server.url);
    expect(one.authorities().at(-1)!.connections).to.have.lengthOf(1);
    expect(() => one.configure('http://x', { minConnections: 9, maxConnections: 1 })).to.throw(
      'minConnections must be at most maxConnections (1), got 9',
    );
    expect(() => one.configure('http://x', { minConnections: 2 })).to.throw('minConnections must be at most');
    expect(() => one.configure('http://x', { connection: { tls: {} } })).to.throw('tls must be left out');
    const socks = { protocols: [{ name: 'socks', host: 'y', port: 80 }] as const };
    expect(() => one.configure('http://x', { connection: socks })).to.throw('must not have socks in a pool');
    expect(() => one.configure('http://x', { retries: 1.5 })).to.throw('retries must be an integer from 0');
    expect(() => one.configure('http://x', { scope: 1 as never })).to.throw('scope must be a string');
  });

  it('have the pool’s options for connections, as far as those mean something to them', async () => {
    const server = await keep(
      origin(async (talk) => {
        for (;;) await talk.answer(200, (await talk.request()).headers['x-all']);
      }),
    );
    const options: AuthorityOptions['connection'] = { tls: { ca: server.ca }, protocols: ['http2', 'http'] };
    const one = pool({ connection: { ...options, headers: { 'x-all': 'yes' } } });
    expect(await one.get(server.url).text()).to.equal('yes');
    const secure = await keep(
      origin(async (talk) => talk.answer(200, (await talk.request()).headers['x-all']), { secure: true }),
    );
    expect(await one.get(secure.url).text()).to.equal('yes');
  });

  for (const [options, message] of [
    [{ minConnections: -1 }, 'authority.minConnections must be an integer from 0'],
    [{ maxConnections: 0 }, 'authority.maxConnections must be an integer from 1'],
    [{ minConnections: 9 }, 'authority.minConnections must be at most maxConnections (8), got 9'],
    [{ maxStreams: 0 }, 'authority.maxStreams must be an integer from 1'],
    [{ maxQueue: -1 }, 'authority.maxQueue must be an integer from 0'],
    [{ queueTimeout: Infinity }, 'authority.queueTimeout must be an integer from 1'],
    [{ idleTimeout: 0 }, 'authority.idleTimeout must be an integer from 1'],
    [{ reopenDelay: '1' }, 'authority.reopenDelay must be an integer from 1'],
    [{ maxReopenDelay: 0 }, 'authority.maxReopenDelay must be an integer from 1'],
    [{ retry: 'all' }, 'authority.retry must be one of "unprocessed", "idempotent"'],
    [{ retries: -1 }, 'authority.retries must be an integer from 0'],
    [{ setup: 'x' }, 'authority.setup must be a function, got "x"'],
    [{ setupTimeout: 0 }, 'authority.setupTimeout must be an integer from 1'],
    [{ connection: 7 }, 'authority.connection must be an object, got 7'],
    [{ connection: { retry: 1 } }, 'authority.connection must not have retry: the pool decides that'],
    [{ connection: { pipelining: 2 } }, 'authority.connection must not have pipelining'],
    [{ connection: { maxPayload: 0 } }, 'authority.connection: maxPayload must be an integer from 1'],
    [{ size: 8 }, 'unknown option authority.size'],
    [8, 'authority must be an object, got 8'],
  ] as const) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      expect(() => new Pool({ authority: options as never })).to.throw(message);
    });
  }
});
