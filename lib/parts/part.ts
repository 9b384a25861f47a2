// part — what a part is: one step of a pipe that takes a value and passes on what follows from it, none, one or many.
// Made by the functions of this folder, or by users with `part()`; run by pipe.ts.
// Invariant: a part begins once, in one pipe; what it takes and does not pass on is counted.
// No part has a clock or timers but those of the context that it is begun with.
// Source: the operators of RxJS; the stages of Erlang's Broadway.

import { type Given, integer, NOTHING, within } from '../checks.ts';
import { describe, GunportError, OptionError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';

/** What a part counts: `in` what it took, `out` what it passed on, `dropped` what it will never pass on, `failed` what
 *  an error was thrown for; and what the part at hand counts beside. */
export interface Counters {
  readonly in: number;
  readonly out: number;
  readonly dropped: number;
  readonly failed: number;
  readonly [more: string]: number;
}

/** The counters, while they count. */
export interface Counting {
  in: number;
  out: number;
  dropped: number;
  failed: number;
  [more: string]: number;
}

/** What a part may do: the part of a handler's context that it needs. */
export type PartContext<M = unknown> = Pick<
  HandlerContext<M>,
  'ready' | 'now' | 'emit' | 'setTimeout' | 'fault'
>;

/** A part that has begun. `take` is called for each value, the others with the handler's hooks of that name. */
export interface Running<I> {
  take(value: I): void;
  ready?(): void;
  down?(): void;
  close?(): void;
}

/** One step of a pipe: takes values of `I`, and passes on values of `O`. */
export interface Part<I = unknown, O = unknown> {
  readonly name: string;
  readonly counters: Counters;
  /** Called by the pipe, once. `next` takes what it passes on, in a call of `take` or later.
   *  @throws {GunportError} ERR_GUNPORT_BAD_STATE it is in a pipe already. */
  begin(context: PartContext, next: (value: O) => void): Running<I>;
}

/** A part of your own. `begin` is called once, and gives what takes the values. The pipe counts `in`, `out` and `failed`;
 *  `dropped`, and what `more` names, is for the part to count.
 *  @throws {GunportError} ERR_GUNPORT_BAD_STATE it is put into a second pipe.
 *  @example
 *  const twice = part('twice', {}, (_context, next) => ({ take: (value) => { next(value); next(value); } })); */
export function part<I, O>(
  name: string,
  more: Readonly<Record<string, number>>,
  begin: (context: PartContext, next: (value: O) => void, counting: Counting) => Running<I>,
): Part<I, O> {
  const counters: Counting = { in: 0, out: 0, dropped: 0, failed: 0, ...more };
  let begun = false;
  return {
    name,
    counters,
    begin: (context, next) => {
      // Its state and its counters are of one stream of values: two would be mixed.
      if (begun) throw new GunportError('ERR_GUNPORT_BAD_STATE', `the part ${name} is in a pipe already`);
      begun = true;
      return begin(context, next, counters);
    },
  };
}

/** A value that is to outlive the hook: bytes are views of memory that is used again. @internal */
export function keep<T>(value: T): T {
  // slice() of a Buffer would share its memory. A copy of bytes is bytes.
  return value instanceof Uint8Array ? (Uint8Array.from(value) as T & Uint8Array) : value;
}

/** A part's options, under whole names: `conflate.interval`. @throws {OptionError} @internal */
export function optionsOf(value: unknown, names: readonly string[], prefix: string): Given {
  return value === undefined ? NOTHING : within(value, new Set(names), prefix);
}

/** An integer that must be given. @throws {OptionError} @internal */
export function requiredInteger(
  given: Given,
  name: string,
  bounds: readonly [least: number, most: number],
): number {
  if (given[name] === undefined) throw new OptionError(`${name} must be an integer, got undefined`);
  return integer(given, name, 0, bounds);
}

/** A function, or undefined. @throws {OptionError} @internal */
export function optionalFunction<F>(value: F | undefined, name: string): F | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw new OptionError(`${name} must be a function, got ${describe(value)}`);
}

/** A function. @throws {OptionError} @internal */
export function requiredFunction<F>(value: F, name: string): F {
  if (typeof value === 'function') return value;
  throw new OptionError(`${name} must be a function, got ${describe(value)}`);
}

/** Most keys that a part remembers, where its options do not say. @internal */
export const MOST_KEYS = 65_536;
