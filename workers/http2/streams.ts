// http2/streams — the streams of one HTTP/2 connection: who gets one, when, and what is theirs.
// Held by http2/driver.ts, which has the connection itself.
// Invariant: at most as many are open as the peer allows, the rest wait in order; each gives its place back once.
// Source: RFC 9113 §5.1.2; gun_http2's streams, with a queue where Gun has too_many_streams.

import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { ConnectionError, type GunportError, StreamError } from '../../lib/errors.ts';
import { offerExtensions } from '../../lib/protocol/extensions.ts';
import { codeName } from '../../lib/protocol/http2out.ts';
import type { PeerSettings } from '../../lib/types.ts';
import { type DriverHost, notRaw } from '../driver.ts';
import type { Entry } from '../entry.ts';
import type { Exchange, Server } from '../exchange.ts';
import { askedBy } from '../probes/streamprobe.ts';
import { Bodies } from './bodies.ts';
import { refused, Serving, type ServingHost } from './exchange.ts';
import { connectHeaders, requestHeaders, tunnelHeaders } from './head.ts';
import { promise } from './push.ts';
import { Http2Tunnel, type TunnelAnswer, type TunnelHost } from './tunnel.ts';
import { failEntry, Http2Upgrade, type UpgradeHost } from './upgrade.ts';

/** What the streams ask of their connection. */
export interface StreamsHost {
  readonly driver: DriverHost;
  readonly session: ClientHttp2Session;
  /** New streams may be opened. */
  readonly open: boolean;
  /** The connection is being lost: what happens to its streams says nothing of them. */
  readonly broken: boolean;
  /** A request is sent. */
  asked(): void;
  /** No more can be opened. */
  exhausted(): void;
  /** Some may have ended: there is room, or nothing left. */
  settled(): void;
}

/** Promises that are kept until node:http2 tells of them, which it does in the same turn. */
const MOST_PROMISES = 1_024;

/** What has a stream. */
type Served = Serving | Http2Upgrade | Http2Tunnel;

interface Promised {
  readonly parent: number;
  ended: boolean;
  reset: number | undefined;
}

/** Streams that are opened before the peer has said how many it allows. RFC 9113 §6.5.2: "no smaller than 100". */
const FIRST_STREAMS = 100;

export class Http2Streams implements Server, ServingHost, UpgradeHost, TunnelHost {
  readonly #host: StreamsHost;
  readonly #bodies: Bodies;
  readonly #servings = new Map<Exchange, Serving | Http2Tunnel>();
  readonly #all = new Map<number, Served>();
  /** Those that the peer has promised, and node:http2 has not told of yet. */
  readonly #promises = new Map<number, Promised>();
  /** WebSockets that wait. */
  readonly #waits = new Map<Entry, NodeJS.Timeout>();
  #settings: PeerSettings | undefined;
  #due = false;

  constructor(host: StreamsHost) {
    this.#host = host;
    this.#bodies = new Bodies(
      (run) => host.driver.guard(run),
      () => host.settled(),
    );
  }

  /** How many are open. */
  get size(): number {
    return this.#all.size;
  }

  /** The highest of those that we have opened. */
  get last(): number {
    let last = 0;
    for (const id of this.#all.keys()) if (id % 2 === 1) last = Math.max(last, id);
    return last;
  }

  // ── serving ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The peer's settings have come. */
  allow(settings: PeerSettings): void {
    this.#settings = settings;
  }

  /** Takes what may have a stream. */
  serve(): void {
    const { streams } = this.driver;
    while (this.#host.open && this.#all.size < (this.#settings?.maxConcurrentStreams ?? FIRST_STREAMS)) {
      const next = this.#next();
      if (!next) break;
      if (next.kind === 'http' && next.request.method === 'RAW') {
        streams.failed(next, notRaw());
        continue;
      }
      streams.take(next);
      if (next.kind === 'ws') this.#upgrade(next);
      else if (next.tunnel) this.#connect(next);
      else this.#request(next);
    }
    if (this.#host.open && streams.next) this.#bound();
  }

  /** Before the peer's settings are known only what could be asked again: it may allow fewer streams. And whether it
   *  takes WebSockets they alone tell. */
  #next(): Entry | Exchange | undefined {
    const { next, waiting } = this.driver.streams;
    if (this.#settings) return next;
    return waiting.find((one): one is Exchange => one.kind === 'http' && isEmpty(one) && !one.tunnel);
  }

  /** A WebSocket waits for a stream no longer than for its answer; a request has deadlines of its own. */
  #bound(): void {
    const { streams } = this.driver;
    for (const one of streams.waiting) {
      if (one.kind !== 'ws' || this.#waits.has(one)) continue;
      const { upgradeTimeout } = one.ws;
      const text = `the upgrade waited longer than ${upgradeTimeout} ms for a stream`;
      const late = (): void => {
        this.#waits.delete(one);
        if (!streams.waiting.includes(one)) return;
        const error = new ConnectionError('ERR_GUNPORT_UPGRADE_TIMEOUT', text, { phase: 'upgrade' });
        failEntry(one, error, this.driver);
      };
      this.#waits.set(
        one,
        setTimeout(() => this.driver.guard(late), upgradeTimeout),
      );
    }
  }

  #request(exchange: Exchange): void {
    const { settings, counters, cookies } = this.driver;
    const { request, upload } = exchange;
    exchange.server = this;
    const endStream = isEmpty(exchange);
    const length = request.streamed ? undefined : (request.body?.length ?? 0);
    try {
      const headers = requestHeaders(cookies ? cookies.request(request) : request, settings, length);
      const expects = !upload.done && expectsContinue(headers);
      // What waits for trailers is not ended by being given up, either.
      const waitForTrailers = upload.trailers !== undefined || !upload.complete || expects;
      const stream = this.#host.session.request(headers, { endStream, waitForTrailers });
      if (stream.id === undefined) return this.#exhausted(stream, exchange);
      const serving = this.#add(exchange, stream);
      counters.messagesSent++;
      exchange.probe.asked(askedBy(exchange), headers);
      if (endStream) exchange.probe.sent();
      else serving.begin(expects);
    } catch (cause) {
      exchange.fail(refused(cause));
    }
  }

  #connect(exchange: Exchange): void {
    const { settings, counters } = this.driver;
    exchange.server = this;
    try {
      const headers = tunnelHeaders(exchange.request, settings);
      const stream = this.#host.session.request(headers, { endStream: false });
      if (stream.id === undefined) return this.#exhausted(stream, exchange);
      const tunnel = new Http2Tunnel(exchange, stream, this);
      counters.messagesSent++;
      this.#host.asked();
      this.#servings.set(exchange, tunnel);
      this.#all.set(tunnel.id, tunnel);
      exchange.probe.asked('connect', headers);
      exchange.probe.sent();
    } catch (cause) {
      exchange.fail(refused(cause));
    }
  }

  /** A proxy that does not make a tunnel says why, as any server does. */
  refused(tunnel: Http2Tunnel, stream: ClientHttp2Stream, head: TunnelAnswer): void {
    const { exchange } = tunnel;
    const serving = new Serving(exchange, stream, this, false);
    this.#servings.set(exchange, serving);
    this.#all.set(serving.id, serving);
    if (head.complete) serving.complete();
    if (head.reset !== undefined) serving.reset(head.reset);
    serving.head(head.headers, head.flags, head.raw);
    // Our side said nothing, and never will.
    stream.end();
  }

  /** All ids are spent, after a billion requests: "a client … can establish a new connection" (RFC 9113 §5.1.1). */
  #exhausted(stream: ClientHttp2Stream, one: Entry | Exchange): void {
    stream.on('error', () => {});
    if (one.kind === 'http') one.server = undefined;
    this.driver.streams.putBack(one);
    this.#host.exhausted();
  }

  #add(exchange: Exchange, stream: ClientHttp2Stream): Serving {
    const serving = new Serving(exchange, stream, this, !this.#settings);
    this.#host.asked();
    this.#servings.set(exchange, serving);
    this.#all.set(serving.id, serving);
    return serving;
  }

  #upgrade(entry: Entry): void {
    clearTimeout(this.#waits.get(entry));
    this.#waits.delete(entry);
    if (!this.#settings?.enableConnectProtocol) {
      const text = 'the server does not take WebSockets over HTTP/2 (RFC 8441)';
      const Class = entry.ws.spans ? ConnectionError : StreamError;
      return failEntry(entry, new Class('ERR_GUNPORT_UNSUPPORTED', text, { phase: 'upgrade' }), this.driver);
    }
    const { settings, cookies } = this.driver;
    try {
      entry.handling?.connected();
      const ws = cookies ? cookies.upgrade(entry.ws) : entry.ws;
      const headers = connectHeaders(ws, settings, offerExtensions(ws.compress));
      const stream = this.#host.session.request(headers, { endStream: false });
      if (stream.id === undefined) return this.#exhausted(stream, entry);
      const upgrade = new Http2Upgrade(entry, stream, this);
      upgrade.probe.upgradeAsked(entry.ws, headers);
      this.#host.asked();
      this.#all.set(upgrade.id, upgrade);
    } catch (cause) {
      failEntry(entry, refused(cause), this.driver);
    }
  }

  // ── from what is served ───────────────────────────────────────────────────────────────────────────────────

  get driver(): DriverHost {
    return this.#host.driver;
  }
  get broken(): boolean {
    return this.#host.broken;
  }

  due(serving: Serving, bytes?: number): void {
    this.#bodies.add(serving, bytes);
  }

  /** It was one too many, which could not be known: it waits for the next that is free. */
  again(serving: Serving): void {
    const { exchange } = serving;
    exchange.server = undefined;
    this.done(serving);
    this.driver.streams.putBack(exchange);
  }

  done(one: Served): void {
    this.#all.delete(one.id);
    if (!(one instanceof Http2Upgrade)) {
      const { exchange } = one;
      this.#servings.delete(exchange);
      if (exchange.cancelled) this.driver.streams.forget(exchange);
    }
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (!this.broken) this.driver.guard(() => this.#host.settled());
    });
  }

  // ── from the process ──────────────────────────────────────────────────────────────────────────────────────

  upload(exchange: Exchange): void {
    this.#servings.get(exchange)?.upload();
  }

  resume(exchange: Exchange): void {
    this.#servings.get(exchange)?.resume();
  }

  cancel(exchange: Exchange): void {
    this.#servings.get(exchange)?.cancel();
  }

  // ── from the peer ─────────────────────────────────────────────────────────────────────────────────────────

  /** A read has come; `more`: another follows at once. */
  reading(more: boolean): void {
    this.#bodies.reading(more);
  }

  /** It has said all of a stream. */
  ended(id: number): void {
    const one = this.#all.get(id);
    const promised = this.#promises.get(id);
    if (one && !(one instanceof Http2Upgrade)) one.complete();
    else if (promised) promised.ended = true;
  }

  reset(id: number, code: number): void {
    const promised = this.#promises.get(id);
    this.#all.get(id)?.reset(code);
    if (promised) promised.reset = code;
  }

  /** It will tell of a stream that answers a request nobody made; it was promised on that of `parent`. */
  promised(parent: number, id: number): void {
    this.#promises.set(id, { parent, ended: false, reset: undefined });
    // Those that node:http2 finds malformed are never told.
    const [oldest = id] = this.#promises.size > MOST_PROMISES ? this.#promises.keys() : [];
    if (oldest !== id) this.#promises.delete(oldest);
  }

  /** It is there; all of it, maybe. */
  pushed(stream: ClientHttp2Stream, rawHeaders: readonly string[]): void {
    const id = stream.id ?? 0;
    const promised = this.#promises.get(id);
    const parent = this.#all.get(promised?.parent ?? 0);
    this.#promises.delete(id);
    const known = this.#host.open && parent instanceof Serving ? parent.exchange : undefined;
    const exchange = promise(known, stream, rawHeaders, this.driver);
    if (!exchange) return;
    exchange.server = this;
    const serving = this.#add(exchange, stream);
    if (promised?.ended) serving.complete();
    if (promised?.reset !== undefined) serving.reset(promised.reset);
  }

  /** RFC 9113 §6.8: streams above the last one "were not or will not be processed". */
  goaway(last: number, code: number): void {
    const reason = codeName(code);
    for (const [id, one] of [...this.#all]) {
      // Those that the server opens have even numbers.
      if (id <= last || id % 2 === 0) continue;
      one.fail(
        new StreamError('ERR_GUNPORT_GOAWAY', `the server goes away (${reason})`, {
          reason,
          unprocessed: true,
        }),
      );
    }
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** No more of the open ones than must be: WebSockets say goodbye. */
  shutdown(reason: string): void {
    for (const one of this.#sockets) one.shutdown(reason);
  }

  /** The connection is lost: what has come is told, and the end of WebSockets. */
  lost(error: GunportError): void {
    for (const serving of this.#servings.values()) if (serving instanceof Serving) serving.flush();
    this.#bodies.flush();
    for (const one of this.#sockets) one.lost(error);
  }

  stop(): void {
    for (const timer of this.#waits.values()) clearTimeout(timer);
    this.#waits.clear();
    this.#bodies.stop();
    for (const one of this.#all.values()) one.stop();
  }

  /** WebSockets and tunnels. */
  get #sockets(): (Http2Upgrade | Http2Tunnel)[] {
    const isSocket = (one: Served): one is Http2Upgrade | Http2Tunnel => !(one instanceof Serving);
    return [...this.#all.values()].filter(isSocket);
  }
}

/** It has no body. */
function isEmpty({ upload }: Exchange): boolean {
  return upload.done && upload.trailers === undefined;
}

function expectsContinue({ expect }: OutgoingHttpHeaders): boolean {
  return typeof expect === 'string' && expect.toLowerCase() === '100-continue';
}
