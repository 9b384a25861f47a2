// probe — where a thread tells of events: gathered for a turn, posted to its host in one message, bounded.
// The desk is held by host.ts, one a thread; each connection process has a probe of its own.
// Invariant: nothing is built, gathered or posted of an event that nobody listens to: that costs one load and a branch;
// events of a connection keep their order; the host is never owed more than MOST bytes, and frames, of which there may
// be millions, never more than FRAMES of those: what does not fit is counted by its name, and that is told.
// Source: gun_event(3), whose handlers run inside the Gun process and can block or crash it.

import type { GunportEventName } from '../../lib/events/eventtypes.ts';
import { BIT, type Dropped, type EventFields, type EventRecord } from '../../lib/events/eventwire.ts';
import type { ThreadToHost } from '../../lib/wire.ts';

/** Bytes of events that may be gathered, or posted and not yet published. */
const MOST = 16 * 1024 * 1024;
const FRAMES = 8 * 1024 * 1024;
/** What an event counts for beside its payload and headers. */
const EVENT_COST = 256;

/** All that tells of single frames. */
const OF_FRAMES =
  BIT['gunport:ws:recv-frame:start'] |
  BIT['gunport:ws:recv-frame:header'] |
  BIT['gunport:ws:recv-frame:end'] |
  BIT['gunport:ws:send-frame:start'] |
  BIT['gunport:ws:send-frame:end'];

export class EventDesk {
  /** Written by the host only. Read without a fence: who has just subscribed misses what happened just now. */
  readonly word: Int32Array;
  readonly #post: (message: ThreadToHost & { type: 'events' }) => void;
  #gathered: EventRecord[] = [];
  #weight = 0;
  /** Gathered, and posted without an answer. */
  #owed = 0;
  #dropped: Partial<Record<GunportEventName, number>> | undefined;
  #due: NodeJS.Immediate | undefined;

  constructor(listens: SharedArrayBuffer, post: (message: ThreadToHost & { type: 'events' }) => void) {
    this.word = new Int32Array(listens);
    this.#post = post;
  }

  add(event: EventRecord): void {
    const weight = weightOf(event.fields);
    const most = (BIT[event.name] & OF_FRAMES) === 0 ? MOST : FRAMES;
    // What is too large alone may pass alone.
    if (this.#owed > 0 && this.#owed + weight > most) {
      this.#dropped ??= {};
      this.#dropped[event.name] = (this.#dropped[event.name] ?? 0) + 1;
      return;
    }
    this.#gathered.push(event);
    this.#weight += weight;
    this.#owed += weight;
    this.#due ??= setImmediate(() => this.flush());
  }

  /** The host has published as much. */
  read(weight: number): void {
    this.#owed -= weight;
    // Nothing else may happen that it could go with.
    if (this.#dropped) this.flush();
  }

  /** Posts what was gathered: before whatever must not overtake it, and at the end of each turn. */
  flush(): void {
    if (this.#due) clearImmediate(this.#due);
    this.#due = undefined;
    if (this.#gathered.length === 0 && !this.#dropped) return;
    const [events, weight, dropped] = [this.#gathered, this.#weight, this.#dropped as Dropped | undefined];
    this.#gathered = [];
    this.#weight = 0;
    this.#dropped = undefined;
    this.#post({ type: 'events', events, weight, ...(dropped && { dropped }) });
  }
}

/** Tells what happens to one connection. */
export class Probe {
  readonly #desk: EventDesk;
  readonly #word: Int32Array;
  readonly #connection: string;

  constructor(desk: EventDesk, connection: string) {
    this.#desk = desk;
    this.#word = desk.word;
    this.#connection = connection;
  }

  /** Somebody listens to one of these: bits of BIT. */
  wants(bits: number): boolean {
    return ((this.#word[0] as number) & bits) !== 0; // It has one word.
  }

  /** Tells one, if somebody listens to it. Where its fields cost something, ask `wants` first. */
  tell<N extends GunportEventName>(name: N, fields: EventFields<N>): void {
    if (!this.wants(BIT[name])) return;
    const time = performance.timeOrigin + performance.now();
    this.#desk.add({ name, connection: this.#connection, time, fields });
  }
}

/** Bytes, about. What is large in an event is a payload, headers, or the body in an error. */
function weightOf(fields: object): number {
  // As EventFields has them, in those events that do.
  const { payload, frame, rawHeaders, error } = fields as {
    readonly payload?: Uint8Array;
    readonly frame?: { readonly payload: Uint8Array };
    readonly rawHeaders?: readonly string[];
    readonly error?: { readonly body?: Uint8Array };
  };
  let weight = EVENT_COST + ((payload ?? frame?.payload ?? error?.body)?.byteLength ?? 0);
  if (rawHeaders) for (const one of rawHeaders) weight += one.length;
  return weight;
}
