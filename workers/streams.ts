// streams — all streams of one connection process, requests and WebSockets, from the owner's cast to their one end.
// Held by process.ts; a driver sees one lane of them (lane.ts).
// Invariant: each ends once, here, and its owner is told; what no driver has taken survives the loss of a socket, and so
// does a tunnel, which is asked for again. Source: promise S2; gun's postponed casts.

import { ById } from '../lib/byid.ts';
import { ConnectionError, type GunportError, StreamError, toRecord } from '../lib/errors.ts';
import type { SentFrames } from '../lib/sendwire.ts';
import type { StreamInfo } from '../lib/types.ts';
import type { Closed, DownRecord, StreamRecord, WsSettings } from '../lib/wire.ts';
import { type Entry, endOfStream, NO_CLOSE, recordOf } from './entry.ts';
import type { Exchange } from './exchange.ts';
import type { HandledOutbox } from './handling.ts';
import { Lane, type LaneHost } from './lane.ts';
import type { Outbox } from './outbox.ts';

/** A stream of either kind. */
export type One = Entry | Exchange;

/** Makes the road of the messages of one WebSocket. */
interface OutboxMaker {
  outbox(stream: number, ws: WsSettings): Outbox;
}

export class Streams implements LaneHost<One> {
  /** What is asked of the end of the connection's own road. */
  readonly root: Lane<One> = this.lane();
  readonly #maker: OutboxMaker;
  readonly #all = new ById<One>();
  // Made when there is something to be put into them: most connections have one WebSocket, and nothing else.
  /** Of tunnels, by their streams. */
  #lanes: Map<number, Lane<One>> | undefined;
  /** Of WebSockets that have ended, as long as they hold something. */
  #left: Map<number, Outbox> | undefined;
  #unready: Set<One> | undefined;
  #last = 0;
  #over: GunportError | undefined;

  constructor(maker: OutboxMaker) {
    this.#maker = maker;
  }

  /** A lane of its own, for what is behind a tunnel that was asked for in `parent`, and leads to `origin`. */
  lane(parent?: Lane<One>, origin?: string): Lane<One> {
    return new Lane<One>(this, parent, origin);
  }

  members(lane: Lane<One>): One[] {
    return [...this.#all.values()].filter((one) => one.lane === lane);
  }

  get #allLanes(): Lane<One>[] {
    return this.#lanes ? [this.root, ...this.#lanes.values()] : [this.root];
  }

  /** The live ones, and what is left of others. */
  get #outboxes(): Outbox[] {
    const live = [...this.#all.values()].flatMap((one) => (one.kind === 'ws' ? [one.outbox] : []));
    return this.#left ? [...live, ...this.#left.values()] : live;
  }

  #outbox(stream: number): Outbox | undefined {
    return this.webSocket(stream)?.outbox ?? this.#left?.get(stream);
  }

  /** What is behind the tunnel `stream`, or for none at the end of the connection's own road. */
  laneOf(stream: number | undefined): Lane<One> | undefined {
    return stream === undefined ? this.root : this.#lanes?.get(stream);
  }

  addWebSocket(stream: number, ws: WsSettings, lane: Lane<One>): Entry {
    const outbox = this.#maker.outbox(stream, ws);
    const handling = isHandled(outbox) ? outbox : undefined;
    const entry: Entry = {
      kind: 'ws',
      stream,
      given: ws,
      ws,
      outbox,
      handling,
      adviser: undefined,
      decides: undefined,
      lane,
      state: 'connecting',
      upgraded: undefined,
      received: 0,
      socket: undefined,
    };
    this.#add(entry);
    // What has a handler waits for that.
    if (handling) this.#isUnready(entry);
    else lane.add(entry);
    return entry;
  }

  /** `behind`: the lane of a tunnel. */
  addRequest(exchange: Exchange, behind?: Lane<One>): void {
    this.#add(exchange);
    if (behind) {
      this.#lanes ??= new Map();
      this.#lanes.set(exchange.stream, behind);
      behind.tunnel = exchange.stream;
    }
    exchange.lane.add(exchange);
  }

  /** Something of it is still to be loaded: it is known, and not to be sent. */
  addUnready(exchange: Exchange): void {
    this.#add(exchange);
    this.#isUnready(exchange);
  }

  #isUnready(one: One): void {
    this.#unready ??= new Set();
    this.#unready.add(one);
  }

  /** All is there: it waits, in its place. False: it has ended meanwhile. */
  ready(one: One): boolean {
    if (!this.#unready?.delete(one) || (one.kind === 'http' && one.ended)) return false;
    one.lane.putBack(one);
    return true;
  }

  /** A pushed one: it has been taken already. */
  addPromised(exchange: Exchange): void {
    this.#all.set(exchange.stream, exchange);
  }

  #add(one: One): void {
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
    for (let i = 0; i + 1 < read.length; i += 2) this.#outbox(read[i] ?? 0)?.acked(read[i + 1] ?? 0);
  }

  topUp(stream: number, messages: number): void {
    this.exchange(stream)?.topUp(messages);
    this.#outbox(stream)?.topUp(stream, messages);
  }

  /** Its owner has closed one that was over already, and takes no more of it. */
  forgo(stream: number): void {
    this.#left?.get(stream)?.drop(stream);
  }

  /** What was posted to a dead owner, and not acknowledged, is lost. */
  forgetInFlight(): void {
    for (const outbox of this.#outboxes) outbox.forgetInFlight();
    for (const exchange of this.exchanges) exchange.forgetUnread();
  }

  /** Its owner is gone, and nobody takes its place: what comes is read past. */
  abandon(): void {
    this.drop(true);
    for (const exchange of this.exchanges) exchange.abandon();
  }

  /** Nothing of what is held will be wanted: `all` of it, or just the messages. */
  drop(all: boolean): void {
    for (const outbox of this.#outboxes) {
      if (all) outbox.discard();
      else outbox.drop();
    }
  }

  /** It belongs to another. */
  owned(owner: { readonly threadId: number; readonly transfers: number }): void {
    for (const one of this.#all.values()) if (one.kind === 'ws') one.handling?.runner.owner(owner);
  }

  /** There is no owner, and there will be none: nothing waits for anything. */
  release(): void {
    this.drop(true);
    for (const outbox of this.#outboxes) if (isHandled(outbox)) outbox.runner.stop();
  }

  /** Calls back once nothing is held for the owner. */
  whenDrained(callback: () => void): void {
    const [first] = this.#outboxes;
    if (!first) return callback();
    // Each takes itself out once it is drained.
    first.whenDrained(() => setImmediate(() => this.whenDrained(callback)));
  }

  /** Requests that have not ended. */
  get exchanges(): Exchange[] {
    return [...this.#all.values()].filter((one) => one.kind === 'http');
  }

  /** It is over, `error` or not: of one that was cancelled under way, the answer was read past. False: it was before. */
  forget(one: One, error?: GunportError): boolean {
    // What has a server does not wait: no look at all that does, for each that ends.
    if (one.kind === 'ws' || !one.server) one.lane.take(one);
    if (one.kind === 'http' && one.tunnel) this.#emptied(one.stream, error);
    this.#unready?.delete(one);
    return this.#all.delete(one.stream);
  }

  /** Its tunnel has ended: nothing can be asked of what was behind it. */
  #emptied(tunnel: number, cause: GunportError | undefined): void {
    const lane = this.#lanes?.get(tunnel);
    if (!lane) return;
    this.#lanes?.delete(tunnel);
    const text = `the tunnel it goes through, stream ${tunnel}, has ended`;
    for (const one of this.#unready ?? []) if (one.lane === lane) lane.putBack(one);
    lane.failWaiting(() => new StreamError('ERR_GUNPORT_CLOSED', text, { phase: 'closed', cause }));
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
    let isDrained = false;
    outbox.whenDrained(() => {
      isDrained = true;
      this.#left?.delete(stream);
    });
    if (isDrained) return;
    this.#left ??= new Map();
    this.#left.set(stream, outbox);
  }

  /** Either kind: it never became what it should, or broke. */
  failed(one: One, error: GunportError): void {
    if (!this.forget(one, error)) return;
    if (one.kind === 'http') return one.fail(error);
    const { stream, outbox } = one;
    const record = toRecord(error);
    if (!outbox.empty) outbox.reply({ type: 'over', stream, ...NO_CLOSE, error: record });
    outbox.ordered({ type: 'error', stream, error: record });
    this.#letGo(one);
  }

  /** Its owner wants nothing more of it. */
  cancelled(entry: Entry): void {
    this.forget(entry);
    entry.handling?.runner.cancelled(new StreamError('ERR_GUNPORT_CANCELLED', 'the stream was cancelled'));
    entry.outbox.drop(entry.stream);
    this.#letGo(entry);
  }

  /** Frames of the owner's. */
  send(frames: SentFrames, lastError: GunportError | undefined): void {
    const { stream, image } = frames;
    const entry = this.webSocket(stream);
    if (!entry) return;
    entry.received += image.byteLength;
    if (entry.socket) entry.socket.send(frames);
    // On the way when the socket was lost.
    else this.dropped(entry, lastError);
  }

  /** What was sent on it and has not left never will; told at once, where 'down' may wait for a reader. */
  dropped({ stream, received, outbox }: Entry, error: GunportError | undefined): void {
    const why = error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'there is no socket');
    outbox.reply({ type: 'sent', stream, bytes: received, error: toRecord(why) });
  }

  // ── ends of all ───────────────────────────────────────────────────────────────────────────────────────────

  /** The socket was lost, or the tunnel to `lane`: what a driver had taken ends with it. But a WebSocket that spans
   *  reconnects waits again, and so do tunnels. Returns the ids of those that ended. */
  lost(error: GunportError, attempt: number, lane: Lane<One> = this.root): number[] {
    const killed: number[] = [];
    const waiting = new Set(this.#allLanes.flatMap((one) => one.waiting));
    for (const one of [...this.#all.values()]) {
      if (waiting.has(one) || this.#unready?.has(one) || !lane.leadsTo(one.lane)) continue;
      if (one.kind === 'ws') {
        this.dropped(one, error);
        one.socket = undefined;
        if (one.ws.spans) {
          if (one.state === 'open') one.state = 'down';
          one.outbox.ordered({ type: 'gap', stream: one.stream, attempt, error: toRecord(error) });
          one.lane.putFirst(one);
          continue;
        }
      } else if (one.held) continue;
      else if (one.tunnel && !one.cancelled && !one.upload.opened) {
        one.again();
        one.lane.putBack(one);
        continue;
      }
      // Cancelled before: its owner has forgotten it.
      if (one.kind === 'ws' || !one.cancelled) killed.push(one.stream);
      this.failed(one, error);
    }
    return killed;
  }

  /** The process ends. */
  end(reason: DownRecord): void {
    this.#over = endOfStream(false, reason);
    for (const one of [...this.#all.values()]) {
      const everUp = one.kind === 'ws' ? one.upgraded !== undefined : one.server !== undefined;
      this.failed(one, endOfStream(everUp, reason));
    }
  }

  /** What becomes of one that is asked for after the end, by an owner that has not heard of it. */
  get over(): GunportError | undefined {
    return this.#over;
  }

  // ── what is known ─────────────────────────────────────────────────────────────────────────────────────────

  info(id: number): (Omit<StreamInfo, 'intermediaries'> & { readonly lane: Lane<One> }) | undefined {
    const one = this.#all.get(id);
    if (!one) return undefined;
    const lane = this.#allLanes.find((lane) => lane === one.lane) ?? this.root;
    const queued = lane.waiting.includes(one) || this.#unready?.has(one);
    if (one.kind === 'ws') {
      const state = queued ? 'queued' : 'running';
      return { id, kind: 'ws', state, method: 'GET', path: one.given.path, replyTo: false, lane };
    }
    const { method, path } = one.request;
    const state = one.cancelled ? 'stopping' : queued ? 'queued' : 'running';
    return { id, kind: 'http', state, method, path, replyTo: one.replied, lane };
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

/** By what it has: its class is loaded only where there are handlers. */
function isHandled(outbox: Outbox): outbox is HandledOutbox {
  return 'runner' in outbox;
}
