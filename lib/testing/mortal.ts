// mortal — loaded into a connection's thread, it breaks that thread when killing.ts says so.
// Loaded as a `lookup`, which looks up as always.
// Invariant: it strikes outside every hook and every turn of gunport's, where nobody can catch it; and only the thread that
// is named. Source: Node BroadcastChannel.

import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { BroadcastChannel, threadId } from 'node:worker_threads';

/** How a thread that loaded this may be killed from within. */
export type MortalStrike = 'exit' | 'uncaught' | 'out-of-memory';

/** What killing.ts posts. */
export interface Killing {
  readonly threadId: number;
  readonly how: MortalStrike;
  /** Set to 1 by the thread that strikes. */
  readonly heard: SharedArrayBuffer;
}

export const CHANNEL = 'gunport:testing';

/** Exit code of `exit`. */
const EXIT_CODE = 70;

type Answer = (error: Error | null, addresses: readonly LookupAddress[]) => void;

export default function lookup(host: string, options: LookupAllOptions, answer: Answer): void {
  dnsLookup(host, options, answer);
}

/** Once in each thread that loads this module. */
function listen(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => {
    // Posted by killing.ts; Node types an event of a channel as unknown.
    const { threadId: target, how, heard } = (event as { data: Killing }).data;
    if (target !== threadId) return;
    Atomics.store(new Int32Array(heard), 0, 1); // killing.ts reads it, to tell who has not heard from who is slow.
    setImmediate(() => strike(how));
  };
  // @types/node 20 leaves it out.
  (channel as unknown as { unref(): void }).unref();
}
listen();

function strike(how: MortalStrike): void {
  switch (how) {
    case 'exit':
      return process.exit(EXIT_CODE);
    case 'uncaught':
      throw new Error('killed by a test');
    case 'out-of-memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(10_000).fill(hoard.length));
    }
    default:
      how satisfies never;
  }
}
