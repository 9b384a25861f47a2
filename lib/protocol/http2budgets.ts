// http2budgets — how many frames of a kind an HTTP/2 peer may send: a bucket each, that time and our own traffic refill.
// Held by http2frames.ts. Pure: time comes in.
// Invariant: what an honest server sends in answer to us is always covered by what we sent; the rest is bounded a second.
// Source: the floods that node:http2 lets pass without an end (17 000 000 WINDOW_UPDATE, 308 000 interim answers a
// second); CVE-2019-9511 … 9518, CVE-2023-44487.

interface Budget {
  /** Refilled with so many a second. */
  readonly rate: number;
  /** So many at first, and after a rest. */
  readonly burst: number;
  /** More for each request, up to `most` in all. */
  readonly request: number;
  readonly most: number;
}

/** By the type of the frame: RFC 9113 §6. */
const BUDGETS: readonly Budget[] = [
  // DATA with nothing in it
  { rate: 100, burst: 1_000, request: 4, most: 20_000 },
  // HEADERS: interim answers, the answer, trailers
  { rate: 100, burst: 1_000, request: 16, most: 50_000 },
  // PRIORITY
  { rate: 100, burst: 1_000, request: 0, most: 1_000 },
  // RST_STREAM
  { rate: 100, burst: 500, request: 2, most: 20_000 },
  // SETTINGS
  { rate: 10, burst: 100, request: 0, most: 100 },
  // PUSH_PROMISE
  { rate: 100, burst: 500, request: 32, most: 10_000 },
  // PING, asked and answered
  { rate: 100, burst: 1_000, request: 0, most: 10_000 },
  // GOAWAY
  { rate: 10, burst: 100, request: 0, most: 100 },
  // WINDOW_UPDATE
  { rate: 1_000, burst: 10_000, request: 4, most: 200_000 },
];
/** What we may ignore. */
const UNKNOWN: Budget = { rate: 100, burst: 500, request: 0, most: 500 };
const RESET = 3;
const PROMISE = 5;
const PING = 6;
const WINDOW_UPDATE = 8;
/** A server opens its window for what it was sent: at most a frame for so many bytes. */
const BYTES_PER_UPDATE = 4;

const KINDS = [...BUDGETS, UNKNOWN];
const UNKNOWN_KIND = BUDGETS.length;

export class Budgets {
  readonly #left = KINDS.map(({ burst }) => burst);
  readonly #since: (number | undefined)[] = KINDS.map(() => undefined);

  /** One frame of this type; false: that is too many. */
  spend(type: number, now: number): boolean {
    const kind = Math.min(type, UNKNOWN_KIND);
    const since = this.#since[kind];
    const left = this.#left[kind] ?? 0;
    this.#since[kind] ??= now;
    if (left < 1 && since !== undefined) {
      const { rate, burst } = KINDS[kind] ?? UNKNOWN;
      this.#left[kind] = Math.min(burst, left + ((now - since) * rate) / 1_000);
      this.#since[kind] = now;
    }
    // A stream that was pushed may be reset, too.
    if (kind === PROMISE) this.#add(RESET, 1);
    this.#left[kind] = (this.#left[kind] ?? 0) - 1;
    return (this.#left[kind] ?? 0) >= 0;
  }

  /** A request was sent. */
  asked(): void {
    for (let kind = 0; kind < KINDS.length; kind++) {
      const { request } = KINDS[kind] ?? UNKNOWN;
      if (request > 0) this.#add(kind, request);
    }
  }

  /** A ping was sent. */
  pinged(): void {
    this.#add(PING, 1);
  }

  /** So many bytes were sent. */
  sent(bytes: number): void {
    this.#add(WINDOW_UPDATE, bytes / BYTES_PER_UPDATE);
  }

  #add(kind: number, count: number): void {
    const { most } = KINDS[kind] ?? UNKNOWN;
    this.#left[kind] = Math.min(most, (this.#left[kind] ?? 0) + count);
  }
}
