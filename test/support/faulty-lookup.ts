// faulty-lookup — resolves every name to 127.0.0.1, and breaks its thread when faults.ts says so.
// Loaded beside the socket, through `lookup: FAULTY`.
// Invariant: a fault hits outside every hook and every turn of gunport's: nobody there can catch it.

import { BroadcastChannel, threadId } from 'node:worker_threads';
import type { Fault } from './faults.ts';

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

const THROWN = {
  error: new RangeError('out of luck'),
  undefined,
  null: null,
  symbol: Symbol('out of luck'),
  string: 'out of luck',
};

function strike(what: Fault): void {
  switch (what.kind) {
    case 'throw':
      throw THROWN[what.value];
    case 'reject':
      void Promise.reject(new RangeError('out of luck'));
      return;
    case 'exit':
      return process.exit(what.code);
    case 'memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(10_000).fill(hoard.length));
    }
    case 'spin': {
      Atomics.store(new Int32Array(what.word), 0, 1); // `block` waits for it.
      const until = performance.now() + what.ms;
      while (performance.now() < until);
      return;
    }
    default:
      what satisfies never;
  }
}
