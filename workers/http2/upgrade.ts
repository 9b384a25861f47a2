// http2/upgrade — one WebSocket on a stream of an HTTP/2 connection: asked for by extended CONNECT, then run by
// websocket.ts, as any other.
// Made by http2/driver.ts when the peer's settings allow it.
// Invariant: one outcome: opened, refused or failed; its end is the end of its stream only, and what has the stream's
// slot gives it back once. Nothing is told after stop(). Source: RFC 8441 §4, §5; RFC 6455 §4.1.

import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { ConnectionError, type GunportError, StreamError } from '../../lib/errors.ts';
import { LIMIT } from '../../lib/protocol/body.ts';
import { checkAgreed, type Head, refusal } from '../../lib/protocol/handshake.ts';
import { headersOf } from '../../lib/protocol/headers.ts';
import { codeName } from '../../lib/protocol/http2out.ts';
import type { Closed } from '../../lib/wire.ts';
import type { DriverHost } from '../driver.ts';
import { closingError, type Entry, standIn, upgradeLate } from '../entry.ts';
import { FrameProbe } from '../probes/frameprobe.ts';
import { StreamProbe } from '../probes/streamprobe.ts';
import { WebSocketDriver } from '../websocket.ts';
import { plainFields, rawOf, sizeOf } from './head.ts';
import { Http2StreamTransport } from './stream.ts';

export interface UpgradeHost {
  readonly driver: DriverHost;
  /** The connection is being lost: what happens to its streams says nothing of them. */
  readonly broken: boolean;
  /** Its stream is no business of ours any more. */
  done(upgrade: Http2Upgrade): void;
}

const END_STREAM = 1;
const { NGHTTP2_CANCEL } = constants;

export class Http2Upgrade {
  readonly entry: Entry;
  readonly probe: StreamProbe;
  readonly #stream: ClientHttp2Stream;
  readonly #host: UpgradeHost;
  #state: 'asked' | 'refused' | 'open' | 'done' = 'asked';
  #timer: NodeJS.Timeout;
  #head: Head | undefined;
  #body: Uint8Array[] = [];
  #size = 0;
  #socket: WebSocketDriver | undefined;
  #transport: Http2StreamTransport | undefined;
  /** The peer has reset the stream, with this code. */
  #reset: number | undefined;

  constructor(entry: Entry, stream: ClientHttp2Stream, host: UpgradeHost) {
    this.entry = entry;
    this.probe = new StreamProbe(host.driver.probe, entry);
    this.#stream = stream;
    this.#host = host;
    const { upgradeTimeout } = entry.ws;
    entry.socket = standIn(() => this.#drop());
    const guard = (run: () => void): void => host.driver.guard(run);
    this.#timer = setTimeout(() => guard(() => this.#late()), upgradeTimeout);
    stream.on('response', (headers, flags, raw?: unknown) =>
      guard(() => this.#answered(headers, flags, raw)),
    );
    const { cookies } = host.driver;
    if (cookies) {
      stream.on('headers', ({ ':status': status }, _flags, raw?: unknown) =>
        cookies.upgraded(entry.ws, Number(status), rawOf(raw)),
      );
    }
    // Its code says as much, and is there when the stream closes.
    stream.on('error', () => {});
    stream.on('close', () => guard(() => this.#closed()));
  }

  /** The id that frames carry. */
  get id(): number {
    return this.#stream.id ?? 0;
  }

  reset(code: number): void {
    this.#reset ??= code;
  }

  #answered({ ':status': status }: IncomingHttpHeaders, flags: number, raw: unknown): void {
    if (this.#state !== 'asked') return;
    const rawHeaders = plainFields(rawOf(raw));
    const { maxHeaderSize } = this.#host.driver.settings;
    if (sizeOf(rawHeaders) > maxHeaderSize) {
      return this.#fail(`answer's headers exceed maxHeaderSize (${maxHeaderSize})`);
    }
    this.#host.driver.cookies?.upgraded(this.entry.ws, Number(status), rawHeaders);
    const head: Head = {
      ...{ status: Number(status), version: '1.1', reason: '', end: 0 },
      ...{ headers: headersOf(rawHeaders), rawHeaders },
    };
    // RFC 8441 §5: "a 2xx status code" opens it.
    const agreed = head.status >= 200 && head.status < 300;
    this.probe.answered(head.status, rawHeaders, agreed);
    if (agreed) return this.#agreed(head, (flags & END_STREAM) !== 0);
    this.#state = 'refused';
    this.#head = head;
    this.#stream.on('data', (part: Uint8Array) => this.#refusal(part));
    this.#stream.on('end', () => {
      this.probe.heard();
      this.#host.driver.guard(() => this.#refuse());
    });
  }

  #agreed(head: Head, ended: boolean): void {
    const { entry } = this;
    const { driver } = this.#host;
    const agreed = checkAgreed(head, entry.ws);
    if (agreed instanceof ConnectionError) return this.#failWith(agreed);
    if (ended) return this.#fail('the server ended the stream with its answer');
    clearTimeout(this.#timer);
    this.#state = 'open';
    const transport = new Http2StreamTransport(this.#stream, driver);
    const { counters } = driver;
    const { outbox } = entry;
    const socket = new WebSocketDriver(entry.stream, entry.ws, agreed.negotiated, {
      ...{
        transport,
        outbox,
        counters,
        sentBefore: entry.received,
        frames: new FrameProbe(driver.probe, entry),
      },
      finished: (closed) => this.#finished(closed),
      hold: (held) => (held ? transport.pause() : transport.resume()),
      cancelled: () => this.#drop(),
    });
    this.#transport = transport;
    this.#socket = socket;
    entry.socket = socket;
    driver.opened(entry, { ...agreed, rawHeaders: head.rawHeaders });
    if (this.#state !== 'open') return;
    // Too much is held still, from an earlier attempt.
    if (outbox.paused) transport.pause();
    transport.attach(socket);
  }

  #refusal(part: Uint8Array): void {
    if (this.#state !== 'refused' || this.#size >= LIMIT) return;
    this.#body.push(part.subarray(0, LIMIT - this.#size));
    this.#size += part.length;
    if (this.#size >= LIMIT) this.#refuse();
  }

  #refuse(): void {
    const head = this.#head;
    if (this.#state !== 'refused' || !head) return;
    this.#drop();
    const body = new Uint8Array(Buffer.concat(this.#body));
    this.#host.driver.refused(this.entry, refusal(head, body));
  }

  #late(): void {
    if (this.#state === 'refused') return this.#refuse(); // Its status says enough.
    this.#failWith(upgradeLate(this.entry.ws));
  }

  #closed(): void {
    if (this.#state === 'done' || this.#state === 'open' || this.#host.broken) return;
    if (this.#state === 'refused') return this.#refuse();
    const reason = codeName(this.#reset ?? this.#stream.rstCode);
    const text = `the server reset the stream (${reason}) before it answered the upgrade`;
    this.#failWith(new StreamError('ERR_GUNPORT_RESET', text, { phase: 'upgrade', reason }));
  }

  #fail(text: string): void {
    this.#failWith(new ConnectionError('ERR_GUNPORT_HANDSHAKE', text, { phase: 'upgrade' }));
  }

  /** It never became a WebSocket. */
  #failWith(error: GunportError): void {
    this.#drop();
    failEntry(this.entry, error, this.#host.driver);
  }

  #finished(closed: Closed): void {
    this.#leave();
    this.#transport?.destroy();
    this.#host.driver.finished(this.entry, closed);
  }

  /** Nobody wants more of it. */
  #drop(): void {
    if (this.#state === 'done') return;
    this.#leave();
    if (this.#transport) this.#transport.destroy();
    else this.#stream.close(NGHTTP2_CANCEL);
  }

  #leave(): void {
    this.stop();
    this.#host.done(this);
  }

  /** The server is told that we go away. RFC 6455 §7.4.1: 1001. One that is not open yet is given up. */
  shutdown(reason: string): void {
    if (this.#state === 'open') return void this.#socket?.close(1001, '');
    this.#failWith(closingError(reason));
  }

  /** The connection is lost. What had arrived is told, and the end of one that was open. */
  lost(error: GunportError): void {
    if (this.#state === 'open') this.#socket?.lost(error);
  }

  /** It is above the last stream that the server has dealt with. */
  fail(error: GunportError): void {
    if (this.#state === 'open') this.lost(error);
    else if (this.#state !== 'done') this.#failWith(error);
  }

  stop(): void {
    if (this.#state === 'done') return;
    this.#state = 'done';
    this.probe.over(undefined);
    clearTimeout(this.#timer);
    this.#socket?.stop();
  }
}

/** A WebSocket that never came to be: the end of its stream, or for connect() a failed attempt. */
export function failEntry(entry: Entry, error: GunportError, host: DriverHost): void {
  if (entry.ws.spans) host.lost(error);
  else host.streams.failed(entry, error);
}
