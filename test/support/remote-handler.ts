// remote-handler — a handler whose `api` has one of each: for the tests of `stream.remote()`.
// Loaded beside the socket, and on the test's own thread.
// Invariant: messages pass through it as they come.

import type { MessagePort } from 'node:worker_threads';
import * as comlink from 'comlink';
import { ConnectionError } from '../../lib/errors.ts';
import type { Handler, HandlerContext } from '../../lib/handler.ts';
import type { StreamState } from '../../lib/types.ts';

/** What `remote()` is given. */
export interface Api {
  readonly book: Book;
  readonly levels: Map<string, number>;
  readonly nothing: null;
  readonly later: Promise<string>;
  threadId(): number;
  state(): StreamState;
  never(): Promise<never>;
  same(value: unknown): unknown;
  function(): () => void;
  /** For ever. Sets the first word before that. */
  block(words: Int32Array): void;
  typed(): never;
  ours(): never;
  throws(value: unknown): Promise<never>;
  next(point: Point): Point;
  counter(): Counter & comlink.ProxyMarked;
  call(callback: Callback, value: number): Promise<number>;
  /** Its number. */
  keep(callback: Callback): number;
  callKept(number: number): Promise<number | undefined>;
  moved(size: number): Uint8Array;
  /** The same, moved there and back. */
  port(port: MessagePort): MessagePort;
}

class Book {
  readonly depth: number;
  readonly #base = 1;
  constructor(depth: number) {
    this.depth = depth;
  }
  best(n: number): number {
    return this.#base + n;
  }
}

class Counter {
  #count = 0;
  add(n: number): number {
    this.#count += n;
    return this.#count;
  }
  never(): Promise<never> {
    return new Promise(() => {});
  }
}

/** What comlink is taught to carry, in each thread that loads this. */
export class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
export const POINT = 'gunport-test:point';
comlink.transferHandlers.set(POINT, {
  canHandle: (value: unknown): value is Point => value instanceof Point,
  serialize: ({ x }: Point) => [x, []],
  deserialize: (x: number) => new Point(x),
});

type Callback = (value: number) => number;
/** They outlive their streams. */
const callbacks: Callback[] = [];

function apiOf(options: { depth?: number } | undefined, context: HandlerContext): Api {
  return {
    book: new Book(options?.depth ?? 7),
    levels: new Map([['bid', 3]]),
    nothing: null,
    later: Promise.resolve('later'),
    threadId: () => context.threadId,
    state: () => context.state,
    never: () => new Promise(() => {}),
    same: (value) => value,
    function: () => () => {},
    block(words) {
      // Read by the test, which waits for it.
      Atomics.store(words, 0, 1);
      for (;;);
    },
    typed: () => {
      const cause = new RangeError('below it', { cause: 'a text' });
      throw Object.assign(new TypeError('no such level', { cause }), { code: 'ELEVEL', level: 3 });
    },
    ours: () => {
      const details = { phase: 'tls', reason: { alert: 40 }, cause: new Error('below it') } as const;
      throw new ConnectionError('ERR_GUNPORT_TLS', 'no handshake', details);
    },
    next: ({ x }) => new Point(x + 1),
    throws: async (value) => {
      throw value;
    },
    counter: () => comlink.proxy(new Counter()),
    call: async (callback, value) => await callback(value),
    keep: (callback) => callbacks.push(callback) - 1,
    callKept: async (number) => await callbacks[number]?.(21),
    port: (port) => comlink.transfer(port, [port as never]), // Typed after the DOM's ports.
    moved: (size) => {
      const bytes = new Uint8Array(size).fill(5);
      return comlink.transfer(bytes, [bytes.buffer]);
    },
  };
}

export default (options: { depth?: number } | undefined, context: HandlerContext): Handler => ({
  message: (data) => data,
  api: apiOf(options, context),
});

/** No api at all. */
export const silent = (): Handler => ({ message: (data) => data });
