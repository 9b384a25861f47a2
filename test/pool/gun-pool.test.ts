// The twins of Gun's pool_SUITE: what its pool of fixed size does, a pool by authority does too.

import { expect } from 'chai';
import type { AuthorityOptions, Connection, Pool, WsStream } from '../../lib/index.ts';
import { type Cowboy, cowboy } from '../support/cowboy.ts';
import { type H2Request, type H2Talk, h2origin } from '../support/h2origin.ts';
import { wsServer } from '../support/peers.ts';
import { only, poolStage, turns, until } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';

const SPEAKS = [
  ['http', 'h1'],
  ['h2c', 'h2'],
] as const;

describe("a pool by authority, as Gun's", () => {
  const { pool, keep, asked } = poolStage();

  /** A server, and a pool of this size of connections to it, all of them up. */
  async function started(
    speaks: 'http' | 'h2c',
    size: number,
    more: AuthorityOptions = {},
  ): Promise<{ server: Cowboy; hello: Pool }> {
    const server = await keep(cowboy(speaks));
    const hello = pool({ minConnections: size, maxConnections: size, connection: server.trust, ...more });
    await hello.awaitUp(server.url);
    return { server, hello };
  }

  /** HTTP/2 servers that allow 5 streams, a pool of connections to one, and all that they have been asked. */
  async function limited(size: number, maxQueue: number) {
    const requests: { talk: H2Talk; request: H2Request }[] = [];
    const script = async (talk: H2Talk): Promise<void> => {
      for (;;) requests.push({ talk, request: await talk.request() });
    };
    const server = await keep(h2origin(script, { settings: { maxConcurrentStreams: 5 } }));
    const { url } = server;
    const connection = server.options;
    const hello = pool({ minConnections: size, maxConnections: size, maxQueue, connection });
    await hello.awaitUp(url);
    const answer = (): void => {
      const { talk, request } = requests.shift()!;
      talk.answer(request.stream, 200, 'Hello world!');
    };
    return { url, hello, requests, answer };
  }

  for (const [speaks, name] of SPEAKS) {
    const [count, each] = speaks === 'http' ? [8, 1] : [800, 100];

    it(`answers as many requests at a time as 8 connections of ${speaks} take (pool_SUITE hello_pool_${name})`, async () => {
      const { server, hello } = await started(speaks, 8);
      const requests = Array.from({ length: count }, () => hello.get(`${server.url}/delayed`));
      await until(() => server.delayed === count);
      expect(only(hello)!.connections.map(({ load }) => load)).to.deep.equal(Array(8).fill(each));
      server.release(true);
      for (const request of requests) expect(await request.text()).to.equal('Hello world!');
      expect(server.taken).to.equal(8);
    });

    it(`replaces a connection of ${speaks} that was killed (pool_SUITE kill_restart_${name})`, async () => {
      const { server, hello } = await started(speaks, 1);
      const words = turns(hello);
      const lease = await hello.checkout(server.url);
      expect(only(hello)!.state).to.equal('operational');
      await lease.connection.close();
      expect(lease.isActive).to.equal(false);
      await until(() => words.length === 2);
      expect(words).to.deep.equal(['degraded', 'operational']);
      expect(await hello.get(`${server.url}/`).text()).to.equal('Hello world!');
      expect(only(hello)!.connections).to.have.lengthOf(1);
    });
  }

  it('works again after its server has closed an idle connection (pool_SUITE reconnect_h1)', async () => {
    const server = await asked();
    const hello = pool({ maxConnections: 1 });
    for (let round = 1; round <= 3; round++) {
      const request = hello.get(server.url);
      const { answer, socket } = await server.next();
      answer('Hello world!');
      expect(await request.text()).to.equal('Hello world!');
      socket.destroy();
      await until(() => hello.authorities().length === 0);
      expect(server.taken).to.equal(round);
    }
  });

  it('works again after its server has gone away from an idle connection (pool_SUITE reconnect_h2)', async () => {
    const server = await keep(h2origin());
    const hello = pool({ maxConnections: 1, connection: server.options });
    for (let round = 1; round <= 3; round++) {
      const request = hello.get(server.url);
      const talk = await server.next();
      const { stream } = await talk.request();
      talk.answer(stream, 200, 'Hello world!');
      expect(await request.text()).to.equal('Hello world!');
      talk.socket.destroy();
      await until(() => hello.authorities().length === 0);
      expect(server.taken).to.equal(round);
    }
  });

  it('has a WebSocket on each connection by `setup`, which leases share (pool_SUITE hello_pool_ws)', async () => {
    const server = await keep(wsServer());
    server.server.on('connection', (socket) =>
      socket.on('message', (data, binary) => socket.send(data, { binary })),
    );
    const setup = async (connection: Connection): Promise<WsStream<Connection>> => {
      const stream = connection.wsUpgrade('/ws');
      await connection.await(stream);
      return stream;
    };
    const hello = pool({ minConnections: 8, setup });
    const url = server.url.replace(/^ws/, 'http');
    await hello.awaitUp(url);
    const leases = await Promise.all(
      Array.from({ length: 8 }, () => hello.checkout<WsStream<Connection>>(url)),
    );
    expect(new Set(leases.map(({ connection }) => connection)).size).to.equal(8);
    const heard = leases.map(async ({ meta, connection }, i) => {
      connection.wsSend(meta, `Hello world! ${i}`);
      return connection.await(meta);
    });
    for (const [i, notice] of (await Promise.all(heard)).entries()) {
      expect(notice).to.deep.equal({ type: 'ws', frame: 'text', data: `Hello world! ${i}` });
    }
    for (const lease of leases) lease.release();
    expect(only(hello)!.connections.map(({ protocol, load }) => [protocol, load])).to.deep.equal(
      Array(8).fill(['ws', 0]),
    );
    expect(server.taken).to.equal(8);
  });

  it('has no room for a second request on one connection (pool_SUITE max_streams_h1)', async () => {
    const { server, hello } = await started('http', 1, { maxQueue: 0 });
    const first = hello.get(`${server.url}/delayed`);
    await server.arrival();
    const error = await rejects(hello.get(server.url).text(), 'ERR_GUNPORT_OVERLOADED');
    expect(error.message).to.include('maxQueue is 0');
    server.release();
    expect(await first.text()).to.equal('Hello world!');
    expect(server.requests).to.deep.equal(['GET /delayed']);
  });

  it('has a second request wait for the first (pool_SUITE max_streams_h1_retry)', async () => {
    const { server, hello } = await started('http', 1);
    const first = hello.get(`${server.url}/delayed`);
    const second = hello.get(`${server.url}/`);
    await server.arrival();
    expect(server.requests).to.deep.equal(['GET /delayed']);
    expect(only(hello)!.queue).to.equal(1);
    server.release();
    expect(await Promise.all([first.text(), second.text()])).to.deep.equal(['Hello world!', 'Hello world!']);
    expect(server.requests).to.deep.equal(['GET /delayed', 'GET /']);
  });

  for (const [size, name] of [
    [1, 'max_streams_h2_size_1'],
    [2, 'max_streams_h2_size_2'],
  ] as const) {
    const most = 5 * size;

    it(`asks no more of ${size} of HTTP/2 than the server allows (pool_SUITE ${name})`, async () => {
      const { url, hello, requests, answer } = await limited(size, 0);
      const under = Array.from({ length: most }, () => hello.get(url));
      await until(() => requests.length === most);
      expect(only(hello)!.connections.map(({ load, capacity }) => [load, capacity])).to.deep.equal(
        Array(size).fill([5, 5]),
      );
      await rejects(hello.get(url).text(), 'ERR_GUNPORT_OVERLOADED');
      while (requests.length > 0) answer();
      for (const request of under) expect(await request.text()).to.equal('Hello world!');
    });

    it(`has what is more than that wait, with ${size} of HTTP/2 (pool_SUITE ${name}_retry)`, async () => {
      const { url, hello, requests, answer } = await limited(size, 100);
      const texts = Array.from({ length: most + 3 }, () => hello.get(url).text());
      await until(() => requests.length === most);
      expect(only(hello)!.queue).to.equal(3);
      for (let i = 0; i < most + 3; i++) {
        await until(() => requests.length > 0);
        expect(requests.length).to.be.at.most(most);
        answer();
      }
      expect(await Promise.all(texts)).to.deep.equal(Array(most + 3).fill('Hello world!'));
    });
  }

  it('can be stopped (pool_SUITE stop_pool)', async () => {
    const { server, hello } = await started('http', 8);
    await hello.stop(server.url);
    expect(hello.authorities()).to.deep.equal([]);
    await until(() => server.open === 0);
  });

  it('is degraded by options that can never do, makes no loop of them, and can be stopped (pool_SUITE degraded_configuration_error)', async () => {
    const server = await keep(cowboy());
    // TEST-NET-1: no machine has it.
    const connection = { localAddress: '192.0.2.1' };
    const hello = pool({ minConnections: 8, connection, reopenDelay: 1, maxReopenDelay: 1 });
    const words = turns(hello);
    const error = await rejects(hello.awaitUp(server.url), 'ERR_GUNPORT_CONNECT');
    expect(error.cause).to.include({ code: 'EADDRNOTAVAIL' });
    await until(() => only(hello)!.connections.length === 0);
    const before = hello.info().threads.length;
    await rejects(hello.get(server.url).text(), 'ERR_GUNPORT_CONNECT');
    await until(() => only(hello)!.connections.length === 0);
    expect(only(hello)).to.deep.include({ state: 'degraded', connections: [], queue: 0 });
    expect(only(hello)!.lastError).to.include({ code: 'ERR_GUNPORT_CONNECT' });
    expect([words, hello.info().threads.length, server.taken]).to.deep.equal([['degraded'], before, 0]);
    await hello.stop(server.url);
    expect(hello.authorities()).to.deep.equal([]);
  });
});
