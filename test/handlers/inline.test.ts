// inline.test — a handler on its owner's thread does what it does beside the socket, and holds the socket up the same way.

import { once } from 'node:events';
import { threadId } from 'node:worker_threads';
import { expect } from 'chai';
import type { Fault, Handler, HandlerContext, OpenOptions } from '../../lib/index.ts';
import { DownError, OwnerError, Pool, type StreamError } from '../../lib/index.ts';
import { dropping } from '../support/attempts.ts';
import { drain, type Feed, feeds, frame, take, untilClose } from '../support/feeds.ts';
import { HANDLING } from '../support/handling.ts';
import { uncaught } from '../support/listeners.ts';
import { listening } from '../support/listening.ts';
import { type Conversation, wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import type { Api } from '../support/remote-handler.ts';

const REMOTE = new URL('../support/remote-handler.js', import.meta.url);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Text messages, in one write. */
function say(server: Conversation, ...texts: unknown[]): void {
  server.send(Buffer.concat(texts.map((text) => frame(0x81, String(text)))));
}

describe('an inline handler', () => {
  const { pool, connect, keep, talk } = feeds();
  const heard = listening();
  const patient = () => keep(wsPeer(untilClose));

  describe('is the same as beside the socket:', () => {
    /** What a server says in each attempt, and all that comes of it. */
    async function played(
      inline: boolean,
      name: string,
      says: readonly (readonly unknown[])[],
      options: unknown,
    ): Promise<Record<string, unknown[]>> {
      let attempt = 0;
      const server = await keep(
        wsPeer(async (one) => {
          one.socket.setNoDelay(true);
          const texts = says[attempt++] ?? [];
          say(one, ...texts);
          if (attempt < says.length) one.end();
          else {
            one.send(frame(0x88, Buffer.from('0fa5', 'hex')));
            await untilClose(one);
          }
        }),
      );
      const handler = { module: HANDLING, export: name, options, inline };
      const feed = pool.feedOf(server.url, { handler, retryTimeout: 1 });
      const [notices, faults, marks]: [unknown[], unknown[], unknown[]] = [[], [], []];
      feed.on('notify', (value) => notices.push(value));
      feed.on('fault', ({ hook, error }: Fault) => faults.push(`${hook} ${error.name} ${error.message}`));
      feed.on('down', ({ attempt, reason }) => marks.push(`down ${attempt} ${reason.code}`));
      feed.on('up', ({ attempt }) => marks.push(`up ${attempt}`));
      const { messages, error } = await drain(feed);
      await feed.closed;
      await feed.connection.close().catch(() => {});
      const ends = [(error as StreamError | undefined)?.code];
      // Each has a server of its own.
      const shown = messages.map((one) =>
        typeof one === 'string' ? one.replace(String(server.port), '') : one,
      );
      return { notices, faults, marks, messages: shown, ends };
    }

    const numbers = Array.from({ length: 50 }, (_, n) => n);
    for (const [name, says, options] of [
      [
        'noted',
        [
          ['a', 'b'],
          ['c', 'url'],
          ['d', 'fault', 'state'],
        ],
        { tag: '#' },
      ],
      ['kinds', [numbers, numbers], undefined],
      ['faulty', [['x', 'reject', 'function', 'y'], ['z']], undefined],
      ['summed', [[1, 2, 3]], undefined],
      ['advising', [['once'], ['twice']], { path: '/renewed', choice: { delay: 1 } }],
    ] as const) {
      it(`${name} of the same module has the same hooks, results, faults and end`, async () => {
        const [beside, inline] = [
          await played(false, name, says, options),
          await played(true, name, says, options),
        ];
        expect(inline).to.deep.equal(beside);
        expect([...inline['messages']!, ...inline['notices']!]).to.not.deep.equal([]);
      });
    }
  });

  it('may be a function, whose values are typed; bytes and objects are copied as of now', async () => {
    interface Seen {
      readonly n: number;
      readonly bytes: Uint8Array;
    }
    const server = await keep(
      wsPeer((one) => {
        say(one, 1, 2, 3);
        return untilClose(one);
      }),
    );
    const feed = await pool.connect(server.url, {
      handler: (_, context: HandlerContext<Seen>): Handler => {
        const seen = { n: 0, bytes: new Uint8Array(1) };
        return {
          message(data) {
            seen.n = Number(data);
            seen.bytes[0] = seen.n;
            context.emit(seen);
          },
          api: { thread: () => [context.threadId, context.inline] },
        };
      },
    });
    const sums: number[] = [];
    for await (const { n, bytes } of feed) {
      sums.push(n + bytes[0]!);
      if (sums.length === 3) break;
    }
    expect(sums).to.deep.equal([2, 4, 6]);
    expect(await feed.remote<{ thread(): unknown }>().thread()).to.deep.equal([threadId, true]);
    await feed.connection.close();
  });

  it('speaks, pings, closes and gives the socket up; what is secret is not shown to who listens to frames', async () => {
    heard.to('gunport:ws:send-frame:start', 'gunport:ws:send-frame:end');
    let attempt = 0;
    const said: string[][] = [];
    const server = await keep(
      wsPeer(async (one) => {
        attempt++;
        if (attempt === 1) {
          say(one, 'drop');
          return one.read().catch(() => {});
        }
        say(one, 'secret', 'send', 'ping');
        const frames: string[] = [];
        said.push(frames);
        for (;;) {
          const { opcode, payload } = await one.read();
          frames.push(`${opcode} ${opcode === 8 ? payload.readUInt16BE() : opcode === 9 ? '' : payload}`);
          if (opcode === 9) one.send(frame(0x8a, payload));
          if (frames.length === 4) say(one, 'close');
          if (opcode !== 8) continue;
          one.send(frame(0x88, payload));
          return one.end();
        }
      }),
    );
    const handler = { module: HANDLING, export: 'noted', inline: true };
    const feed = pool.feedOf(server.url, { handler, retryTimeout: 0 });
    const { messages, error } = await drain(feed);
    expect(messages).to.deep.equal(['number', 'the last']);
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 4001 });
    expect(said).to.deep.equal([['1 hush', '1 said', '2 \u0001\u0002', '9 ', '8 4001']]);
    expect(attempt).to.equal(2);
    await feed.connection.close();
    const shown = heard.all.map(({ message }) => JSON.stringify(message)).join();
    expect(shown)
      .to.include('text')
      .and.not.include('hush')
      .and.not.include(Buffer.from('hush').toString('base64'));
  });

  it('hears of messages as they arrive, and its reader of what it emits, also from timers and behind promises', async () => {
    const { feed, server } = await talk({
      handler: (_: undefined, context: HandlerContext): Handler => ({
        async message(data) {
          if (data === 'later') {
            context.setTimeout(() => context.emit('from a timer'), 1);
            return 'later';
          }
          await turn();
          return `${data} was ${context.state}`;
        },
        close: () => void context.emit('last'),
      }),
    });
    say(server, 1, 2, 'later');
    expect(await take(feed, 4)).to.deep.equal(['1 was open', '2 was open', 'later', 'from a timer']);
    say(server, 3, 4);
    server.send(frame(0x88, Buffer.from('03e8', 'hex')));
    const rest = drain(feed);
    await untilClose(server);
    expect((await rest).messages.at(-1)).to.equal('last');
    expect((await rest).messages).to.have.length(3);
  });

  describe('holds the socket up as ever:', () => {
    /** A server that sends until the kernel takes no more. */
    async function flooded(handler: OpenOptions['handler']) {
      const stalled: { bytes: number; wake?: () => void } = { bytes: 0 };
      const total = 64 * 1024 * 1024;
      const payload = 'x'.repeat(16 * 1024);
      const server = await keep(
        wsPeer(async (one) => {
          const message = frame(0x81, payload);
          for (let sent = 0; sent < total; sent += payload.length) {
            stalled.bytes = sent;
            if (!one.socket.write(message)) await once(one.socket, 'drain');
          }
          one.send(frame(0x88, Buffer.from('03e8', 'hex')));
          await untilClose(one);
        }),
      );
      const feed = await connect(server.url, { handler, maxBuffered: 256 * 1024 });
      return { feed, stalled, count: total / payload.length };
    }

    it('nobody reads: it is stopped, and then all comes', async () => {
      let handled = 0;
      const { feed, stalled, count } = await flooded(() => ({
        message(data: unknown) {
          handled++;
          return data;
        },
      }));
      // Stopped is who stays so for as long as its thread takes to answer, again and again.
      for (let [before, same] = [-1, 0]; same < 20; ) {
        const { counters } = await feed.connection.info();
        same = before === counters.bytesReceived && handled > 0 ? same + 1 : 0;
        before = counters.bytesReceived;
        for (let i = 0; i < 20; i++) await turn();
      }
      // What is held here and there, in flight, and in the kernel.
      expect(stalled.bytes).to.be.below(40 * 1024 * 1024);
      expect(handled).to.be.below(count);
      const { messages, error } = await drain(feed);
      expect([messages.length, error]).to.deep.equal([count, undefined]);
    });

    it('it drops all: nothing is stopped, whoever reads', async () => {
      const { feed } = await flooded(() => ({ message: () => undefined }));
      expect(await feed.closed).to.include({ code: 1000 });
    });
  });

  it('tells that there is room again, where it has asked', async () => {
    let last: unknown;
    let readies = 0;
    const { feed, server } = await talk({
      handler: (_: undefined, context: HandlerContext): Handler => ({
        message(data) {
          if (context.ready) context.emit(data);
          else last = data;
        },
        ready() {
          readies++;
          context.emit(last);
        },
      }),
    });
    for (let n = 1; last === undefined || last !== String(n - 1); n++) {
      say(server, n);
      for (let i = 0; i < 20; i++) await turn();
    }
    const newest = last;
    const got: unknown[] = [];
    for await (const message of feed) {
      got.push(message);
      if (message === newest) break;
    }
    expect(readies).to.equal(1);
    expect(got.length).to.be.below(Number(newest) + 1);
  });

  describe('answers remote() itself:', () => {
    const inline = { module: REMOTE, inline: true, options: { depth: 3 } };

    it('with what the api gives, and the very error that it throws', async () => {
      const feed = await connect((await patient()).url, { handler: inline });
      const api = feed.remote<Api>();
      expect([await api.book.best(1), await api.book.depth, await api.threadId()]).to.deep.equal([
        2,
        3,
        threadId,
      ]);
      const error = await api.typed().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(TypeError).and.include({ code: 'ELEVEL', level: 3 });
      expect(await api.throws('text').catch((thrown: unknown) => thrown)).to.equal('text');
      await rejects((api as unknown as { nope(): Promise<void> }).nope(), 'ERR_GUNPORT_UNSUPPORTED');
      await rejects(feed.remote<Api>({ timeout: 10 }).never(), 'ERR_GUNPORT_TIMEOUT');
    });

    it('until it ends, or its thread dies', async () => {
      const server = await patient();
      const feed = await connect(server.url, { handler: inline });
      const waits = rejects(feed.remote<Api>().never(), 'ERR_GUNPORT_CLOSED');
      await feed.close();
      await waits;
      const own = new Pool({ threads: 1 });
      let closed: unknown;
      const api = { never: () => new Promise(() => {}) };
      const handler = (): Handler => ({
        api,
        close(result) {
          closed = result;
        },
      });
      const mortal = await own.connect(server.url, { handler });
      const dies = rejects(mortal.remote<typeof api>().never(), 'ERR_GUNPORT_DOWN');
      await own.terminate(mortal.connection.threadId);
      expect(await dies).to.be.instanceOf(DownError);
      await mortal.closed;
      expect(closed).to.have.nested.property('error.code', 'ERR_GUNPORT_DOWN');
      await own.close();
    });

    it('before it is open, which it can be of wsUpgrade(), too', async () => {
      const connection = pool.open((await patient()).url);
      const stream = connection.wsUpgrade('/', { handler: inline });
      expect(await stream.remote<Api>().state()).to.equal('connecting');
      await connection.await(stream);
      expect(await stream.remote<Api>().state()).to.equal('open');
      await rejects(connection.transferOwnership({ threadId: 1 }), 'ERR_GUNPORT_UNSUPPORTED');
      await connection.close();
    });
  });

  it('cannot be handed over, and loses nothing by the attempt', async () => {
    const { feed, server } = await talk({ handler: { module: HANDLING, export: 'noted', inline: true } });
    say(server, 'a', 'b');
    const error = await rejects(feed.transferOwnership({ threadId: 1 }), 'ERR_GUNPORT_UNSUPPORTED');
    expect(error).to.be.instanceOf(OwnerError);
    say(server, 'c');
    expect(await take(feed, 3)).to.deep.equal(['a!', 'b!', 'c!']);
    const connection = pool.open((await patient()).url);
    await connection.awaitUp();
    const ended = connection.wsUpgrade('/', { handler: () => Promise.reject(new Error('not now')) });
    await ended.closed;
    // What has ended is in nobody's way.
    await rejects(connection.transferOwnership({ threadId: -1 }), 'ERR_GUNPORT_TARGET_DEAD');
    await connection.close();
  });

  it('is not to blame for a listener that throws', async () => {
    const { feed, server } = await talk({ handler: () => ({ message: (data: unknown) => data }) });
    const faults: unknown[] = [];
    feed.on('fault', (fault) => faults.push(fault));
    const got: unknown[] = [];
    const thrown = await uncaught(1, async () => {
      feed.on('message', (data) => {
        got.push(data);
        if (data === '1') throw new Error('a listener of the test');
      });
      say(server, 1, 2);
      while (got.length < 2) await turn();
    });
    expect(thrown[0]).to.include({ message: 'a listener of the test' });
    expect([got, faults]).to.deep.equal([['1', '2'], []]);
  });

  for (const inline of [false, true]) {
    it(`warns of the first fault that nobody listens to, ${inline ? 'inline' : 'beside the socket'}`, async () => {
      const warnings: Error[] = [];
      const others = process.listeners('warning');
      process.removeAllListeners('warning').on('warning', (warning) => warnings.push(warning));
      try {
        const { feed, server } = await talk({ handler: { module: HANDLING, export: 'faulty', inline } });
        say(server, 'reject', 'reject', 'done');
        expect(await take(feed, 1)).to.deep.equal(['done']);
        expect(warnings.map(({ name, message }) => [name, message.replace(/ws:\S*/, 'it')])).to.deep.equal([
          ['HandlerFault', 'the handler of it has failed (open): open is bad'],
        ]);
      } finally {
        process.removeAllListeners('warning');
        for (const other of others) process.on('warning', other);
      }
    });
  }

  it('has a say in attempts: another URL, and an end of retries', async () => {
    const server = await keep(dropping());
    const infos: unknown[] = [];
    let asked = 0;
    const handler = (): Handler => ({
      connecting: ({ attempt, failures, url }) => void infos.push([attempt, failures, new URL(url).pathname]),
      retrying({ left, wasUp }) {
        infos.push([left, wasUp]);
        if (++asked === 2) return false;
        return { delay: 1 };
      },
      waiting: ({ delay }) => void infos.push(delay),
    });
    const feed: Feed = await connect(`${server.url}/p`, { handler });
    const { error } = await drain(feed);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
    expect(infos).to.deep.equal([[1, 0, '/p'], [5, true], 1, [2, 1, '/p'], [4, true]]);
  });
});
