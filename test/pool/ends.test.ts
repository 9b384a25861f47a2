// The end of an authority, of all of them, and of a lease on one of their connections.

import { expect } from 'chai';
import { Lease, Pool } from '../../lib/index.ts';
import { h2origin } from '../support/h2origin.ts';
import { peer, refusing, silent, wsPeer } from '../support/peers.ts';
import { type AskedServer, echo, only, poolStage, until } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

describe('draining an authority', () => {
  const { pool, asked, keep } = poolStage();

  it('finishes what is under way and what waits, refuses what is new, and closes its connections', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1, minConnections: 1 });
    const texts = ['/a', '/b', '/c'].map((path) => one.get(server.url + path).text());
    const first = await server.next();
    let drained = false;
    const draining = one.drain(server.url).then(() => {
      drained = true;
    });
    await rejects(one.get(server.url).text(), 'ERR_GUNPORT_POOL_CLOSED');
    await rejects(one.checkout(server.url), 'ERR_GUNPORT_POOL_CLOSED');
    await rejects(one.awaitUp(server.url), 'ERR_GUNPORT_POOL_CLOSED');
    expect(only(one)).to.include({ draining: true, queue: 2 });
    first.answer('1');
    (await server.next()).answer('2');
    const last = await server.next();
    expect(drained).to.equal(false);
    last.answer('3');
    await draining;
    expect(await Promise.all(texts)).to.deep.equal(['1', '2', '3']);
    expect(one.authorities()).to.deep.equal([]);
    await until(() => server.open === 0);
    const again = one.get(server.url).text();
    (await server.next()).answer('anew');
    expect(await again).to.equal('anew');
  });

  it('waits for leases, for as long as it may, and then stops', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1 });
    const lease = await one.checkout(server.url);
    const waiting = rejects(one.get(server.url).text(), 'ERR_GUNPORT_POOL_CLOSED');
    await one.drain(server.url, { timeout: 50 });
    await waiting;
    expect(lease.isActive).to.equal(false);
    lease.release();
    expect(one.authorities()).to.deep.equal([]);
    const other = await one.checkout(server.url);
    const draining = one.drain();
    expect(() => one.get(server.url.replace('127.0.0.1', 'localhost'))).to.throw('the pool is drained');
    other.release();
    await draining;
    expect(one.authorities()).to.deep.equal([]);
  });

  it('is done at once with what is not there, idle, opening, or failing', async () => {
    const [server, gone] = [await asked(echo), await refusing()];
    const quiet = await keep(peer(silent, { scheme: 'wss' }));
    const one = pool({ reopenDelay: 10_000 });
    await one.drain('http://127.0.0.1:1');
    await one.get(server.url).text();
    await one.drain(server.url);
    const opening = one.get(quiet.url.replace('wss', 'https'));
    opening.cancel();
    await one.drain(quiet.url.replace('wss', 'https'));
    const failing = one.get(gone.url.replace('ws', 'http'));
    await new Promise((resolve) => one.once('degraded', resolve));
    failing.cancel();
    await one.drain();
    expect(one.authorities()).to.deep.equal([]);
    await until(() => one.info().connections === 0);
  });

  it('refuses bad options', async () => {
    const one = pool();
    await rejects(one.drain('http://x', { timeout: -1 }), 'ERR_GUNPORT_OPTION');
    await rejects(one.drain('/x'), 'ERR_GUNPORT_OPTION');
    await rejects(one.drain(undefined, { scope: 'x' }), 'ERR_GUNPORT_OPTION');
    await rejects(one.stop('http://x', { scop: 'x' } as never), 'ERR_GUNPORT_OPTION');
  });
});

describe('stopping an authority', () => {
  const { pool, asked, keep } = poolStage();

  it('rejects what waits, ends what is under way, and sends nothing again', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1, retry: 'idempotent' });
    const [under, waits, lease] = [one.get(server.url), one.get(server.url), one.checkout(server.url)];
    await server.next();
    const ends = [
      rejects(under.text(), 'ERR_GUNPORT_CLOSED'),
      rejects(waits.text(), 'ERR_GUNPORT_POOL_CLOSED'),
      rejects(lease, 'ERR_GUNPORT_POOL_CLOSED'),
    ];
    await one.stop(server.url);
    await Promise.all(ends);
    expect([one.authorities(), server.requests.length]).to.deep.equal([[], 1]);
    await until(() => server.open === 0);
  });

  it('takes connections that are opening, set up, failing, or draining', async () => {
    const [server, gone] = [await asked(), await refusing()];
    const quiet = await keep(peer(silent, { scheme: 'wss' }));
    const closed = 'ERR_GUNPORT_POOL_CLOSED';
    const never = (): Promise<never> => new Promise(() => {});
    const one = pool({ setup: never, reopenDelay: 10_000 });
    const urls = [server.url, gone.url.replace('ws', 'http'), quiet.url.replace('wss', 'https')];
    const ends = urls.map((url) => rejects(one.get(url).text(), closed));
    const ups = urls.map((url) => rejects(one.awaitUp(url), closed));
    await until(() => server.open === 1 && quiet.open === 1);
    const drains = urls.map((url) => one.drain(url));
    await one.stop();
    await Promise.all([...ends, ...ups, ...drains]);
    expect(one.authorities()).to.deep.equal([]);
    await until(() => one.info().connections === 0);
    await one.stop();
  });
});

describe('a lease', () => {
  const { pool, asked, keep } = poolStage();

  it('is one place, given back once', async () => {
    const server = await asked(echo);
    const one = pool({ maxConnections: 1 });
    const lease = await one.checkout(server.url);
    expect(lease).to.be.instanceOf(Lease);
    expect([lease.isActive, lease.meta, only(one)!.connections[0]!.load]).to.deep.equal([true, undefined, 1]);
    const waits = one.get(`${server.url}/next`);
    expect(await lease.connection.get('/mine').text()).to.equal('/mine');
    lease.release();
    expect(await waits.text()).to.equal('/next');
    lease.release();
    lease[Symbol.dispose]();
    await lease[Symbol.asyncDispose]();
    expect([lease.isActive, only(one)!.connections[0]!.load]).to.deep.equal([false, 0]);
    {
      await using scoped = await one.checkout(server.url);
      expect(scoped.isActive).to.equal(true);
    }
    {
      using scoped = await one.checkout(server.url);
      expect(scoped.isActive).to.equal(true);
    }
    expect([only(one)!.connections[0]!.load, server.taken]).to.deep.equal([0, 1]);
  });

  it('that is released with answers under way takes its connection of HTTP/1 along', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1 });
    const lease = await one.checkout(server.url);
    const left = lease.connection.get('/left').text();
    const { answer } = await server.next();
    lease.release();
    const next = one.get(`${server.url}/next`);
    answer('left');
    const other = await server.next();
    expect([other.request.url, other.number]).to.deep.equal(['/next', 2]);
    other.answer('next');
    expect([await left, await next.text()]).to.deep.equal(['left', 'next']);
  });

  it('is one stream of several on HTTP/2, which others go on with', async () => {
    const server = await keep(
      h2origin(
        async (talk) => {
          for (;;) talk.answer((await talk.request()).stream, 200, 'x');
        },
        { settings: { maxConcurrentStreams: 3 } },
      ),
    );
    const one = pool({ maxConnections: 1, connection: server.options });
    const leases = await Promise.all([one.checkout(server.url), one.checkout(server.url)]);
    expect(leases[0]!.connection).to.equal(leases[1]!.connection);
    expect(await one.get(server.url).text()).to.equal('x');
    for (const lease of leases) lease.release();
    expect(only(one)!.connections[0]).to.include({ load: 0, capacity: 3 });
  });

  it('ends with its connection, which the pool replaces, whoever ended it', async () => {
    const server = await asked(echo);
    const one = pool({ maxConnections: 1 });
    for (const end of ['close', 'shutdown'] as const) {
      const lease = await one.checkout(server.url);
      await lease.connection[end]();
      expect(lease.isActive).to.equal(false);
      expect(await one.get(`${server.url}/${end}`).text()).to.equal(`/${end}`);
      lease.release();
    }
    const lost = await one.checkout(server.url);
    for (const socket of server.sockets) socket.destroy();
    await until(() => !lost.isActive);
    expect(await one.get(`${server.url}/lost`).text()).to.equal('/lost');
  });

  it('whose connection is handed over is another thread’s from then on, and the pool replaces it (O4)', async () => {
    const server = await asked(echo);
    const one = pool({ maxConnections: 1 });
    const thread = new TestThread();
    const lease = await one.checkout(server.url);
    await Promise.all([
      thread.run((here) => here.take().then(() => {})),
      lease.connection.transferOwnership(thread.worker),
    ]);
    await until(() => !lease.isActive);
    expect(await one.get(`${server.url}/mine`).text()).to.equal('/mine');
    lease.release();
    expect(await one.post(`${server.url}/still`).text()).to.equal('/still');
    expect([server.taken, server.open]).to.deep.equal([2, 2]);
    await thread.end();
    await until(() => server.open === 1);
  });

  it('can be waited for no longer than its timeout, or until a signal', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1 });
    const lease = await one.checkout(server.url);
    const late = await rejects(one.checkout(server.url, { timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
    expect(late.reason).to.equal('queueTimeout');
    const aborted = rejects(
      one.checkout(server.url, { signal: AbortSignal.abort('x') }),
      'ERR_GUNPORT_ABORTED',
    );
    expect((await aborted).cause).to.equal('x');
    await rejects(one.checkout(server.url, { timeout: 0 }), 'ERR_GUNPORT_OPTION');
    await rejects(one.checkout(server.url, { wait: 1 } as never), 'ERR_GUNPORT_OPTION');
    expect(only(one)!.queue).to.equal(0);
    lease.release();
  });
});

describe('closing a pool that has authorities', () => {
  const { asked, keep } = poolStage();

  async function busy(): Promise<{ server: AskedServer; one: Pool; texts: Promise<string>[] }> {
    const server = await asked();
    const one = new Pool({ threads: 1, authority: { maxConnections: 1 } });
    const texts = ['/a', '/b'].map((path) => one.get(server.url + path).text());
    return { server, one, texts };
  }

  it('finishes what was asked for, also what waits, and takes nothing new', async () => {
    const { server, one, texts } = await busy();
    const first = await server.next();
    const closing = one.close();
    expect(() => one.get(server.url)).to.throw('the pool is closed');
    await rejects(one.fetch(server.url), 'ERR_GUNPORT_POOL_CLOSED');
    await rejects(one.checkout(server.url), 'ERR_GUNPORT_POOL_CLOSED');
    expect(() => one.configure(server.url, {})).to.throw('the pool is closed');
    first.answer('a');
    (await server.next()).answer('b');
    await closing;
    expect(await Promise.all(texts)).to.deep.equal(['a', 'b']);
    expect(one.info()).to.deep.equal({ threads: [], connections: 0 });
  });

  it('is bounded by its timeout', async () => {
    const { server, one, texts } = await busy();
    const ends = Promise.allSettled(texts);
    await server.next();
    await one.close({ timeout: 50 });
    const [under, waits] = await ends;
    expect(under)
      .to.have.nested.property('reason.code')
      .that.is.oneOf(['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_DOWN']);
    expect(waits).to.have.nested.property('reason.code', 'ERR_GUNPORT_POOL_CLOSED');
    expect(one.info()).to.deep.equal({ threads: [], connections: 0 });
  });

  it('leaves time for the goodbye of a WebSocket of its user’s', async () => {
    const { server, one, texts } = await busy();
    const first = await server.next();
    const codes: number[] = [];
    const other = await keep(
      wsPeer(async (conversation) => {
        const { payload } = await conversation.read();
        codes.push(payload.readUInt16BE());
        conversation.socket.end(Buffer.from('880203e9', 'hex'));
      }),
    );
    const feed = await one.connect(other.url);
    const closing = one.close();
    expect(await feed.closed).to.include({ code: 1001 });
    first.answer('a');
    (await server.next()).answer('b');
    await closing;
    expect([await Promise.all(texts), codes]).to.deep.equal([['a', 'b'], [1001]]);
  });

  it('refuses what is no timeout, and closes nothing', async () => {
    const one = new Pool({ threads: 1 });
    for (const timeout of [-1, 0.5, '5', Number.NaN, Infinity, null]) {
      expect(() => one.close({ timeout: timeout as never })).to.throw('timeout must be an integer from 0');
    }
    expect(() => one.close({ time: 1 } as never)).to.throw('unknown option time');
    const connection = one.open('http://127.0.0.1:1', { retry: 0 });
    await rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT');
    await one.close({ timeout: 1_000 });
  });
});
