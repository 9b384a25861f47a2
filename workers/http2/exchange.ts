// http2/exchange — one request and its answer on one stream of HTTP/2.
// Made by http2/driver.ts for each exchange that it serves, and for each that the server pushes.
// Invariant: an answer is complete when the peer has said so: node:http2 ends a stream in the same way when it was reset
// with NO_ERROR, or its connection was lost. Nothing is told after stop().
// Source: RFC 9113 §8.1; gun_http2.

import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { type GunportError, StreamError } from '../../lib/errors.ts';
import { codeName } from '../../lib/protocol/http2out.ts';
import type { DriverHost } from '../driver.ts';
import type { Exchange } from '../exchange.ts';
import type { Teller } from './bodies.ts';
import { plainFields, rawOf, sizeOf, trailerFields } from './head.ts';

/** What a served exchange asks of its driver. */
export interface ServingHost {
  readonly driver: Pick<DriverHost, 'settings' | 'counters' | 'cookies'>;
  /** The connection is being lost: what happens to its streams says nothing of them. */
  readonly broken: boolean;
  /** It has something to tell. */
  due(serving: Serving, bytes?: number): void;
  /** The peer has not dealt with it, and it waits again. */
  again(serving: Serving): void;
  /** Its stream is no business of ours any more. */
  done(serving: Serving): void;
}

/** A part of a body is written in pieces of so many bytes, each told when it has left. */
const PIECE = 256 * 1024;
const END_STREAM = 1;
const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;
const { NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

export class Serving implements Teller {
  readonly exchange: Exchange;
  readonly #stream: ClientHttp2Stream;
  readonly #host: ServingHost;
  readonly #early: boolean;
  /** The peer has said all of it. */
  #complete = false;
  /** It has reset the stream, with this code. */
  #reset: number | undefined;
  /** Of its body, as the head has it; undefined: there was no head. */
  #length: string | undefined;
  #received = 0;
  /** What is told before the body. */
  #queue: (() => void)[] = [];
  #parts: Uint8Array[] = [];
  #size = 0;
  #trailers: readonly string[] | undefined;
  #ended = false;
  #failure: GunportError | undefined;
  #done = false;
  /** Its body waits for a 100. */
  #waiting: NodeJS.Timeout | undefined;
  /** All of the body was given to node:http2, and how much of it has not left. */
  #finished: boolean;
  #unsent = 0;

  /** `early`: it was sent before the peer's settings had come. */
  constructor(exchange: Exchange, stream: ClientHttp2Stream, host: ServingHost, early: boolean) {
    this.exchange = exchange;
    this.#early = early;
    this.#stream = stream;
    this.#host = host;
    const { done, trailers } = exchange.upload;
    this.#finished = done && trailers === undefined;
    stream.on('headers', (headers, _flags, raw?: unknown) => this.#inform(headers, raw));
    stream.on('response', (headers, flags, raw?: unknown) => this.head(headers, flags, raw));
    stream.on('push', (headers, flags, raw?: unknown) => this.head(headers, flags, raw));
    stream.on('trailers', (_headers, _flags, raw?: unknown) => this.#trailersCame(rawOf(raw)));
    stream.on('data', (part: Uint8Array) => this.#data(part));
    stream.on('end', () => this.#end());
    // Its code says as much, and is there when the stream closes.
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
  }

  /** The id that frames carry. */
  get id(): number {
    return this.#stream.id ?? 0;
  }

  // ── the request's body ────────────────────────────────────────────────────────────────────────────────────

  /** Sends the body, or `expects` a 100 first. */
  begin(expects: boolean): void {
    this.#stream.on('wantTrailers', () => this.#sendTrailers());
    if (!expects) return this.upload();
    const { continueTimeout } = this.exchange;
    this.#waiting = setTimeout(() => this.#continue(), continueTimeout);
  }

  #continue(): void {
    if (this.#waiting === undefined) return;
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.upload();
  }

  /** More of it may be there. */
  upload(): void {
    const { upload } = this.exchange;
    if (this.#waiting || this.#done || this.#finished) return;
    for (let part = upload.take(); part; part = upload.take()) {
      for (let at = 0; at < part.length; at += PIECE) this.#write(part.subarray(at, at + PIECE));
    }
    if (!upload.done) return;
    this.#finished = true;
    this.#stream.end();
    this.exchange.probe.sent();
  }

  #write(piece: Uint8Array): void {
    const { counters } = this.#host.driver;
    this.#unsent += piece.length;
    this.#stream.write(piece, (error) => {
      if (error || this.#done) return;
      this.#unsent -= piece.length;
      counters.bytesSent += piece.length;
      this.exchange.upload.left(piece.length);
    });
  }

  #sendTrailers(): void {
    const { trailers = [] } = this.exchange.upload;
    try {
      this.#stream.sendTrailers(trailerFields(trailers));
    } catch (cause) {
      // A field that node:http2 does not let out; the rest was checked.
      this.#fail(refused(cause));
    }
  }

  // ── the answer ────────────────────────────────────────────────────────────────────────────────────────────

  /** The peer has said all of it, whether it was read or not. */
  complete(): void {
    this.#complete = true;
  }

  reset(code: number): void {
    this.#reset ??= code;
  }

  /** It is wanted again. */
  resume(): void {
    if (!this.#done) this.#stream.resume();
  }

  #inform(headers: IncomingHttpHeaders, raw: unknown): void {
    const status = statusOf(headers);
    // RFC 9113 §8.6: "HTTP/2 removes support for the 101".
    if (status === 101) return this.#broken('an answer with status 101');
    if (status === 100) this.#continue();
    const list = plainFields(rawOf(raw));
    this.#host.driver.cookies?.answered(this.exchange.request, status, list);
    this.#later(() => this.exchange.inform(status, list));
  }

  /** The head of the answer, as node:http2 gives it. */
  head(headers: IncomingHttpHeaders, flags: number, raw: unknown): void {
    const status = statusOf(headers);
    const list = plainFields(rawOf(raw));
    const { maxHeaderSize } = this.#host.driver.settings;
    if (sizeOf(list) > maxHeaderSize) return this.#fail(tooBig('headers', 'maxHeaderSize', maxHeaderSize));
    // What is refused is not sent; what is not may be waited for.
    if (this.#waiting !== undefined && status < 400) this.#continue();
    this.#host.driver.counters.messagesReceived++;
    this.#host.driver.cookies?.answered(this.exchange.request, status, list);
    // RFC 9110 §8.6: there it is the length of what is not sent.
    const none = status === 304 || this.exchange.request.method === 'HEAD';
    this.#length = (none ? undefined : headers['content-length']) ?? 'unknown';
    this.#later(() => this.exchange.response(status, list, (flags & END_STREAM) !== 0));
  }

  #trailersCame(raw: readonly string[]): void {
    const { maxTrailerSize } = this.#host.driver.settings.http;
    if (sizeOf(raw) > maxTrailerSize) return this.#fail(tooBig('trailers', 'maxTrailerSize', maxTrailerSize));
    this.#trailers = plainFields(raw);
  }

  #data(part: Uint8Array): void {
    if (this.#done) return;
    this.#parts.push(part);
    this.#size += part.length;
    this.#received += part.length;
    this.#host.driver.counters.bytesReceived += part.length;
    this.#host.due(this, part.length);
  }

  #end(): void {
    if (this.#failure) return;
    // Node's servers end a large body with RST_STREAM in place of END_STREAM.
    if (this.#isWhole && (this.#complete || this.#reset === NGHTTP2_NO_ERROR)) this.#ended = true;
    else if (this.#host.broken) return;
    else this.#failure ??= this.#errorOf();
    this.#host.due(this);
  }

  /** As long as its head says. RFC 9113 §8.1.1: else it is malformed, which node:http2 may tell too late. */
  get #isWhole(): boolean {
    return this.#length === 'unknown' || Number(this.#length) === this.#received;
  }

  #closed(): void {
    if (this.#done || this.#ended || this.#host.broken) return;
    // RFC 9113 §8.7: REFUSED_STREAM says that "no application processing" was done: it may be sent again.
    if (this.#early && this.#reset === NGHTTP2_REFUSED_STREAM && this.#length === undefined) {
      return this.again();
    }
    this.#failure ??= this.#errorOf();
    this.#host.due(this);
  }

  /** What node:http2, or the peer, ended the stream for. */
  #errorOf(): GunportError {
    const { rstCode } = this.#stream;
    const code = this.#reset ?? rstCode;
    if (this.#reset !== undefined) {
      const text = `the server reset the stream (${codeName(code)})`;
      // RFC 9113 §8.7: "any request that was sent on the reset stream can be safely retried".
      const unprocessed = code === NGHTTP2_REFUSED_STREAM;
      return new StreamError('ERR_GUNPORT_RESET', text, { reason: codeName(code), unprocessed });
    }
    const { maxHeaderSize } = this.#host.driver.settings;
    if (code === NGHTTP2_ENHANCE_YOUR_CALM) return tooBig('headers', 'maxHeaderSize', maxHeaderSize);
    const text = `the answer breaks the protocol (${codeName(code)})`;
    return new StreamError('ERR_GUNPORT_PROTOCOL', text, { phase: 'protocol', reason: codeName(code) });
  }

  #broken(what: string): void {
    this.#fail(new StreamError('ERR_GUNPORT_PROTOCOL', what, { phase: 'protocol' }), NGHTTP2_PROTOCOL_ERROR);
  }

  /** It is of no use any more, by our own judgement. */
  #fail(error: GunportError, code: number = NGHTTP2_CANCEL): void {
    this.#failure ??= error;
    this.#host.due(this);
    this.#stream.close(code);
  }

  // ── told when the turn ends ───────────────────────────────────────────────────────────────────────────────

  get size(): number {
    return this.#size;
  }

  get shares(): boolean {
    const { replied, request, stream } = this.exchange;
    // What flow may hold back must not lose its memory to a neighbour that is moved. A push has its parent's flow.
    const flows =
      stream < 0 || request.flow !== undefined || this.#host.driver.settings.http.flow !== undefined;
    return !flows && !replied;
  }

  fill(memory: Uint8Array): void {
    let at = 0;
    for (const part of this.#parts) {
      memory.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#size = 0;
  }

  tell(body: Uint8Array | undefined): void {
    if (this.#done) return;
    const { exchange } = this;
    const [queue, trailers] = [this.#queue, this.#trailers];
    const last = this.#ended && trailers === undefined;
    this.#queue = [];
    for (const tell of queue) tell();
    if (body || last) exchange.data(body ?? new Uint8Array(0), last);
    if (this.#ended && trailers) exchange.trailers(trailers);
    if (this.#failure && !this.#ended) exchange.fail(this.#failure);
    // Failed by its content handlers: the peer would go on.
    if (exchange.cancelled && !this.#ended) this.cancel();
    else if (exchange.ended) this.#over();
    else if (!exchange.wanted) this.#stream.pause();
  }

  #later(tell: () => void): void {
    if (this.#done) return;
    this.#queue.push(tell);
    this.#host.due(this);
  }

  /** The connection is lost: an answer that is all here is told, however slowly it was read until now. */
  flush(): void {
    if (!this.#complete || this.#length === undefined || this.#done) return;
    // Each part is told by 'data', as ever.
    while (this.#stream.read() !== null);
    this.#ended = this.#isWhole;
    this.#host.due(this);
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** It has ended well, or was failed. RFC 9113 §8.1: an answer may be complete before its request; the rest of that is
   *  not wanted then. */
  #over(): void {
    if (this.#done) return;
    this.#giveUp();
    this.#host.done(this);
  }

  /** Nobody wants the answer. */
  cancel(): void {
    if (this.#done) return;
    this.stop();
    this.exchange.upload.drop();
    this.#stream.close(NGHTTP2_CANCEL);
    this.#host.done(this);
  }

  /** The peer has not dealt with it: it may be sent again. */
  again(): void {
    if (this.#done) return;
    this.stop();
    this.#host.again(this);
  }

  /** Fails it by the connection's judgement: its stream is above the last of a GOAWAY. */
  fail(error: GunportError): void {
    if (this.#done) return;
    this.exchange.fail(error);
    this.#giveUp();
    this.#host.done(this);
  }

  /** Its stream is left; the peer is told only where it would still be sent something. */
  #giveUp(): void {
    const sending = !this.#finished || this.#unsent > 0;
    this.stop();
    if (!sending) return;
    this.exchange.upload.drop();
    this.#stream.close(NGHTTP2_CANCEL);
  }

  stop(): void {
    this.#done = true;
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#parts = [];
    this.#size = 0;
  }
}

function statusOf(headers: IncomingHttpHeaders): number {
  return Number(headers[':status']);
}

function tooBig(what: string, option: string, most: number): StreamError {
  const text = `answer's ${what} exceed ${option} (${most})`;
  return new StreamError('ERR_GUNPORT_TOO_BIG', text, { phase: 'protocol', reason: option });
}

/** node:http2 does not let a field out. */
export function refused(cause: unknown): StreamError {
  const text = `the request cannot be sent over HTTP/2: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new StreamError('ERR_GUNPORT_OPTION', text, { phase: 'protocol', cause });
}
