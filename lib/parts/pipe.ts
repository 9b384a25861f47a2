// pipe — a handler made of parts: each message goes through them in turn, and what comes out is emitted.
// Called by handler modules, with the context that they are given.
// Invariant: what a part throws costs the value that it was given, no other: it is counted, and reported as a fault,
// at most one a second for each part, since a peer that sends nothing but bad messages must not fill the owner's memory.
// Source: RxJS's pipe.

import type { Batch } from '../batch.ts';
import { describe, OptionError } from '../errors.ts';
import type { Message } from '../types.ts';
import type { Counters, Counting, Part, PartContext, Running } from './part.ts';

/** The counters of a part, as `api.counters()` gives them. */
export interface PartCounters {
  readonly part: string;
  readonly counters: Counters;
}

/** A handler that is made of parts. Lay your own hooks and `api` over it: `{ ...pipe(…), api }`. Of the hooks that it has,
 *  call its own in yours: parts hear of the loss of the socket, of room and of the end by them. */
export interface Pipe {
  message(data: Message): void;
  /** There when the first part picks messages out of memory, as `contains` does. */
  batch?(batch: Batch): void;
  ready(): void;
  down(): void;
  close(): void;
  readonly api: PipeApi;
}

/** What the owner calls of it. */
export interface PipeApi {
  /** Those of each part, in order. */
  counters(): PartCounters[];
}

/** A part that tells from a batch which messages it passes on, without taking each out of memory. */
export interface Picking extends Part<Message, Message> {
  /** Calls `each` with the index of every message that is wanted, in order; gives how many there were. */
  pick(batch: Batch, each: (index: number) => void): void;
}

const FAULT_INTERVAL = 1_000;

/** Makes a handler of parts. What the last one passes on is emitted to the owner.
 *  @throws {OptionError} not a part. @throws {GunportError} ERR_GUNPORT_BAD_STATE one is in a pipe already.
 *  @example
 *  export default ({ symbol }, context) =>
 *    pipe(context, json(), filter((trade) => trade.symbol === symbol), conflate({ key: (trade) => trade.side })); */
export function pipe<A>(context: PartContext<A>, a: Part<Message, A>): Pipe;
export function pipe<A, B>(context: PartContext<B>, a: Part<Message, A>, b: Part<A, B>): Pipe;
export function pipe<A, B, C>(
  context: PartContext<C>,
  a: Part<Message, A>,
  b: Part<A, B>,
  c: Part<B, C>,
): Pipe;
export function pipe<A, B, C, D>(
  context: PartContext<D>,
  a: Part<Message, A>,
  b: Part<A, B>,
  c: Part<B, C>,
  d: Part<C, D>,
): Pipe;
export function pipe<A, B, C, D, E>(
  context: PartContext<E>,
  a: Part<Message, A>,
  b: Part<A, B>,
  c: Part<B, C>,
  d: Part<C, D>,
  e: Part<D, E>,
): Pipe;
export function pipe<A, B, C, D, E, F>(
  context: PartContext<F>,
  a: Part<Message, A>,
  b: Part<A, B>,
  c: Part<B, C>,
  d: Part<C, D>,
  e: Part<D, E>,
  f: Part<E, F>,
): Pipe;
export function pipe<A, B, C, D, E, F, G>(
  context: PartContext<G>,
  a: Part<Message, A>,
  b: Part<A, B>,
  c: Part<B, C>,
  d: Part<C, D>,
  e: Part<D, E>,
  f: Part<E, F>,
  g: Part<F, G>,
): Pipe;
export function pipe(context: PartContext, ...parts: readonly unknown[]): Pipe {
  if (typeof context?.emit !== 'function')
    throw new OptionError(`pipe must be given the handler's context first, got ${describe(context)}`);
  if (parts.length === 0) throw new OptionError('pipe must have a part, got none');
  const chain = new Chain(context, parts.map(checkPart));
  const { first } = chain;
  const message = (data: Message): void => chain.take(data);
  const hooks: Pipe = {
    message,
    ready: () => chain.tell('ready'),
    down: () => chain.tell('down'),
    close: () => chain.tell('close'),
    api: { counters: () => chain.counters() },
  };
  if (!isPicking(first)) return hooks;
  return { ...hooks, batch: (batch) => first.pick(batch, (index) => chain.pass(batch.get(index))) };
}

/** Parts that have begun, each with the link that leads into it. */
class Chain {
  readonly first: Part;
  readonly take: (value: unknown) => void;
  /** Into the second part. */
  readonly pass: (value: unknown) => void;
  readonly #context: PartContext;
  readonly #parts: readonly Part[];
  readonly #running: Running<unknown>[] = [];
  readonly #reported = new Map<Part, number>();

  constructor(context: PartContext, parts: readonly Part[]) {
    this.#context = context;
    this.#parts = parts;
    // From the last to the first: each is begun with the link into the one behind it.
    let pass = (_value: unknown): void => {};
    let link = this.#guarded(parts.at(-1), (value) => void context.emit(value));
    for (const part of parts.toReversed()) {
      const counting = part.counters as Counting; // The pipe is who counts these: see part().
      const onward = link;
      const running = part.begin(context, (value) => {
        counting.out++;
        onward(value);
      });
      this.#running.unshift(running);
      pass = onward;
      link = this.#guarded(part, (value) => {
        counting.in++;
        running.take(value);
      });
    }
    this.first = parts[0] as Part; // pipe() has seen that there is one.
    this.take = link;
    this.pass = pass;
  }

  tell(hook: 'ready' | 'down' | 'close'): void {
    for (const [place, running] of this.#running.entries()) {
      try {
        running[hook]?.();
      } catch (error) {
        this.#failed(this.#parts[place], error);
      }
    }
  }

  counters(): PartCounters[] {
    return this.#parts.map(({ name, counters }) => ({ part: name, counters: { ...counters } }));
  }

  /** What it throws is told of `part`. */
  #guarded(part: Part | undefined, link: (value: unknown) => void): (value: unknown) => void {
    return (value) => {
      try {
        link(value);
      } catch (error) {
        this.#failed(part, error);
      }
    };
  }

  #failed(part: Part | undefined, error: unknown): void {
    if (!part) return; // There is always one: the type of at() only does not say so.
    (part.counters as Counting).failed++; // As above.
    const now = this.#context.now();
    const last = this.#reported.get(part);
    if (last !== undefined && now - last < FAULT_INTERVAL) return;
    this.#reported.set(part, now);
    this.#context.fault(error, part.name);
  }
}

function isPicking(part: Part): part is Part & Picking {
  return 'pick' in part;
}

function checkPart(value: unknown): Part {
  // Both are what a part is asked for below.
  const { begin, counters } = (value ?? {}) as Partial<Part>;
  if (typeof begin === 'function' && typeof counters === 'object') return value as Part;
  throw new OptionError(`pipe must be given parts behind the context, got ${describe(value)}`);
}
