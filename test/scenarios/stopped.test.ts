// stopped.test — a process that is stopped (SIGSTOP) and goes on later, and one whose wall clock is set: all its timers
// are late at once, or its time of day is wrong, and nothing is lost for it that the peer has not dropped.

import { expect } from 'chai';
import { begin, type Running, run } from '../support/child.ts';
import { frame, numbers, wordsOf } from '../support/feeds.ts';
import {
  type Conversation,
  peer as httpPeer,
  type Peer,
  readHead,
  wsPeer,
  wsServer,
} from '../support/peers.ts';
import { reset } from '../support/reset.ts';
import { sessions } from '../support/sessions.ts';

/** So long it is stopped: several keepalives and deadlines. In milliseconds. */
const STOPPED = 600;
const OPTIONS = '{ keepalive: 50, pongTimeout: 200, retry: 5, retryTimeout: 20 }';

/** Stops it, does this meanwhile, and lets it go on after STOPPED. This is what is tested, not a wait for something. */
async function stopped(client: Running, meanwhile: () => void): Promise<void> {
  client.kill('SIGSTOP');
  meanwhile();
  await new Promise((resolve) => setTimeout(resolve, STOPPED));
  client.kill('SIGCONT');
}

describe('a process that was stopped and goes on', function () {
  this.timeout(10_000);
  this.slow(4 * STOPPED);
  let peer: Peer;
  let talks: Conversation[];
  let arrived: () => void;
  /** The connection of this number, from 0. */
  const talk = async (number: number): Promise<Conversation> => {
    while (talks.length <= number) await new Promise<void>((resolve) => (arrived = resolve));
    return talks[number]!;
  };
  /** Answers pings; resolves with the client's first text, if it has one. */
  const serve = (server: Conversation): Promise<string> =>
    new Promise((resolve, reject) => {
      (async () => {
        for (;;) {
          const one = await server.read();
          if (one.opcode === 9) server.send(frame(0x8a, one.payload));
          if (one.opcode === 1) resolve(wordsOf(one));
          if (one.opcode === 8) server.end();
        }
      })().catch(reject);
    });
  beforeEach(async () => {
    talks = [];
    arrived = () => {};
    peer = await wsPeer((one) => {
      talks.push(one);
      arrived();
    });
  });
  afterEach(() => peer.close());

  /** Opens a WebSocket and tells what befalls it. */
  const WATCHED = `const feed = await gunport.connect(args[0], ${OPTIONS});
    const told = [];
    feed.on('down', () => told.push('down'));
    feed.on('up', () => told.push('up'));
    feed.connection.monitor(({ reason }) => told.push('Down ' + reason.kind));
    feed.send('ready');`;

  it('has its connection still, on which all that came meanwhile is there: no keepalive misfires', async () => {
    await using other = await sessions();
    const client = begin(
      `${WATCHED}
       const other = gunport.open(args[1], { protocols: ['http2'], ...${OPTIONS} });
       await other.awaitUp();
       other.on('down', () => told.push('down of HTTP/2'));
       say('ready');
       let next = 0;
       for await (const message of feed) if (message !== String(next++)) throw new Error(message);
       await feed.closed;
       const text = await other.get('/').text();
       say(JSON.stringify([next, text, told]));
       await other.close();`,
      { args: [peer.url, other.url] },
    );
    const server = await talk(0);
    await serve(server);
    expect(await client.line()).to.equal('ready');
    await stopped(client, () => server.send(numbers(0, 5_000)));
    server.send(frame(0x88, Buffer.from([3, 232])));
    (await other.next()).answer('well');
    expect(await client.line()).to.equal('[5000,"well",["Down normal"]]');
    expect([peer.taken, other.taken]).to.deep.equal([1, 1]);
    expect(await client.ran).to.include({ code: 0, errors: '' });
  });

  it('comes back once from a socket that was lost meanwhile: one down, one up, one attempt', async () => {
    const client = begin(
      `${WATCHED}
       feed.on('up', async () => {
         feed.send('again');
         // A few more keepalives: none ends it.
         for (let i = 0; i < 5; i++) await feed.ping();
         await feed.close();
         await feed.connection.monitor().down;
         say(told.join());
       });`,
      { args: [peer.url] },
    );
    const server = await talk(0);
    await serve(server);
    await stopped(client, () => reset(server.socket));
    expect(await serve(await talk(1))).to.equal('text again');
    expect(await client.line()).to.equal('down,up,Down normal');
    expect(peer.taken).to.equal(2);
    expect(await client.ran).to.include({ code: 0, errors: '' });
  });

  it('makes the one attempt that was due, and not all that there was time for', async () => {
    let sockets = 0;
    await using server = await httpPeer(async (socket) => {
      // The first two break off at once: after the second, it waits for its turn.
      if (++sockets <= 2) return void socket.end();
      await readHead(socket);
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthird`);
    });
    const client = begin(
      `const connection = gunport.open(args[0], { retry: 100, retryTimeout: ${STOPPED / 4} });
       let downs = 0;
       connection.on('down', async () => {
         if (++downs !== 2) return;
         say('waits');
         say(await connection.get('/').text());
         await connection.close();
       });
       await connection.awaitUp();`,
      { args: [server.url.replace('ws', 'http')] },
    );
    expect(await client.line()).to.equal('waits');
    await stopped(client, () => {});
    expect(await client.line()).to.equal('third');
    expect(await client.ran).to.include({ code: 0, errors: '' });
    expect(sockets).to.equal(3);
  });
});

describe('a process whose wall clock is set', () => {
  it('keeps its deadlines, keepalives and round trips: none of them goes by the time of day', async () => {
    await using server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    const ran = await run(
      `// In both threads: a lookup is loaded beside the socket.
       const set = 'const now = Date.now; Date.now = () => now() + (globalThis.ahead ?? 0);';
       const lookup = { module: 'data:text/javascript,' + encodeURIComponent(set + \`
         export default (host, options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);
         let times = 0;
         setInterval(() => { globalThis.ahead = times++ % 2 ? 1e12 : -1e12; }, 10).unref();\`) };
       const now = Date.now;
       Date.now = () => now() + (globalThis.ahead ?? 0);
       const feed = await gunport.connect(args[0], { lookup, keepalive: 20, pongTimeout: 1_000, retry: 0 });
       const told = [];
       feed.connection.monitor(({ reason }) => told.push(reason.kind));
       for (globalThis.ahead of [1e12, -1e12, 0, 1e12, -1e12]) {
         const rtt = await feed.ping();
         if (!(rtt >= 0 && rtt < 1_000)) throw new Error('round trip ' + rtt);
         const began = performance.now();
         const { code } = await feed.connection.await(feed, { timeout: 30 }).catch((error) => error);
         const took = performance.now() - began;
         if (code !== 'ERR_GUNPORT_TIMEOUT' || took < 25 || took > 2_000) throw new Error(code + ' after ' + took);
         feed.send('still');
         await feed.connection.await(feed);
       }
       console.log(told.length, (await feed.close()).code);`,
      { args: [server.url.replace('127.0.0.1', 'set.test')] },
    );
    expect(ran).to.include({ code: 0, signal: null, errors: '', output: '0 1000\n' });
  });
});
