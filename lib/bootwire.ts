// bootwire — what passes between a host and a thread beside messages: what it is born with, and three shared words.
// Made by lib/spawn.ts; taken by workers/host.ts.
// Invariant: each word has one writer.

import type { MessagePort } from 'node:worker_threads';

/** What a thread is born with: the one piscina task that makes it a host of connection processes. */
export interface Boot {
  readonly control: MessagePort;
  /** One word, set by the thread's own 'exit' event: tells process.exit from terminate. */
  readonly exitWord: SharedArrayBuffer;
  /** One word, set by the host: a bit for each event that somebody listens to; see eventwire.ts. */
  readonly listens: SharedArrayBuffer;
  /** One word, which goes up while the thread's event loop goes round; see workers/pulse.ts. */
  readonly pulse: SharedArrayBuffer;
  /** Milliseconds between two beats of it; 0: none. */
  readonly beatEvery: number;
}
