// onestream — the promises about one stream, as a history of it is checked: no gap, once only, in order, one owner, one
// ending; whoever owned it, and whatever became of them.
// Fed by the model (test/model) as things happen, and by runs of real threads (test/interleavings) from their logs.
// Invariant: what is wrong is told in a sentence, in the order it was found; a history without any is right.
// Source: promises O1 to O4, S2.

export class OneStream {
  /** What is wrong. */
  readonly violations: string[] = [];
  readonly #arrived: readonly number[];
  #at = 0;
  #mayLose = false;
  #owner: string | undefined;
  #giving = false;
  #end: string | undefined;

  /** `arrived`: what has come for it up to now; it grows. */
  constructor(arrived: readonly number[]) {
    this.#arrived = arrived;
  }

  /** Messages that were given to anybody, or passed over where they may be lost. */
  get read(): number {
    return this.#at;
  }

  get owner(): string | undefined {
    return this.#owner;
  }

  wrong(what: string): void {
    this.violations.push(what);
  }

  /** Somebody owns it from now on. */
  owns(owner: string): void {
    if (this.#owner !== undefined) this.wrong(`${owner} owns it, and so does ${this.#owner}`);
    this.#owner = owner;
    this.#giving = false;
  }

  /** The owner has called transferOwnership(): the cut. */
  gives(owner: string): void {
    if (owner === this.#owner) this.#giving = true;
  }

  /** It came to nothing. */
  keeps(owner: string): void {
    if (owner !== this.#owner) this.wrong(`${owner} has it back, and ${this.#owner ?? 'nobody'} owns it`);
    this.#giving = false;
  }

  /** It came about. */
  gave(owner: string): void {
    if (owner !== this.#owner) this.wrong(`${owner} gave what ${this.#owner ?? 'nobody'} owns`);
    this.#owner = undefined;
    this.#giving = false;
  }

  /** The owner's thread has ended, or a taker's with what it had been given: that may be lost. */
  died(): void {
    this.#owner = undefined;
    this.#giving = false;
    this.#mayLose = true;
  }

  /** What comes next need not be what came next. */
  mayLose(): void {
    this.#mayLose = true;
  }

  /** A message was given to a reader. */
  got(owner: string, number: number): void {
    if (owner !== this.#owner) this.wrong(`${owner} got ${number}, and ${this.#owner ?? 'nobody'} owns it`);
    else if (this.#giving) this.wrong(`${owner} got ${number} after the cut`);
    if (this.#end !== undefined) this.wrong(`${owner} got ${number} behind the end, ${this.#end}`);
    const at = this.#arrived.indexOf(number, this.#at);
    if (at < 0) {
      const before = this.#arrived.lastIndexOf(number, this.#at - 1) >= 0;
      return this.wrong(`${owner} got ${number} ${before ? 'again, or too late' : 'that never came'}`);
    }
    if (at > this.#at && !this.#mayLose) {
      this.wrong(`${owner} got ${number}, where ${this.#arrived[this.#at]} came next`);
    }
    this.#mayLose = false;
    this.#at = at + 1;
  }

  /** A reader was told of the end. */
  ended(owner: string, how: string): void {
    if (owner !== this.#owner)
      this.wrong(`${owner} was told of the end, and ${this.#owner ?? 'nobody'} owns it`);
    this.#end ??= how;
  }

  /** All is over: was all given that has come? */
  complete(): void {
    const left = this.#arrived.length - this.#at;
    if (left > 0 && !this.#mayLose)
      this.wrong(`${left} messages from ${this.#arrived[this.#at]} on were never given`);
  }
}
