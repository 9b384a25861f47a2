// exhausted.test — a process that may start no thread, or has no descriptor left: what cannot be had is an error with a
// code, what is there goes on, and all works again once there is room.
// Each runs in a process of its own, whose limits are its own.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { GUNPORT, limited, run } from '../support/child.ts';
import { wsServer } from '../support/peers.ts';

/** In each program: what a promise ends with, in a word or two. */
const ENDS = `const ends = (promise) => promise.then((one) => one.state ?? one.type ?? 'resolved',
    ({ name, code, phase, cause }) => [name, code, phase, cause?.code].join(' '));
  const say = (...words) => console.log(words.join(': '));`;

const NO_THREAD = 'ConnectionError ERR_GUNPORT_THREAD connect';

/** A user that nobody is, so that only what is started here counts. */
const NOBODY = 50_000 + (process.pid % 10_000);
const asNobody = ['setpriv', `--reuid=${NOBODY}`, '--clear-groups'] as const;
/** Only root may become another, who must be able to read what he runs. */
const mayBeNobody =
  succeeds(...asNobody, 'test', '-r', fileURLToPath(GUNPORT)) &&
  succeeds(...asNobody, process.execPath, '--version');

function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0;
}

describe('a process', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  beforeEach(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
  });
  afterEach(() => server.close());

  const ended = { code: 0, signal: null };

  it('that may start no threads (--permission) is told so by each open and connect, and ends by itself', async function () {
    this.timeout(10_000);
    const now = '--permission'; // Node 20 has it as an experiment only.
    const flag = process.allowedNodeEnvironmentFlags.has(now) ? now : '--experimental-permission';
    const ran = await run(
      `${ENDS}
       say('connect', await ends(gunport.connect(args[0])));
       const pool = new gunport.Pool();
       say('pool', await ends(pool.connect(args[0], { isolated: true })));
       const connection = pool.open('http://127.0.0.1:9');
       const stream = connection.get('/');
       const { reason } = await connection.monitor().down;
       say('down', reason.kind, reason.cause.code, reason.cause.cause.code);
       say('awaitUp', await ends(connection.awaitUp()));
       say('stream', await ends(connection.await(stream)));
       say('pool', pool.info().threads.length, pool.info().connections);
       say('close', await ends(pool.close().then(() => ({}))));`,
      {
        node: [flag, '--allow-fs-read=*'],
        args: [server.url],
      },
    );
    expect(ran.output.split('\n')).to.deep.equal([
      `connect: ${NO_THREAD} ERR_ACCESS_DENIED`,
      `pool: ${NO_THREAD} ERR_ACCESS_DENIED`,
      'down: gave-up: ERR_GUNPORT_THREAD: ERR_ACCESS_DENIED',
      `awaitUp: ${NO_THREAD} ERR_ACCESS_DENIED`,
      `stream: ${NO_THREAD} ERR_ACCESS_DENIED`,
      'pool: 0: 0',
      'close: resolved',
      '',
    ]);
    expect(ran).to.include(ended);
    expect(server.taken).to.equal(0);
  });

  it(`that has no thread left is told so, keeps those it has, and opens again once there are some${mayBeNobody ? '' : ' (not run: it takes another user)'}`, async function () {
    this.timeout(15_000);
    if (!mayBeNobody) this.skip();
    const ran = await run(
      `${ENDS}
       import { Worker } from 'node:worker_threads';
       const pool = new gunport.Pool({ threads: 2 });
       const first = await pool.connect(args[0]);
       const hogs = [];
       try {
         for (;;) {
           const hog = new Worker('setInterval(() => {}, 1e6)', { eval: true });
           hogs.push(hog);
           await new Promise((resolve) => hog.once('online', resolve));
         }
       } catch ({ code }) {
         say('hogs', code);
       }
       say('isolated', await ends(pool.connect(args[0], { isolated: true })));
       say('other pool', await ends(new gunport.Pool().connect(args[0])));
       first.send('here');
       say('first', (await first.connection.await(first)).data);
       await Promise.all(hogs.map((hog) => hog.terminate()));
       say('again', await ends(pool.connect(args[0], { isolated: true })));
       await pool.close();`,
      { args: [server.url], under: [...asNobody, ...limited('-u', 24)], timeout: 12_000 },
    );
    expect(ran.output.split('\n'), ran.errors).to.deep.equal([
      'hogs: ERR_WORKER_INIT_FAILED',
      `isolated: ${NO_THREAD} ERR_WORKER_INIT_FAILED`,
      `other pool: ${NO_THREAD} ERR_WORKER_INIT_FAILED`,
      'first: here',
      'again: open',
      '',
    ]);
    expect(ran).to.include(ended);
  });

  it('that has no descriptor left is told so, at a socket and at a thread; retries come up once there are some', async function () {
    this.timeout(10_000);
    const ran = await run(
      `${ENDS}
       import { closeSync, openSync } from 'node:fs';
       const pool = new gunport.Pool({ threads: 1 });
       const first = await pool.connect(args[0]);
       const spare = new gunport.Pool({ threads: 1 });
       const downs = [];
       spare.on('down', ({ reason }) => downs.push(reason.kind));
       const held = [];
       try {
         for (;;) held.push(openSync('/dev/null'));
       } catch ({ code }) {
         say('held', code);
       }
       say('socket', await ends(pool.connect(args[0])));
       say('thread', await ends(spare.connect(args[0])), downs);
       const patient = pool.open(args[0].replace('ws', 'http'), { retry: 10_000, retryTimeout: 5 });
       const lasting = pool.connect(args[0], { retry: 10_000, retryTimeout: 5 });
       say('patient', await ends(patient.awaitUp({ timeout: 100 })));
       first.send('here');
       say('first', (await first.connection.await(first)).data);
       for (const one of held) closeSync(one);
       say('patient', await ends(patient.awaitUp()));
       say('lasting', await ends(lasting));
       say('thread', await ends(spare.connect(args[0])));
       await Promise.all([pool.close(), spare.close()]);`,
      { args: [server.url], under: limited('-n', 256) },
    );
    expect(ran.output.split('\n'), ran.errors).to.deep.equal([
      'held: EMFILE',
      'socket: ConnectionError ERR_GUNPORT_CONNECT connect EMFILE',
      `thread: ${NO_THREAD} ERR_WORKER_INIT_FAILED: gave-up`,
      'patient: TimeoutError ERR_GUNPORT_TIMEOUT timeout ERR_GUNPORT_CONNECT',
      'first: here',
      'patient: up',
      'lasting: open',
      'thread: open',
      '',
    ]);
    expect(ran).to.include(ended);
  });
});
