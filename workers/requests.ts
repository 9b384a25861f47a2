// requests — the requests of one connection process: made of casts, bundled on their way back, bounded in time.
// Held by process.ts. Invariant: the answer to a request goes to one place, its owner's port or its own `replyTo` port,
// which stays with it in a hand-over; when that port closes, the request is cancelled; it is closed behind the last
// notice. What an answer promises goes to the owner: a pushed stream has no port of its own. Source: Gun's reply_to.

import type { MessagePort } from 'node:worker_threads';
import { type GunportError, StreamError, toRecord } from '../lib/errors.ts';
import {
  firstLeg,
  type HttpCast,
  type HttpNotice,
  type ReplyCast,
  type RequestSettings,
  type Road,
} from '../lib/httpwire.ts';
import { headersOf } from '../lib/protocol/headers.ts';
import { unpacked } from '../lib/sentevents.ts';
import type { StreamInfo } from '../lib/types.ts';
import type { Notice, Parcel, Settings } from '../lib/wire.ts';
import { Bundle } from './bundle.ts';
import { type Content, ContentModules } from './content/content.ts';
import { Deadlines } from './deadlines.ts';
import { Exchange, type ExchangeHost } from './exchange.ts';
import type { Lane } from './lane.ts';
import type { Probe } from './probes/probe.ts';
import type { One, Streams } from './streams.ts';

/** What they ask of their process. */
export interface RequestsHost {
  readonly streams: Streams;
  readonly probe: Probe;
  /** To the owner, with the memory that moves; what flush() has goes before it. */
  post(notice: Notice, transfer: ArrayBuffer[]): void;
  /** The same, in its order among answers to calls. */
  reply(notice: Exclude<Notice, Parcel>): void;
  /** Runs what may throw. */
  guard(run: () => void): void;
  /** What will be behind a tunnel that is asked for in `from`. */
  tunnel(road: Road, from: Lane<One>): Lane<One>;
  streamInfo(stream: number): StreamInfo | undefined;
}

export class Requests {
  readonly #settings: Settings;
  readonly #streams: Streams;
  readonly #host: RequestsHost;
  // Made for the first request: a connection may hold a WebSocket, and nothing else.
  #bundled: Bundle | undefined;
  #timed: Deadlines | undefined;
  #loaded: ContentModules | undefined;
  /** Lanes in which something new waits. */
  #touched: Lane<One>[] = [];
  /** Of every request whose answer goes to the owner. */
  #ownerHost: ExchangeHost | undefined;
  #lastPromised = 0;

  constructor(settings: Settings, host: RequestsHost) {
    this.#host = host;
    this.#settings = settings;
    this.#streams = host.streams;
  }

  get deadlines(): Deadlines {
    this.#timed ??= new Deadlines((run) => this.#host.guard(run));
    return this.#timed;
  }

  get #bundle(): Bundle {
    const host = this.#host;
    this.#bundled ??= new Bundle(
      (notices, memory) => host.post({ type: 'bundle', notices }, memory),
      (run) => host.guard(run),
    );
    return this.#bundled;
  }

  get #modules(): ContentModules {
    this.#loaded ??= new ContentModules();
    return this.#loaded;
  }

  get #toOwner(): ExchangeHost {
    const host = this.#host;
    this.#ownerHost ??= {
      probe: host.probe,
      timeouts: this.#settings.http.timeouts,
      deadlines: this.deadlines,
      replied: false,
      tell: (notice) => this.#bundle.add(notice),
      sent: (stream, bytes) => host.reply({ type: 'sent', stream, bytes }),
      ended: (exchange) => this.#ended(exchange),
      content: {
        begin: (exchange, status, rawHeaders) => this.#content(exchange, status, rawHeaders),
        soon: (run) => queueMicrotask(() => host.guard(run)),
      },
    };
    return this.#ownerHost;
  }

  /** Modules of the connection: an answer that a server pushes has nobody who loads them. */
  loadContent(): Promise<void> | undefined {
    const { content } = this.#settings.http;
    return content && this.#modules.load(content);
  }

  #content(exchange: Exchange, status: number, rawHeaders: readonly string[]): Content | undefined {
    const { stream, request } = exchange;
    const settings = request.content ?? this.#settings.http.content;
    if (!settings) return undefined;
    const { method, path } = request;
    const answer = { stream, method, path, status, headers: headersOf(rawHeaders), rawHeaders };
    return this.#modules.begin(settings, answer, lastEventIdOf(request));
  }

  /** What arose in this turn goes before whatever is posted next. */
  flush(): void {
    this.#bundled?.flush();
  }

  /** For what an upgrade was answered with. */
  tell(notice: HttpNotice): void {
    this.#bundle.add(notice);
  }

  /** A cast of the owner's. `up`: whether there is a connection to speak of. */
  handle(cast: HttpCast, up: boolean): void {
    switch (cast.type) {
      case 'request':
        return this.#add(cast);
      case 'data':
        return this.#streams.exchange(cast.stream)?.add(cast.bytes, cast.fin, cast.trailers);
      case 'read':
        return this.#streams.exchange(cast.stream)?.read(cast.bytes);
      case 'streamInfo': {
        const { id } = cast;
        if (up) return this.#host.reply({ type: 'streamInfo', id, info: this.#host.streamInfo(cast.stream) });
        return this.notUp('streamInfo()', id);
      }
      default:
        cast satisfies never;
    }
  }

  /** A call that asks a connection which is not there. */
  notUp(what: string, id: number): void {
    const error = new StreamError('ERR_GUNPORT_NOT_CONNECTED', `${what}: the connection is not up`);
    this.#host.reply({ type: 'failedCall', id, error: toRecord(error) });
  }

  #add({ stream, request, reply, tunnel: through, road }: HttpCast & { type: 'request' }): void {
    const host = reply ? this.#toPort(stream, reply) : this.#toOwner;
    const { flow } = this.#settings.http;
    const { over, root } = this.#streams;
    const lane = over ? undefined : this.#streams.laneOf(through);
    if (!lane) {
      const text = `the tunnel it was to go through, stream ${through}, is not there (any more)`;
      const lost = new Exchange(stream, request, { lane: root, flow }, host);
      return lost.fail(over ?? new StreamError('ERR_GUNPORT_BAD_STATE', text));
    }
    const tunnel = road && { destination: firstLeg(road), credentials: undefined, road };
    const exchange = new Exchange(stream, request, { lane, flow, tunnel }, host);
    const behind = road && this.#host.tunnel(road, lane);
    const content = road ? undefined : (request.content ?? this.#settings.http.content);
    const loading = content && this.#modules.load(content);
    if (!loading) {
      this.#streams.addRequest(exchange, behind);
      return this.touch(lane);
    }
    this.#streams.addUnready(exchange);
    const guard = (run: () => void): void => this.#host.guard(run);
    loading.then(
      () => guard(() => this.#ready(exchange, lane)),
      (error: GunportError) => guard(() => this.#streams.failed(exchange, error)), // As modules.ts throws.
    );
  }

  /** Its content handlers are there: it may be sent. */
  #ready(exchange: Exchange, lane: Lane<One>): void {
    if (!this.#streams.ready(exchange)) return;
    this.touch(lane);
    this.serve();
  }

  /** Something new waits in it. */
  touch(lane: Lane<One>): void {
    if (this.#touched.at(-1) !== lane) this.#touched.push(lane);
  }

  /** What is new is served. */
  serve(): void {
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const lane of touched) lane.server?.serve();
  }

  /** A request that the server made for us. Its answer goes to the owner, whoever gets that of `parent`. */
  promised(parent: Exchange, request: RequestSettings): Exchange {
    const flow = parent.request.flow ?? this.#settings.http.flow;
    const { lane } = parent;
    const { content } = parent.request;
    const like = content ? { ...request, content } : request;
    const exchange = new Exchange(--this.#lastPromised, like, { lane, flow }, this.#toOwner);
    this.#streams.addPromised(exchange);
    return exchange;
  }

  /** One that was cancelled under way is forgotten by its driver, which reads past its answer. */
  #ended(exchange: Exchange): void {
    if (!exchange.cancelled || !exchange.server) this.#streams.forget(exchange);
  }

  /** Who reads an answer by its own port has something to say of it. */
  #said(stream: number, said: ReplyCast | undefined): void {
    const exchange = this.#streams.exchange(stream);
    if (said?.type === 'read') exchange?.read(said.bytes);
    else if (said?.type === 'flow') exchange?.topUp(said.add);
    else if (said) exchange?.cancel();
  }

  /** The process is over. */
  stop(): void {
    this.#timed?.stop();
  }

  /** Its answer goes to `port`; of its end its owner is told too, which keeps a handle on it. */
  #toPort(stream: number, port: MessagePort): ExchangeHost {
    const post = (notices: readonly HttpNotice[]): void => {
      for (const notice of notices) port.postMessage(...forPort(notice));
    };
    const bundle = new Bundle(post, (run) => this.#host.guard(run));
    let end: HttpNotice = { type: 'data', stream, fin: true, data: new Uint8Array(0) };
    const cancel = (): void => {
      const exchange = this.#streams.exchange(stream);
      // Who has read all of it has no more use of its port; our side may still be open.
      if (!exchange?.heard) exchange?.cancel();
    };
    port.on('message', (cast: unknown) => this.#host.guard(() => this.#said(stream, replyCast(cast))));
    port.on('close', () => this.#host.guard(cancel));
    return {
      ...this.#toOwner,
      replied: true,
      tell: (notice) => {
        if (notice.type === 'push') return this.#bundle.add(notice);
        if (notice.type === 'error') end = notice;
        // What its owner must know to use it.
        const opens = notice.type === 'response' && notice.tunnel === true;
        if (opens || notice.type === 'tunnelUp' || notice.type === 'upgrade') this.#bundle.add(notice);
        bundle.add(owned(notice));
      },
      ended: (exchange) => {
        this.#ended(exchange);
        if (exchange.cancelled && end.type !== 'error') {
          const error = new StreamError('ERR_GUNPORT_CANCELLED', 'the request was cancelled');
          end = { type: 'error', stream, error: toRecord(error) };
          bundle.add(end);
        }
        bundle.flush();
        this.#bundle.add(end);
        port.off('close', cancel);
        port.close();
      },
    };
  }
}

/** The memory of a part may be shared with answers that go elsewhere, where it is moved. */
function owned(notice: HttpNotice): HttpNotice {
  if (notice.type !== 'data' || notice.data.byteLength === notice.data.buffer.byteLength) return notice;
  return { ...notice, data: notice.data.slice() };
}

/** A notice as whoever holds the other end of a `replyTo` port is given it, and the memory that moves with it. */
function forPort(notice: HttpNotice): [object, ArrayBuffer[]] {
  if ('rawHeaders' in notice) return [{ ...notice, headers: headersOf(notice.rawHeaders) }, []];
  if (notice.type === 'sse') return [{ ...notice, events: unpacked(notice.events) }, []];
  return [notice, notice.type === 'data' ? [notice.data.buffer as ArrayBuffer] : []]; // Made by slabs.ts, or just now.
}

/** What it told the server, whose events begin with that. */
function lastEventIdOf({ headers }: RequestSettings): string {
  for (let i = 0; i < headers.length; i += 2) {
    // HTML §9.2.3: "encoded as UTF-8".
    if (headers[i] === 'last-event-id') return Buffer.from(headers[i + 1] ?? '', 'latin1').toString();
  }
  return '';
}

/** Whoever holds the other end may post anything. */
function replyCast(said: unknown): ReplyCast | undefined {
  if (typeof said !== 'object' || said === null) return undefined;
  const { type, bytes, add } = said as Readonly<Record<string, unknown>>;
  if (type === 'cancel') return { type };
  if (type === 'read' && isCount(bytes)) return { type, bytes };
  return type === 'flow' && isCount(add) ? { type, add } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
