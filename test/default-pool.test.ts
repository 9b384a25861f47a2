// default-pool.test — connect() and open() without a pool, from main and from other threads, and what a process that
// uses them keeps alive. Programs of their own end by themselves, or are killed and fail.

import { once } from 'node:events';
import { threadId as mainId, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { connect, open } from '../lib/default.ts';
import { watch } from '../lib/lifeline.ts';
import { Pool } from '../lib/pool.ts';
import { certificates } from './support/certificates.ts';
import { GUNPORT, run, runModule } from './support/child.ts';
import { faulty } from './support/faults.ts';
import { refusing, wsServer } from './support/peers.ts';
import { rejects } from './support/rejects.ts';

describe('a process', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  /** Close codes that the server has seen. */
  let codes: number[];
  beforeEach(async () => {
    server = await wsServer();
    codes = [];
    server.server.on('connection', (socket) => socket.on('close', (code) => codes.push(code)));
  });
  afterEach(() => server.close());

  const ended = { code: 0, signal: null, errors: '' };

  it('check 3: ends by itself while the threads of its pools are idle', async () => {
    const ran = await run(
      `const feed = await gunport.connect(args[0]);
       await feed.close();
       const pool = new gunport.Pool({ threads: 2 });
       const others = await Promise.all([pool.connect(args[0]), pool.connect(args[0])]);
       await Promise.all(others.map((other) => other.close()));
       console.log(pool.info().threads.length);`,
      { args: [server.url] },
    );
    expect(ran).to.include({ ...ended, output: '2\n' });
    expect(codes).to.deep.equal([1000, 1000, 1000]);
  });

  it('ends by itself after a connect() that failed, and one that gave up', async () => {
    const { url } = await refusing();
    const ran = await run(
      `for (const retry of [0, 2]) await gunport.connect(args[0], { retry, retryTimeout: 1 }).catch((e) => console.log(e.code));`,
      { args: [url] },
    );
    expect(ran).to.include({ ...ended, output: 'ERR_GUNPORT_CONNECT\nERR_GUNPORT_CONNECT\n' });
  });

  it('is kept alive by an open connection', async () => {
    // The peer's pongs are the clock: ten round trips, then it closes.
    server.server.on('connection', (socket) => {
      let pongs = 0;
      socket.on('pong', () => (++pongs === 10 ? socket.close(1000) : socket.ping()));
      socket.ping();
    });
    const ran = await run(
      `const feed = await gunport.connect(args[0]);
       feed.closed.then(({ code }) => console.log('closed', code));`,
      { args: [server.url] },
    );
    expect(ran).to.include({ ...ended, output: 'closed 1000\n' });
  });

  for (const [what, how] of [
    ['whose pool is unref’d', 'pool.unref();'],
    ['that is unref’d itself', 'feed.connection.unref();'],
  ] as const) {
    it(`is not kept alive by a connection ${what}`, async () => {
      const ran = await run(
        `const pool = new gunport.Pool({ threads: 1 });
         const feed = await pool.connect(args[0]);
         ${how}
         feed.closed.then(() => console.log('closed'));`,
        { args: [server.url] },
      );
      expect(ran).to.include({ ...ended, output: '' });
    });
  }

  it('is kept alive again by a connection whose pool is ref’d again', async () => {
    server.server.on('connection', (socket) => {
      socket.on('pong', () => socket.close(1000));
      socket.ping();
    });
    const ran = await run(
      `const pool = new gunport.Pool({ threads: 1 });
       const feed = await pool.connect(args[0]);
       pool.unref().ref();
       feed.closed.then(({ code }) => console.log('closed', code));`,
      { args: [server.url] },
    );
    expect(ran).to.include({ ...ended, output: 'closed 1000\n' });
  });

  for (const [what, wait] of [
    ['closed', 'feed.closed.then(({ code }) => code)'],
    ['close()', 'feed.close().then(({ code }) => code)'],
    ['drained()', 'feed.drained().catch(({ code }) => code)'],
    ['ping()', 'feed.ping().catch(({ code }) => code)'],
    ['a loop', '(async () => { for await (const m of feed); })().catch(({ code }) => code)'],
    ['await()', 'feed.connection.await(feed).catch(({ code }) => code)'],
  ] as const) {
    it(`lives until what waits for a connection that dies has settled: ${what} (S1)`, async () => {
      const ran = await run(
        `const { FAULTY, fault } = await import(args[1]);
         const feed = await gunport.connect(args[0], { lookup: FAULTY });
         for (let i = 0; i < 100; i++) feed.send(new Uint8Array(100_000));
         const settled = ${wait};
         fault(feed.connection.threadId, { kind: 'exit', code: 1 });
         console.log(await settled);`,
        { args: [faulty(server.url), new URL('./support/faults.js', import.meta.url)] },
      );
      expect(ran).to.include(ended);
      expect(ran.output).to.match(/^(1006|ERR_GUNPORT_\w+)\n$/);
    });
  }

  it('opens no socket in its main thread (active resources and libuv handles, wss feed up)', async () => {
    await using secure = await wsServer({ secure: true });
    secure.server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const { ca } = await certificates();
    const ran = await run(
      `const feed = await gunport.connect(args[0], { tls: { ca: args[1] } });
       feed.send('hello');
       await feed.connection.await(feed);
       const handles = process.report.getReport().libuv.filter(({ type }) => /tcp|udp|pipe/.test(type) && type !== 'pipe');
       console.log(JSON.stringify([process.getActiveResourcesInfo().filter((name) => /TCP|TLS|UDP|Req/.test(name)), handles]));
       await feed.close();`,
      { args: [secure.url, ca] },
    );
    expect(ran).to.include({ ...ended, output: '[[],[]]\n' });
  });

  describe('whose main thread has not loaded gunport', () => {
    it('can use it in another thread, which hosts its own pool; all end by themselves', async () => {
      const ran = await runModule(
        `import { Worker } from 'node:worker_threads';
         const worker = new Worker(\`(async () => {
           const { connect, open } = await import(${JSON.stringify(GUNPORT)});
           const [one, other] = await Promise.all([connect('${server.url}'), connect('${server.url}')]);
           const third = open('${server.url}');
           await third.awaitUp();
           const monitor = one.connection.monitor();
           const { ownerThreadId } = await one.connection.info();
           await Promise.all([one.close(), other.close(), third.close()]);
           const { parentPort } = await import('node:worker_threads');
           parentPort.postMessage(
             [ownerThreadId, one.connection.threadId > 1, (await monitor.down).reason.kind]);
         })()\`, { eval: true });
         worker.on('message', (message) => console.log(JSON.stringify(message)));
         worker.on('error', (error) => console.log(error));
         worker.on('exit', (code) => console.log('exit', code));`,
      );
      expect(ran).to.include({ ...ended, output: '[1,true,"normal"]\nexit 0\n' });
      expect(codes.filter((code) => code === 1000)).to.have.lengthOf(2);
    });

    it('and that thread hears how its connection’s thread died (M1)', async () => {
      const ran = await runModule(
        `import { Worker } from 'node:worker_threads';
         const worker = new Worker(\`(async () => {
           const { connect } = await import(${JSON.stringify(GUNPORT)});
           const { FAULTY, fault } = await import('${new URL('./support/faults.js', import.meta.url)}');
           const feed = await connect('${faulty(server.url)}', { lookup: FAULTY });
           const monitor = feed.connection.monitor();
           fault(feed.connection.threadId, { kind: 'exit', code: 5 });
           const { reason } = await monitor.down;
           const { parentPort } = await import('node:worker_threads');
           parentPort.postMessage(reason.kind + reason.exitCode);
         })()\`, { eval: true });
         worker.on('message', (message) => console.log(message));`,
      );
      expect(ran).to.include({ ...ended, output: 'exit5\n' });
    });
  });
});

describe('the default pool', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  beforeEach(async () => {
    server = await wsServer();
  });
  afterEach(() => server.close());

  /** A thread that runs these lines of an async function with gunport's exports; what they return is its message. */
  const thread = (lines: string): Worker =>
    new Worker(
      `(async () => {
        const gunport = await import(${JSON.stringify(GUNPORT)});
        const { FAULTY, fault } = await import(${JSON.stringify(new URL('./support/faults.js', import.meta.url).href)});
        const { parentPort } = require('node:worker_threads');
        parentPort.postMessage(await (async () => { ${lines} })());
      })();`,
      { eval: true },
    );

  it('serves connect() and open() of the main thread', async () => {
    const feed = await connect(server.url);
    const connection = open(server.url);
    await connection.awaitUp();
    expect(await connection.info()).to.include({ ownerThreadId: mainId, status: 'up', attempt: 1 });
    expect(feed.connection.threadId).to.be.above(0);
    await Promise.all([feed.close(), connection.close()]);
  });

  it('is not used when another is given', async () => {
    await using pool = new Pool({ threads: 1 });
    const feed = await connect(server.url, { pool });
    const connection = open(server.url, { pool });
    await connection.awaitUp();
    expect(pool.info().connections).to.equal(2);
    expect(() => open(server.url, { pool: {} as never })).to.throw('pool must be a Pool');
    await rejects(connect(server.url, { pool: 7 as never }), 'ERR_GUNPORT_OPTION');
    await Promise.all([feed.close(), connection.close()]);
  });

  it('of main serves other threads: their connections live in main’s threads, and main knows how they ended', async () => {
    const worker = thread(
      `const feed = await gunport.connect(${JSON.stringify(faulty(server.url))}, { lookup: FAULTY });
       parentPort.once('message', () => fault(feed.connection.threadId, { kind: 'exit', code: 4 }));
       parentPort.postMessage(feed.connection.id);
       const { reason } = await feed.connection.monitor().down;
       return reason.kind + reason.exitCode;`,
    );
    // A thread's last message and its exit may come in one turn.
    const exited = once(worker, 'exit');
    const [id] = (await once(worker, 'message')) as [string];
    const told = new Promise<string>((resolve) =>
      watch(id, 'host-0', { processDown: ({ kind, exitCode }) => resolve(`${kind}${exitCode}`) }),
    );
    worker.postMessage('now');
    expect(await once(worker, 'message')).to.deep.equal(['exit4']);
    expect(await told).to.equal('exit4');
    expect(await exited).to.deep.equal([0]);
  });

  it('of main goes on for others when a thread that used it ends; its connections say goodbye (O8)', async () => {
    const feed = await connect(server.url);
    const goodbye = new Promise<number>((resolve) => {
      server.server.once('connection', (socket) => socket.once('close', resolve));
    });
    const worker = thread(`const feed = await gunport.connect(${JSON.stringify(server.url)}); return 1;`);
    await once(worker, 'message');
    await worker.terminate();
    expect(await goodbye).to.equal(1001);
    expect(await feed.connection.info()).to.include({ status: 'up' });
    await feed.close();
  });

  it('of main tells other threads of a death as soon as a blocked main wakes; they wait for it (O7, S1)', async () => {
    const worker = thread(
      `const feed = await gunport.connect(${JSON.stringify(faulty(server.url))}, { lookup: FAULTY });
       parentPort.once('message', () => fault(feed.connection.threadId, { kind: 'exit', code: 6 }));
       parentPort.postMessage('up');
       const lost = feed.connection.await(feed).catch(({ code }) => code);
       const { reason } = await feed.connection.monitor().down;
       return reason.kind + reason.exitCode + (await lost);`,
    );
    expect(await once(worker, 'message')).to.deep.equal(['up']);
    worker.postMessage('now');
    // Nobody else knows this word: it is a clock.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    expect(await once(worker, 'message')).to.deep.equal(['exit6ERR_GUNPORT_DOWN']);
  });

  it('settles every wait of another thread, too: refused, dead, closed (S1)', async () => {
    const { url } = await refusing();
    const worker = thread(
      `const results = [];
       const note = (promise) => promise.then(() => results.push('ok'), (error) => results.push(error.code));
       await note(gunport.connect(${JSON.stringify(url)}));
       await note(gunport.open(${JSON.stringify(url)}, { retry: 0 }).awaitUp());
       const feed = await gunport.connect(${JSON.stringify(faulty(server.url))}, { lookup: FAULTY });
       const waits = [note(feed.connection.await(feed)), note(feed.connection.await(feed))];
       fault(feed.connection.threadId, { kind: 'throw', value: 'undefined' });
       await Promise.all(waits);
       await note(feed.ping());
       return results.join();`,
    );
    const exited = once(worker, 'exit');
    expect(await once(worker, 'message')).to.deep.equal([
      'ERR_GUNPORT_CONNECT,ERR_GUNPORT_CONNECT,ERR_GUNPORT_DOWN,ERR_GUNPORT_DOWN,ERR_GUNPORT_DOWN',
    ]);
    await exited;
  });
});
