// requests — the requests of one connection process: made of casts, bundled on their way back, bounded in time.
// Held by process.ts. Invariant: the answer to a request goes to one place, its owner's port or its own `replyTo` port,
// which stays with it in a hand-over; when that port closes, the request is cancelled; it is closed behind the last
// notice. What an answer promises goes to the owner: a pushed stream has no port of its own. Source: Gun's reply_to.

import type { MessagePort } from 'node:worker_threads';
import { StreamError, toRecord } from '../lib/errors.ts';
import type { HttpCast, HttpNotice, ReplyCast, RequestSettings } from '../lib/httpwire.ts';
import { headersOf } from '../lib/protocol/headers.ts';
import type { Notice, Parcel, Settings } from '../lib/wire.ts';
import { Bundle } from './bundle.ts';
import { Deadlines } from './deadlines.ts';
import { Exchange, type ExchangeHost } from './exchange.ts';
import type { Streams } from './streams.ts';

/** What they ask of their process. */
export interface RequestsHost {
  /** To the owner, with the memory that moves. */
  post(notice: Notice, transfer: ArrayBuffer[]): void;
  /** The same, in its order among answers to calls. */
  reply(notice: Exclude<Notice, Parcel>): void;
  /** Runs what may throw. */
  guard(run: () => void): void;
}

export class Requests {
  readonly #settings: Settings;
  readonly #streams: Streams;
  readonly #reply: (notice: Exclude<Notice, Parcel>) => void;
  readonly #bundle: Bundle;
  readonly #deadlines: Deadlines;
  readonly #guard: (run: () => void) => void;
  /** Of every request whose answer goes to the owner. */
  readonly #toOwner: ExchangeHost;
  #lastPromised = 0;

  constructor(settings: Settings, streams: Streams, { post, reply, guard }: RequestsHost) {
    this.#guard = guard;
    this.#deadlines = new Deadlines(guard);
    this.#settings = settings;
    this.#streams = streams;
    this.#reply = reply;
    this.#bundle = new Bundle((notices, memory) => post({ type: 'bundle', notices }, memory), guard);
    this.#toOwner = {
      timeouts: settings.http.timeouts,
      deadlines: this.#deadlines,
      replied: false,
      tell: (notice) => this.#bundle.add(notice),
      sent: (stream, bytes) => this.#reply({ type: 'sent', stream, bytes }),
      ended: (exchange) => this.#ended(exchange),
    };
  }

  /** What arose in this turn goes before whatever is posted next. */
  flush(): void {
    this.#bundle.flush();
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
        if (up) return this.#reply({ type: 'streamInfo', id, info: this.#streams.info(cast.stream) });
        return this.notUp('streamInfo()', id);
      }
      default:
        cast satisfies never;
    }
  }

  /** A call that asks a connection which is not there. */
  notUp(what: string, id: number): void {
    const error = new StreamError('ERR_GUNPORT_NOT_CONNECTED', `${what}: the connection is not up`);
    this.#reply({ type: 'failedCall', id, error: toRecord(error) });
  }

  #add({ stream, request, reply }: HttpCast & { type: 'request' }): void {
    const host = reply ? this.#toPort(stream, reply) : this.#toOwner;
    this.#streams.addRequest(new Exchange(stream, request, this.#settings.http.flow, host));
  }

  /** A request that the server made for us. Its answer goes to the owner, whoever gets that of `parent`. */
  promised(parent: Exchange, request: RequestSettings): Exchange {
    const flow = parent.request.flow ?? this.#settings.http.flow;
    const exchange = new Exchange(--this.#lastPromised, request, flow, this.#toOwner);
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
    this.#deadlines.stop();
  }

  /** Its answer goes to `port`; of its end its owner is told too, which keeps a handle on it. */
  #toPort(stream: number, port: MessagePort): ExchangeHost {
    const bundle = new Bundle((notices) => {
      for (const notice of notices) port.postMessage(...forPort(notice));
    }, this.#guard);
    let end: HttpNotice = { type: 'data', stream, fin: true, data: new Uint8Array(0) };
    const cancel = (): void => this.#streams.exchange(stream)?.cancel();
    port.on('message', (cast: unknown) => this.#guard(() => this.#said(stream, replyCast(cast))));
    port.on('close', () => this.#guard(cancel));
    return {
      ...this.#toOwner,
      replied: true,
      tell: (notice) => {
        if (notice.type === 'push') return this.#bundle.add(notice);
        if (notice.type === 'error') end = notice;
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
  return [notice, notice.type === 'data' ? [notice.data.buffer as ArrayBuffer] : []]; // Made by slabs.ts, or just now.
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
