// watches — the monitors that one thread has made in a run, and what each must have heard when all is over.
// Held by actor.ts. Invariant: exactly one Down, or undefined and never one. Source: promises M1, M2, O6.

import type { Connection, Monitor } from '../../lib/index.ts';
import type { Place } from './actor.ts';

interface Watch {
  readonly connection: Connection;
  readonly monitor: Monitor<Connection>;
  readonly keep: boolean;
  downs: number;
  /** It was ended by its user, for good. */
  flushed: boolean;
  removed: boolean;
  settled: 'pending' | 'down' | 'undefined';
}

export class Watches {
  readonly #place: Place;
  readonly #wrong: (what: string) => void;
  readonly #all: Watch[] = [];

  constructor(place: Place, wrong: (what: string) => void) {
    this.#place = place;
    this.#wrong = wrong;
  }

  /** @returns settles with the monitor's `down`. */
  add(connection: Connection, keep: boolean): Promise<void> {
    let watch: Watch | undefined;
    const heard = (): void => {
      if (!watch || !this.#place.isAlive) return;
      if (++watch.downs > 1) this.#wrong('a second Down');
      if (watch.flushed) this.#wrong('a Down after demonitor with flush');
    };
    const monitor = connection.monitor(heard, { keep });
    const made: Watch = {
      ...{ connection, monitor, keep, downs: 0, flushed: false, removed: false, settled: 'pending' },
    };
    watch = made;
    this.#all.push(made);
    return monitor.down.then((value) => {
      made.settled = value ? 'down' : 'undefined';
    });
  }

  /** Ends the last one. */
  end(flush: boolean): void {
    const watch = this.#all.at(-1);
    if (!watch || watch.removed || watch.downs > 0) return;
    watch.connection.demonitor(watch.monitor, { flush });
    watch.removed = true;
    watch.flushed = flush;
  }

  /** The connection is another's: only those that were to be kept go on. */
  gave(connection: Connection): void {
    for (const watch of this.#all) {
      if (watch.connection === connection && !watch.keep && watch.downs === 0) watch.removed = true;
    }
  }

  /** All is over. */
  check(): void {
    for (const { downs, settled, removed, flushed } of this.#all) {
      const is = `${downs} Downs, resolved ${settled}`;
      if ((settled === 'down') !== (downs === 1)) this.#wrong(`a monitor had ${is}`);
      if (!removed && settled !== 'down') this.#wrong(`a monitor had ${is}, and was never ended`);
      if (flushed && settled === 'down') this.#wrong(`a monitor had ${is} after demonitor with flush`);
    }
  }
}
