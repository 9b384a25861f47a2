// reading — the messages of a client, from one connection process to the next, without a gap or a repeat.
// Held by client.ts. Read in one way at a time: by a loop, or by 'message' events.
// Invariant: a line is read to its end before the next; of what both have brought in a rollover, the first is given.
// Source: promises O1 and S2, for a client.

import { GunportError } from '../errors.ts';
import { shielded } from '../listeners.ts';
import type { Delivered } from '../session/sessionwire.ts';
import type { Line } from './line.ts';

/** Errors of the reader's own doing, or that concern this handle alone: they are no end of a line. */
const OWN: ReadonlySet<string> = new Set(['ERR_GUNPORT_READING', 'ERR_GUNPORT_NOT_OWNER']);

/** Most keys that are kept of what the line before has brought. */
const MOST_NOTED = 100_000;

/** @internal */
export class Reading<M> {
  #line: Line | undefined;
  /** Who waits for the first. */
  #begun: (() => void)[] = [];
  /** The client has ended. */
  #ended: { readonly error: GunportError | undefined } | undefined;
  /** Of lines before the current one, or of an earlier owner: given before anything newer. */
  #rest: (readonly [M])[] = [];
  /** It is being handed over: nothing is given meanwhile. */
  #seal: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  #emit: ((message: M) => void) | undefined;
  #stopEmitting: (() => void) | undefined;

  /** The first line is there. `rest`: what an earlier owner had not given to anybody. */
  begin(line: Line, rest: readonly unknown[]): void {
    this.#line = line;
    // What the messages are, whoever made the client knows.
    this.#rest = rest.map((message) => [message as M]);
    for (const tell of this.#begun.splice(0)) tell();
    if (this.#emit) this.#listen(line);
  }

  /** The client has ended: where it never had a line, no line can tell. */
  end(error: GunportError | undefined): void {
    this.#ended = { error };
    for (const tell of this.#begun.splice(0)) tell();
  }

  /** Gives nothing any more, and takes what lines before this one have brought: that goes along in a hand-over. */
  async seal(current: Line): Promise<readonly unknown[]> {
    this.#seal ??= newSeal();
    if (this.#line !== current) this.#stopEmitting?.();
    for (let line = this.#line; line && line !== current; line = this.#line) await this.#drain(line);
    return this.#rest.map(([message]) => message);
  }

  /** It was given, and all that was taken is another's; or not, and it goes on. */
  unseal(given: boolean): void {
    if (given) this.#rest = [];
    this.#seal?.end();
    this.#seal = undefined;
    if (this.#emit && this.#line && !this.#stopEmitting) this.#listen(this.#line);
  }

  async #drain(line: Line): Promise<void> {
    const messages = line.feed[Symbol.asyncIterator]();
    try {
      for (let one = await taken(messages); one && one.length > 0; one = await taken(messages)) {
        const message = this.#fresh(line, one);
        if (message) this.#rest.push(message);
      }
      await messages.return?.();
    } catch {
      // A loop of the user's is in the midst of taking its last: it goes on to the next line by itself.
      return new Promise((resolve) => setImmediate(resolve));
    }
    await this.#advance(line);
  }

  /** One loop. `break` ends the loop, not the client. */
  iterate(): AsyncIterableIterator<M> {
    let source: { readonly line: Line; readonly messages: AsyncIterator<Delivered> } | undefined;
    const next = async (): Promise<IteratorResult<M, undefined>> => {
      for (;;) {
        await this.#seal?.over;
        const before = this.#rest.shift();
        if (before) return { done: false, value: before[0] };
        const line = await this.#first();
        if (!line) return { done: true, value: undefined };
        if (source?.line !== line) source = { line, messages: line.feed[Symbol.asyncIterator]() };
        const delivered = await taken(source.messages);
        if (delivered === undefined || delivered.length === 0) {
          if (!(await this.#advance(line))) return { done: true, value: undefined };
          continue;
        }
        const message = this.#fresh(line, delivered);
        if (message) return { done: false, value: message[0] };
      }
    };
    const iterator: AsyncIterableIterator<M> = {
      next,
      return: async () => {
        await source?.messages.return?.();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Events instead; undefined: nobody listens any more. */
  events(emit: ((message: M) => void) | undefined): void {
    this.#emit = emit;
    if (emit && this.#line && !this.#stopEmitting) this.#listen(this.#line);
    if (!emit) this.#stopEmitting?.();
  }

  #listen(line: Line): void {
    const { feed } = line;
    let stopped = false;
    const stop = (): void => {
      this.#stopEmitting = undefined;
      stopped = true;
      feed.off('message', take);
      feed.off('close', goOn);
    };
    const goOn = (): void => {
      stop();
      // What the client ended with is told by other events.
      void this.#advance(line).then(
        () => this.#line && this.#line !== line && this.#emit && this.#listen(this.#line),
        () => {},
      );
    };
    const take = (delivered: Delivered): void => {
      if (delivered.length === 0) return goOn();
      const message = this.#fresh(line, delivered);
      if (message) this.#emitOne(message);
    };
    this.#stopEmitting = stop;
    // Whoever has just begun to listen is heard of after it is there.
    queueMicrotask(() => {
      for (let one = this.#rest.shift(); one && this.#emit; one = this.#rest.shift()) this.#emitOne(one);
      if (stopped) return;
      feed.on('message', take);
      feed.on('close', goOn);
    });
  }

  #emitOne([message]: readonly [M]): void {
    shielded(() => this.#emit?.(message));
  }

  /** Not for what the line before has brought as well. */
  #fresh(line: Line, delivered: Delivered): readonly [M] | undefined {
    // It is not empty: its caller has looked.
    const [message, key] = delivered as readonly [M, (string | number)?];
    if (key !== undefined) {
      if (line.seen.delete(key)) return undefined;
      if (line.noting) note(line.noting, key);
    }
    return [message];
  }

  /** Undefined: there was none, and will be none. @throws what the client ended with. */
  async #first(): Promise<Line | undefined> {
    if (!this.#line && !this.#ended) await new Promise<void>((resolve) => this.#begun.push(resolve));
    if (!this.#line && this.#ended?.error) throw this.#ended.error;
    return this.#line;
  }

  /** To the line behind it. False: there is none, and there was nothing wrong. @throws what the client ended with. */
  async #advance(line: Line): Promise<boolean> {
    const next = await line.next;
    if (this.#line === line && next) this.#line = next;
    return next !== undefined;
  }
}

/** A fresh line may take long to be ready, and brings only what is new by then. */
function note(noted: Set<string | number>, key: string | number): void {
  noted.add(key);
  const [oldest] = noted.size > MOST_NOTED ? noted : [];
  if (oldest !== undefined) noted.delete(oldest);
}

function newSeal(): { readonly over: Promise<void>; readonly end: () => void } {
  let end = (): void => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { over, end };
}

/** The next that was delivered; undefined at the end, however it came. @throws what is the reader's own doing. */
async function taken(messages: AsyncIterator<Delivered>): Promise<Delivered | undefined> {
  try {
    const { done, value } = await messages.next();
    return done ? undefined : value;
  } catch (error) {
    if (error instanceof GunportError && OWN.has(error.code)) throw error;
    // The client knows what became of it.
    return undefined;
  }
}
