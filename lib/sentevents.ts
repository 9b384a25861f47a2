// sentevents — server-sent events as they cross: one text and an index for all that came in a read, which costs a quarter
// of an object each.
// Packed by workers/sse.ts, read by notices.ts. Invariant: each stands for itself, whatever it was cut out of; what an
// event counts for is the same on both sides. Source: the parcels of WebSockets; measured: bench/RESULTS.md.

import type { LoneEvent, ServerSentEvent } from './types.ts';

/** Types, data and ids, end to end; and for each event four words: length of its type, 0 for `message`; of its data, -1
 *  for none; of its id, complemented where that is the one before and not in the text; its retry in ms, -1 for none. */
export interface SentEvents {
  readonly text: string;
  readonly index: Int32Array;
}

/** An event, or an id or a retry alone. */
export type AnyEvent = ServerSentEvent | LoneEvent;

const WORDS = 4;
const NONE = -1;
const STANDARD_TYPE = 'message';
/** What an event counts for beside its texts, as a part of a body does: PART_COST. */
const EVENT_COST = 128;

/** How many there are. @internal */
export function countOfEvents({ index }: SentEvents): number {
  return index.length / WORDS;
}

/** What an event counts for against the bytes that may be unread. @internal */
export function costOfEvent({ type, data, lastEventId }: AnyEvent): number {
  const named = data === undefined ? 0 : type.length + data.length;
  return EVENT_COST + named + lastEventId.length;
}

/** What all of them count for. @internal */
export function costOfEvents({ index }: SentEvents): number {
  let cost = 0;
  for (let i = 0; i < index.length; i += WORDS) {
    const [type = 0, data = 0, id = 0] = [index[i], index[i + 1], index[i + 2]];
    const named = data === NONE ? 0 : (type || STANDARD_TYPE.length) + data;
    cost += EVENT_COST + named + (id < 0 ? ~id : id);
  }
  return cost;
}

/** Makes one of many. @internal */
export class EventPacker {
  #texts: string[] = [];
  #index: number[] = [];
  /** Of the event before, in this packet. */
  #lastEventId: string | undefined;

  get count(): number {
    return this.#index.length / WORDS;
  }

  add({ type, data, lastEventId, retry = NONE }: AnyEvent): void {
    const named = type === undefined || type === STANDARD_TYPE ? '' : type;
    const { length } = lastEventId;
    const isSame = lastEventId === this.#lastEventId;
    this.#index.push(named.length, data === undefined ? NONE : data.length, isSame ? ~length : length, retry);
    if (named !== '') this.#texts.push(named);
    if (data !== undefined) this.#texts.push(data);
    if (!isSame) this.#texts.push(lastEventId);
    this.#lastEventId = lastEventId;
  }

  /** All that were added since the last time. */
  take(): SentEvents {
    const packed = { text: this.#texts.join(''), index: Int32Array.from(this.#index) };
    this.#texts = [];
    this.#index = [];
    this.#lastEventId = undefined;
    return packed;
  }
}

/** Reads them one by one. @internal */
export class EventCursor {
  readonly #text: string;
  readonly #index: Int32Array;
  #word = 0;
  #at = 0;
  #type: string = STANDARD_TYPE;
  #lastEventId = '';

  constructor({ text, index }: SentEvents) {
    this.#text = text;
    this.#index = index;
  }

  get isOver(): boolean {
    return this.#word >= this.#index.length;
  }

  /** The next one; there must be one. */
  next(): AnyEvent {
    const [index, word] = [this.#index, this.#word];
    this.#word = word + WORDS;
    const typeLength = index[word] ?? 0;
    const dataLength = index[word + 1] ?? NONE;
    const idLength = index[word + 2] ?? 0;
    const retry = index[word + 3] ?? NONE;
    if (dataLength === NONE) {
      const lastEventId = this.#idOf(idLength);
      return retry === NONE ? { lastEventId } : { lastEventId, retry };
    }
    const type = typeLength === 0 ? STANDARD_TYPE : this.#typeOf(typeLength);
    const data = this.#slice(dataLength);
    const lastEventId = this.#idOf(idLength);
    return retry === NONE ? { type, data, lastEventId } : { type, data, lastEventId, retry };
  }

  /** Those that were not read, and would be next; they still are. */
  rest(): SentEvents {
    const [word, at, lastEventId] = [this.#word, this.#at, this.#lastEventId];
    const packer = new EventPacker();
    while (!this.isOver) packer.add(this.next());
    [this.#word, this.#at, this.#lastEventId] = [word, at, lastEventId];
    return packer.take();
  }

  /** Most feeds have few types: the same text again costs nothing. */
  #typeOf(length: number): string {
    if (length === this.#type.length && this.#text.startsWith(this.#type, this.#at)) this.#at += length;
    else this.#type = this.#slice(length);
    return this.#type;
  }

  #idOf(length: number): string {
    if (length >= 0) this.#lastEventId = this.#slice(length);
    return this.#lastEventId;
  }

  #slice(length: number): string {
    const from = this.#at;
    this.#at = from + length;
    return this.#text.slice(from, this.#at);
  }
}

/** All of them, as they are given to users. @internal */
export function unpacked(events: SentEvents): AnyEvent[] {
  const all: AnyEvent[] = [];
  for (const cursor = new EventCursor(events); !cursor.isOver; ) all.push(cursor.next());
  return all;
}

/** The same, back. @internal */
export function packed(events: readonly AnyEvent[]): SentEvents {
  const packer = new EventPacker();
  for (const event of events) packer.add(event);
  return packer.take();
}

/** The first so many, and the others. @internal */
export function splitEvents(events: SentEvents, count: number): [SentEvents, SentEvents] {
  const cursor = new EventCursor(events);
  const packer = new EventPacker();
  for (let i = 0; i < count; i++) packer.add(cursor.next());
  return [packer.take(), cursor.rest()];
}
