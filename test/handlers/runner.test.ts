// runner.test — the order of hooks and of what they deliver, whatever is asynchronous and whoever ends it, without sockets.

import { expect } from 'chai';
import { batchOf } from '../../lib/batch.ts';
import type { Handler, HandlerContext } from '../../lib/handler.ts';
import type { Laid } from '../../lib/handling/outlet.ts';
import { Runner, type RunnerHost } from '../../lib/handling/runner.ts';
import type { Message } from '../../lib/types.ts';
import type { StreamMark } from '../../lib/wire.ts';
import { chance, seedOf } from '../support/chance.ts';

interface Made {
  readonly runner: Runner;
  readonly context: HandlerContext;
  /** What came out, in order: values, marks in angle brackets, faults with a `!`, acts with a `>`. */
  readonly out: unknown[];
}

async function make(
  handler: (context: HandlerContext) => Handler,
  over: Partial<RunnerHost> = {},
): Promise<Made> {
  const out: unknown[] = [];
  let state: RunnerHost['state'] = 'connecting';
  const host: RunnerHost = {
    ...{ url: 'ws://a/', threadId: 1, inline: false, ready: true, maxBuffered: 4_096, patience: 20 },
    get state() {
      return state;
    },
    deliver: (parcel) => out.push(...batchOf<unknown>(parcel)),
    mark: (mark) => out.push(`<${mark.type}>`),
    notify: (value) => out.push(value),
    send: () => true,
    reveal: () => out.push('>reveal'),
    drained: async () => {},
    ping: async () => 1,
    close: (code) => out.push(`>close ${code}`),
    drop: (reason) => out.push(`>drop ${reason}`),
    fault: ({ hook, error }) => out.push(`!${hook} ${error.message}`),
    hold: (held) => out.push(`>hold ${held}`),
    guard: (run) => run(),
  };
  Object.defineProperties(host, Object.getOwnPropertyDescriptors(over));
  const runner = new Runner(host);
  let context: HandlerContext | undefined;
  await runner.begin(
    () => (_options, given) => {
      context = given;
      return handler(given);
    },
    undefined,
  );
  state = 'open';
  return { runner, context: context!, out };
}

/** A read of texts, in memory that is used again: it is overwritten as soon as it was fed. */
function feed(runner: Runner, texts: readonly string[], done?: () => void): void {
  const index = new Int32Array(2 * texts.length);
  const slab = new Uint8Array(Buffer.from(`.${texts.join('.')}`));
  let at = 1;
  texts.forEach((text, i) => {
    index.set([at, text.length | 0x80000000], 2 * i);
    at += text.length + 1;
  });
  const raw: Laid = { slab, index, count: texts.length, texts: true, ascii: true, bytes: slab.length };
  runner.feed(raw, true, done);
  slab.fill(0x3f);
}

const up = (attempt: number): StreamMark => ({
  ...{ type: 'upgrade', stream: 1, whole: true, attempt, protocol: '', extensions: '' },
  ...{ headers: {}, rawHeaders: [] },
});
const gap: StreamMark = { type: 'gap', stream: 1, attempt: 1, error: { name: 'Error', message: 'lost' } };
const closed: StreamMark = {
  ...{ type: 'closed', stream: 1, code: 1000, reason: '', wasClean: true, error: undefined },
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A handler whose messages are answered when a test says so. */
function held(): { hooks: Handler; answer(): void } {
  const answers: (() => void)[] = [];
  const hooks: Handler = {
    message: (data: Message) => new Promise((resolve) => answers.push(() => resolve(data))),
    down: () => undefined,
  };
  return { hooks, answer: () => answers.shift()?.() };
}

describe('a runner of a handler', () => {
  it('holds messages and marks up behind a promise, in memory of their own', async () => {
    const { hooks, answer } = held();
    const { runner, out } = await make(() => hooks);
    runner.mark(up(1));
    feed(runner, ['a', 'b'], () => out.push('done 1'));
    feed(runner, ['c'], () => out.push('done 2'));
    runner.mark(gap);
    await turn();
    expect(out).to.deep.equal(['<upgrade>']);
    expect(runner.idle).to.equal(false);
    for (const _ of 'abc') {
      answer();
      await turn();
    }
    expect(out).to.deep.equal(['<upgrade>', 'done 1', 'a', 'done 2', 'b', 'c', '<gap>']);
    expect(runner.idle).to.equal(true);
  });

  it('holds its socket when more than maxBuffered waits, and lets it go at half', async () => {
    const { hooks, answer } = held();
    const { runner, out } = await make(() => hooks);
    const large = 'x'.repeat(1_500);
    for (let i = 0; i < 4; i++) feed(runner, [large]);
    expect(out).to.deep.equal(['>hold true']);
    for (let i = 0; i < 4; i++) {
      answer();
      await turn();
    }
    expect(out).to.deep.equal(['>hold true', large, '>hold false', large, large, large]);
  });

  it('shows nothing more once its handler has given the socket up, until it is open again', async () => {
    const { runner, out, context } = await make((context) => ({
      message: (data) => (data === 'x' ? context.drop('enough') : data),
      down: () => context.notify('down'),
    }));
    runner.mark(up(1));
    feed(runner, ['a', 'x', 'b']);
    feed(runner, ['c']);
    expect(context.state).to.equal('down');
    expect(() => context.send('late'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_NOT_CONNECTED');
    runner.mark(gap);
    runner.mark(up(2));
    feed(runner, ['d']);
    expect(out).to.deep.equal(['<upgrade>', '>drop enough', 'a', 'down', '<gap>', '<upgrade>', 'd']);
  });

  it('passes what stands behind messages that were dropped while one of them was under way', async () => {
    const { hooks, answer } = held();
    let context: HandlerContext | undefined;
    const { runner, out } = await make((given) => {
      context = given;
      return { ...hooks, message: (data) => (data === 'x' ? context?.drop('now') : hooks.message?.(data)) };
    });
    runner.mark(up(1));
    feed(runner, ['a', 'x', 'b']);
    runner.mark(gap);
    runner.mark(up(2));
    answer();
    await turn();
    feed(runner, ['c']);
    answer();
    await turn();
    // The socket that it meant is gone; the next is kept.
    expect(out).to.deep.equal(['<upgrade>', 'a', '<gap>', '<upgrade>', 'c']);
  });

  it('forgets the rest of a read whose message gives a promise and the socket up at once', async () => {
    const { runner, out } = await make((context) => ({
      message: async (data) => {
        if (data === 'x') context.drop('async');
        return data;
      },
    }));
    runner.mark(up(1));
    feed(runner, ['x', 'b']);
    runner.mark(gap);
    runner.mark(up(2));
    await turn();
    expect(out).to.deep.equal(['<upgrade>', '>drop async', 'x', '<gap>', '<upgrade>']);
  });

  it('waits with its end for a promise, and not for ever; its close is the last hook, its timers end', async () => {
    const never = new Promise(() => {});
    const { runner, out, context } = await make((context) => ({
      message: () => never,
      close: () => {
        context.emit('last');
        context.setTimeout(() => context.notify('late'), 0);
      },
      ready: () => context.notify('ready'),
    }));
    feed(runner, ['a', 'b']);
    runner.mark(closed);
    expect(out).to.deep.equal([]);
    await new Promise<void>((resolve) => runner.whenIdle(resolve));
    runner.ready();
    feed(runner, ['c']);
    await turn();
    expect(out).to.deep.equal(['last', '<closed>']);
    expect([context.state, context.signal.aborted, context.emit(1)]).to.deep.equal(['closed', true, false]);
  });

  it('does not wait where its owner wants nothing more', async () => {
    const { hooks } = held();
    const { runner, out } = await make(() => ({
      ...hooks,
      close: ({ code }) => void out.push(`close ${code}`),
    }));
    feed(runner, ['a', 'b']);
    runner.discard();
    runner.mark(closed);
    expect(out).to.deep.equal(['close 1000', '<closed>']);
  });

  it('stopped, it passes marks without a hook, and settles what was asked', async () => {
    const { hooks } = held();
    const { runner, out } = await make(() => ({ ...hooks, connecting: () => ({ url: 'ws://b/' }) }));
    feed(runner, ['a']);
    runner.mark(gap);
    const asked = runner.connecting({ attempt: 2, failures: 0, url: 'ws://a/', lastError: undefined });
    runner.stop();
    runner.mark(closed);
    expect(await asked).to.equal(undefined);
    expect(out).to.deep.equal(['<gap>', '<closed>']);
  });

  it('makes no handler where the WebSocket ended before; one that comes late is closed', async () => {
    const told: string[] = [];
    const runner = new Runner({
      patience: 0,
      guard: (run: () => void) => run(),
      mark: () => {},
    } as unknown as RunnerHost);
    const made = runner.begin(
      () => () => Promise.resolve({ close: ({ code }: { code: number }) => void told.push(`close ${code}`) }),
      undefined,
    );
    await Promise.resolve();
    await Promise.resolve();
    runner.mark(closed);
    await made;
    expect(await runner.api).to.equal(undefined);
    expect(told).to.deep.equal(['close 1006']);
  });

  it('ships what is emitted outside of a read once a turn', async () => {
    const parcels: number[] = [];
    const { context } = await make(() => ({}), { deliver: ({ count }) => parcels.push(count) });
    for (let i = 0; i < 10; i++) {
      context.emit(`${i}`);
      await undefined;
    }
    await turn();
    expect(parcels).to.deep.equal([10]);
  });

  it('keeps what is emitted together while its owner has no room', async () => {
    const parcels: number[] = [];
    let ready = false;
    const { runner, context } = await make(() => ({ message: (data) => data }), {
      get ready() {
        return ready;
      },
      deliver: ({ count }) => parcels.push(count),
    });
    for (let i = 0; i < 10; i++) feed(runner, ['a', 'b']);
    expect([parcels.length, context.ready, runner.idle]).to.deep.equal([0, false, false]);
    ready = true;
    runner.ready();
    expect([...parcels, runner.idle]).to.deep.equal([20, true]);
    ready = false;
    feed(runner, ['c']);
    runner.mark(gap);
    expect(parcels, 'a mark has its place behind it').to.deep.equal([20, 1]);
  });

  it('keeps the order of the wire, whatever is asynchronous', async () => {
    const seed = seedOf();
    const random = chance(seed);
    for (let round = 0; round < 200; round++) {
      const shown: unknown[] = [];
      const thrown = new Set<unknown>();
      const { runner, out } = await make((context) => ({
        message: (data) => {
          shown.push(data);
          if (random(8) === 0) {
            thrown.add(data);
            throw new Error('it is out of band');
          }
          if (random(3) === 0) return data;
          if (random(2) === 0) return void context.emit(data);
          return new Promise((resolve) =>
            random(2) === 0 ? resolve(data) : setImmediate(() => resolve(data)),
          );
        },
        close: () => void context.emit('close'),
      }));
      const expected: string[] = [];
      let next = 0;
      for (let step = 0; step < 10; step++) {
        if (random(3) === 0) {
          runner.mark(random(2) === 0 ? gap : up(step));
          expected.push('mark');
        } else {
          const texts = Array.from({ length: 1 + random(5) }, () => String(next++));
          feed(runner, texts);
          expected.push(...texts);
        }
        if (random(3) === 0) await turn();
      }
      runner.mark(closed);
      await new Promise<void>((resolve) => runner.whenIdle(resolve));
      const told = out.filter((one) => !String(one).startsWith('!'));
      const seen = told.map((one) => (/^<(gap|up)/.test(String(one)) ? 'mark' : one));
      const wanted = [...expected.filter((one) => !thrown.has(one)), 'close', '<closed>'];
      expect(seen, `GUNPORT_SEED=${seed}`).to.deep.equal(wanted);
      expect(shown).to.deep.equal(expected.filter((one) => one !== 'mark'));
    }
  });
});
