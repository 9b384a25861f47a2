// streams — all streams of one connection process, requests and WebSockets, from the owner's cast to their one end.
// Held by process.ts; a driver takes from here what it can serve.
// Invariant: each ends once, here, and its owner is told; what waits keeps the order it was asked in; what no driver
// has taken survives the loss of a socket. Source: promise S2; gun's postponed casts.

import { ById } from '../lib/byid.ts';
import { ConnectionError, type GunportError, toRecord } from '../lib/errors.ts';
import type { StreamInfo } from '../lib/types.ts';
import type { Cast, Closed, DownRecord, StreamRecord, WsSettings } from '../lib/wire.ts';
import { type Entry, endOfStream, NO_CLOSE, recordOf } from './entry.ts';
import type { Exchange } from './exchange.ts';
import type { Outbox } from './outbox.ts';

export class Streams {
  readonly #newOutbox: (stream: number) => Outbox;
  /** Those of streams that have ended, too, as long as they hold something. */
  readonly #outboxes = new Map<number, Outbox>();
  readonly #all = new ById<Entry | Exchange>();
  /** Asked for, and not taken by a driver. */
  #waiting: (Entry | Exchange)[] = [];
  #last = 0;

  /** `newOutbox`: for the messages of one WebSocket. */
  constructor(newOutbox: (stream: number) => Outbox) {
    this.#newOutbox = newOutbox;
  }

  addWebSocket(stream: number, ws: WsSettings): void {
    const outbox = this.#newOutbox(stream);
    const fresh = { state: 'connecting', upgraded: undefined, received: 0, socket: undefined } as const;
    const entry: Entry = { kind: 'ws', stream, ws, outbox, ...fresh };
    this.#outboxes.set(stream, outbox);
    this.#add(entry);
    this.#waiting.push(entry);
  }

  addRequest(exchange: Exchange): void {
    this.#add(exchange);
    this.#waiting.push(exchange);
  }

  /** A pushed one: it has been taken already. */
  addPromised(exchange: Exchange): void {
    this.#all.set(exchange.stream, exchange);
  }

  #add(one: Entry | Exchange): void {
    this.#all.set(one.stream, one);
    this.#last = Math.max(this.#last, one.stream);
  }

  webSocket(stream: number): Entry | undefined {
    const found = this.#all.get(stream);
    return found?.kind === 'ws' ? found : undefined;
  }

  exchange(stream: number): Exchange | undefined {
    const found = this.#all.get(stream);
    return found?.kind === 'http' ? found : undefined;
  }

  /** The WebSocket of connect(), which spans reconnects. */
  get spanning(): Entry | undefined {
    for (const one of this.#all.values()) if (one.kind === 'ws' && one.ws.spans) return one;
    return undefined;
  }

  // ── messages of WebSockets on their way ───────────────────────────────────────────────────────────────────

  /** Parcels that were read, by stream: stream, count, stream, count … */
  acked(read: readonly number[]): void {
    for (let i = 0; i + 1 < read.length; i += 2) this.#outboxes.get(read[i] ?? 0)?.acked(read[i + 1] ?? 0);
  }

  topUp(stream: number, messages: number): void {
    this.exchange(stream)?.topUp(messages);
    this.#outboxes.get(stream)?.topUp(stream, messages);
  }

  /** What was posted to a dead owner, and not acknowledged, is lost. */
  forgetInFlight(): void {
    for (const outbox of this.#outboxes.values()) outbox.forgetInFlight();
    for (const exchange of this.exchanges) exchange.forgetUnread();
  }

  /** Its owner is gone, and nobody takes its place: what comes is read past. */
  abandon(): void {
    this.drop(true);
    for (const exchange of this.exchanges) exchange.abandon();
  }

  /** Nothing of what is held will be wanted: `all` of it, or just the messages. */
  drop(all: boolean): void {
    for (const outbox of [...this.#outboxes.values()]) {
      if (all) outbox.discard();
      else outbox.drop();
    }
  }

  /** Calls back once nothing is held for the owner. */
  whenDrained(callback: () => void): void {
    const [first] = this.#outboxes.values();
    if (!first) return callback();
    // Each takes itself out once it is drained.
    first.whenDrained(() => setImmediate(() => this.whenDrained(callback)));
  }

  /** Requests that have not ended. */
  get exchanges(): Exchange[] {
    return [...this.#all.values()].filter((one) => one.kind === 'http');
  }

  // ── for drivers ───────────────────────────────────────────────────────────────────────────────────────────

  /** What was asked for first and waits still. */
  get next(): Entry | Exchange | undefined {
    return this.#waiting[0];
  }

  /** All that wait, oldest first. */
  get waiting(): readonly (Entry | Exchange)[] {
    return this.#waiting;
  }

  /** A driver serves it from now on. */
  take(one: Entry | Exchange): void {
    if (this.#waiting[0] === one) this.#waiting.shift();
    else this.#waiting = this.#waiting.filter((other) => other !== one);
  }

  /** It was taken, and the peer has not dealt with it: it waits again, in its place. */
  putBack(one: Entry | Exchange): void {
    const at = this.#waiting.findIndex(({ stream }) => stream > one.stream);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, one);
  }

  /** It is over: of one that was cancelled under way, the answer was read past. False: it was before. */
  forget(one: Entry | Exchange): boolean {
    // What has a server does not wait: no look at all that does, for each that ends.
    if (one.kind === 'ws' || !one.server) this.take(one);
    return this.#all.delete(one.stream);
  }

  // ── ends of WebSockets ────────────────────────────────────────────────────────────────────────────────────

  /** It has closed. */
  closed(entry: Entry, closed: Closed): void {
    if (!this.forget(entry)) return;
    const { stream, outbox } = entry;
    const told = { stream, ...closed };
    if (!outbox.empty) outbox.reply({ type: 'over', ...told });
    outbox.ordered({ type: 'closed', ...told });
    this.#letGo(entry);
  }

  /** Its outbox goes with the last of what it holds. */
  #letGo({ stream, outbox }: Entry): void {
    outbox.whenDrained(() => this.#outboxes.delete(stream));
  }

  /** Either kind: it never became what it should, or broke. */
  failed(one: Entry | Exchange, error: GunportError): void {
    if (!this.forget(one)) return;
    if (one.kind === 'http') return one.fail(error);
    const { stream, outbox } = one;
    const record = toRecord(error);
    if (!outbox.empty) outbox.reply({ type: 'over', stream, ...NO_CLOSE, error: record });
    outbox.ordered({ type: 'error', stream, error: record });
    this.#letGo(one);
  }

  /** What waits and cannot be served on this connection any more. */
  failWaiting(why: (one: Entry | Exchange) => GunportError | undefined): void {
    for (const one of [...this.#waiting]) {
      const error = why(one);
      if (error) this.failed(one, error);
    }
  }

  /** Its owner wants nothing more of it. */
  cancelled(entry: Entry): void {
    this.forget(entry);
    entry.outbox.drop(entry.stream);
    this.#letGo(entry);
  }

  /** Frames of the owner's. */
  send({ stream, image, messages }: Cast & { type: 'send' }, lastError: GunportError | undefined): void {
    const entry = this.webSocket(stream);
    if (!entry) return;
    entry.received += image.byteLength;
    if (entry.socket) entry.socket.send(image, messages);
    // On the way when the socket was lost.
    else this.dropped(entry, lastError);
  }

  /** What was sent on it and has not left never will; told at once, where 'down' may wait for a reader. */
  dropped({ stream, received, outbox }: Entry, error: GunportError | undefined): void {
    const why = error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'there is no socket');
    outbox.reply({ type: 'sent', stream, bytes: received, error: toRecord(why) });
  }

  // ── ends of all ───────────────────────────────────────────────────────────────────────────────────────────

  /** The socket was lost: what a driver had taken ends with it, but what spans reconnects waits again. Returns the ids
   *  of those that ended. */
  lost(error: GunportError, attempt: number): number[] {
    const killed: number[] = [];
    const waiting = new Set(this.#waiting);
    for (const one of [...this.#all.values()]) {
      if (waiting.has(one)) continue;
      if (one.kind === 'ws') {
        this.dropped(one, error);
        one.socket = undefined;
        if (one.ws.spans) {
          if (one.state === 'open') one.state = 'down';
          one.outbox.ordered({ type: 'gap', stream: one.stream, attempt, error: toRecord(error) });
          this.#waiting.unshift(one);
          continue;
        }
      }
      if (one.kind === 'http' && one.held) continue;
      // Cancelled before: its owner has forgotten it.
      if (one.kind === 'ws' || !one.cancelled) killed.push(one.stream);
      this.failed(one, error);
    }
    return killed;
  }

  /** The process ends. */
  end(reason: DownRecord): void {
    for (const one of [...this.#all.values()]) {
      const everUp = one.kind === 'ws' ? one.upgraded !== undefined : one.server !== undefined;
      this.failed(one, endOfStream(everUp, reason));
    }
  }

  // ── what is known ─────────────────────────────────────────────────────────────────────────────────────────

  info(id: number): StreamInfo | undefined {
    const one = this.#all.get(id);
    if (!one) return undefined;
    const queued = this.#waiting.includes(one);
    if (one.kind === 'ws') {
      const state = queued ? 'queued' : 'running';
      return { id, kind: 'ws', state, method: 'GET', path: one.ws.path, replyTo: false };
    }
    const { method, path } = one.request;
    const state = one.cancelled ? 'stopping' : queued ? 'queued' : 'running';
    return { id, kind: 'http', state, method, path, replyTo: one.replied };
  }

  /** For an owner that takes an orphan. */
  records(): { readonly nextStream: number; readonly streams: readonly StreamRecord[] } {
    const wanted = [...this.#all.values()].filter((one) => one.kind === 'ws' || !one.cancelled);
    return {
      nextStream: this.#last + 1,
      streams: wanted.map((one) => (one.kind === 'ws' ? recordOf(one) : one.record())),
    };
  }
}
