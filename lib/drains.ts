// drains — who waits until what was given so far has left this process, and the bound of what may be given meanwhile.
// Held by sending.ts and uploading.ts, which count the bytes.
// Invariant: each wait settles once; what is over is forgotten. Source: WHATWG bufferedAmount; promise F3.

import { type WaitOptions, wait } from './await.ts';

interface Drain {
  readonly mark: number;
  readonly settle: (error?: Error) => void;
}

/** @internal */
export class Drains {
  #waiting: Drain[] = [];

  /** Resolves when `mark` bytes have left, in all; so far it is `gone`. */
  wait(mark: number, gone: number, options: WaitOptions): Promise<void> {
    return wait<void>('drained()', options, (settle) => {
      const drain: Drain = {
        mark,
        settle: (error) => (error ? settle(error) : settle(undefined, undefined)),
      };
      if (gone >= mark) drain.settle();
      else this.#waiting.push(drain);
      return () => {
        this.#waiting = this.#waiting.filter((other) => other !== drain);
      };
    });
  }

  /** Those who wait for no more than so many bytes: for good, or with an error. Without `bytes`: all. */
  settle(error: Error | undefined, bytes: number = Number.POSITIVE_INFINITY): void {
    if (this.#waiting.length === 0) return;
    const settled = this.#waiting.filter(({ mark }) => mark <= bytes);
    this.#waiting = this.#waiting.filter((drain) => !settled.includes(drain));
    for (const drain of settled) drain.settle(error);
  }
}
