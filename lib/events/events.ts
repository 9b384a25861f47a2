// events — the channels that events are published on, and who listens to them: told in one word to all threads.
// Held by host.ts, one a host; fed by its threads (spawn.ts) and by life lines.
// Invariant: bit n of the word is set exactly while channel n has subscribers, whoever subscribed and however, also
// before gunport was loaded; nothing is made of an event that nobody wants. A subscriber that throws is reported by
// node:diagnostics_channel, in a later turn.
// Source: node:diagnostics_channel, whose subscribe(name, …) of Node 20, 22 and 24 calls channel(name).subscribe(…).

import { type Channel, channel } from 'node:diagnostics_channel';
import { type ErrorRecord, fromRecord } from '../errors.ts';
import { headersOf } from '../protocol/headers.ts';
import type { GunportEventName } from './eventtypes.ts';
import { BIT, type Dropped, EVENTS, type EventRecord, WORD_BYTES } from './eventwire.ts';

/** What changes who listens. */
const CHANGES = ['subscribe', 'unsubscribe', 'bindStore', 'unbindStore'] as const;

/** @internal */
export class EventChannels {
  /** Who listens: read by the threads of this host and by those that have a life line to it. */
  readonly listens: SharedArrayBuffer = new SharedArrayBuffer(WORD_BYTES);
  readonly #word = new Int32Array(this.listens);
  /** Held: node keeps only those that somebody holds, and would make others by the same names. */
  readonly #channels = new Map<GunportEventName, Channel>();

  constructor() {
    for (const name of EVENTS) {
      const one = channel(name);
      this.#channels.set(name, one);
      for (const change of CHANGES) this.#watch(one, change);
    }
    this.#look();
  }

  /** Calls through, to whatever the channel does at that moment: node exchanges its prototype as subscribers come and
   *  go, and another copy of gunport may watch it too. */
  #watch(one: Channel, change: (typeof CHANGES)[number]): void {
    const earlier: unknown = Object.getOwnPropertyDescriptor(one, change)?.value;
    const look = (): void => this.#look();
    const value = function (this: Channel, ...given: unknown[]): unknown {
      const method: unknown = earlier ?? Object.getPrototypeOf(one)[change];
      if (typeof method !== 'function') return undefined; // A Node without it would not have called it, either.
      try {
        return method.apply(one, given);
      } finally {
        look();
      }
    };
    Object.defineProperty(one, change, { value, configurable: true, writable: true });
  }

  #look(): void {
    let word = 0;
    for (const [name, one] of this.#channels) if (one.hasSubscribers) word |= BIT[name];
    // Others only read it; a thread that sees it a little later tells a little too much, or too little.
    Atomics.store(this.#word, 0, word);
  }

  /** Publishes what a thread has told. */
  publish(threadId: number, events: readonly EventRecord[], dropped?: Dropped): void {
    for (const { name, connection, time, fields } of events) {
      const one = this.#channels.get(name);
      if (one?.hasSubscribers) one.publish({ connection, threadId, time, ...asTold(fields) });
    }
    if (dropped) this.#publishDropped(threadId, dropped);
  }

  #publishDropped(threadId: number, events: Dropped): void {
    const one = this.#channels.get('gunport:dropped');
    const count = Object.values(events).reduce((sum, more) => sum + more, 0);
    if (one?.hasSubscribers) one.publish({ threadId, time: now(), count, events });
  }

  /** Whether somebody wants it: for what arises in this thread. */
  wants(name: GunportEventName): boolean {
    return this.#channels.get(name)?.hasSubscribers ?? false;
  }
}

/** Milliseconds since the epoch, on a clock that does not jump. @internal */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** What is lost on the way between threads: the class of an error, the null prototype of headers. */
function asTold(fields: object): object {
  // As EventFields has it.
  const { error, rawHeaders } = fields as { error?: ErrorRecord; rawHeaders?: readonly string[] };
  return {
    ...fields,
    ...(error !== undefined && { error: fromRecord(error) }),
    ...(rawHeaders !== undefined && { headers: headersOf(rawHeaders) }),
  };
}
