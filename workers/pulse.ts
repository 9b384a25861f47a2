// pulse — the beat of a thread: a shared word that goes up while its event loop goes round.
// Held by host.ts; watched by lib/watchdog.ts.
// Invariant: it beats while there are connections and not otherwise, posts nothing, and keeps no thread alive.

export class Pulse {
  readonly #word: Int32Array;
  readonly #every: number;
  readonly #needed: () => boolean;
  #timer: NodeJS.Timeout | undefined;

  /** `every`: milliseconds; 0: nobody watches. `needed`: whether there are connections. */
  constructor(word: SharedArrayBuffer, every: number, needed: () => boolean) {
    this.#word = new Int32Array(word);
    this.#every = every;
    this.#needed = needed;
    this.#beat();
  }

  /** There is a connection. */
  start(): void {
    if (this.#every === 0 || this.#timer) return;
    this.#beat();
    this.#timer = setInterval(() => {
      this.#beat();
      if (this.#needed()) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, this.#every).unref();
  }

  /** Nobody else writes the word; the host reads it whenever it likes, and only asks whether it has changed. */
  #beat(): void {
    Atomics.add(this.#word, 0, 1);
  }
}
