// http2/bodies — what came for the streams of an HTTP/2 connection in one turn: told when the turn ends, all at once.
// Held by http2/driver.ts; filled by http2/exchange.ts.
// Invariant: a head is told before its body, however node:http2 orders its events; memory that is told is never
// node:http2's own, which may go on being read.
// Source: Node src/node_http2.cc (a read that is paused in its midst keeps its memory).

import { fresh, reading } from '../slabs.ts';

/** Bytes of bodies that are told though more is being read: a post costs its reader the more, the smaller they are. */
const ENOUGH = 1024 * 1024;

/** What has something to tell. */
export interface Teller {
  /** Bytes of body that came; 0: other things. */
  readonly size: number;
  /** Whether its bytes may stand in memory with those of others: all of them are told in this turn, to one place. */
  readonly shares: boolean;
  /** Puts its bytes there. */
  fill(memory: Uint8Array): void;
  /** Tells; `body` is the memory that was filled. */
  tell(body: Uint8Array | undefined): void;
}

export class Bodies {
  readonly #guard: (run: () => void) => void;
  readonly #after: () => void;
  #due = new Set<Teller>();
  #planned = false;
  #immediate: NodeJS.Immediate | undefined;
  /** More is there to be read in this turn of the loop. */
  #more = false;
  #bytes = 0;

  /** `guard`: runs what may throw; `after`: all of a turn was told. */
  constructor(guard: (run: () => void) => void, after: () => void) {
    this.#guard = guard;
    this.#after = after;
  }

  /** It has something to tell when this turn ends; so many `bytes` more of a body. */
  add(teller: Teller, bytes = 0): void {
    this.#due.add(teller);
    this.#bytes += bytes;
    if (this.#planned) return;
    this.#planned = true;
    // node:http2 tells of heads and ends by nextTick; this microtask runs when every nextTick of the turn has.
    process.nextTick(queueMicrotask, () => {
      this.#planned = false;
      this.#guard(() => this.#turned());
    });
  }

  /** A read has come; `more`: it filled its memory, and another follows at once. */
  reading(more: boolean): void {
    this.#more = more;
    if (more) this.#immediate ??= setImmediate(() => this.#guard(() => this.flush()));
  }

  #turned(): void {
    if (!this.#more || this.#bytes >= ENOUGH) this.flush();
  }

  /** Nothing more is told. */
  stop(): void {
    this.#due.clear();
    clearImmediate(this.#immediate);
  }

  flush(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#more = false;
    if (this.#due.size === 0) return;
    const due = this.#due;
    this.#due = new Set();
    this.#bytes = 0;
    let shared = 0;
    for (const { shares, size } of due) if (shares) shared += size;
    const memory = shared > 0 ? fresh(shared) : undefined;
    const bodies: (Uint8Array | undefined)[] = [];
    let at = 0;
    for (const teller of due) {
      const { size, shares } = teller;
      const body = size === 0 ? undefined : shares ? memory?.subarray(at, at + size) : fresh(size);
      if (shares) at += size;
      if (body) teller.fill(body);
      bodies.push(body);
    }
    // What one of them leads to may be posted at once: the memory stays until all are told.
    reading({ memory: memory?.buffer }, () => {
      let i = 0;
      for (const teller of due) teller.tell(bodies[i++]);
    });
    this.#after();
  }
}
