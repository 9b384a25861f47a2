// bootwire — what passes between a host and a thread beside messages: what it is born with, and shared words.
// Made by lib/spawn.ts; taken by workers/host.ts.
// Invariant: each word has one writer.

import type { MessagePort } from 'node:worker_threads';

/** How a thread has ended by itself: the first of its words, and what stands in the others. */
export const EXIT = {
  words: 3,
  /** By process.exit(), or an error that nobody caught. */
  called: 1,
  /** Its heap was nearly full: MiB in use, and its limit in MiB. */
  full: 2,
} as const;

/** What a thread is born with: the one piscina task that makes it a host of connection processes. */
export interface Boot {
  readonly control: MessagePort;
  /** EXIT.words of them, set by the thread when it ends by itself: tells how. */
  readonly exitWords: SharedArrayBuffer;
  /** One word, set by the host: a bit for each event that somebody listens to; see eventwire.ts. */
  readonly listens: SharedArrayBuffer;
  /** One word, which goes up while the thread's event loop goes round; see workers/pulse.ts. */
  readonly pulse: SharedArrayBuffer;
  /** Milliseconds between two beats of it; 0: none. */
  readonly beatEvery: number;
}
