// cookies — the cookies of the connections of this thread: replicas of jars that are shared, jars of one connection, and
// stores of the user's.
// Made by host.ts, one a thread; each connection process holds what it was opened with until it is released, and each of
// its links asks for the fields of a request and gives what an answer sets (linkcookies.ts).
// Invariant: one replica for each jar, shared by all connections here that use it, for as long as there is one; with the
// last its port is closed. What is taken is seen by the next request of any of them. Source: gun's cookie_store.

import { CookieLine } from '../../lib/cookies/cookieline.ts';
import { CookieSet } from '../../lib/cookies/cookieset.ts';
import type { CookiePlacing } from '../../lib/cookies/cookiewire.ts';
import { describe, OptionError } from '../../lib/errors.ts';
import { load } from '../../lib/modules.ts';
import type { CookieStore } from '../../lib/options.ts';
import type { CookiePlace } from '../../lib/protocol/cookies.ts';

/** Where cookies are kept. `url` is that of the place, with its query. */
export interface CookieSource {
  /** For a request there, as a Cookie header has them; empty: none. @throws {OptionError} a store of the user's is at fault. */
  text(place: CookiePlace, url: string): string;
  /** A Set-Cookie line of an answer from there. @throws {OptionError} as `text`. */
  take(line: string, place: CookiePlace, url: string): void;
}

/** What a connection process holds. */
export interface CookieHold {
  /** undefined: it is not loaded yet. */
  readonly source: CookieSource | undefined;
  /** @throws {OptionError} rejects when a store of the user's cannot be had. */
  load(): Promise<void>;
  /** The process has ended. */
  release(): void;
}

/** All that are in this thread. */
export class Cookies {
  readonly #replicas = new Map<string, Replica>();

  /** For a connection that begins. `guard`: runs what may throw, to the end of that connection. */
  hold(
    placing: CookiePlacing | undefined,
    origin: string,
    guard: (run: () => void) => void,
  ): CookieHold | undefined {
    switch (placing?.kind) {
      case undefined:
        return undefined;
      case 'own':
        return { source: new Own(), load: () => Promise.resolve(), release() {} };
      case 'module':
        return new UserHold(placing, origin, guard);
      case 'jar':
        return this.#share(placing);
      default:
        return placing satisfies never;
    }
  }

  #share({ id, port, limits }: CookiePlacing & { kind: 'jar' }): CookieHold {
    const replica = this.#replicas.get(id) ?? new Replica(new CookieSet(limits));
    this.#replicas.set(id, replica);
    replica.users++;
    if (replica.line) port.close();
    else replica.join(port);
    return {
      source: replica,
      load: () => Promise.resolve(),
      release: () => {
        if (--replica.users > 0) return;
        this.#replicas.delete(id);
        replica.line?.close();
      },
    };
  }
}

class Own implements CookieSource {
  readonly #set = new CookieSet();

  text(place: CookiePlace): string {
    return this.#set.text(place, Date.now());
  }

  take(line: string, place: CookiePlace): void {
    this.#set.take(line, place, Date.now());
  }
}

/** A jar, as far as this thread has heard. */
class Replica implements CookieSource {
  readonly #set: CookieSet;
  /** Connections that use it. */
  users = 0;
  /** To its home, while that lives. */
  line: CookieLine | undefined;

  constructor(set: CookieSet) {
    this.#set = set;
  }

  join(port: ConstructorParameters<typeof CookieLine>[0]): void {
    this.line = new CookieLine(port, {
      entries: (keys) => this.#set.entries(keys),
      received: (entries, line) => line.changed(this.#set.merge(entries, false, Date.now()).own),
      gone: () => {
        this.line = undefined;
      },
    });
    // What the home held when the connection was opened has travelled inside the port.
    this.line.drain();
  }

  text(place: CookiePlace): string {
    this.line?.drain();
    return this.#set.text(place, Date.now());
  }

  take(line: string, place: CookiePlace): void {
    this.line?.drain();
    const keys = this.#set.take(line, place, Date.now());
    if (keys.length > 0) this.line?.changed(keys);
  }
}

/** A store of the user's, of one connection. */
class UserHold implements CookieHold, CookieSource {
  readonly #placing: CookiePlacing & { kind: 'module' };
  readonly #origin: string;
  readonly #guard: (run: () => void) => void;
  #store: CookieStore | undefined;
  #released = false;

  constructor(placing: CookiePlacing & { kind: 'module' }, origin: string, guard: (run: () => void) => void) {
    this.#placing = placing;
    this.#origin = origin;
    this.#guard = guard;
  }

  get source(): CookieSource | undefined {
    return this.#store && this;
  }

  async load(): Promise<void> {
    if (this.#store) return;
    const make = await load(this.#placing);
    let made: unknown;
    try {
      made = await make(this.#placing.options, { origin: this.#origin });
    } catch (cause) {
      throw new OptionError('cookies: the function that makes the store threw', { cause });
    }
    this.#store = checkStore(made);
    if (this.#released) this.#close();
  }

  text(_place: CookiePlace, url: string): string {
    const text: unknown = this.#call(() => this.#store?.getCookieString(url)) ?? '';
    // The value is a secret: it is not shown.
    if (typeof text !== 'string') throw new OptionError(`cookies: getCookieString() gave ${typeof text}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
    if (/[\0-\x08\x0a-\x1f\x7f\u0100-\uffff]/.test(text)) {
      throw new OptionError('cookies: getCookieString() gave what is no header value in latin1');
    }
    return text;
  }

  take(line: string, _place: CookiePlace, url: string): void {
    const result = this.#call(() => this.#store?.setCookie(line, url));
    if (!(result instanceof Promise)) return;
    result.catch((cause: unknown) =>
      this.#guard(() => {
        throw threw(cause);
      }),
    );
  }

  release(): void {
    this.#released = true;
    this.#close();
  }

  #call<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      throw threw(cause);
    }
  }

  #close(): void {
    const store = this.#store;
    this.#store = undefined;
    try {
      const result = store?.close?.();
      if (result instanceof Promise) result.catch(() => {});
    } catch {
      // It is the fault of one connection at most, and that has ended.
    }
  }
}

function threw(cause: unknown): OptionError {
  return new OptionError('cookies: the store threw', { cause });
}

function checkStore(value: unknown): CookieStore {
  // Whatever it is, its members are looked at before they are used.
  const store = value as Partial<CookieStore> | null | undefined;
  const isStore = typeof store?.getCookieString === 'function' && typeof store.setCookie === 'function';
  if (isStore) return store as CookieStore; // Just checked; `close` is called where it is a function.
  throw new OptionError(
    `cookies: the store must have getCookieString() and setCookie(), got ${describe(value)}`,
  );
}
