// blocked.test — what a connection does while the main thread, its owner and host, stands still: all that a peer needs.
// Main is that of a process of its own, blocked in Atomics.wait; the server is here, and does not stand still.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { begin } from '../support/child.ts';
import { frame, numbers, wordsOf } from '../support/feeds.ts';
import { type Conversation, type Peer, wsPeerOfOne } from '../support/peers.ts';

/** Milliseconds that main stands still. */
const BLOCKED = 800;
/** And between two pings. */
const PACE = 5;
const MiB = 1024 * 1024;

/** `blocked`, and after BLOCKED ms `woken`: told at once. */
const BLOCK = `const block = () => {
    say('blocked');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCKED});
    say('woken');
  };`;

function residentOf(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

describe('while main stands still, a WebSocket', function () {
  this.timeout(10_000);
  this.slow(4 * BLOCKED);
  let peer: Peer;
  let server: Promise<Conversation>;
  beforeEach(async () => {
    ({ peer, first: server } = await wsPeerOfOne(({ socket }) => socket.setNoDelay(true)));
  });
  afterEach(() => peer.close());

  it('answers each ping at once under load, loses nothing, and is not down (O7, F2)', async () => {
    const client = begin(
      `${BLOCK}
       const feed = await gunport.connect(args[0], { retry: 0, keepalive: 100, pongTimeout: 200 });
       let downs = 0;
       feed.connection.monitor(() => downs++);
       feed.send('ready');
       feed.connection.await(feed).then(async (first) => {
         block();
         let next = 1;
         for await (const message of feed) {
           if (message !== String(next)) throw new Error(message + ' instead of ' + next);
           next++;
           if (feed.connection.status !== 'up') throw new Error(feed.connection.status);
         }
         say(\`\${next} in order, \${downs} downs\`);
       });`,
      { args: [peer.url] },
    );
    const { send, read, end } = await server;
    expect(wordsOf(await read())).to.equal('text ready');
    send(numbers(0, 1));
    let sent = 1;
    let woken = false;
    let pongs = 0;
    let slowest = 0;
    expect(await client.line()).to.equal('blocked');
    const waking = client.line().then((line) => {
      woken = true;
      return line;
    });
    let asked = performance.now();
    send(frame(0x89, 'here?'));
    while (!woken) {
      const one = wordsOf(await read());
      if (one.startsWith('ping')) send(frame(0x8a, one.slice(5)));
      if (one !== 'pong here?') continue;
      slowest = Math.max(slowest, performance.now() - asked);
      pongs++;
      // Some kilobytes of load for each.
      send(numbers(sent, 1_000));
      sent += 1_000;
      // A peer that pings a thousand times in a second floods. The line is read meanwhile.
      await new Promise((resolve) => setTimeout(resolve, PACE));
      asked = performance.now();
      send(frame(0x89, 'here?'));
    }
    expect(await waking).to.equal('woken');
    expect(pongs).to.be.above(5);
    expect(slowest).to.be.below(BLOCKED);
    send(frame(0x88, Buffer.from([3, 232])));
    expect(await client.line()).to.equal(`${sent} in order, 0 downs`);
    end();
    expect(await client.ran).to.include({ code: 0, errors: '' });
  });

  it('holds no more of a flood than it may, and gives all of it in order afterwards (F1, F2)', async function () {
    if (process.platform !== 'linux') this.skip();
    const client = begin(
      `${BLOCK}
       const feed = await gunport.connect(args[0], { retry: 0, keepalive: 0, maxBuffered: ${4 * MiB} });
       feed.send('ready');
       feed.connection.await(feed).then(async () => {
         block();
         let next = 0;
         for await (const message of feed) {
           const number = Buffer.from(message.buffer, message.byteOffset).readUInt32BE();
           if (number !== next++) throw new Error(number + ' out of order');
           if (next === ${64 * 1024}) break;
         }
         say(\`\${next} in order, \${feed.state}\`);
         await feed.connection.close();
       });`,
      { args: [peer.url] },
    );
    const { socket, send, read } = await server;
    expect(wordsOf(await read())).to.equal('text ready');
    send(frame(0x81, 'go'));
    expect(await client.line()).to.equal('blocked');
    const before = residentOf(client.pid);
    // 64 MiB in messages of a KiB, as fast as the kernel takes them.
    let number = 0;
    const pour = (): void => {
      while (number < 64 * 1024) {
        const block = Buffer.concat(
          Array.from({ length: 64 }, () => {
            const payload = Buffer.alloc(1024);
            payload.writeUInt32BE(number++);
            return frame(0x82, payload);
          }),
        );
        if (!socket.write(block)) return;
      }
    };
    socket.on('drain', pour);
    pour();
    expect(await client.line()).to.equal('woken');
    const [growth, poured] = [residentOf(client.pid) - before, number];
    // Credit, maxBuffered, and slabs that are being read; far from what there is.
    expect(growth).to.be.below(40 * MiB);
    expect(poured).to.be.below(48 * 1024);
    expect(await client.line()).to.equal(`${64 * 1024} in order, open`);
    expect(await client.ran).to.include({ code: 0, errors: '' });
  });

  it('is ended at its deadline when its peer falls silent; main is told once it wakes, of one Down', async () => {
    const client = begin(
      `${BLOCK}
       const feed = await gunport.connect(args[0], { retry: 0, keepalive: 50, pongTimeout: 100 });
       const downs = [];
       feed.connection.monitor(({ reason }) => downs.push(reason.cause.code));
       feed.send('ready');
       setImmediate(async () => {
         block();
         const { error } = await feed.closed;
         await feed.connection.monitor().down;
         say(JSON.stringify([error.cause.code, downs]));
       });`,
      { args: [peer.url] },
    );
    const { read, socket } = await server;
    const gone = new Promise<string>((resolve) => socket.once('close', () => resolve('gone')));
    expect(wordsOf(await read())).to.equal('text ready');
    expect(await client.line()).to.equal('blocked');
    // Its pings are read, and no pong comes. The process ends the socket long before main wakes.
    expect(await Promise.race([gone, client.line()])).to.equal('gone');
    const words = '["ERR_GUNPORT_PONG_TIMEOUT",["ERR_GUNPORT_PONG_TIMEOUT"]]';
    expect([await client.line(), (await client.ran).output]).to.deep.equal([
      words,
      `blocked\nwoken\n${words}\n`,
    ]);
  });
});
