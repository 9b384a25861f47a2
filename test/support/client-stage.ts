// client-stage — a client, its server, and all that the client has told so far.
// Used by test/client. Invariant: what the client tells is what `until` looks at again, so that nothing sleeps; end() leaves
// nothing of either.

import { Client } from '../../lib/client/client.ts';
import type { AdapterTarget, ClientOptions } from '../../lib/client/clientoptions.ts';
import type { GunportError } from '../../lib/errors.ts';
import clientAdapter, { type ClientAdapterOptions, type Numbered } from './client-adapter.ts';
import { ClientServer } from './client-server.ts';
import { Tracker } from './tracker.ts';

/** Where the adapter lives. */
export const PLACES = ['beside the socket', "on the owner's thread"] as const;
export type Place = (typeof PLACES)[number];

const MODULE = new URL('./client-adapter.js', import.meta.url);

export const adapterAt = (place: Place, options: ClientAdapterOptions = {}): AdapterTarget =>
  place === 'beside the socket' ? { module: MODULE, options } : clientAdapter(options);

export interface Stage {
  readonly client: Client<Numbered>;
  readonly server: ClientServer;
  /** All events, as `<name> <what>`. */
  readonly events: string[];
  readonly errors: GunportError[];
  readonly promises: Tracker;
  until(what: string, isSo: () => boolean): Promise<void>;
  /** It has been ready on this connection, or a later one. */
  ready(attempt: number): Promise<void>;
  end(): Promise<void>;
}

/** Notes what a client tells. */
function listen(client: Client<Numbered>, events: string[], changed: () => void): void {
  const note = (text: string): void => {
    events.push(text);
    changed();
  };
  client.on('state', ({ to }) => note(`state ${to}`));
  client.on('ready', ({ attempt, restored }) => note(`ready ${attempt} ${restored}`));
  client.on('subscription', ({ channel, state }) => note(`subscription ${channel} ${state}`));
  client.on('authenticated', () => note('authenticated'));
  client.on('rollover', ({ attempt }) => note(`rollover ${attempt}`));
  client.on('error', ({ message }, { where }) => note(`error ${where} ${message}`));
  client.on('fault', ({ hook }) => note(`fault ${hook}`));
  client.on('gaveUp', ({ code }) => note(`gaveUp ${code}`));
  client.on('close', () => note('close'));
}

/** A client that is not connected yet; it comes back within a millisecond. */
export async function stage(
  place: Place,
  options: ClientOptions = {},
  adapting: ClientAdapterOptions = {},
): Promise<Stage> {
  const server = await ClientServer.start();
  const target = adapterAt(place, adapting);
  const client = new Client<Numbered>(target, { url: server.url, retryTimeout: 1, ...options });
  const events: string[] = [];
  const errors: GunportError[] = [];
  client.on('error', (error) => errors.push(error as GunportError));
  listen(client, events, () => server.changed());
  return {
    ...{ client, server, events, errors, promises: new Tracker() },
    until: (what, isSo) => server.until(what, isSo),
    ready: (attempt) => server.until(`ready ${attempt}`, () => client.isReady && client.attempt >= attempt),
    end: async () => {
      await client.close();
      await server.close();
    },
  };
}

/** Stages that end with their test. */
export function stages(): typeof stage {
  const made: Stage[] = [];
  afterEach(async () => {
    for (const one of made.splice(0)) await one.end();
  });
  return async (...given) => {
    const one = await stage(...given);
    made.push(one);
    return one;
  };
}

/** The numbers from `first` on, read by a loop until there are so many. */
export async function numbers(client: Client<Numbered>, count: number): Promise<number[]> {
  const found: number[] = [];
  if (count <= 0) return found;
  for await (const { n } of client) {
    if (n !== undefined) found.push(n);
    if (found.length >= count) break;
  }
  return found;
}
