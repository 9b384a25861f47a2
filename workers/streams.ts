// streams — the WebSockets of one connection process, from the owner's request to their one end.
// Held by process.ts, which connects them.
// Invariant: each ends once: `closed` or `failed` takes it out and tells its owner. Source: promise S2.

import { ConnectionError, type GunportError, StreamError, toRecord } from '../lib/errors.ts';
import type { Closed, DownRecord, StreamRecord, WsSettings } from '../lib/wire.ts';
import { type Entry, endOfStream, NO_CLOSE, newEntry, recordOf } from './entry.ts';
import type { Outbox } from './outbox.ts';

export class Streams {
  readonly #outbox: Outbox;
  readonly #entries = new Map<number, Entry>();
  #last = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  add(stream: number, ws: WsSettings): void {
    this.#entries.set(stream, newEntry(stream, ws));
    this.#last = Math.max(this.#last, stream);
  }

  get(stream: number): Entry | undefined {
    return this.#entries.get(stream);
  }

  /** The one of connect(), which spans reconnects. */
  get spanning(): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.ws.spans) return entry;
    return undefined;
  }

  /** Those that wait for a WebSocket of their own, oldest first. */
  get waiting(): Entry[] {
    return [...this.#entries.values()].filter(({ state }) => state === 'connecting' || state === 'down');
  }

  /** It has closed. */
  closed(entry: Entry, closed: Closed): void {
    if (!this.#entries.delete(entry.stream)) return;
    const told = { stream: entry.stream, ...closed };
    if (!this.#outbox.empty) this.#outbox.reply({ type: 'over', ...told });
    this.#outbox.ordered({ type: 'closed', ...told });
  }

  /** It never became one, or broke. */
  failed({ stream }: Entry, error: GunportError): void {
    if (!this.#entries.delete(stream)) return;
    const record = toRecord(error);
    if (!this.#outbox.empty) this.#outbox.reply({ type: 'over', stream, ...NO_CLOSE, error: record });
    this.#outbox.ordered({ type: 'error', stream, error: record });
  }

  /** One WebSocket at a time can have the connection. */
  refuse(entry: Entry, active: Entry): void {
    const message = `the connection is taken by stream ${active.stream}, a WebSocket`;
    this.failed(entry, new StreamError('ERR_GUNPORT_NOT_CONNECTED', message));
  }

  /** Its owner wants nothing more of it. */
  forget(stream: number): void {
    this.#entries.delete(stream);
    this.#outbox.drop(stream);
  }

  /** What was sent on it and has not left never will; told at once, where 'down' may wait for a reader. */
  dropped({ stream, received }: Entry, error: GunportError | undefined): void {
    const why = error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'there is no socket');
    this.#outbox.reply({ type: 'sent', stream, bytes: received, error: toRecord(why) });
  }

  /** The socket was lost, `active` on it: what does not span reconnects ends with it. Returns their ids. */
  lost(error: GunportError, active: Entry | undefined): number[] {
    const killed: number[] = [];
    if (active) this.dropped(active, error);
    // Its end was told before; the connection ends with it all the same.
    if (active && !this.#entries.has(active.stream)) killed.push(active.stream);
    for (const entry of this.#entries.values()) {
      if (entry.ws.spans) {
        if (entry.state === 'open') entry.state = 'down';
        continue;
      }
      killed.push(entry.stream);
      this.failed(entry, error);
    }
    return killed;
  }

  /** The process ends. */
  end(reason: DownRecord): void {
    for (const entry of this.#entries.values()) this.failed(entry, endOfStream(entry, reason));
  }

  /** For an owner that takes an orphan. */
  records(): { readonly nextStream: number; readonly streams: readonly StreamRecord[] } {
    return { nextStream: this.#last + 1, streams: [...this.#entries.values()].map(recordOf) };
  }
}
