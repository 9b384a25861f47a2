// log — what all threads of a round write down of its transfers, in memory that they share.
// Made by works.ts once a round; written by whoever owns the feed.
// Invariant: the feed has one owner, and a hand-over lies between two of them: so there is one writer at a time, and
// who reads while it goes on reads `TRANSFERS` first and then only gaps below it.

const WORDS = { transfers: 0, messages: 1, stop: 2 } as const;
const HEAD = 64;
/** Gaps that it has room for: more than a round of the longest window can have. */
const GAPS = 1 << 20;

export class TransferLog {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #gaps: Float64Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(HEAD + GAPS * 8)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, HEAD / 4);
    this.#gaps = new Float64Array(shared, HEAD);
  }

  /** The taker has its first message, so many us after the giver had its last. */
  took(gap: number): void {
    // The owner alone writes here; the add makes its gap visible to main, which loads this word first.
    const count = Atomics.load(this.#words, WORDS.transfers);
    this.#gaps[count % GAPS] = gap;
    Atomics.add(this.#words, WORDS.transfers, 1);
  }

  /** So many more were delivered. Added by the owner, loaded by main; it comes round after 2 ** 32. */
  delivered(messages: number): void {
    Atomics.add(this.#words, WORDS.messages, messages);
  }

  get transfers(): number {
    return Atomics.load(this.#words, WORDS.transfers);
  }

  get messages(): number {
    return Atomics.load(this.#words, WORDS.messages) >>> 0;
  }

  /** Of the transfers from one count to another, in us. */
  gaps(from: number, to: number): readonly number[] {
    const found: number[] = [];
    for (let at = from; at < to; at++) found.push(this.#gaps[at % GAPS] ?? 0);
    return found;
  }

  /** Main has its figures: who owns the feed next closes it. Stored by main once, loaded by each owner at its cut. */
  stop(): void {
    Atomics.store(this.#words, WORDS.stop, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, WORDS.stop) === 1;
  }
}
