// seed.test — the Gun integration guide that this project implements, sample by sample, as tests.
// The describe blocks are the guide's headings, in its order; in place of Gun processes there are connection processes
// in worker threads, in place of Elixir processes threads.
// Invariant: every test ends its pools, threads and servers; nothing waits by the clock but the timeouts under test.

import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, threadId } from 'node:worker_threads';
import { expect } from 'chai';
import {
  type Connection,
  type Down,
  DownError,
  OwnerError,
  Pool,
  receiveOwnership,
  TimeoutError,
  type WsStream,
} from '../lib/index.ts';
import { answers, peer, refusing, silent } from './support/peers.ts';
import type { Errand } from './support/seed-consumer.ts';
import { Consumer, failure, lose, nothingAsked, numbered, numbers, readAll } from './support/seed-peers.ts';

/** Runs beside the socket instead of the name's lookup, and throws where nobody can catch it. */
const CRASH = `export default () => setImmediate(() => { throw new Error('crashed beside the socket'); });`;
const crash = { module: `data:text/javascript,${encodeURIComponent(CRASH)}` };

describe('the seed guide', () => {
  describe('Process Monitoring vs. Linking', () => {
    it('opens, monitors, and gets the one message { type: down, ref, connection, reason } (Implementation Details)', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      // gun_pid = :gun.open(host, port, opts); gun_monitor_ref = Process.monitor(gun_pid)
      const connection = pool.open({ host: '127.0.0.1', port: server.port }, { retry: 0 });
      const downs: Down<Connection>[] = [];
      const monitor = connection.monitor((down) => downs.push(down));
      await connection.awaitUp({ monitor });
      await pool.terminate(connection.threadId);

      // def handle_info({:DOWN, ref, :process, pid, reason}, state)
      const down = await monitor.down;
      expect(down).to.include({ type: 'down', ref: monitor.ref, connection });
      expect(down?.reason.kind).to.equal('terminated');
      expect(downs).to.deep.equal([down]);
    });

    it('gives a message instead of a crash when the process crashes (Resilience)', async () => {
      await using server = await numbers(10);
      await using pool = new Pool({ threads: 1 });
      await using other = new Pool({ threads: 1 });
      const bystander = await other.connect(server.url);
      const threadDown = once(pool, 'down');
      const connection = pool.open(`ws://localhost:${server.port}`, { lookup: crash, retry: 0 });

      const down = await connection.monitor().down;
      expect(down?.reason).to.include({ kind: 'uncaught', exitCode: 1 });
      expect(down?.reason.cause).to.be.an('error').with.property('message', 'crashed beside the socket');
      const [{ connections }] = await threadDown;
      expect(connections).to.deep.equal([connection.id]);
      // Connections in other threads do not notice.
      expect(await readAll(bystander)).to.deep.equal(numbered(0, 10));
    });

    it('leaves what to do about a Down to its watcher (Control)', async () => {
      await using server = await numbers(3);
      await using pool = new Pool({ threads: 1 });
      const lost = await pool.connect(server.url);
      const recovered = new Promise<WsStream<Connection>>((resolve, reject) => {
        lost.connection.monitor(({ reason }) => {
          if (reason.kind === 'terminated') pool.connect(server.url).then(resolve, reject);
        });
      });
      await pool.terminate(lost.connection.threadId);
      expect(await readAll(await recovered)).to.deep.equal(numbered(0, 3));
    });

    it('lets monitors end and begin with the ownership (Ownership Transfers)', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(server.url);
      const { connection } = feed;
      const monitor = connection.monitor();
      const keeping = connection.monitor(undefined, { keep: true });
      await feed.transferOwnership(consumer.worker, { data: nothingAsked() });
      expect(await monitor.down).to.equal(undefined);

      const { monitorRef } = await consumer.next('owner');
      await pool.terminate(connection.threadId);
      expect(await consumer.next('down')).to.include({ ref: monitorRef, kind: 'terminated' });
      expect((await keeping.down)?.reason.kind).to.equal('terminated');
    });
  });

  describe("Using Gun's Await Functions", () => {
    it('awaits the connection with a timeout and a monitor (gun:await_up)', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      const connection = pool.open(server.url);
      const monitor = connection.monitor();
      // case :gun.await_up(gun_pid, 5000, gun_monitor_ref) do {:ok, protocol} ->
      const { protocol } = await connection.awaitUp({ timeout: 5_000, monitor });
      expect(protocol).to.equal('http');
    });

    it('awaits the answer to one request and its whole body (gun:await, gun:await_body)', async () => {
      await using server = await peer(answers(404, 'chunked', 'no feed here'));
      await using pool = new Pool({ threads: 1 });
      const connection = pool.open(server.url, { retry: 0 });
      const monitor = connection.monitor();
      const stream = connection.wsUpgrade('/none');
      const response = await connection.await(stream, { timeout: 5_000, monitor });
      expect(response).to.include({ type: 'response', status: 404, fin: false });
      const body = await connection.await(stream, { timeout: 5_000, monitor });
      if (body.type !== 'data') expect.fail(`got ${body.type}`);
      expect(body.fin).to.equal(true);
      expect(Buffer.from(body.data).toString()).to.equal('no feed here');
    });

    it('returns if the process terminates (1)', async () => {
      await using server = await peer(silent);
      await using pool = new Pool({ threads: 1 });
      const connection = pool.open(server.url);
      const monitor = connection.monitor();
      await connection.awaitUp({ monitor });
      const stream = connection.wsUpgrade('/');
      const answer = failure(connection.await(stream, { timeout: 60_000, monitor }));
      const info = failure(connection.info({ timeout: 60_000, monitor }));
      await pool.terminate(connection.threadId);

      // {:error, reason} -> Connection failed
      for (const error of [await answer, await info, await failure(connection.awaitUp({ monitor }))]) {
        expect(error).to.be.instanceOf(DownError);
        expect(error).to.include({ code: 'ERR_GUNPORT_DOWN', phase: 'down', reason: 'terminated' });
      }
    });

    it('respects the timeout, and leaves the connection as it was (2)', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      const feed = await pool.connect(server.url);
      const { connection } = feed;
      const monitor = connection.monitor();
      const error = await failure(connection.await(feed, { timeout: 20, monitor }));
      expect(error).to.be.instanceOf(TimeoutError).with.property('code', 'ERR_GUNPORT_TIMEOUT');

      for (const client of server.server.clients) client.send('late');
      const next = await connection.await(feed, { monitor });
      expect(next).to.deep.equal({ type: 'ws', frame: 'text', data: 'late' });
    });

    it('cannot deadlock: every await ends, whatever the peer does (3)', async () => {
      await using server = await peer(silent);
      await using pool = new Pool({ threads: 1 });
      const connection = pool.open(server.url);
      const stream = connection.wsUpgrade('/');
      const abort = new AbortController();
      const timeout = Number.POSITIVE_INFINITY;
      await connection.awaitUp();
      const aborted = failure(connection.await(stream, { timeout, signal: abort.signal }));
      abort.abort();
      expect(await aborted).to.include({ code: 'ERR_GUNPORT_ABORTED', phase: 'aborted' });
      const closed = failure(connection.await(stream, { timeout }));
      await connection.close();
      expect(await closed).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 'shutdown' });
    });
  });

  describe('Ownership Transfer', () => {
    it('transfers: demonitor, monitor, hand over, and the state goes along (transfer_ownership)', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(`${server.url}/trades`, { subprotocols: ['numbers'] });
      const { connection } = feed;
      // 1. Process.demonitor(gun_monitor_ref)
      const old = connection.monitor();
      connection.demonitor(old, { flush: true });
      expect(await old.down).to.equal(undefined);
      // 2. gun_monitor_ref = Process.monitor(gun_pid)
      const monitor = connection.monitor(undefined, { keep: true });
      // 3. :gun.set_owner(gun_pid, new_owner_pid), 4. send(new_owner_pid, {:gun_info, state_info})
      const data = nothingAsked({ seen: ['before'] });
      await feed.transferOwnership(consumer.worker, { data });

      const told = await consumer.next('owner');
      expect(told.data).to.deep.equal(data);
      expect(told.info).to.include({
        id: connection.id,
        origin: server.url,
        status: 'up',
        attempt: 1,
        protocol: 'ws',
        ownerThreadId: consumer.threadId,
      });
      expect(told.info.counters.transfers).to.equal(1);
      expect(told.feed).to.include({ url: `${server.url}/trades`, state: 'open', protocol: 'numbers' });
      expect(told.feed.headers).to.include({ upgrade: 'websocket' });
      // {:ok, gun_monitor_ref}: whoever gave it away still watches.
      await pool.terminate(connection.threadId);
      expect((await monitor.down)?.reason.kind).to.equal('terminated');
    });

    it('demonitors and returns the error when the transfer failed (transfer_ownership, {:error, reason})', async () => {
      await using server = await numbers(5);
      await using pool = new Pool({ threads: 1 });
      const feed = await pool.connect(server.url);
      const consumer = await Consumer.start();
      await consumer.end();
      const monitor = feed.connection.monitor();
      const error = await failure(feed.transferOwnership(consumer.worker));
      feed.connection.demonitor(monitor);
      expect(error).to.be.instanceOf(OwnerError).with.property('code', 'ERR_GUNPORT_TARGET_DEAD');
      expect(await monitor.down).to.equal(undefined);
      expect(await readAll(feed)).to.deep.equal(numbered(0, 5));
    });

    it('receives: a monitor of its own, then the messages (receive_ownership)', async () => {
      await using server = await numbers(1_000);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const given = await pool.connect(server.url);
      const returned = receiveOwnership<Errand>();
      await given.transferOwnership(consumer.worker, {
        data: nothingAsked({ take: 400, route: [threadId] }),
      });

      // def receive_ownership(gun_pid), and handle_info({:gun_info, info}, state)
      const { connection, feed, data } = await returned;
      const monitor = connection.monitor();
      expect(connection.id).to.equal(given.connection.id);
      expect((await connection.info()).counters.transfers).to.equal(2);
      expect([...data.seen, ...(await readAll(feed))]).to.deep.equal(numbered(0, 1_000));
      expect((await monitor.down)?.reason.kind).to.equal('normal');
    });
  });

  describe('Key Considerations During Ownership Transfer', () => {
    it('Monitor Management: what the old owner held is inert, what the new one made tells', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(server.url);
      const { connection } = feed;
      const downs: unknown[] = [];
      const monitor = connection.monitor((down) => downs.push(down));
      feed.on('close', (result) => downs.push(result));
      await feed.transferOwnership(consumer.worker, { data: nothingAsked() });
      await consumer.next('owner');
      for (const client of server.server.clients) client.close(1000);
      expect(await consumer.next('down')).to.include({ id: connection.id, kind: 'normal' });

      expect(await monitor.down).to.equal(undefined);
      expect(downs).to.deep.equal([]);
      expect(() => connection.monitor())
        .to.throw(OwnerError)
        .with.property('code', 'ERR_GUNPORT_NOT_OWNER');
      expect((await feed.closed).error?.code).to.equal('ERR_GUNPORT_NOT_OWNER');
    });

    it('State Synchronization: state and data are those of the call, whatever happens after it', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(server.url);
      const data = { ...nothingAsked(), seen: ['then'] };
      const moved = feed.transferOwnership(consumer.worker, { data });
      data.seen[0] = 'now';
      expect(() => feed.send('late'))
        .to.throw(OwnerError)
        .with.property('code', 'ERR_GUNPORT_TRANSFERRING');
      await moved;
      const told = await consumer.next('owner');
      expect(told.data.seen).to.deep.equal(['then']);
      expect(told.feed.id).to.equal(feed.id);
    });

    it('Message Ordering: nothing is lost, repeated or overtaken along a chain of owners', async () => {
      await using server = await numbers(20_000);
      await using pool = new Pool({ threads: 1 });
      await using a = await Consumer.start();
      await using b = await Consumer.start();
      const feed = await pool.connect(server.url);
      const returned = receiveOwnership<Errand>();
      // Out of the middle of a parcel: each owner stops after an odd number.
      const seen: string[] = [];
      for await (const message of feed) if (seen.push(String(message)) === 777) break;
      const route = [b.threadId, a.threadId, b.threadId, threadId];
      await feed.transferOwnership(a.worker, { data: { take: 1_111, route, seen } });

      const { feed: back, data } = await returned;
      expect(data.seen).to.have.lengthOf(777 + 4 * 1_111);
      expect([...data.seen, ...(await readAll(back))]).to.deep.equal(numbered(0, 20_000));
    });

    it('Error Handling: a transfer that fails gives everything back to its owner', async () => {
      await using server = await numbers(5_000);
      await using pool = new Pool({ threads: 1 });
      const { port1, port2 } = new MessageChannel();
      const feed = await pool.connect(server.url);
      const deaf = failure(feed.transferOwnership(port1, { timeout: 20 }));
      expect(await deaf).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
      const received = receiveOwnership(port2, { accept: () => false, timeout: 5_000 });
      expect((await failure(feed.transferOwnership(port1))).code).to.equal('ERR_GUNPORT_REFUSED');
      const own = feed.transferOwnership({ threadId: feed.connection.threadId });
      expect((await failure(own)).code).to.equal('ERR_GUNPORT_OWN_FAR_END');
      port1.close();
      expect((await failure(received)).code).to.equal('ERR_GUNPORT_TARGET_DEAD');
      expect((await feed.connection.info()).ownerThreadId).to.equal(threadId);
      expect(await readAll(feed)).to.deep.equal(numbered(0, 5_000));
    });
  });

  describe('Best Practices', () => {
    it('1. Always use monitors instead of links: neither end takes the other along', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using survivor = await Consumer.start();
      const victim = await Consumer.start();
      const [one, two] = [await pool.connect(server.url), await pool.connect(server.url)];
      const watch = one.connection.monitor(undefined, { keep: true });
      await one.transferOwnership(victim.worker, { data: nothingAsked() });
      await victim.next('owner');
      // The owner dies: its connection says goodbye to the peer, and others in the same thread go on.
      const [client] = server.server.clients;
      const goodbye = once(client ?? expect.fail('no client'), 'close');
      await victim.end();
      expect((await goodbye)[0]).to.equal(1001);
      expect((await watch.down)?.reason.kind).to.equal('owner-gone');
      expect(await two.ping()).to.be.a('number');
      // The process dies: its owner goes on.
      await two.transferOwnership(survivor.worker, { data: nothingAsked() });
      await survivor.next('owner');
      await pool.terminate(two.connection.threadId);
      expect((await survivor.next('down')).kind).to.equal('terminated');
      expect(survivor.alive).to.equal(true);
    });

    it('2. Use awaits with explicit monitor references: termination ends the await with its reason', async () => {
      await using pool = new Pool({ threads: 1 });
      const connection = pool.open('ws://localhost:9', { lookup: crash });
      const monitor = connection.monitor();
      const error = await failure(connection.awaitUp({ timeout: 5_000, monitor }));
      expect(error).to.be.instanceOf(DownError).with.property('reason', 'uncaught');
      expect((await monitor.down)?.reason.kind).to.equal('uncaught');
    });

    it('3. Use the simple interface: connect() handles ownership, monitoring and the lifecycle', async () => {
      await using server = await numbers(3);
      await using pool = new Pool({ threads: 1 });
      const feed = await pool.connect(server.url);
      expect(feed).to.include({ state: 'open', url: `${server.url}/` });
      expect(await readAll(feed)).to.deep.equal(numbered(0, 3));
      expect(await feed.closed).to.deep.equal({ code: 1000, reason: 'done', wasClean: true });
      // A failed one leaves nothing behind: no process, no promise, no port.
      const gone = await failure(pool.connect((await refusing()).url));
      expect(gone).to.include({ phase: 'connect' });
      while (pool.info().connections > 0) await nextTurn();
    });

    it('4. Handle ownership transfers with care: one pattern, state synchronised, monitors cleaned up', async () => {
      await using server = await numbers(2_000);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(server.url);
      const returned = receiveOwnership<Errand>();
      const monitor = feed.connection.monitor();
      await feed.transferOwnership(consumer.worker, { data: nothingAsked({ take: 500, route: [threadId] }) });
      expect(await monitor.down).to.equal(undefined);
      const { connection, feed: back, data } = await returned;
      expect(connection.monitor().ref).to.be.a('number');
      expect(connection).to.include({ id: feed.connection.id, status: 'up', attempt: 1 });
      expect([...data.seen, ...(await readAll(back))]).to.deep.equal(numbered(0, 2_000));
    });

    it('5. Test connection failures and recovery: monitors detect, retries recover, transfers go on', async () => {
      await using server = await numbers(0);
      await using pool = new Pool({ threads: 1 });
      await using consumer = await Consumer.start();
      const feed = await pool.connect(server.url, { retry: 3, retryTimeout: 10 });
      const [down] = await lose(server, feed);
      expect(down).to.include({ attempt: 1 });
      const [up] = await once(feed, 'up');
      expect(up).to.deep.equal({ attempt: 2 });
      // Moved after a loss, it is as live as before.
      await feed.transferOwnership(consumer.worker, { data: nothingAsked({ take: 1 }) });
      expect((await consumer.next('owner')).info.attempt).to.equal(2);
      for (const client of server.server.clients) client.send('again');
      expect((await consumer.next('seen')).seen).to.deep.equal(['again']);
      await pool.terminate(feed.connection.threadId);
      expect((await consumer.next('down')).kind).to.equal('terminated');
    });
  });
});
