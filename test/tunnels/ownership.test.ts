// Tunnels, raw bytes and switched streams, handed from thread to thread: promises O1 to O5, O7, O8.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, OpenOptions, RawOptions } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { connect2Proxy } from '../support/connect2-proxy.ts';
import { faultIn, piece, readBytes } from '../support/counted.ts';
import { feeds } from '../support/feeds.ts';
import { bytesServer, type Held, movers, notes, swap } from '../support/handed.ts';
import { numbers, range } from '../support/numbers.ts';
import { origin } from '../support/origin.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { errorOf } from '../support/stage.ts';
import { TestThread } from '../support/thread.ts';
import { serverOf } from '../support/tunnels.ts';

const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n';

describe('bytes, handed over', function () {
  this.timeout(20_000);
  const { open, keep, pool } = feeds();
  const on = movers();

  const ways: Record<string, (port: number) => Promise<Held>> = {
    'of a raw connection': async (port) =>
      open({ host: '127.0.0.1', port }, { protocols: ['raw'], retry: 0 }).raw(),
    'of a tunnel through HTTP': async (port) => {
      const proxy = await keep(connectProxy());
      return open(proxy.url, { retry: 0 }).connect({ host: '127.0.0.1', port, protocols: ['raw'] });
    },
    'of a tunnel through HTTP/2': async (port) => {
      const proxy = await keep(connect2Proxy());
      const connection = open(proxy.url, { retry: 0, protocols: ['http2'] });
      return connection.connect({ host: '127.0.0.1', port, protocols: ['raw'] });
    },
    'of a stream in a tunnel in a tunnel': async (port) => {
      const [outer, inner] = [await keep(connect2Proxy()), await keep(connectProxy())];
      const connection = open(outer.url, { retry: 0, protocols: ['http2'] });
      const tunnel = connection.connect({ host: '127.0.0.1', port: inner.port });
      return connection.connect({ host: '127.0.0.1', port, protocols: ['raw'] }, { tunnel });
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`${name}: both ways, from main to one thread, another, and back, exact (O1, O2, O7)`, async () => {
      const server = await keep(bytesServer());
      const stream = await way(server.port);
      if (stream.method === 'CONNECT') await stream.established();
      else await stream.connection.awaitUp();
      const socket = await server.next();
      const whole = 3_000_000;
      // All at once: much of it is under way whenever it moves.
      socket.write(piece(0, whole));
      let at = 0;
      const first = await readBytes(stream, 100_000);
      expect(faultIn(first, at)).to.equal(-1);
      at = first.length;
      stream.data(false, piece(0, 200_000));
      await on.giveTo(on.a, stream);
      let sent = 200_000;
      for (const [thread, next] of [
        [on.a, on.b],
        [on.b, on.a],
        [on.a, on.b],
      ] as const) {
        const from = at;
        at = await swap(thread, at, { until: sent + 200_000, write: [sent, sent + 200_000] });
        expect(faultIn(await notes(thread), from)).to.equal(-1);
        sent += 200_000;
        await on.pass(thread, next);
      }
      const last = await on.back(on.b);
      expect(last.method).to.equal(stream.method);
      last.data('fin', piece(sent, sent + 5));
      // Not half open: what is not there before its end would not be sent.
      await server.ended;
      socket.end();
      const rest = await readBytes(last);
      expect(faultIn(rest, at)).to.equal(-1);
      expect(at + rest.length).to.equal(whole);
      expect(server).to.include({ received: sent + 5, fault: -1 });
    });
  }

  it('half open, after their side has ended: ours goes on at the next owner', async () => {
    const server = await keep(bytesServer());
    const connection = open({ host: '127.0.0.1', port: server.port }, { protocols: ['raw'], retry: 0 });
    const options: RawOptions = { halfOpen: true };
    const stream = connection.raw(options);
    const socket = await server.next();
    socket.end(piece(0, 1_000));
    expect(faultIn(await readBytes(stream), 0)).to.equal(-1);
    stream.data(false, piece(0, 100_000));
    await on.giveTo(on.a, stream);
    const state = await on.a.run(
      async (here, part) => {
        const before = here.stream.state;
        const nothing = await here.bytes();
        here.stream.data(true, part);
        await here.stream.drained();
        return `${before} ${nothing.byteLength} ${here.stream.state}`;
      },
      piece(100_000, 300_000),
    );
    expect(state).to.equal('answered 0 ended');
    await server.ended;
    expect(server).to.include({ received: 300_000, fault: -1 });
  });

  describe("of a thread that has ended, with onOwnerDown: 'rehome' (O8)", () => {
    let owner: TestThread;
    beforeEach(() => {
      owner = new TestThread();
    });
    afterEach(() => owner.kill());

    async function orphaned(stream: Held): Promise<Held> {
      await on.giveTo(owner, stream);
      const orphan = once(pool, 'orphan');
      await owner.kill();
      const [connection] = (await orphan) as [Connection];
      return connection.streams.get(stream.id) as Held; // It has not ended.
    }

    it('half open, with their side ended before', async () => {
      const server = await keep(bytesServer());
      const options: OpenOptions = { protocols: ['raw'], retry: 0, onOwnerDown: 'rehome' };
      const connection = open({ host: '127.0.0.1', port: server.port }, options);
      const stream = connection.raw({ halfOpen: true });
      const socket = await server.next();
      socket.end(piece(0, 1_000));
      await readBytes(stream);
      const there = await orphaned(stream);
      expect(there).to.include({ method: 'RAW', state: 'answered' });
      expect(await there.text()).to.equal('');
      there.data('fin', piece(0, 1_000));
      await server.ended;
      expect(server).to.include({ received: 1_000, fault: -1 });
      await there.connection.close();
    });

    it('behind a switch of protocols', async () => {
      const server = await keep(origin(undefined, { halfOpen: true }));
      const connection = open(server.url, { retry: 0, onOwnerDown: 'rehome' });
      const headers = { connection: 'upgrade', upgrade: 'bytes', 'content-length': '0' };
      const stream = connection.post('/', { headers, body: '' });
      const talk = await server.next();
      await talk.request();
      await talk.write(SWITCHED);
      await stream.response();
      const there = await orphaned(stream);
      expect(there).to.include({ status: 101, state: 'answered' });
      expect(await there.response()).to.include({ status: 101 });
      there.data('fin', piece(0, 1_000));
      expect(faultIn(await talk.take(1_000), 0)).to.equal(-1);
      talk.end('bye');
      expect(await there.text()).to.equal('bye');
      await there.connection.close();
    });
  });

  it('behind a switch of protocols: from before it on', async () => {
    const server = await keep(origin(undefined, { halfOpen: true }));
    const connection = open(server.url, { retry: 0 });
    const stream = connection.get('/', { headers: { connection: 'upgrade', upgrade: 'bytes' } });
    const talk = await server.next();
    await talk.request();
    await on.giveTo(on.a, stream);
    await talk.write(SWITCHED);
    await talk.write(piece(0, 50_000));
    const status = await on.a.run(async ({ stream }) => (await stream.response()).status);
    expect(status).to.equal(101);
    let at = await swap(on.a, 0, { until: 20_000, write: [0, 20_000] });
    expect(faultIn(await notes(on.a), 0)).to.equal(-1);
    await on.pass(on.a, on.b);
    const last = await on.back(on.b);
    expect(last).to.include({ status: 101, state: 'answered' });
    last.data('fin', piece(20_000, 30_000));
    expect(faultIn(await talk.take(30_000), 0)).to.equal(-1);
    await talk.ended;
    talk.end(piece(50_000, 60_000));
    const rest = await readBytes(last);
    expect(faultIn(rest, at)).to.equal(-1);
    at += rest.length;
    expect(at).to.equal(60_000);
  });
});

for (const [name, make] of Object.entries({ HTTP: connectProxy, 'HTTP/2': connect2Proxy })) {
  describe(`a tunnel through ${name}, handed over`, function () {
    this.timeout(20_000);
    const { open, keep, pool } = feeds();
    const on = movers();
    const protocols = [name === 'HTTP' ? 'http' : 'http2'] as const;

    async function proxied(
      options: Parameters<typeof connectProxy>[0] = {},
      more: Parameters<typeof open>[1] = {},
    ): Promise<{ proxy: ProxyPeer; connection: Connection }> {
      const proxy = await keep(make(options));
      return { proxy, connection: open(proxy.url, { protocols, retry: 0, ...more }) };
    }

    it('before it is up: it comes up there, and takes what is asked there (O5)', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({ delayed: true });
      const tunnel = connection.connect({ host: server.host, port: server.port });
      const early = connection.get('/early', { tunnel });
      await connection.awaitUp();
      await proxy.next();
      await on.giveTo(on.a, early);
      const asked = on.a.run(async ({ connection, stream }, id) => {
        const tunnel = connection.streams.get(id) as typeof stream;
        const late = connection.get('/late', { tunnel });
        const up = await tunnel.established();
        const notices = [await connection.await(tunnel), await connection.await(tunnel)];
        return [
          up.protocol,
          await stream.text(),
          await late.text(),
          ...notices.map(({ type }) => type),
          late.url,
        ];
      }, tunnel.id);
      proxy.release();
      expect(await asked).to.deep.equal([
        ...['http', 'hello /early', 'hello /late', 'response', 'tunnelUp'],
        `http://127.0.0.1:${server.port}/late`,
      ]);
      expect(() => connection.get('/', { tunnel }))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_NOT_OWNER');
      expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
    });

    it('with a WebSocket in it, whose messages go on (O1)', async () => {
      const server = await keep(numbers());
      const { connection } = await proxied();
      const tunnel = connection.connect({ host: '127.0.0.1', port: server.port });
      const feed = connection.wsUpgrade('/', { tunnel });
      await connection.await(feed);
      server.send(20);
      await Promise.all([
        on.a.run((here) => here.take().then(() => {})),
        feed.transferOwnership(on.a.worker),
      ]);
      server.send(10);
      expect(await on.a.run((here) => here.read(30))).to.deep.equal(range(0, 30));
      const [url, more] = await on.a.run(async (here, id) => {
        const { feed, connection } = here;
        feed.send('from there');
        const tunnel = connection.streams.get(id) as typeof here.stream;
        return [feed.url, tunnel.protocol];
      }, tunnel.id);
      expect(url).to.equal(`ws://127.0.0.1:${server.port}/`);
      expect(more).to.equal('http');
      expect(await server.heard(1)).to.deep.equal(['from there']);
    });

    it('is made anew at the new owner when the connection comes back (O3, O5)', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({}, { retry: 5 });
      const tunnel = connection.connect({ host: server.host, port: server.port });
      await tunnel.established();
      await on.giveTo(on.a, tunnel);
      const answers = on.a.run(async ({ connection, stream: tunnel }) => {
        const types: string[] = [];
        const note = async (): Promise<void> => void types.push((await connection.await(tunnel)).type);
        await note();
        await note();
        await note();
        await note();
        return [...types, await connection.get('/again', { tunnel }).text()];
      });
      // It waits for a notice by now, or will.
      await on.a.run(({ connection }) => connection.info().then(() => {}));
      proxy.drop();
      expect(await answers).to.deep.equal([
        ...['response', 'tunnelUp', 'response', 'tunnelUp', 'hello /again'],
      ]);
    });

    it('refused: the new owner reads why, and hears of it', async () => {
      const { connection } = await proxied({ status: 403, body: 'not there' });
      const tunnel = connection.connect('http://127.0.0.1:9');
      await errorOf(tunnel.established());
      await on.giveTo(on.a, tunnel);
      const read = await on.a.run(async ({ stream }) => {
        const error = await stream.established().catch((error) => error);
        return [error.code, error.status, Buffer.from(error.body).toString(), await stream.text()];
      });
      expect(read).to.deep.equal(['ERR_GUNPORT_PROXY', 403, 'not there', 'not there']);
    });

    describe("of a thread that has ended, with onOwnerDown: 'rehome' (O8)", () => {
      let owner: TestThread;
      beforeEach(() => {
        owner = new TestThread();
      });
      afterEach(() => owner.kill());

      async function orphaned(stream: Held): Promise<Connection> {
        await on.giveTo(owner, stream);
        const orphan = once(pool, 'orphan');
        await owner.kill();
        const [connection] = (await orphan) as [Connection];
        return connection;
      }

      it('is offered as it is, with what goes through it', async () => {
        const server = await keep(serverOf('http'));
        const { connection } = await proxied({}, { onOwnerDown: 'rehome' });
        const tunnel = connection.connect({ host: server.host, port: server.port });
        const hold = connection.get('/hold', { tunnel });
        await hold.response();
        const orphan = await orphaned(tunnel);
        const there = orphan.streams.get(tunnel.id) as Held;
        const far = `http://127.0.0.1:${server.port}`;
        expect(there).to.include({ method: 'CONNECT', state: 'answered', status: 200 });
        expect(there).to.include({ protocol: 'http', origin: far });
        expect(await there.established()).to.include({ protocol: 'http' });
        const held = orphan.streams.get(hold.id) as Held;
        expect(held).to.include({ state: 'answered', url: `${far}/hold` });
        server.release();
        await held.text();
        expect(await orphan.get('/more', { tunnel: there }).text()).to.equal('hello /more');
        await orphan.close();
      });

      it('is offered with bytes going through it: both sides are open still', async () => {
        const server = await keep(bytesServer());
        const { connection } = await proxied({}, { onOwnerDown: 'rehome' });
        const tunnel = connection.connect({ host: '127.0.0.1', port: server.port, protocols: ['raw'] });
        await tunnel.established();
        tunnel.data(false, piece(0, 1_000));
        await tunnel.drained();
        const socket = await server.next();
        const orphan = await orphaned(tunnel);
        const there = orphan.streams.get(tunnel.id) as Held;
        expect(there).to.include({ protocol: 'raw', state: 'answered', bufferedAmount: 0 });
        there.data('fin', piece(1_000, 3_000));
        await server.ended;
        socket.end(piece(0, 100));
        expect(faultIn(await readBytes(there), 0)).to.equal(-1);
        expect(server).to.include({ received: 3_000, fault: -1 });
        await orphan.close();
      });
    });
  });
}
