// dialogue — whether what comes next on a WebSocket will come at once, so that its thread had better not fall asleep.
// Told by websocket.ts of each cast that is sent and each read. To wake a sleeping thread takes 20 to 30 us where cores
// are virtual, which is most of what an echo through a worker takes; a thread whose loop is turning finds what has come
// in one.
// Invariant: a loop turns for nothing only where as good as all answers came within NEAR (eight of nine), and then for NEAR at
// most. So a feed that is only read, or a WebSocket that is only sent on, never does it, nor one whose peer is farther
// away. Never on one core, which its answer would need.
// Source: measured, bench/RESULTS.md.

import { availableParallelism } from 'node:os';

/** An answer within so many milliseconds comes at once. */
const NEAR = 0.15;
/** Points: one for each answer that came at once; one that did not costs as many as make a habit. */
const HABIT = 8;
const MOST = 32;

type Side = 'owner' | 'peer';

export class Dialogue {
  #last: Side = 'owner';
  #at = Number.NEGATIVE_INFINITY;
  /** How far it is a habit of the other to answer this one at once. */
  readonly #points = { owner: 0, peer: 0 };

  /** One of them has spoken. */
  heard(from: Side): void {
    const now = performance.now();
    const last = this.#last;
    const change = from !== last && now - this.#at <= NEAR ? 1 : -HABIT;
    this.#points[last] = Math.min(MOST, Math.max(0, this.#points[last] + change));
    this.#last = from;
    this.#at = now;
    if (this.#points[from] >= HABIT) stayAwake(now + NEAR);
  }
}

// Per thread, as it must be: one loop turns for all its sockets.
const mayTurn = availableParallelism() > 1;
let until = 0;
let turning = false;

/** The loop turns until then, on performance.now()'s clock. */
function stayAwake(then: number): void {
  until = then;
  if (turning || !mayTurn) return;
  turning = true;
  setImmediate(turn);
}

function turn(): void {
  if (performance.now() < until) setImmediate(turn);
  else turning = false;
}
