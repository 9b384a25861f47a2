// bundle — the notices about requests that arise in one turn: posted together, with the memory they speak of.
// Held by process.ts, one for its owner; one more for each `replyTo` port. Filled by exchange.ts.
// Invariant: order is kept; nothing waits longer than this turn; memory is posted once, whoever shares it, and not while
// more is read from it.
// Source: bench/RESULTS.md (one post a turn).

import type { HttpNotice } from '../lib/httpwire.ts';
import { costOfEvents } from '../lib/sentevents.ts';
import { isBeingRead } from './slabs.ts';

/** Bytes of bodies that are posted though more can be read: their owner would have nothing to do meanwhile. */
const ENOUGH = 2 * 1024 * 1024;

export class Bundle {
  readonly #post: (notices: readonly HttpNotice[], transfer: ArrayBuffer[]) => void;
  #notices: HttpNotice[] = [];
  #memory = new Set<ArrayBuffer>();
  #bytes = 0;
  #due = false;
  readonly #guard: (run: () => void) => void;

  constructor(
    post: (notices: readonly HttpNotice[], transfer: ArrayBuffer[]) => void,
    guard: (run: () => void) => void,
  ) {
    this.#post = post;
    this.#guard = guard;
  }

  /** Posted when all that could be read in this turn of the loop has been, with the next flush, or when it is ENOUGH.
   *  `data` is memory of its own: it is moved. */
  add(notice: HttpNotice): void {
    this.#notices.push(notice);
    if (notice.type === 'data' && notice.data.byteLength > 0) {
      this.#memory.add(notice.data.buffer as ArrayBuffer); // Made by slabs.ts.
      this.#bytes += notice.data.byteLength;
    } else if (notice.type === 'sse') this.#bytes += costOfEvents(notice.events);
    if (this.#bytes >= ENOUGH) return this.#plan(process.nextTick);
    if (this.#due) return;
    this.#due = true;
    this.#plan(setImmediate);
  }

  #plan(later: (run: () => void) => unknown): void {
    later(() => {
      this.#due = false;
      this.#guard(() => this.flush());
    });
  }

  flush(): void {
    if (this.#notices.length === 0) return;
    const notices = this.#notices;
    const memory = this.#memory;
    this.#notices = [];
    this.#memory = new Set();
    this.#bytes = 0;
    this.#post(...movable(notices, memory));
  }
}

/** What a read under way goes on with cannot move: parts that stand there are copied. */
function movable(
  notices: readonly HttpNotice[],
  memory: ReadonlySet<ArrayBuffer>,
): [readonly HttpNotice[], ArrayBuffer[]] {
  const moving = [...memory].filter((one) => !isBeingRead(one));
  if (moving.length === memory.size) return [notices, moving];
  const settled = notices.map((notice) => {
    if (notice.type !== 'data' || !isBeingRead(notice.data.buffer)) return notice;
    const data = notice.data.slice();
    moving.push(data.buffer);
    return { ...notice, data };
  });
  return [settled, moving];
}
