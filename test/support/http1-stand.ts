// http1-stand — an HTTP/1 driver without a socket: what it writes is text, what it is to read is given, all it tells is
// lines. Streams and exchanges are real, and memory that is told moves away as it would to another thread.

import type { MessagePort } from 'node:worker_threads';
import { fromRecord, type GunportError } from '../../lib/errors.ts';
import type { HttpNotice, RequestSettings } from '../../lib/httpwire.ts';
import type { UserFunction } from '../../lib/modules.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { checkOpen, checkWs } from '../../lib/settings.ts';
import type { Notice, Settings } from '../../lib/wire.ts';
import type { Agreement, DriverHost, Http1Begin } from '../../workers/driver.ts';
import type { Entry } from '../../workers/entry.ts';
import type { Exchange } from '../../workers/exchange.ts';
import { Http1Driver } from '../../workers/http1/driver.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Requests } from '../../workers/requests.ts';
import { Counters, type Transport } from '../../workers/socket.ts';
import { Streams } from '../../workers/streams.ts';
import { quiet } from './quiet.ts';

/** A transport that keeps what is written, as latin1, one text a write. */
class FakeTransport implements Transport {
  readonly writes: string[] = [];
  readonly pending = 0;
  readonly alpn = undefined;
  paused = false;
  #done: ((error?: Error | null) => void)[] = [];

  write(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    this.writes.push(Buffer.from(bytes).toString('latin1'));
    if (done) this.#done.push(done);
  }
  /** What was written has left. */
  sent(): void {
    for (const done of this.#done.splice(0)) done();
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  unshift(): void {}
  end(): void {}
  destroy(): void {}
  info(): ReturnType<Transport['info']> {
    return { localAddress: '', localPort: 0, remoteAddress: '', remotePort: 0, tls: undefined };
  }
}

/** Options of a stand beside those of a connection. */
interface StandOptions extends OpenOptions {
  readonly transform?: UserFunction;
}

export class Stand {
  readonly transport: FakeTransport = new FakeTransport();
  readonly counters: Counters = new Counters();
  readonly streams: Streams;
  readonly settings: Settings;
  /** What its process was told of the connection. */
  readonly ends: string[] = [];
  lost: GunportError | undefined;
  taken: { readonly entry: Entry; readonly agreed: Agreement; readonly rest: string } | undefined;
  readonly refused: GunportError[] = [];
  readonly #requests: Requests;
  readonly #notices: HttpNotice[] = [];
  readonly #host: DriverHost;
  #driver: Http1Driver | undefined;
  #ids = 0;

  constructor({ transform, ...options }: StandOptions = {}) {
    this.settings = checkOpen('http://example.com:8080', options, false).settings;
    const post = (notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void => {
      if (notice.type === 'bundle') this.#notices.push(...structuredClone(notice, { transfer }).notices);
    };
    const idle = { maxBuffered: 1e9, pause: () => {}, resume: () => {}, credit: () => {} };
    const outbox = (): Outbox => new Outbox(post, idle);
    this.streams = new Streams({ outbox });
    const guard = (run: () => void): void => run();
    this.#requests = new Requests(this.settings, {
      streams: this.streams,
      ...{ post, reply: () => {}, guard, probe: quiet() },
      tunnel: (_road, from) => this.streams.lane(from),
      streamInfo: () => undefined,
    });
    const none = (): never => {
      throw new Error('not of HTTP/1');
    };
    this.#host = {
      ...{
        settings: this.settings,
        transport: this.transport,
        streams: this.streams.root,
        outbox: outbox(),
      },
      ...{ probe: quiet(), counters: this.counters, transformHeaderName: transform },
      guard,
      ...{ up: () => {}, needHttp1: none, opened: none, finished: none, promised: none },
      ...{ tunnelled: none, branched: none, switched: none },
      lost: (error) => {
        this.lost = error;
        this.ends.push(`lost ${error.code}${error.reason === 'normal' ? ' normal' : ''}`);
        this.streams.lost(error, 1);
      },
      over: () => {
        this.ends.push('over');
      },
      takeOver: (entry, agreed, rest) => {
        this.taken = { entry, agreed, rest: Buffer.from(rest).toString('latin1') };
      },
      refused: (entry, error) => {
        this.refused.push(error);
        this.streams.failed(entry, error);
      },
    };
  }

  get driver(): Http1Driver {
    this.#driver ??= new Http1Driver(this.#host, { bytes: new Uint8Array(0) });
    return this.#driver;
  }

  /** Begins as link.ts has it begin. */
  begin(begin: Http1Begin): void {
    this.#driver = new Http1Driver(this.#host, begin);
    this.#driver.serve();
  }

  /** Asks, and lets the driver serve it. */
  get(path: string, more: Partial<RequestSettings> = {}): Exchange {
    const exchange = this.ask({ path, ...more });
    this.driver.serve();
    return exchange;
  }

  /** Asks; nothing is served yet. */
  ask(more: Partial<RequestSettings>): Exchange {
    const stream = ++this.#ids;
    this.#requests.handle(
      { type: 'request', stream, request: { method: 'GET', path: '/', headers: [], ...more } },
      true,
    );
    const exchange = this.streams.exchange(stream);
    if (!exchange) throw new Error('it was not kept');
    return exchange;
  }

  /** Asks for a WebSocket. */
  upgrade(path = '/ws'): Entry {
    const stream = ++this.#ids;
    this.streams.addWebSocket(stream, checkWs(path, undefined, this.settings).ws, this.streams.root);
    this.driver.serve();
    const entry = this.streams.webSocket(stream);
    if (!entry) throw new Error('it was not kept');
    return entry;
  }

  /** A read of the socket, as many as its memory takes. */
  read(...lines: readonly string[]): void {
    const bytes = Buffer.from(lines.join('\r\n'), 'latin1');
    for (let at = 0; at < bytes.length; ) {
      const free = this.driver.buffer();
      const part = bytes.subarray(at, at + free.length);
      free.set(part);
      at += part.length;
      this.driver.received(part.length);
    }
    // As Node does, right after each.
    this.driver.buffer();
  }

  /** What was written since the last time. */
  written(): string {
    return this.transport.writes.splice(0).join('');
  }

  /** What was told since the last time: `1 response 200`, `1 data hello fin`, `2 error ERR_GUNPORT_CLOSED`. */
  told(): string[] {
    this.#requests.flush();
    return this.#notices.splice(0).map(lineOf);
  }

  /** The ids of those that have not ended, or are read past. */
  get open(): number[] {
    return this.streams.exchanges.map(({ stream }) => stream);
  }

  stop(): void {
    this.#driver?.stop();
    this.#requests.stop();
  }
}

function lineOf(notice: HttpNotice): string {
  const { type, stream } = notice;
  const fin = 'fin' in notice && notice.fin ? ' fin' : '';
  if (type === 'data') return `${stream} data ${Buffer.from(notice.data).toString('latin1')}${fin}`;
  if (type === 'error') {
    const { code, reason } = fromRecord(notice.error) as GunportError; // The driver has no other errors.
    return `${stream} error ${code}${reason === undefined ? '' : ` ${reason}`}`;
  }
  if (type === 'trailers') return `${stream} trailers ${notice.rawHeaders.join(',')}`;
  if (type === 'push') return `${stream} push`;
  if (!('status' in notice)) return `${stream} ${type}`;
  return `${stream} ${type} ${notice.status}${fin}`;
}

/** An answer with a length. */
export function answer(body: string, ...headers: readonly string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...headers, '', body].join('\r\n');
}

/** A stand for each test, which is stopped after it. */
export function useStand(): (options?: StandOptions) => Stand {
  const stands: Stand[] = [];
  afterEach(() => {
    for (const stand of stands.splice(0)) stand.stop();
  });
  return (options) => {
    const stand = new Stand(options);
    stands.push(stand);
    return stand;
  };
}
