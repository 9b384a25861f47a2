// faulty-lookup — resolves every name to 127.0.0.1, and breaks its thread when faults.ts says so.
// Loaded beside the socket, through `lookup: FAULTY`.
// Invariant: a fault hits outside every hook and every turn of gunport's: nobody there can catch it.

import { closeSync, openSync } from 'node:fs';
import { BroadcastChannel, MessageChannel, threadId } from 'node:worker_threads';
import type { Fault, Throwable } from './faults.ts';

type Answer = (error: Error | null, addresses?: readonly { address: string; family: number }[]) => void;

let listening = false;

export default function lookup(_host: string, _options: object, answer: Answer): void {
  if (!listening) listen();
  listening = true;
  answer(null, [{ address: '127.0.0.1', family: 4 }]);
}

function listen(): void {
  const channel = new BroadcastChannel('gunport:faults');
  channel.onmessage = (event) => {
    // Posted by `fault`; Node types an event of a channel as unknown.
    const { target, what } = (event as { data: { target: number; what: Fault } }).data;
    if (target === threadId) setImmediate(() => strike(what));
  };
  // @types/node 20 leaves it out.
  (channel as unknown as { unref(): void }).unref();
}

const refuse = (): never => {
  throw new RangeError('a trap');
};

const THROWN: Readonly<Record<Throwable, () => unknown>> = {
  error: () => new RangeError('out of luck'),
  undefined: () => undefined,
  null: () => null,
  symbol: () => Symbol('out of luck'),
  string: () => 'out of luck',
  bigint: () => 13n,
  function: () => refuse,
  frozen: () => Object.freeze({ out: 'of luck' }),
  trap: () => new Proxy({}, new Proxy({}, { get: () => refuse })),
  getters: () => {
    const error = new RangeError('out of luck');
    for (const name of ['name', 'message', 'stack', 'cause', 'code', 'constructor', 'toString']) {
      Object.defineProperty(error, name, { get: refuse });
    }
    return error;
  },
  circle: () => {
    const error = new RangeError('out of luck');
    error.cause = error;
    return error;
  },
  deep: () => {
    let error = new RangeError('out of luck');
    for (let i = 0; i < 10_000; i++) error = new RangeError('out of luck', { cause: error });
    return error;
  },
};

function strike(what: Fault): void {
  switch (what.kind) {
    case 'throw':
      throw THROWN[what.value]();
    case 'reject':
      void Promise.reject(THROWN[what.value]());
      return;
    case 'exit': {
      const { code, post = false } = what;
      if (!post) return process.exit(code);
      // Structured clone reads it.
      return new MessageChannel().port1.postMessage(
        Object.defineProperty({}, 'x', { enumerable: true, get: () => process.exit(code) }),
      );
    }
    case 'memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(10_000).fill(hoard.length));
    }
    case 'spin': {
      Atomics.store(new Int32Array(what.word), 0, 1); // `block` waits for it.
      // For ever in a loop; for a while asleep, which blocks it as well and costs others nothing.
      if (what.ms >= 1e9) for (;;);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, what.ms);
      return;
    }
    case 'open':
      Atomics.store(new Int32Array(what.word), 0, 1); // `stick` waits for it.
      return closeSync(openSync(what.fifo, 'r'));
    default:
      what satisfies never;
  }
}
