// http2/tunnel — one tunnel on a stream of an HTTP/2 connection: asked for by CONNECT, then a socket like any other.
// Made by http2/streams.ts. Invariant: one outcome: made, refused or failed; its end is the end of its stream only, and what
// has the stream's slot gives it back once. Source: RFC 9113 §8.5; gun_http2's connect.

import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { type GunportError, StreamError } from '../../lib/errors.ts';
import { codeName } from '../../lib/protocol/http2out.ts';
import type { Branching, DriverHost } from '../driver.ts';
import { closingError } from '../entry.ts';
import type { Exchange } from '../exchange.ts';
import { plainFields, rawOf } from './head.ts';
import { Http2StreamTransport } from './stream.ts';

export interface TunnelHost {
  readonly driver: DriverHost;
  /** The connection is being lost: what happens to its streams says nothing of them. */
  readonly broken: boolean;
  /** Its stream is no business of ours any more. */
  done(tunnel: Http2Tunnel): void;
  /** It was answered as any request may be: somebody else reads on. */
  refused(tunnel: Http2Tunnel, stream: ClientHttp2Stream, head: TunnelAnswer): void;
}

/** The head of the answer, as node:http2 gives it, and what is known of what follows. */
export interface TunnelAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly flags: number;
  readonly raw: unknown;
  /** The peer has said all of it. */
  readonly complete: boolean;
  readonly reset: number | undefined;
}

const END_STREAM = 1;
const { NGHTTP2_CANCEL } = constants;

export class Http2Tunnel {
  readonly exchange: Exchange;
  readonly #stream: ClientHttp2Stream;
  readonly #host: TunnelHost;
  #state: 'asked' | 'made' | 'done' = 'asked';
  #branch: Branching | undefined;
  #complete = false;
  #reset: number | undefined;

  constructor(exchange: Exchange, stream: ClientHttp2Stream, host: TunnelHost) {
    this.exchange = exchange;
    this.#stream = stream;
    this.#host = host;
    const guard = (run: () => void): void => host.driver.guard(run);
    const informed = (status: number, raw: unknown): void => {
      if (this.#state === 'asked') exchange.inform(status, plainFields(rawOf(raw)));
    };
    stream.on('headers', (headers, _flags, raw?: unknown) =>
      guard(() => informed(Number(headers[':status']), raw)),
    );
    stream.on('response', (headers, flags, raw?: unknown) =>
      guard(() => this.#answered(headers, flags, raw)),
    );
    // Its code says as much, and is there when the stream closes.
    stream.on('error', () => {});
    stream.on('close', () => guard(() => this.#closed()));
  }

  /** The id that frames carry. */
  get id(): number {
    return this.#stream.id ?? 0;
  }

  #answered(headers: IncomingHttpHeaders, flags: number, raw: unknown): void {
    if (this.#state !== 'asked') return;
    const status = Number(headers[':status']);
    const { exchange } = this;
    // RFC 9113 §8.5: "any 2xx series status code" says that the tunnel is made.
    if (status < 200 || status >= 300) {
      this.#state = 'done';
      const [complete, reset] = [this.#complete, this.#reset];
      return this.#host.refused(this, this.#stream, { headers, flags, raw, complete, reset });
    }
    const { driver } = this.#host;
    driver.counters.messagesReceived++;
    exchange.established(status, plainFields(rawOf(raw)));
    if (exchange.ended) return this.#drop();
    if ((flags & END_STREAM) !== 0) return this.#fail(ended('closed the tunnel with its answer'));
    this.#state = 'made';
    const transport = new Http2StreamTransport(this.#stream, driver);
    const branch = driver.branched(exchange, transport);
    this.#branch = branch;
    transport.attach({
      buffer: () => branch.sink.buffer(),
      received: (length) => branch.sink.received(length),
      ended: () => branch.sink.ended(),
      lost: (error) => branch.sink.lost(error),
    });
  }

  /** The peer has said all of it. */
  complete(): void {
    this.#complete = true;
  }

  reset(code: number): void {
    this.#reset ??= code;
  }

  #closed(): void {
    if (this.#state === 'done' || this.#host.broken) return;
    if (this.#state === 'made') return this.#leave();
    const reason = codeName(this.#reset ?? this.#stream.rstCode);
    this.#fail(
      this.#reset === undefined && this.#complete
        ? ended('ended the stream without an answer')
        : new StreamError('ERR_GUNPORT_RESET', `the server reset the stream (${reason})`, { reason }),
    );
  }

  /** It never was made. */
  #fail(error: GunportError): void {
    this.#drop();
    this.#host.driver.streams.failed(this.exchange, error);
  }

  #drop(): void {
    if (this.#state === 'done') return;
    this.#leave();
    this.#stream.close(NGHTTP2_CANCEL);
  }

  #leave(): void {
    if (this.#state === 'done') return;
    this.#state = 'done';
    this.#host.done(this);
  }

  // ── from the process ──────────────────────────────────────────────────────────────────────────────────────

  upload(): void {}

  resume(): void {}

  cancel(): void {
    if (this.#branch) return this.#branch.cancel();
    this.#drop();
    this.#host.driver.streams.forget(this.exchange);
  }

  shutdown(reason: string): void {
    if (this.#branch) this.#branch.shutdown(reason);
    else if (this.#state !== 'done') this.#fail(closingError(reason));
  }

  /** The connection is lost: what has arrived is told. */
  lost(error: GunportError): void {
    this.#branch?.lost(error);
  }

  /** It is above the last stream that the server has dealt with: it will be asked for again. */
  fail(error: GunportError): void {
    if (this.#branch) return this.#branch.sink.lost(error);
    if (this.#state === 'done') return;
    const { exchange } = this;
    this.#drop();
    exchange.again();
    this.#host.driver.streams.putBack(exchange);
  }

  stop(): void {
    this.#state = 'done';
    this.#branch?.stop();
  }
}

function ended(what: string): StreamError {
  return new StreamError('ERR_GUNPORT_PROTOCOL', `the server ${what}`, { phase: 'protocol' });
}
