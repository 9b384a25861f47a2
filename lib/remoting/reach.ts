// reach — what a name leads to in a handler's `api`, and what is thrown there as plain data.
// Called by workers/remote.ts beside the socket, and by lib/handlers/inline.ts on the owner's thread.
// Invariant: a name reaches what the api's author wrote, its own properties and its classes' methods, and nothing that
// every object or function has; what is not there is a StreamError that names it. Source: promise S1; comlink.

import { describe, type ErrorRecord, fromRecord, StreamError, toRecord } from '../errors.ts';

/** Names, from the api on. */
export type Path = readonly string[];

/** What was thrown: an error as a record, anything else as it is. @internal */
export type Thrown = { readonly error: ErrorRecord } | { readonly value: unknown };

const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Calls what the path leads to. @throws {StreamError} ERR_GUNPORT_UNSUPPORTED it leads to no function. @internal */
export async function callAt(api: unknown, path: Path, parameters: readonly unknown[]): Promise<unknown> {
  const { owner, value } = reach(api, path);
  if (typeof value === 'function') return Reflect.apply(value, owner, parameters);
  throw unsupported(path, `is no function but ${describe(value)}`);
}

/** Reads what the path leads to. @throws {StreamError} ERR_GUNPORT_UNSUPPORTED it leads to nothing that can be read.
 *  @internal */
export async function valueAt(api: unknown, path: Path): Promise<unknown> {
  const { value } = reach(api, path);
  if (typeof value !== 'function') return value;
  throw unsupported(path, 'is a function: it can be called, not read');
}

/** For people: `remote book.best`. @internal */
export function nameOf(path: Path): string {
  return `remote ${path.join('.') || 'api'}`;
}

function reach(api: unknown, path: Path): { readonly owner: unknown; readonly value: unknown } {
  if (api === undefined || api === null) throw unsupported(path, 'is not there: the handler has no api');
  let owner: unknown;
  let value: unknown = api;
  for (const key of path) {
    if (FORBIDDEN.has(key) || !has(value, key)) throw unsupported(path, `is not there: no ${describe(key)}`);
    owner = value;
    value = (value as Record<string, unknown>)[key]; // has() has looked it up.
  }
  return { owner, value };
}

/** Of its own, or of a class that it is an instance of. */
function has(value: unknown, key: string): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  for (let at: unknown = value; at !== null && !EVERYBODYS.has(at); at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at as object, key)) return true;
  }
  return false;
}
const EVERYBODYS: ReadonlySet<unknown> = new Set([Object.prototype, Function.prototype]);

function unsupported(path: Path, why: string): StreamError {
  return new StreamError('ERR_GUNPORT_UNSUPPORTED', `${nameOf(path)} ${why}`);
}

/** @internal */
export function thrownOf(thrown: unknown): Thrown {
  if (thrown instanceof Error) return { error: toRecord(thrown) };
  try {
    return { value: structuredClone(thrown) };
  } catch {
    return { value: describe(thrown) }; // What cannot cross a thread crosses as text.
  }
}

/** @internal */
export function asThrown(thrown: Thrown): unknown {
  return 'error' in thrown ? fromRecord(thrown.error) : thrown.value;
}
