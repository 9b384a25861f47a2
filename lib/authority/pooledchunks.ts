// pooledchunks — the body of a pooled request in parts, for a loop that may begin before there is an answer.
// Made by pooledrequest.ts. Invariant: left early, by break or by an error, what is left of the answer is cancelled, so
// that its place is free. Source: ECMAScript AsyncIterator.

/** @internal */
export class PooledChunks implements AsyncIterableIterator<Uint8Array> {
  readonly #stream: () => Promise<AsyncIterable<Uint8Array>>;
  readonly #left: () => void;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #done = false;

  /** `left`: before its end. */
  constructor(stream: () => Promise<AsyncIterable<Uint8Array>>, left: () => void) {
    this.#stream = stream;
    this.#left = left;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#done) return END;
    try {
      this.#chunks ??= (await this.#stream())[Symbol.asyncIterator]();
      const result = await this.#chunks.next();
      if (result.done) this.#done = true;
      return result;
    } catch (error) {
      this.#done = true;
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#done) {
      this.#done = true;
      this.#left();
      await this.#chunks?.return?.();
    }
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };
