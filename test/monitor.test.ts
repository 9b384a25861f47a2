// monitor.test — watching: one Down for each monitor, with the true reason, whatever ended the process.
// Threads are broken by support/faults.ts, from outside every hook, or by a hook's own fault.

import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import type { Connection } from '../lib/connection.ts';
import { watch } from '../lib/lifeline.ts';
import type { OpenOptions } from '../lib/options.ts';
import { Pool } from '../lib/pool.ts';
import { receiveOwnership } from '../lib/receive.ts';
import type { Down, DownReason } from '../lib/types.ts';
import type { WsStream } from '../lib/wsstream.ts';
import { GUNPORT, run } from './support/child.ts';
import { downOf } from './support/downs.ts';
import { emptied } from './support/emptied.ts';
import { block, FAULTY, type Fault, fault, faulty } from './support/faults.ts';
import { uncaught } from './support/listeners.ts';
import { refusing, wsServer } from './support/peers.ts';

describe('a monitor', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  const pool: Pool = new Pool({ threads: 1 });
  beforeEach(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => echo(socket));
  });
  const opened: Connection[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close().catch(() => {})));
    await server.close();
    await emptied(pool);
  });
  after(() => pool.close());

  /** Closed after the test. */
  async function connected(options?: OpenOptions): Promise<WsStream<Connection>> {
    const feed = await pool.connect(options ? faulty(server.url) : server.url, options);
    opened.push(feed.connection);
    return feed;
  }

  const faultyFeed = () => connected({ lookup: FAULTY });
  async function downBy(what: Fault): Promise<DownReason> {
    const feed = await faultyFeed();
    const down = downOf(feed.connection);
    fault(feed.connection.threadId, what);
    return down;
  }

  describe('gets exactly one Down, and the true reason (M1):', () => {
    it('normal, when the peer closes the WebSocket of connect()', async () => {
      const feed = await connected();
      const down = downOf(feed.connection);
      for (const socket of server.server.clients) socket.close(1000);
      expect(await down).to.include({ kind: 'normal' });
    });

    it('normal, when this side closes the WebSocket of connect()', async () => {
      const feed = await connected();
      const down = downOf(feed.connection);
      await feed.close();
      expect(await down).to.include({ kind: 'normal' });
    });

    it('shutdown, when the owner shuts it down', async () => {
      const feed = await connected();
      const down = downOf(feed.connection);
      await feed.connection.shutdown();
      expect(await down).to.include({ kind: 'shutdown' });
    });

    it('shutdown, when the owner closes it', async () => {
      const feed = await connected();
      const down = downOf(feed.connection);
      await feed.connection.close();
      expect(await down).to.include({ kind: 'shutdown' });
    });

    it('shutdown, when its pool closes', async () => {
      const closing = new Pool({ threads: 1 });
      const feed = await closing.connect(server.url);
      const down = downOf(feed.connection);
      await closing.close();
      expect(await down).to.include({ kind: 'shutdown' });
    });

    it('owner-gone, when its owner is a thread that ends', async () => {
      const feed = await connected();
      const owner = new Worker(
        `import(${JSON.stringify(GUNPORT)}).then(({ receiveOwnership }) => receiveOwnership());`,
        { eval: true },
      );
      const heard: Down[] = [];
      const monitor = feed.connection.monitor((down) => heard.push(down), { keep: true });
      const closed = once([...server.server.clients][0]!, 'close');
      await feed.transferOwnership(owner);
      await owner.terminate();
      expect((await monitor.down)?.reason).to.include({ kind: 'owner-gone' });
      expect((await closed)[0]).to.equal(1001);
      expect(heard).to.have.lengthOf(1);
    });

    it('gave-up, when no retry is left, with the last failure as its cause', async () => {
      const { url } = await refusing();
      const reason = await downOf(pool.open(url, { retry: 1 }));
      expect(reason).to.include({ kind: 'gave-up' });
      expect(reason.cause).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
    });

    it('check 2: uncaught, when an error is thrown in its thread', async () => {
      const reason = await downBy({ kind: 'throw', value: 'error' });
      expect(reason).to.include({ kind: 'uncaught' });
      expect(reason.cause).to.include({ name: 'RangeError', message: 'out of luck' });
      expect(reason.message).to.include('out of luck');
    });

    it('uncaught, when a promise is rejected in its thread and nobody handles it', async () => {
      const reason = await downBy({ kind: 'reject', value: 'error' });
      expect(reason).to.include({ kind: 'uncaught' });
      expect(reason.cause).to.include({ name: 'RangeError', message: 'out of luck' });
    });

    for (const value of ['undefined', 'null', 'symbol', 'string'] as const) {
      it(`uncaught, when what is thrown is no Error but ${value}`, async () => {
        const reason = await downBy({ kind: 'throw', value });
        expect(reason).to.include({ kind: 'uncaught' });
        expect(reason.message).to.match(/^uncaught in its thread: /);
      });
    }

    for (const code of [0, 1, 7]) {
      it(`check 2: exit, when its thread calls process.exit(${code})`, async () => {
        expect(await downBy({ kind: 'exit', code })).to.include({ kind: 'exit', exitCode: code });
      });
    }

    it('check 2: terminated, when its thread is terminated', async () => {
      const feed = await connected();
      const down = downOf(feed.connection);
      await pool.terminate(feed.connection.threadId);
      expect(await down).to.include({ kind: 'terminated', exitCode: 1 });
    });

    it('terminated, when its thread is blocked for ever and must be terminated', async () => {
      const feed = await faultyFeed();
      const down = downOf(feed.connection);
      const { threadId } = feed.connection;
      await block(threadId, 1e9);
      await pool.terminate(threadId);
      expect(await down).to.include({ kind: 'terminated' });
    });

    it('check 2: out-of-memory, when its thread has none left (or the abort of Node 24, which the docs state)', async () => {
      const { code, signal, output, errors } = await run(
        `const { FAULTY, fault } = await import(args[1]);
         const pool = new gunport.Pool({ resourceLimits: { maxOldGenerationSizeMb: 32 } });
         const feed = await pool.connect(args[0], { lookup: FAULTY });
         const monitor = feed.connection.monitor();
         fault(feed.connection.threadId, { kind: 'memory' });
         const { reason } = await monitor.down;
         console.log(reason.kind, reason.cause.code);`,
        {
          args: [faulty(server.url), new URL('./support/faults.js', import.meta.url)],
          timeout: 15_000,
        },
      );
      if (Number(process.versions.node.split('.')[0]) >= 24 && code !== 0) {
        expect(signal ?? `${code}`).to.match(/SIGABRT|SIGTRAP|134|133/);
      } else {
        expect(output, errors).to.equal('out-of-memory ERR_WORKER_OUT_OF_MEMORY\n');
        expect(code).to.equal(0);
      }
    }).timeout(20_000);
  });

  it('check 4: made too late hears the true reason at once, as a message of its own (M2)', async () => {
    const feed = await faultyFeed();
    fault(feed.connection.threadId, { kind: 'exit', code: 3 });
    await feed.connection.monitor().down;
    const order: string[] = [];
    const late = feed.connection.monitor(({ reason }) => order.push(reason.kind));
    order.push('made');
    await late.down;
    expect(order).to.deep.equal(['made', 'exit']);
  });

  it('hears the true reason from the host while it is remembered, else no-process (M2)', async () => {
    const feed = await connected();
    const { id } = feed.connection;
    await pool.terminate(feed.connection.threadId);
    const heard = (name: string) =>
      new Promise<string>((resolve) => watch(name, 'host-0', { processDown: ({ kind }) => resolve(kind) }));
    expect(await heard(id)).to.equal('terminated');
    expect(await heard('0.never')).to.equal('no-process');
  });

  it('of the host remembers a bounded number of deaths (M2)', async () => {
    const worker = new Worker(
      `(async () => {
        const { Host } = await import(${JSON.stringify(new URL('../lib/host.js', import.meta.url).href)});
        const { watch } = await import(${JSON.stringify(new URL('../lib/lifeline.js', import.meta.url).href)});
        const host = new Host(() => {});
        for (let i = 0; i <= 4_096; i++) {
          host.began('p' + i);
          host.ended(['p' + i], { kind: 'exit', message: '' });
        }
        const { parentPort } = require('node:worker_threads');
        for (const id of ['p0', 'p1', 'p4096']) {
          watch(id, host.id, { processDown: ({ kind }) => parentPort.postMessage(kind) });
        }
      })();`,
      { eval: true },
    );
    const kinds: string[] = [];
    worker.on('message', (kind) => kinds.push(kind));
    await once(worker, 'exit');
    expect(kinds).to.deep.equal(['no-process', 'exit', 'exit']);
  });

  describe('that was ended', () => {
    it('hears no Down; its promise resolves with undefined', async () => {
      const feed = await connected();
      const heard: Down[] = [];
      const monitor = feed.connection.monitor((down) => heard.push(down));
      feed.connection.demonitor(monitor);
      expect(await monitor.down).to.equal(undefined);
      feed.connection.demonitor(monitor, { flush: true });
      await feed.connection.close();
      await feed.connection.monitor().down;
      expect(heard).to.have.lengthOf(0);
    });

    it('check 4: hears a Down that was queued before, but not when it is flushed (M2)', async () => {
      const feed = await connected();
      const { connection } = feed;
      const heard: string[] = [];
      // Each Down is a message of its own: in the first one's callback the others are queued.
      connection.monitor(() => {
        connection.demonitor(kept);
        connection.demonitor(flushed, { flush: true });
      });
      const kept = connection.monitor(() => heard.push('kept'));
      const flushed = connection.monitor(() => heard.push('flushed'));
      await connection.close();
      expect(await kept.down).to.include({ type: 'down', ref: kept.ref });
      expect(await flushed.down).to.equal(undefined);
      expect(heard).to.deep.equal(['kept']);
    });

    it('of another connection is left alone', async () => {
      const [one, other] = [await connected(), await connected()];
      const monitor = one.connection.monitor();
      other.connection.demonitor(monitor as never, { flush: true });
      await one.connection.close();
      expect((await monitor.down)?.reason.kind).to.equal('shutdown');
    });

    it('by a hand-over hears nothing either, unless it was made to keep', async () => {
      const feed = await connected();
      const port = new MessageChannel();
      const [plain, keep] = [feed.connection.monitor(), feed.connection.monitor({ keep: true })];
      const received = receiveOwnership(port.port2);
      await feed.transferOwnership(port.port1);
      expect(await plain.down).to.equal(undefined);
      const { connection } = await received;
      port.port1.close();
      await connection.close();
      expect((await keep.down)?.reason.kind).to.equal('shutdown');
    });
  });

  it('whose callback throws hurts no other monitor, and is its own thread’s uncaught exception', async () => {
    const feed = await connected();
    const heard: number[] = [];
    const thrown = await uncaught(2, async () => {
      const monitors = [0, 1, 2, 3].map((i) =>
        feed.connection.monitor(() => {
          heard.push(i);
          if (i % 2 === 0) throw new Error(`monitor ${i}`);
        }),
      );
      await feed.connection.close();
      for (const monitor of monitors) expect((await monitor.down)?.reason.kind).to.equal('shutdown');
    });
    expect(heard).to.deep.equal([0, 1, 2, 3]);
    expect(thrown.map(String)).to.deep.equal(['Error: monitor 0', 'Error: monitor 2']);
  });

  it('refuses what is neither a function nor options', async () => {
    const feed = await connected();
    expect(() => feed.connection.monitor(7 as never)).to.throw('monitor takes a function or options, got 7');
  });
});

function echo(socket: WebSocket): void {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
}
