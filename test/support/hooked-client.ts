// hooked-client — a client of the adapter in hooked.ts and its server, with all that it has told so far.
// Used by test/client/hooks*.test.ts, for an adapter on this thread and for the same one beside the socket.
// Invariant: what the client tells is what `until` of the server looks at again, so that nothing sleeps.

import { Client } from '../../lib/client/client.ts';
import type { AdapterTarget, ClientOptions } from '../../lib/client/clientoptions.ts';
import type { Fault } from '../../lib/handler.ts';
import { type HookedApi, type HookedOptions, type HookName, hooked } from './hooked.ts';
import { HookedServer } from './hooked-server.ts';

/** Where the adapter lives. */
export type Kind = 'object' | 'function' | 'module';

export interface Subject {
  readonly client: Client<Record<string, unknown>>;
  readonly server: HookedServer;
  readonly messages: Record<string, unknown>[];
  readonly faults: Fault[];
  /** `<where> <message>` of each. */
  readonly errors: string[];
  /** `<state>`, and `reconnecting <delay>`. */
  readonly states: string[];
  readonly gaveUp: Error[];
  /** Resolves once it is so. */
  until(what: string, isSo: () => boolean): Promise<void>;
  /** The hooks that were called on it. */
  calls(): Promise<HookName[]>;
  /** Resolves once this one was. */
  called(name: HookName): Promise<void>;
  /** A request and its reply go through; on how many connections there were. */
  works(): Promise<number>;
  end(): Promise<void>;
}

const MODULE = new URL('./hooked.js', import.meta.url);

/** A client that is not connected yet. */
export function subject(kind: Kind, given: HookedOptions = {}, more: ClientOptions = {}): Promise<Subject> {
  const adapters: Record<Kind, () => AdapterTarget> = {
    object: () => hooked(given),
    function: () => () => hooked(given),
    module: () => ({ module: MODULE, options: given }),
  };
  return subjectOf(adapters[kind](), more);
}

/** The same, of any adapter that speaks the language of the server. */
export async function subjectOf(adapter: AdapterTarget, more: ClientOptions = {}): Promise<Subject> {
  const server = await HookedServer.start();
  const client = new Client<Record<string, unknown>>(adapter, { url: server.url, ...more });
  const made: Subject = {
    ...{ client, server, messages: [], faults: [], errors: [], states: [], gaveUp: [] },
    until: (what, isSo) => server.until(what, isSo),
    calls: () => client.remote<HookedApi>().calls(),
    called: async (name) => {
      while (!(await made.calls()).includes(name)) await new Promise((resolve) => setImmediate(resolve));
    },
    works: async () => {
      const what = `question ${server.of('ask').length}`;
      const reply = await client.request({ type: 'ask', what });
      if (reply !== what) throw new Error(`asked ${what}, got ${String(reply)}`);
      return server.connections;
    },
    end: async () => {
      await client.close();
      await server.close();
    },
  };
  const keep = (note: () => unknown) => {
    note();
    server.changed();
  };
  client.on('message', (message) => keep(() => made.messages.push(message)));
  client.on('fault', (fault) => keep(() => made.faults.push(fault)));
  client.on('error', ({ message }, { where }) => keep(() => made.errors.push(`${where} ${message}`)));
  client.on('gaveUp', (error) => keep(() => made.gaveUp.push(error)));
  client.on('state', ({ to, delay }) =>
    keep(() => made.states.push(to === 'reconnecting' ? `${to} ${delay}` : to)),
  );
  for (const name of ['ready', 'authenticated', 'subscription', 'close'] as const) {
    client.on(name, () => server.changed());
  }
  return made;
}

/** Runs each case, six at a time, all to their end. @throws the first failure. */
export async function several<C>(cases: readonly C[], run: (one: C) => Promise<void>): Promise<void> {
  const left = [...cases];
  const through = async (): Promise<void> => {
    for (let one = left.shift(); one; one = left.shift()) await run(one);
  };
  const results = await Promise.allSettled(Array.from({ length: 6 }, through));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
