// shared — settings that are the same are one object: of a thousand connections to one place, one is kept and posted.
// Held by each opener for its handles, and by spawn.ts for what its thread has been told.
// Invariant: what is shared is equal in all that it holds, and nobody changes settings.
// Source: bench/RESULTS.md (3.5 KiB a connection, on both sides of its port, and 60 us).

import type { Settings } from './wire.ts';

/** How many are remembered: who opens to more places at a time gains nothing, and pays a comparison or two each. */
const REMEMBERED = 16;

/** @internal */
export class SharedSettings {
  readonly #known: Settings[] = [];
  #next = 0;

  /** Those that are equal and were seen before, or these. */
  of(settings: Settings): Settings {
    for (const known of this.#known) if (known === settings || isSame(known, settings)) return known;
    this.#known[this.#next] = settings;
    this.#next = (this.#next + 1) % REMEMBERED;
    return settings;
  }
}

/** What a thread has been told of: places that it keeps them at. @internal */
export class ToldSettings {
  readonly #told: Settings[] = [];
  #next = 0;

  /** Where they are kept; `told`: they are there already. */
  place(settings: Settings): { readonly known: number; readonly told: boolean } {
    const found = this.#told.indexOf(settings);
    if (found >= 0) return { known: found, told: true };
    const known = this.#next;
    this.#told[known] = settings;
    this.#next = (known + 1) % REMEMBERED;
    return { known, told: false };
  }
}

/** What differs most often is compared first. */
function isSame(a: Settings, b: Settings): boolean {
  return a.origin === b.origin && a.ws.path === b.ws.path && isEqual(a, b);
}

/** Equal plain data. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (!isPlain(a) || !isPlain(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  // Of the same length, so that a name which only one of them has is found here.
  for (const name of names) if (!Object.hasOwn(b, name) || !isEqual(a[name], b[name])) return false;
  return true;
}

function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
