// matching — what a test expects of a message, and whether a message is that.
// Used by server.ts (`waitFor`, `next`) and by steps.ts (`expect`).
// Invariant: a message that cannot be what is expected (bytes for a text, no JSON) does not match; nothing throws but a
// function of the test's own.

import { isDeepStrictEqual } from 'node:util';
import { describe } from '../errors.ts';
import type { Message } from '../types.ts';

/** What a message must be: this text; text that fits the pattern; these bytes; JSON that has at least these members, at any
 *  depth (arrays: these elements and no others); or whatever the function says yes to. */
export type Expected = string | RegExp | Uint8Array | object | ((message: Message) => unknown);

/** @internal */
export function fits(message: Message, expected: Expected): boolean {
  if (typeof expected === 'function') return Boolean(expected(message));
  if (typeof expected === 'string') return message === expected;
  if (expected instanceof RegExp) return typeof message === 'string' && message.search(expected) >= 0;
  if (expected instanceof Uint8Array) {
    return typeof message !== 'string' && Buffer.compare(message, expected) === 0;
  }
  const value = parsed(message);
  return value !== undefined && hasAll(value, expected);
}

/** A message as JSON; undefined where it is none. @internal */
function parsed(message: Message): unknown {
  try {
    return JSON.parse(typeof message === 'string' ? message : Buffer.from(message).toString());
  } catch {
    return undefined; // Whoever sent it may send what it likes.
  }
}

/** For messages of errors. @internal */
export function expectation(expected: Expected): string {
  if (typeof expected === 'function') return 'a message that the predicate says yes to';
  if (typeof expected === 'string') return JSON.stringify(expected);
  if (expected instanceof RegExp) return String(expected);
  return expected instanceof Uint8Array ? describe(expected) : `JSON with ${JSON.stringify(expected)}`;
}

function hasAll(value: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return Object.is(value, expected);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(expected)) return isDeepStrictEqual(value, expected);
  return Object.entries(expected).every(
    // An object, as the line above says.
    ([name, item]) => Object.hasOwn(value, name) && hasAll((value as Record<string, unknown>)[name], item),
  );
}
