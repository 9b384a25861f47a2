// listening — what a test hears on the event channels, in order, and waits for.
// `const heard = listening();` inside a `describe`; `heard.to('gunport:init')` inside a test.
// Invariant: what came is never lost: `next` gives each message once, in order; after each test nobody listens any more.
// Source: Gun's test/handlers gun_test_event_h.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EVENTS, type GunportEventName, type GunportEvents } from '../../lib/index.ts';

/** Any of the messages. */
export type Heard = {
  [N in GunportEventName]: { readonly name: N; readonly message: GunportEvents[N] };
}[GunportEventName];

export interface Listening {
  /** Begins to listen to these; all, unless given. */
  to(...names: readonly GunportEventName[]): void;
  /** Listens to these no more; all, unless given. */
  stop(...names: readonly GunportEventName[]): void;
  /** All that has come, in order. */
  readonly all: readonly Heard[];
  /** The messages of one channel so far. */
  of<N extends GunportEventName>(name: N): readonly GunportEvents[N][];
  /** The next message of it that no call was given, and that fits. */
  next<N extends GunportEventName>(
    name: N,
    fits?: (message: GunportEvents[N]) => boolean,
  ): Promise<GunportEvents[N]>;
}

export function listening(): Listening {
  const channels = new Map<GunportEventName, (message: unknown) => void>();
  const all: Heard[] = [];
  const given = new Set<unknown>();
  const waiting = new Set<() => void>();

  const stop = (...names: readonly GunportEventName[]): void => {
    for (const name of names.length > 0 ? names : [...channels.keys()]) {
      const subscriber = channels.get(name);
      if (subscriber) unsubscribe(name, subscriber);
      channels.delete(name);
    }
  };
  afterEach(() => {
    stop();
    all.length = 0;
    given.clear();
    waiting.clear();
  });

  const of = <N extends GunportEventName>(name: N): GunportEvents[N][] =>
    // By its name: it is what that channel publishes.
    all.filter((one) => one.name === name).map(({ message }) => message as GunportEvents[N]);

  return {
    all,
    of,
    stop,
    to(...names) {
      for (const name of names.length > 0 ? names : EVENTS) {
        if (channels.has(name)) continue;
        const subscriber = (message: unknown): void => {
          all.push({ name, message } as Heard); // What the channel publishes.
          for (const look of [...waiting]) look();
        };
        channels.set(name, subscriber);
        subscribe(name, subscriber);
      }
    },
    next(name, fits = () => true) {
      return new Promise((resolve) => {
        const look = (): void => {
          const found = of(name).find((message) => !given.has(message) && fits(message));
          if (!found) return;
          given.add(found);
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
  };
}
