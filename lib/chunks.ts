// chunks — the body of an answer in parts, as a loop reads it, or all at once.
// Made by stream.ts. Invariant: a part leaves the queue only when next() is answered with it; leaving the loop leaves
// the rest for whoever reads next. Source: ECMAScript AsyncIterator; gun:await_body/4.

import { StreamError } from './errors.ts';
import type { Body, Headers, StreamNotice } from './types.ts';

/** What chunks are read from. */
export interface ChunkSource {
  /** A notice that is here already. */
  take(): StreamNotice | undefined;
  next(): Promise<StreamNotice>;
  /** Nothing more will come, and nothing is left. A method: V8 gives each object that is written with a getter a class
   *  of its own, and all of those are garbage that stays. */
  isComplete(): boolean;
}

/** @throws what the stream ends with. @internal */
export class Chunks implements AsyncIterableIterator<Uint8Array> {
  readonly #source: ChunkSource;
  readonly #left: () => void;
  #state: 'reading' | 'waiting' | 'done' = 'reading';

  /** `left`: the loop is over. */
  constructor(source: ChunkSource, left: () => void) {
    this.#source = source;
    this.#left = left;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#state === 'waiting') {
      throw new StreamError('ERR_GUNPORT_READING', 'next() was called before the last one was answered');
    }
    while (this.#state !== 'done') {
      if (this.#source.isComplete()) break;
      this.#state = 'waiting';
      let notice: StreamNotice;
      try {
        notice = this.#source.take() ?? (await this.#source.next());
      } catch (error) {
        this.#finish();
        throw error;
      }
      if (this.#isDone) break;
      this.#state = 'reading';
      if (notice.type === 'data' && notice.data.byteLength > 0) return { value: notice.data, done: false };
    }
    this.#finish();
    return END;
  }

  /** A getter of its own, since the state changes while next() waits. */
  get #isDone(): boolean {
    return this.#state === 'done';
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#finish();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(): void {
    if (this.#state === 'done') return;
    this.#state = 'done';
    this.#left();
  }
}

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** Reads to the end. @throws {StreamError} ERR_GUNPORT_TOO_BIG above `maxBody` bytes. @internal */
export async function readBody(source: ChunkSource, maxBody: number): Promise<Body> {
  const parts: Uint8Array[] = [];
  let length = 0;
  let trailers: Headers | undefined;
  while (!source.isComplete()) {
    const notice = source.take() ?? (await source.next());
    if (notice.type === 'trailers') trailers = notice.headers;
    if (notice.type !== 'data') continue;
    length += notice.data.byteLength;
    if (length > maxBody) {
      const text = `the answer's body exceeds maxBody (${maxBody})`;
      throw new StreamError('ERR_GUNPORT_TOO_BIG', text, { reason: maxBody });
    }
    parts.push(notice.data);
  }
  const [first] = parts;
  if (first && parts.length === 1) return { body: first, trailers };
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.byteLength;
  }
  return { body, trailers };
}
