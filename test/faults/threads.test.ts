// threads.test — whatever ends a thread: one Down for each monitor, all promises settle, the others do not notice, and the
// slot is usable again. What may be thrown is in support/faults.ts.

import { spawn } from 'node:child_process';
import { expect } from 'chai';
import type { Connection } from '../../lib/connection.ts';
import { GunportError } from '../../lib/errors.ts';
import { Pool } from '../../lib/pool.ts';
import type { DownReason, ThreadDown } from '../../lib/types.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { ended, GUNPORT, type Ran } from '../support/child.ts';
import { downOf } from '../support/downs.ts';
import { FAULTY, type Fault, fault, faulty, THROWABLE, type Throwable } from '../support/faults.ts';
import { wsServer } from '../support/peers.ts';
import { Tracker } from '../support/tracker.ts';

type Feed = WsStream<Connection>;

/** What the Down says of what was thrown. */
const TOLD: Readonly<Record<Throwable, RegExp>> = {
  error: /: out of luck$/,
  undefined: /: undefined$/,
  null: /: null$/,
  symbol: /: Symbol\(out of luck\)$/,
  string: /: "out of luck"$/,
  bigint: /: 13n$/,
  function: /./,
  frozen: /./,
  trap: /./,
  getters: /./,
  circle: /: out of luck$/,
  deep: /: out of luck$/,
};

describe('a thread', function () {
  this.slow(2_000);
  let server: Awaited<ReturnType<typeof wsServer>>;
  let pool: Pool;
  let beside: Feed;
  const noticed: unknown[] = [];

  before(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    pool = new Pool({ threads: 2, resourceLimits: { maxOldGenerationSizeMb: 32 } });
    beside = await pool.connect(faulty(server.url), { lookup: FAULTY });
    beside.connection.monitor((down) => noticed.push(down));
    beside.connection.on('down', (lost) => noticed.push(lost));
  });
  after(async () => {
    await pool.close();
    await server.close();
  });

  /** Ends the thread of a connection that much is asked of, and gives the one true reason. */
  async function death(end: (threadId: number) => void): Promise<DownReason> {
    const feed = await pool.connect(faulty(server.url), { lookup: FAULTY });
    const { connection } = feed;
    expect(connection.threadId).to.not.equal(beside.connection.threadId);
    const told: ThreadDown[] = [];
    const listener = (down: ThreadDown): void => void told.push(down);
    pool.on('down', listener);
    const tracker = new Tracker();
    const asked = [connection.await(feed), feed.closed, feed.ping(), connection.get('/never').text()].map(
      (promise: Promise<unknown>, i) =>
        tracker.note(`promise ${i}`, promise).catch((error: unknown) => error),
    );
    const downs = downOf(connection);
    end(connection.threadId);
    const reason = await tracker.within(downs, 'the Down');
    for (const result of await tracker.within(Promise.all(asked), 'the promises')) {
      if (result instanceof Error) expect(result).to.be.instanceOf(GunportError);
    }
    pool.off('down', listener);
    expect(told).to.have.lengthOf(1);
    expect(told[0]).to.include({ threadId: connection.threadId });
    expect(told[0]?.connections).to.deep.equal([connection.id]);
    expect(told[0]?.reason).to.include({ kind: reason.kind });
    beside.send('still here');
    expect(await beside.connection.await(beside)).to.include({ data: 'still here' });
    expect(noticed).to.deep.equal([]);
    return reason;
  }

  const by = (what: Fault) => death((threadId) => fault(threadId, what));

  for (const value of THROWABLE) {
    it(`that throws ${value}: one Down that tells it, and nothing else is touched (M1, S1)`, async () => {
      const reason = await by({ kind: 'throw', value });
      expect(reason.kind).to.equal('uncaught');
      expect(reason.message)
        .to.match(/^uncaught in its thread: /)
        .and.to.match(TOLD[value]);
    });
  }

  for (const value of ['undefined', 'frozen', 'trap', 'getters', 'circle'] as const) {
    it(`in which a promise rejects with ${value}, unhandled: the same (M1, S1)`, async () => {
      const reason = await by({ kind: 'reject', value });
      expect(reason.kind).to.equal('uncaught');
    });
  }

  for (const code of [0, 9]) {
    it(`that calls process.exit(${code}) in the midst of a post: a Down of kind exit (M1, S1)`, async () => {
      expect(await by({ kind: 'exit', code, post: true })).to.include({ kind: 'exit', exitCode: code });
    });
  }

  it('that is terminated while it is blocked: a Down of kind terminated (M1, S1)', async () => {
    const word = new SharedArrayBuffer(4);
    const reason = await death((threadId) => {
      fault(threadId, { kind: 'spin', ms: 1e9, word });
      const struck = setInterval(() => {
        if (Atomics.load(new Int32Array(word), 0) === 0) return; // Set by the thread, once.
        clearInterval(struck);
        void pool.terminate(threadId);
      }, 1);
    });
    expect(reason).to.include({ kind: 'terminated', exitCode: 1 });
  });

  it('that runs out of memory: a Down of kind out-of-memory (M1, S1)', async function () {
    // Node 24 may end the whole process.
    if (Number(process.versions.node.split('.')[0]) > 22) return this.skip();
    expect(await by({ kind: 'memory' })).to.include({ kind: 'out-of-memory' });
  });
});

describe('a thread that is being started', () => {
  /** Runs a program in whose threads that is done first. */
  function runWith(inThreads: string, program: string, url = 'ws://127.0.0.1:1'): Promise<Ran> {
    const first = `import { isMainThread } from 'node:worker_threads'; if (!isMainThread) { ${inThreads} }`;
    // CommonJS: --input-type would be taken for one of the threads, too.
    const main = `import(${JSON.stringify(GUNPORT)}).then(async ({ Pool }) => { ${program} })`;
    const options = ['--import', `data:text/javascript,${first}`, '--eval', main, url];
    return ended(spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'pipe'] }), 8_000);
  }

  it('and fails: connect() rejects, one Down, one event, and the process ends by itself (S1, S4, M1)', async () => {
    const { output, errors, code } = await runWith(
      "throw new RangeError('no beginning')",
      `const pool = new Pool({ threads: 1 });
       pool.on('down', ({ reason, connections }) => console.log('down', reason.kind, connections.length));
       const { code, reason, phase } = await pool.connect('ws://127.0.0.1:1').catch((error) => error);
       console.log(code, reason, phase);
       const connection = pool.open('ws://127.0.0.1:1');
       console.log((await connection.monitor().down).reason.message);
       await pool.close();`,
    );
    expect(errors).to.equal('');
    expect(output.trim().split('\n')).to.deep.equal([
      'down uncaught 1',
      'ERR_GUNPORT_DOWN uncaught down',
      'down uncaught 1',
      'uncaught in its thread: no beginning',
    ]);
    expect(code).to.equal(0);
  });

  it('and is slow at it is waited for, its watchdog too', async () => {
    const slow = 'const until = performance.now() + 400; while (performance.now() < until);';
    await using server = await wsServer();
    const { output, errors } = await runWith(
      slow,
      `const pool = new Pool({ threads: 1, watchdog: { timeout: 100, terminate: true } });
       const feed = await pool.connect(process.argv[1]);
       console.log(feed.state);
       await pool.close();`,
      server.url,
    );
    expect(errors).to.equal('');
    expect(output).to.equal('open\n');
  });
});
