// exchange — one request and its answer, as its process keeps them: from the owner's cast to the one end.
// Made by process.ts (or by http2/driver.ts for a push); served by the driver that takes it, which calls inform … fail.
// Invariant: it ends exactly once, by a last part, by trailers, or by an error, and nothing is told after that or after
// cancel(); what is told and unread is bounded: above WINDOW, or without flow, `wanted` is false and the driver reads
// no more of it. Source: gun_http's and gun_http2's streams; promises S2 and F1.

import { ConnectionError, type GunportError, type TimeoutError, toRecord } from '../lib/errors.ts';
import type { HttpNotice, HttpRecord, RequestSettings, Timeouts } from '../lib/httpwire.ts';
import type { Protocol } from '../lib/types.ts';
import type { Content } from './content/content.ts';
import type { Deadlines, Due } from './deadlines.ts';
import { Flow } from './flow.ts';
import type { Lane, Member } from './lane.ts';
import { type ExchangePlace, HIDDEN, type TunnelRequest } from './place.ts';
import type { Probe } from './probes/probe.ts';
import { StreamProbe } from './probes/streamprobe.ts';
import { Upload } from './upload.ts';

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
  readonly probe: Probe;
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
  /** Where answers have content handlers. */
  readonly content?: ContentHost | undefined;
}

/** Users' code that answers are given to. */
interface ContentHost {
  /** The handlers of an answer with a body, if it has any. @throws {GunportError} one of them failed. */
  begin(exchange: Exchange, status: number, rawHeaders: readonly string[]): Content | undefined;
  /** Once the driver has done with what it has read. */
  soon(run: () => void): void;
}

export class Exchange {
  readonly kind = 'http';
  readonly stream: number;
  readonly request: RequestSettings;
  readonly upload: Upload;
  readonly probe: StreamProbe;
  /** Where it waits and is served. */
  readonly lane: Lane<Member>;
  /** It makes a tunnel. */
  readonly tunnel: TunnelRequest | undefined;
  /** For deadlines.ts. */
  due: Due | undefined;
  readonly #host: ExchangeHost;
  #server: Server | undefined;
  /** The peer has said all, and our side is still open. */
  #heard = false;
  /** Of a tunnel: what is spoken at its far end, once it is up. */
  #leadsTo: Protocol | undefined;
  #state: 'waiting' | 'answered' | 'ended' = 'waiting';
  #cancelled = false;
  readonly #flow: Flow;
  #content: Content | undefined;
  /** Of its answer, for an owner that takes an orphan. */
  #head: HttpRecord['head'];

  constructor(stream: number, request: RequestSettings, place: ExchangePlace, host: ExchangeHost) {
    this.stream = stream;
    this.request = request;
    this.lane = place.lane;
    this.tunnel = place.tunnel;
    this.#flow = new Flow(request.flow ?? place.flow, host);
    this.#host = host;
    this.probe = new StreamProbe(host.probe, this);
    this.upload = new Upload(request, (bytes) => host.sent(stream, bytes));
    const { requestTimeout, headersTimeout } = this.#timeouts;
    host.deadlines.set(this, 'requestTimeout', requestTimeout);
    // A proxy has its time from when it was asked: the connection to it may come back much later. But a tunnel of the
    // connection's own road is asked for when it is there, and may wait for a stream.
    if (!place.tunnel || stream === HIDDEN) host.deadlines.set(this, 'headersTimeout', headersTimeout);
  }

  /** Who serves it; undefined while it waits. */
  get server(): Server | undefined {
    return this.#server;
  }
  set server(server: Server | undefined) {
    this.#server = server;
    if (!this.tunnel || this.ended) return;
    if (!server) this.#host.deadlines.clear(this, 'headersTimeout');
    else if (!this.answered) this.#host.deadlines.set(this, 'headersTimeout', this.#timeouts.headersTimeout);
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
    return this.ended && this.#flow.holds;
  }
  /** The head of its answer has come. */
  get answered(): boolean {
    return this.#state === 'answered';
  }
  /** More of its answer may be read. For who reads it: what is not wanted now is asked for again by `resume`. */
  get wanted(): boolean {
    return this.#flow.wants(this.ended);
  }
  /** It waits for its owner to read, or to say how much it wants. */
  get starved(): boolean {
    return this.#flow.starved && !this.ended;
  }
  /** Messages that may still be told; undefined: automatic credit. */
  get flow(): number | undefined {
    return this.#flow.left;
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
    const { method, path, headers, halfOpen } = this.request;
    const { tunnel, replied, heard, lane } = this;
    return {
      ...{ kind: 'http', stream: this.stream, method, path, replied },
      ...this.upload.record(headers),
      ...{ head: this.#head, ended: undefined, untaken: [] },
      ...{ origin: lane.origin, halfOpen, heard },
      tunnel: tunnel && { origin: tunnel.road.leg.origin, protocol: this.#leadsTo, refusal: undefined },
    };
  }

  get #timeouts(): Timeouts {
    return this.request.timeouts ?? this.#host.timeouts;
  }

  // ── from the driver ───────────────────────────────────────────────────────────────────────────────────────

  /** An interim answer, 1xx. */
  inform(status: number, rawHeaders: readonly string[]): void {
    if (!this.ended) this.probe.informed(status, rawHeaders);
    this.#tell({ type: 'inform', stream: this.stream, status, rawHeaders });
  }

  /** The head of its answer; `fin`: and there is no body. */
  response(status: number, rawHeaders: readonly string[], fin: boolean): void {
    if (this.ended) return;
    this.probe.answered(status, rawHeaders, fin);
    this.#state = 'answered';
    this.#host.deadlines.clear(this, 'headersTimeout');
    if (!this.replied) this.#head = { status, fin, rawHeaders };
    this.#tell({ type: 'response', stream: this.stream, fin, status, rawHeaders });
    if (fin) return this.#end();
    this.#awaitMore();
    // What a proxy says in place of a tunnel is for its owner; on the connection's own road it has its time, in all.
    if (this.stream === HIDDEN)
      this.#host.deadlines.set(this, 'requestTimeout', this.#timeouts.headersTimeout);
    if (this.tunnel) return;
    this.#guarded(() => {
      this.#content = this.#host.content?.begin(this, status, rawHeaders);
    });
  }

  /** A proxy has made the tunnel. */
  established(status: number, rawHeaders: readonly string[]): void {
    if (this.ended) return;
    this.probe.answered(status, rawHeaders, true);
    this.#state = 'answered';
    this.#host.deadlines.clear(this, 'headersTimeout');
    if (!this.replied) this.#head = { status, fin: true, rawHeaders };
    this.#tell({ type: 'response', stream: this.stream, fin: true, status, rawHeaders, tunnel: true });
  }

  /** It leads somewhere now. With raw, parts follow. */
  tunnelUp(protocol: Protocol, origin: string): void {
    if (origin === this.tunnel?.road.leg.origin) this.#leadsTo = protocol;
    if (protocol === 'raw') this.upload.reopen();
    this.#tell({ type: 'tunnelUp', stream: this.stream, protocol, origin });
  }

  /** Its connection was lost, and it will be asked for again. */
  again(): void {
    this.probe.over(undefined);
    this.#state = 'waiting';
    this.#leadsTo = undefined;
    this.server = undefined;
  }

  /** The server has switched to what the request asked for: bytes follow, both ways. */
  switched(protocols: readonly string[], rawHeaders: readonly string[]): void {
    if (this.ended) return;
    this.probe.switched(101, rawHeaders);
    this.#state = 'answered';
    for (const name of ['headersTimeout', 'requestTimeout'] as const) this.#host.deadlines.clear(this, name);
    this.upload.reopen();
    if (!this.replied) this.#head = { status: 101, fin: false, rawHeaders };
    this.#tell({ type: 'upgrade', stream: this.stream, protocols, rawHeaders });
  }

  /** A part of its body, in memory that is nobody else's: it is moved. */
  data(data: Uint8Array, fin: boolean): void {
    if (this.ended || this.#heard || (data.length === 0 && !fin)) return;
    // What is no answer has no pace.
    if (!fin && !this.upload.opened) this.#awaitMore();
    if (this.#content) this.#through(this.#content, data, { fin, ends: fin });
    else this.#tell({ type: 'data', stream: this.stream, fin, data: data.length === 0 ? nothing() : data });
    if (!fin || this.ended) return;
    this.probe.heard();
    this.#heard = this.request.halfOpen === true && !this.upload.done;
    if (!this.#heard) this.#end();
  }

  /** A part of its body goes through its handlers. `fin`: the last; `ends`: and there are no trailers behind it. */
  #through(content: Content, data: Uint8Array, { fin, ends }: { fin: boolean; ends: boolean }): void {
    const notices = this.#guarded(() => content.notices(data, fin, ends)) ?? [];
    for (const notice of notices) this.#tell({ ...notice, stream: this.stream });
  }

  /** Runs a user's code: what is wrong with it is the end of this exchange only. */
  #guarded<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#cancelled = true;
      this.fail(error as GunportError); // content.ts throws no others.
      // Its driver is in the midst of what it has read.
      this.#host.content?.soon(() => this.server?.cancel(this));
      return undefined;
    }
  }

  /** Half open, and now our side is closed too. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Both sides have said all. */
  over(): void {
    if (this.ended) return;
    this.upload.flush();
    this.#end();
  }

  /** Ends it in place of a last part. */
  trailers(rawHeaders: readonly string[]): void {
    if (this.ended) return;
    if (this.#content) this.#through(this.#content, nothing(), { fin: true, ends: false });
    if (this.ended) return;
    this.probe.trailed(rawHeaders);
    this.#tell({ type: 'trailers', stream: this.stream, rawHeaders });
    this.#end();
  }

  /** The peer will send the answer to a request that nobody made. */
  promise(promised: number, method: string, uri: string, rawHeaders: readonly string[]): void {
    if (!this.ended) this.probe.promised(promised, method, uri, rawHeaders);
    this.#tell({ type: 'push', stream: this.stream, promised, method, uri, rawHeaders });
  }

  /** Its one bad end. What was held for flow goes before it: nothing else will come. */
  fail(error: GunportError): void {
    this.#release(() => this.#flow.releaseAll());
    if (this.ended) return;
    this.probe.failed(error);
    const record = toRecord(error);
    // No driver has it: nothing of it was written.
    const told = this.#server ? record : { ...record, unprocessed: true };
    this.#host.tell({ type: 'error', stream: this.stream, error: told });
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
  read(bytes?: number): void {
    this.#flow.read(bytes);
    if (this.#flow.starved && this.wanted) this.#resume();
  }

  /** So many messages more may be told. */
  topUp(messages: number): void {
    if (this.#flow.left === undefined) return;
    this.#release(() => this.#flow.topUp(messages));
    if (this.#flow.starved && this.wanted) this.#resume();
  }

  /** What an owner had been posted is lost with it. */
  forgetUnread(): void {
    if (!this.replied) this.read();
  }

  /** Its owner is gone: its answer is read to the end, and told to nobody. */
  abandon(): void {
    if (this.replied) return;
    this.#release(() => this.#flow.open());
    this.forgetUnread();
  }

  /** Nobody wants more of it. */
  cancel(): void {
    if (this.ended && !this.held) return;
    const { held } = this;
    this.#flow.drop();
    if (held) return this.#host.ended(this);
    this.#cancelled = true;
    this.probe.cancelled('cancel');
    this.#end();
    this.server?.cancel(this);
  }

  /** A deadline passed. It stands still while the owner is the one who is waited for. */
  late(error: TimeoutError): void {
    if (this.ended) return;
    if (this.tunnel) return this.#lateTunnel();
    const name = error.reason as 'requestTimeout' | 'headersTimeout' | 'idleTimeout'; // As deadlines.ts says.
    const ours =
      name === 'headersTimeout' ? !this.upload.complete : name === 'idleTimeout' && this.#flow.starved;
    if (ours) return this.#host.deadlines.set(this, name, this.#timeouts[name]);
    this.#cancelled = true;
    this.probe.cancelled(name);
    this.fail(error);
    this.server?.cancel(this);
  }

  /** The proxy did not answer. */
  #lateTunnel(): void {
    const { destination } = this.tunnel ?? {};
    const what = `the proxy did not answer within ${this.#timeouts.headersTimeout} ms`;
    const text = `tunnel to ${destination?.host}:${destination?.port} failed: ${what}`;
    this.#cancelled = true;
    this.probe.cancelled('headersTimeout');
    this.fail(new ConnectionError('ERR_GUNPORT_CONNECT_TIMEOUT', text, { phase: 'connect' }));
    this.server?.cancel(this);
  }

  /** It is read again, and only now its server's time runs. */
  #resume(): void {
    if (this.answered) this.#awaitMore();
    this.server?.resume(this);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  #tell(notice: HttpNotice): void {
    if (!this.ended) this.#flow.tell(notice);
  }

  #awaitMore(): void {
    this.#host.deadlines.set(this, 'idleTimeout', this.#timeouts.idleTimeout);
  }

  /** Tells what was held, as far as that goes. */
  #release(run: () => void): void {
    const { held } = this;
    run();
    if (held && !this.held) this.#host.ended(this);
  }

  #end(): void {
    this.probe.over(undefined);
    this.#state = 'ended';
    this.#host.deadlines.forget(this);
    // What flow holds back comes first.
    if (!this.#flow.holds) this.#host.ended(this);
  }
}

/** A view of nothing would take its memory along; and each is moved. */
function nothing(): Uint8Array {
  return new Uint8Array(0);
}
