// exchange — one request and its answer, as its process keeps them: from the owner's cast to the one end.
// Made by process.ts (or by http2/driver.ts for a push); served by the driver that takes it, which calls inform … fail.
// Invariant: it ends exactly once, by a last part, by trailers, or by an error, and nothing is told after that or after
// cancel(); what is told and unread is bounded: above WINDOW, or without flow, `wanted` is false and the driver reads
// no more of it. Source: gun_http's and gun_http2's streams; promises S2 and F1.

import { type GunportError, type TimeoutError, toRecord } from '../lib/errors.ts';
import {
  type HttpNotice,
  type HttpRecord,
  PART_COST,
  type RequestSettings,
  type Timeouts,
} from '../lib/httpwire.ts';
import type { Deadlines, Due } from './deadlines.ts';
import { Upload } from './upload.ts';

/** Bytes of one answer that may be told and unread; above the first the driver stops, below the second it goes on. */
const WINDOW = { most: 4 * 1024 * 1024, goOn: 2 * 1024 * 1024 };

/** The driver that has taken an exchange. */
export interface Server {
  /** More of its body is there. */
  upload(exchange: Exchange): void;
  /** It wants to be read again. */
  resume(exchange: Exchange): void;
  /** Nobody wants its answer any more: it was cancelled, or its deadline passed. */
  cancel(exchange: Exchange): void;
}

/** What an exchange asks of its process. */
export interface ExchangeHost {
  readonly timeouts: Timeouts;
  readonly deadlines: Deadlines;
  /** The request has a `replyTo` port. */
  readonly replied: boolean;
  /** To the owner, or to the request's own port. */
  tell(notice: HttpNotice): void;
  /** So many bytes of its body have left this process. */
  sent(stream: number, bytes: number): void;
  /** It has ended, or was cancelled: once. */
  ended(exchange: Exchange): void;
}

export class Exchange {
  readonly kind = 'http';
  readonly stream: number;
  readonly request: RequestSettings;
  readonly upload: Upload;
  /** Who serves it; undefined while it waits. */
  server: Server | undefined;
  /** For deadlines.ts. */
  due: Due | undefined;
  readonly #host: ExchangeHost;
  #state: 'waiting' | 'answered' | 'ended' = 'waiting';
  #cancelled = false;
  /** Messages that may still be told; undefined: automatic credit. */
  #flow: number | undefined;
  #held: HttpNotice[] = [];
  #unread = 0;
  #starved = false;
  #abandoned = false;
  /** Of its answer, for an owner that takes an orphan. */
  #head: HttpRecord['head'];

  constructor(stream: number, request: RequestSettings, flow: number | undefined, host: ExchangeHost) {
    this.stream = stream;
    this.request = request;
    this.#flow = request.flow ?? flow;
    this.#host = host;
    this.upload = new Upload(request, (bytes) => host.sent(stream, bytes));
    const { requestTimeout, headersTimeout } = this.#timeouts;
    host.deadlines.set(this, 'requestTimeout', requestTimeout);
    host.deadlines.set(this, 'headersTimeout', headersTimeout);
  }

  /** Its end was told, or nobody wants it: the driver drops what still comes. */
  get ended(): boolean {
    return this.#state === 'ended';
  }
  /** Cancelled, or late: the peer may still be answering. */
  get cancelled(): boolean {
    return this.#cancelled;
  }
  /** All of its answer has come, and flow holds some of it back. */
  get held(): boolean {
    return this.ended && this.#held.length > 0;
  }
  /** The head of its answer has come. */
  get answered(): boolean {
    return this.#state === 'answered';
  }
  /** More of its answer may be read. For who reads it: what is not wanted now is asked for again by `resume`. */
  get wanted(): boolean {
    const room = this.#starved ? this.#unread <= WINDOW.goOn : this.#unread < WINDOW.most;
    const wanted = this.ended || (this.#held.length === 0 && this.#flow !== 0 && room);
    this.#starved = !wanted;
    return wanted;
  }
  /** It waits for its owner to read, or to say how much it wants. */
  get starved(): boolean {
    return this.#starved && !this.ended;
  }
  /** Messages that may still be told; undefined: automatic credit. */
  get flow(): number | undefined {
    return this.#flow;
  }
  get continueTimeout(): number {
    return this.#timeouts.continueTimeout;
  }
  /** Its answer goes to a port of its own. */
  get replied(): boolean {
    return this.#host.replied;
  }

  /** For an owner that takes an orphan: what the dead one had been posted is lost, and counts as read. */
  record(): HttpRecord {
    const { method, path, headers } = this.request;
    const { complete, received, gone } = this.upload;
    const declared = declaredLength(headers);
    return {
      ...{ kind: 'http', stream: this.stream, method, path, replied: this.replied },
      uploading: complete ? undefined : { left: declared === undefined ? undefined : declared - received },
      ...{ head: this.#head, ended: undefined, untaken: [] },
      ...{ sentBytes: received, flushedBytes: gone },
    };
  }

  get #timeouts(): Timeouts {
    return this.request.timeouts ?? this.#host.timeouts;
  }

  // ── from the driver ───────────────────────────────────────────────────────────────────────────────────────

  /** An interim answer, 1xx. */
  inform(status: number, rawHeaders: readonly string[]): void {
    this.#tell({ type: 'inform', stream: this.stream, status, rawHeaders });
  }

  /** The head of its answer; `fin`: and there is no body. */
  response(status: number, rawHeaders: readonly string[], fin: boolean): void {
    if (this.ended) return;
    this.#state = 'answered';
    this.#host.deadlines.clear(this, 'headersTimeout');
    if (!this.replied) this.#head = { status, fin, rawHeaders };
    this.#tell({ type: 'response', stream: this.stream, fin, status, rawHeaders });
    if (fin) this.#end();
    else this.#host.deadlines.set(this, 'idleTimeout', this.#timeouts.idleTimeout);
  }

  /** A part of its body, in memory that is nobody else's: it is moved. */
  data(data: Uint8Array, fin: boolean): void {
    if (this.ended || (data.length === 0 && !fin)) return;
    if (!this.#abandoned) this.#unread += data.length + PART_COST;
    if (!fin) this.#host.deadlines.set(this, 'idleTimeout', this.#timeouts.idleTimeout);
    // A view of nothing would take its memory along.
    this.#tell({
      type: 'data',
      stream: this.stream,
      fin,
      data: data.length === 0 ? new Uint8Array(0) : data,
    });
    if (fin) this.#end();
  }

  /** Ends it in place of a last part. */
  trailers(rawHeaders: readonly string[]): void {
    if (this.ended) return;
    this.#tell({ type: 'trailers', stream: this.stream, rawHeaders });
    this.#end();
  }

  /** The peer will send the answer to a request that nobody made. */
  promise(promised: number, method: string, uri: string, rawHeaders: readonly string[]): void {
    this.#tell({ type: 'push', stream: this.stream, promised, method, uri, rawHeaders });
  }

  /** Its one bad end. What was held for flow goes before it: nothing else will come. */
  fail(error: GunportError): void {
    this.#release(Number.POSITIVE_INFINITY);
    if (this.ended) return;
    this.#host.tell({ type: 'error', stream: this.stream, error: toRecord(error) });
    this.#end();
  }

  // ── from the owner ────────────────────────────────────────────────────────────────────────────────────────

  /** More of the request's body. */
  add(bytes: Uint8Array | undefined, fin: boolean, trailers: readonly string[] | undefined): void {
    if (this.ended) return;
    this.upload.add(bytes, fin, trailers);
    this.server?.upload(this);
  }

  /** So many bytes of its answer were read. */
  read(bytes: number): void {
    this.#unread = Math.max(0, this.#unread - bytes);
    if (this.#starved && this.wanted) this.#resume();
  }

  /** So many messages more may be told. */
  topUp(messages: number): void {
    if (this.#flow === undefined) return;
    this.#flow += messages;
    this.#release(this.#flow);
    if (this.#starved && this.wanted) this.#resume();
  }

  /** What an owner had been posted is lost with it. */
  forgetUnread(): void {
    if (!this.replied) this.read(this.#unread);
  }

  /** Its owner is gone: its answer is read to the end, and told to nobody. */
  abandon(): void {
    if (this.replied) return;
    this.#abandoned = true;
    this.#flow = undefined;
    this.#release(Number.POSITIVE_INFINITY);
    this.forgetUnread();
  }

  /** Nobody wants more of it. */
  cancel(): void {
    if (this.ended && !this.held) return;
    const { held } = this;
    this.#held = [];
    if (held) return this.#host.ended(this);
    this.#cancelled = true;
    this.#end();
    this.server?.cancel(this);
  }

  /** A deadline passed. It stands still while the owner is the one who is waited for. */
  late(error: TimeoutError): void {
    if (this.ended) return;
    const name = error.reason as 'requestTimeout' | 'headersTimeout' | 'idleTimeout'; // As deadlines.ts says.
    const ours = name === 'headersTimeout' ? !this.upload.complete : name === 'idleTimeout' && this.#starved;
    if (ours) return this.#host.deadlines.set(this, name, this.#timeouts[name]);
    this.#cancelled = true;
    this.fail(error);
    this.server?.cancel(this);
  }

  /** It is read again, and only now its server's time runs. */
  #resume(): void {
    if (this.answered) this.#host.deadlines.set(this, 'idleTimeout', this.#timeouts.idleTimeout);
    this.server?.resume(this);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  #tell(notice: HttpNotice): void {
    if (this.ended) return;
    const counts = notice.type === 'data';
    if (this.#held.length > 0 || (counts && this.#flow === 0)) {
      // What shares its memory with it may move before.
      this.#held.push(counts ? { ...notice, data: notice.data.slice() } : notice);
      return;
    }
    if (counts && this.#flow !== undefined) this.#flow--;
    this.#host.tell(notice);
  }

  /** Tells what was held, as far as `messages` go. */
  #release(messages: number): void {
    if (this.#held.length === 0) return;
    let left = messages;
    while (this.#held.length > 0) {
      const [notice] = this.#held;
      if (!notice || (notice.type === 'data' && left === 0)) break;
      if (notice.type === 'data') left--;
      this.#held.shift();
      this.#host.tell(notice);
    }
    if (this.#flow !== undefined) this.#flow = Math.max(0, Math.min(left, this.#flow));
    if (this.ended && this.#held.length === 0) this.#host.ended(this);
  }

  #end(): void {
    this.#state = 'ended';
    this.#host.deadlines.forget(this);
    // What flow holds back comes first.
    if (this.#held.length === 0) this.#host.ended(this);
  }
}

function declaredLength(headers: readonly string[]): number | undefined {
  const at = headers.indexOf('content-length'); // Its value is a number: checked before it was posted.
  return at % 2 === 0 ? Number(headers[at + 1]) : undefined;
}
