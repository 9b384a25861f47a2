// bodysending — the body of a request that comes in parts, on its way from its source to its stream.
// Made by fetch.ts and pooledrequest.ts. Invariant: the next part is asked for when there is room for it; the source is
// left as soon as the stream has ended, however that was; what the source throws cancels the request.
// Source: WHATWG Fetch §4.6 and Streams §4; ECMAScript AsyncIterator.

import { OptionError } from './errors.ts';
import type { BodyPart, HeaderFields } from './options.ts';
import type { Stream } from './stream.ts';

/** A body that comes in parts, on its way. Its source is left as soon as the stream has ended, however that was. @internal */
export class Sending {
  readonly #stream: Stream;
  readonly #trailers: HeaderFields | undefined;
  #source: Source | undefined;
  #over = false;
  /** What its source threw. */
  error: unknown;

  constructor(stream: Stream, trailers: HeaderFields | undefined) {
    this.#stream = stream;
    this.#trailers = trailers;
  }

  begin(parts: AsyncIterable<BodyPart>): void {
    this.#run(parts).catch((error: unknown) => this.#failed(error));
  }

  /** The stream has ended. */
  ended(error: unknown): void {
    this.#leave(error);
  }

  async #run(parts: AsyncIterable<BodyPart>): Promise<void> {
    const stream = this.#stream;
    this.#source = sourceOf(parts);
    for (;;) {
      const { done, value } = await this.#source.next();
      await stream.settled();
      // Answered already, cancelled, or failed: who reads the answer hears of it.
      if (this.#over) return;
      if (done) {
        stream.data(true, undefined, { trailers: this.#trailers });
        this.#over = true;
        return;
      }
      if (!stream.data(false, value)) await stream.drained();
    }
  }

  /** What an end of the stream makes of it is no error of the source. */
  async #failed(error: unknown): Promise<void> {
    if (this.#over) return;
    this.error = error;
    this.#leave(error);
    await cancelQuietly(this.#stream);
  }

  #leave(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    // What it fails with now is nobody's business: the request is over.
    void (async () => this.#source?.leave(reason))().catch(() => {});
  }
}

/** What comes in parts. @internal */
export function isParts(body: unknown): body is AsyncIterable<BodyPart> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

/** @throws {OptionError} it is a stream that somebody reads. @internal */
export function checkUnread(parts: AsyncIterable<BodyPart>): void {
  if (!(parts instanceof ReadableStream) || !parts.locked) return;
  throw new OptionError('body must be a stream that nobody reads, got one that is locked');
}

interface Source {
  next(): Promise<IteratorResult<BodyPart>>;
  leave(reason: unknown): unknown;
}

function sourceOf(parts: AsyncIterable<BodyPart>): Source {
  if (parts instanceof ReadableStream) {
    // Its reader can be left while a read is pending; its iterator cannot.
    const reader: ReadableStreamDefaultReader<BodyPart> = parts.getReader();
    return {
      next: () => reader.read() as Promise<IteratorResult<BodyPart>>, // They differ in the type of the end.
      leave: (reason) => reader.cancel(reason),
    };
  }
  const iterator = parts[Symbol.asyncIterator]();
  return { next: () => iterator.next(), leave: () => iterator.return?.() };
}

/** Cancels a stream that may have ended, or be another's, once no hand-over is under way. @internal */
export async function cancelQuietly(stream: Stream): Promise<void> {
  await stream.settled();
  if (stream.state !== 'ended') cancelNow(stream);
}

/** The same at once; of one that has ended nothing more is given to anybody. @internal */
export function cancelNow(stream: Stream): void {
  try {
    stream.cancel();
  } catch {
    // It is another's now, or its process is dead: there is nothing to cancel here.
  }
}
