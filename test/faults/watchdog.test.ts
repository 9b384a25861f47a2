// watchdog.test — a thread that does not get to its event loop is told of, and terminated where that is asked for.
// First what counts as silence, by a clock of the test's; then real threads, blocked by support/faults.ts.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Client, type Connection, type Down, type ThreadDown, type ThreadSilence } from '../../lib/index.ts';
import { Pool } from '../../lib/pool.ts';
import { type Beating, checkWatchdog, Watchdog } from '../../lib/watchdog.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { Pulse } from '../../workers/pulse.ts';
import { GUNPORT } from '../support/child.ts';
import { downOf } from '../support/downs.ts';
import { block, FAULTY, faulty, stick } from '../support/faults.ts';
import { uncaught } from '../support/listeners.ts';
import { wsServer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { turns } from '../support/tracker.ts';

class FakeThread implements Beating {
  readonly connections = new Set(['1.1']);
  beats = 1;
  open = true;
}

/** A watchdog of 1 000 ms, its thread, and a clock by hand. */
class Stand {
  readonly told: string[] = [];
  readonly thread = new FakeThread();
  looks = 0;
  #now = 0;
  #look: (() => void) | undefined;
  readonly dog = new Watchdog<FakeThread>(
    { timeout: 1_000, terminate: false, every: 250 },
    {
      unresponsive: (_thread, silent) => void this.told.push(`unresponsive ${silent}`),
      responsive: (_thread, silent) => void this.told.push(`responsive ${silent}`),
    },
    {
      now: () => this.#now,
      setInterval: (callback, ms) => {
        expect(ms).to.equal(250);
        this.#look = callback;
        return { clear: () => (this.#look = undefined) };
      },
    },
  );

  get ticking(): boolean {
    return this.#look !== undefined;
  }

  /** So many looks, each so many ms after the one before. */
  go(looks: number, ms = 250): void {
    for (let i = 0; i < looks; i++) {
      this.#now += ms;
      this.#look?.();
    }
  }
}

describe('what a watchdog hears', () => {
  it('is nothing from a thread that beats, however long', () => {
    const stand = new Stand();
    stand.dog.watch(stand.thread);
    for (let i = 0; i < 100; i++) {
      stand.go(3);
      stand.thread.beats++;
    }
    expect(stand.told).to.deep.equal([]);
  });

  it('is told once, after the timeout, and once more when the thread answers again', () => {
    const stand = new Stand();
    stand.dog.watch(stand.thread);
    stand.go(3);
    expect(stand.dog.doubts(stand.thread)).to.equal(false);
    stand.go(1);
    expect(stand.told).to.deep.equal(['unresponsive 1000']);
    expect(stand.dog.doubts(stand.thread)).to.equal(true);
    stand.go(20);
    stand.thread.beats++;
    stand.go(3);
    expect(stand.told).to.deep.equal(['unresponsive 1000', 'responsive 6000']);
    expect(stand.dog.doubts(stand.thread)).to.equal(false);
    stand.go(4);
    expect(stand.told.slice(2)).to.deep.equal(['unresponsive 1000']);
  });

  it('does not count time in which the host itself was blocked, or the process was stopped', () => {
    const stand = new Stand();
    stand.dog.watch(stand.thread);
    for (let i = 0; i < 10; i++) {
      // A look, an hour too late, before the thread had its turn.
      stand.go(1, 3_600_000);
      stand.go(2);
      stand.thread.beats++;
      stand.go(1);
    }
    expect(stand.told).to.deep.equal([]);
  });

  it('gives a thread that is being started 10 s, whatever the timeout', () => {
    const stand = new Stand();
    stand.thread.beats = 0;
    stand.dog.watch(stand.thread);
    stand.go(39);
    expect(stand.told).to.deep.equal([]);
    stand.go(1);
    expect(stand.told).to.deep.equal(['unresponsive 10000']);
  });

  it('costs no timer while no thread has connections, and counts anew when one has', () => {
    const stand = new Stand();
    expect(stand.ticking).to.equal(false);
    stand.dog.watch(stand.thread);
    stand.go(3);
    stand.thread.connections.clear();
    stand.go(1);
    expect(stand.ticking).to.equal(false);
    stand.thread.connections.add('1.2');
    stand.dog.watch(stand.thread);
    expect(stand.ticking).to.equal(true);
    stand.go(3);
    stand.thread.beats++;
    stand.thread.open = false;
    stand.go(1);
    expect(stand.ticking).to.equal(false);
  });

  it('reaches all, though the host throws for one', async () => {
    const told: unknown[] = [];
    let look: () => void = () => {};
    let now = 0;
    const unresponsive = (thread: FakeThread): void => {
      told.push(thread);
      throw new RangeError('listener');
    };
    const dog = new Watchdog<FakeThread>(
      { timeout: 100, terminate: false, every: 100 },
      { unresponsive, responsive: unresponsive },
      {
        now: () => now,
        setInterval: (callback) => {
          look = callback;
          return { clear() {} };
        },
      },
    );
    const threads = [new FakeThread(), new FakeThread()];
    for (const thread of threads) dog.watch(thread);
    now = 100;
    const thrown = await uncaught(2, async () => look());
    expect(told).to.deep.equal(threads);
    expect(thrown.map(String)).to.deep.equal(['RangeError: listener', 'RangeError: listener']);
  });
});

describe('the beat of a thread', () => {
  it('goes on while there are connections, once in each interval, and no timer is left then', () => {
    const real = globalThis.setInterval;
    const cleared: unknown[] = [];
    const realClear = globalThis.clearInterval;
    let beat: () => void = () => {};
    const timer = { unref: () => timer };
    let intervals = 0;
    // What pulse.ts takes of them.
    Object.assign(globalThis, {
      setInterval: (callback: () => void, ms: number) => {
        expect(ms).to.equal(250);
        beat = callback;
        intervals++;
        return timer;
      },
      clearInterval: (one: unknown) => void cleared.push(one),
    });
    try {
      const shared = new SharedArrayBuffer(4);
      const word = new Int32Array(shared);
      let needed = true;
      const pulse = new Pulse(shared, 250, () => needed);
      expect([word[0], intervals]).to.deep.equal([1, 0]);
      pulse.start();
      pulse.start();
      beat();
      expect([word[0], intervals]).to.deep.equal([3, 1]);
      needed = false;
      beat();
      expect(cleared).to.deep.equal([timer]);
      pulse.start();
      expect([word[0], intervals]).to.deep.equal([5, 2]);
      new Pulse(shared, 0, () => true).start();
      expect(intervals, 'nobody watches').to.equal(2);
    } finally {
      Object.assign(globalThis, { setInterval: real, clearInterval: realClear });
    }
  });
});

describe('the option watchdog', () => {
  it('is 10 s and does not terminate by default; false is none', () => {
    const standard = { timeout: 10_000, terminate: false, every: 2_500 };
    expect(checkWatchdog(undefined)).to.deep.equal(standard);
    expect(checkWatchdog({})).to.deep.equal(standard);
    expect(checkWatchdog({ timeout: 100, terminate: true })).to.deep.equal({
      timeout: 100,
      terminate: true,
      every: 25,
    });
    expect(checkWatchdog(false)).to.equal(undefined);
  });

  for (const [watchdog, message] of [
    [true, 'watchdog must be an object, got true'],
    [null, 'watchdog must be an object, got null'],
    [{ timeout: 99 }, 'watchdog.timeout must be an integer from 100 to 2147483647, got 99'],
    [{ timeout: '1000' }, 'watchdog.timeout must be an integer from 100 to 2147483647, got "1000"'],
    [{ terminate: 1 }, 'watchdog.terminate must be true or false, got 1'],
    [{ kill: true }, 'unknown option watchdog.kill'],
  ] as const) {
    it(`refuses ${JSON.stringify(watchdog)}`, () => {
      // What no type lets through.
      expect(() => new Pool({ watchdog: watchdog as never }))
        .to.throw(message)
        .with.property('code', 'ERR_GUNPORT_OPTION');
    });
  }
});

describe('a thread in an endless loop', function () {
  this.slow(2_000);
  let server: Awaited<ReturnType<typeof wsServer>>;
  before(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
  });
  after(() => server.close());

  const feedOf = (pool: Pool) => pool.connect(faulty(server.url), { lookup: FAULTY });
  const silence = async (pool: Pool, name: 'unresponsive' | 'responsive'): Promise<ThreadSilence> =>
    (await once(pool, name))[0] as ThreadSilence; // As PoolEvents says.

  it('is told of, gets nothing new meanwhile, and is told of when it answers again; the others go on', async () => {
    await using pool = new Pool({ threads: 2, watchdog: { timeout: 400 } });
    const [stuck, fine] = [await feedOf(pool), await feedOf(pool)];
    const all: ThreadSilence[] = [];
    for (const name of ['unresponsive', 'responsive'] as const) pool.on(name, (one) => all.push(one));
    const told = silence(pool, 'unresponsive');
    const again = silence(pool, 'responsive');
    await block(stuck.connection.threadId, 2_000);
    const { threadId, silent, connections } = await told;
    expect([threadId, connections]).to.deep.equal([stuck.connection.threadId, [stuck.connection.id]]);
    expect(silent).to.be.at.least(400).and.to.be.below(2_000);
    const more = await Promise.all([feedOf(pool), feedOf(pool), feedOf(pool)]);
    for (const one of more) expect(one.connection.threadId).to.equal(fine.connection.threadId);
    expect((await again).threadId).to.equal(threadId);
    expect((await again).silent).to.be.at.least(silent);
    expect(all).to.have.lengthOf(2);
    stuck.send('back');
    expect(await stuck.connection.await(stuck)).to.include({ data: 'back' });
    expect((await feedOf(pool)).connection.threadId, 'the least loaded').to.equal(threadId);
  });

  it('is told of by one warning of the process, where nobody listens', async () => {
    await using pool = new Pool({ threads: 1, watchdog: { timeout: 100 } });
    const feed = await feedOf(pool);
    const warnings: Error[] = [];
    const heard = (warning: Error): void => void warnings.push(warning);
    process.on('warning', heard);
    try {
      for (let i = 0; i < 2; i++) {
        const again = silence(pool, 'responsive');
        await block(feed.connection.threadId, 400);
        await again;
      }
    } finally {
      process.off('warning', heard);
    }
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.include({ name: 'UnresponsiveThread', code: 'GUNPORT_UNRESPONSIVE' });
    expect(warnings[0]?.message).to.match(
      new RegExp(`^thread ${feed.connection.threadId} has not answered for \\d+ ms; connections in it: 1$`),
    );
  });

  it('scenario 10: is terminated where that is asked for: one Down of kind unresponsive each, and the slot is usable', async () => {
    await using pool = new Pool({ threads: 2, watchdog: { timeout: 500, terminate: true } });
    const [stuck, fine] = [await feedOf(pool), await feedOf(pool)];
    const downs: ThreadDown[] = [];
    pool.on('down', (down) => downs.push(down));
    const told = silence(pool, 'unresponsive');
    const waits = [stuck.connection.await(stuck), stuck.closed];
    const settled = Promise.allSettled(waits);
    await block(stuck.connection.threadId, 1e9);
    const reason = await downOf(stuck.connection);
    expect(reason).to.include({ kind: 'unresponsive', exitCode: 1 });
    expect(reason.message).to.match(/^its thread did not answer for \d+ ms, and was terminated$/);
    expect((await told).threadId).to.equal(stuck.connection.threadId);
    const [message, closed] = await settled;
    expect(message).to.have.nested.include({
      'reason.code': 'ERR_GUNPORT_DOWN',
      'reason.reason': 'unresponsive',
    });
    expect(closed).to.have.nested.include({ 'value.code': 1006, 'value.wasClean': false });
    expect(downs.map(({ threadId, reason: { kind } }) => [threadId, kind])).to.deep.equal([
      [stuck.connection.threadId, 'unresponsive'],
    ]);
    fine.send('still here');
    expect(await fine.connection.await(fine)).to.include({ data: 'still here' });
    const next = await feedOf(pool);
    expect([stuck, fine].map(({ connection }) => connection.threadId)).to.not.include(
      next.connection.threadId,
    );
  });

  it('is survived by a client, which comes back in another', async () => {
    await using pool = new Pool({ threads: 1, watchdog: { timeout: 400, terminate: true } });
    pool.on('unresponsive', () => {});
    const module = new URL('../../lib/adapters/echo.js', import.meta.url);
    await using client = new Client(
      { module },
      { url: faulty(server.url), lookup: FAULTY, pool, retryTimeout: 1 },
    );
    await client.connect();
    const back = new Promise((resolve) => client.once('ready', resolve));
    await block(pool.info().threads[0]!.threadId, 1e9);
    await back;
    expect(await client.request({ text: 'still here' })).to.deep.include({ text: 'still here' });
  });

  describe('whose terminate() does not come back', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gunport-'));
    const fifo = join(folder, 'fifo');
    before(function () {
      if (process.platform === 'win32') return this.skip();
      execFileSync('sh', ['-c', 'mkfifo "$0"', fifo]);
    });
    after(() => rmSync(folder, { recursive: true }));

    /** A connection whose thread is in a system call that nothing ends; `free` does. */
    async function zombie(pool: Pool): Promise<{ feed: WsStream<Connection>; free: () => Promise<void> }> {
      const feed = await feedOf(pool);
      const closed = once([...server.server.clients].at(-1)!, 'close');
      await stick(feed.connection.threadId, fifo);
      const free = async (): Promise<void> => {
        await (await open(fifo, 'w')).close();
        // Its sockets are closed when it ends at last.
        await closed;
      };
      return { feed, free };
    }

    it('scenario 10: is given up: one Down each, everything settles, the slot is usable, pool.close() resolves', async () => {
      const pool = new Pool({ threads: 1, watchdog: { timeout: 300, terminate: true } });
      pool.on('unresponsive', () => {});
      const downs: ThreadDown[] = [];
      pool.on('down', (down) => downs.push(down));
      const { feed, free } = await zombie(pool);
      const waits = [feed.closed, rejects(feed.connection.await(feed), 'ERR_GUNPORT_DOWN')];
      expect(await downOf(feed.connection)).to.include({ kind: 'unresponsive', exitCode: 1 });
      await Promise.all(waits);
      expect(pool.info()).to.deep.equal({ threads: [], connections: 0 });
      const next = await feedOf(pool);
      expect(next.connection.threadId).to.not.equal(feed.connection.threadId);
      await pool.close();
      const ended: Down[] = [];
      feed.connection.monitor((down) => ended.push(down), { keep: true });
      await free();
      await turns(5);
      expect(downs, 'its late exit tells nobody anything').to.have.lengthOf(1);
      expect(ended).to.have.lengthOf(1);
    });

    it('is given up while its connection is handed over: that fails, and all ends at the giver (O3, S1)', async () => {
      await using pool = new Pool({ threads: 1, watchdog: { timeout: 300, terminate: true } });
      pool.on('unresponsive', () => {});
      const { feed, free } = await zombie(pool);
      const { port1: target, port2: deaf } = new MessageChannel();
      deaf.on('message', () => {}).unref();
      await rejects(feed.transferOwnership(target), 'ERR_GUNPORT_DOWN');
      expect(await feed.closed).to.include({ wasClean: false });
      await rejects(feed.connection.await(feed), 'ERR_GUNPORT_DOWN');
      target.close();
      await free();
    });

    it('lets its pool be closed, watched or not', async () => {
      const pool = new Pool({ threads: 1, watchdog: false });
      const { feed, free } = await zombie(pool);
      const reason = downOf(feed.connection);
      await pool.close({ timeout: 0 });
      expect(await reason).to.include({ kind: 'terminated' });
      await free();
    });
  });
});

describe('a watchdog', function () {
  this.slow(2_000);

  it('does not take a blocked host for blocked threads, nor one that has nothing to do (scenario 29)', async () => {
    await using server = await wsServer();
    await using pool = new Pool({ threads: 1, watchdog: { timeout: 400, terminate: true } });
    const feed = await pool.connect(server.url);
    const told: unknown[] = [];
    pool.on('unresponsive', (one) => told.push(one));
    for (let i = 0; i < 2; i++) {
      // For longer than the timeout.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
      await turns(3);
    }
    await feed.ping();
    await feed.close();
    expect(told).to.deep.equal([]);
  });

  it('does not take a process that was stopped for blocked threads; they get time to answer (scenario 30)', async function () {
    if (process.platform === 'win32') return this.skip();
    await using server = await wsServer();
    const program = `
      import { Pool } from ${JSON.stringify(GUNPORT)};
      const pool = new Pool({ threads: 1, watchdog: { timeout: 400, terminate: true } });
      pool.on('unresponsive', () => console.log('unresponsive'));
      const feed = await pool.connect(${JSON.stringify(server.url)});
      process.on('SIGCONT', () => {
        // Longer than it takes to tell of a thread.
        setTimeout(async () => {
          await feed.ping();
          console.log('answers');
          await pool.close();
        }, 800);
      });
      console.log('up');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    while (!output.includes('up')) await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    child.kill('SIGCONT');
    const [code] = await once(child, 'close');
    expect(output.trim().split('\n')).to.deep.equal(['up', 'answers']);
    expect(code).to.equal(0);
  });
});
