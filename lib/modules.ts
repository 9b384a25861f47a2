// modules — functions of the user that run elsewhere than where they were named, loaded by URL: functions cannot cross threads.
// Called by the rooms that load what a user gave by reference: beside the socket, or at the owner for a handler that is inline.
// Invariant: a module is evaluated once per thread (Node's own cache of modules sees to it), and what cannot be loaded
// is a typed error that names it.
// Source: Node's import(); piscina's filename option.

import { asError, describe, OptionError } from './errors.ts';
import type { ModuleReference } from './options.ts';

/** A function that came out of a user's module; its arguments and result are checked where it is used. */
export type UserFunction = (...parameters: unknown[]) => unknown;

/** Loads the function that a reference names.
 *  @throws {OptionError} rejects when the module cannot be loaded (`cause`) or has no such function. */
export async function load(reference: ModuleReference): Promise<UserFunction> {
  const { module, export: name = 'default' } = reference;
  const href = String(module);
  let loaded: Record<string, unknown>;
  try {
    loaded = await import(href);
  } catch (cause) {
    throw new OptionError(`module ${describe(href)} cannot be loaded: ${asError(cause).message}`, { cause });
  }
  const found = Object.hasOwn(loaded, name) ? loaded[name] : undefined;
  if (typeof found !== 'function') {
    throw new OptionError(
      `module ${describe(href)} must export a function as ${name}, got ${describe(found)}`,
    );
  }
  // typeof has said so; what a user's function takes and gives cannot be known.
  return found as UserFunction;
}
