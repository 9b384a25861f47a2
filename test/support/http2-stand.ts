// http2-stand — an HTTP/2 driver without a socket: frames go in by hand, and frames and words come out.
// Streams and exchanges are real, and memory that is told moves away as it would to another thread.
// Invariant: `give()` returns when the driver, and node:http2 in it, have dealt with what they were given.

import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { fromRecord, type GunportError } from '../../lib/errors.ts';
import type { HttpNotice, RequestSettings } from '../../lib/httpwire.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { checkOpen, checkWs } from '../../lib/settings.ts';
import type { Notice, Settings } from '../../lib/wire.ts';
import type { DriverHost } from '../../workers/driver.ts';
import type { Entry } from '../../workers/entry.ts';
import type { Exchange } from '../../workers/exchange.ts';
import { Http2Driver } from '../../workers/http2/driver.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Requests } from '../../workers/requests.ts';
import { Counters, type Transport } from '../../workers/socket.ts';
import { Streams } from '../../workers/streams.ts';
import * as h2 from './h2frames.ts';
import { Decoder } from './hpack.ts';
import { quiet } from './quiet.ts';

/** Keeps the frames that are written. */
class FakeTransport implements Transport {
  readonly frames: h2.H2Frame[] = [];
  readonly pending = 0;
  readonly alpn = undefined;
  paused = false;
  destroyed = false;
  /** Writes are called back only by sent(). */
  slow = false;
  readonly #decoder = new Decoder();
  #bytes = Buffer.alloc(0);
  /** Of the connection's preface. */
  #skip = 24;
  #done: ((error?: Error | null) => void)[] = [];

  write(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#read();
    if (done) this.#done.push(done);
    if (!this.slow) this.sent();
  }
  /** What was written has left. */
  sent(error?: Error): void {
    for (const done of this.#done.splice(0)) done(error);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  unshift(): void {}
  end(): void {}
  destroy(): void {
    this.destroyed = true;
  }
  info(): ReturnType<Transport['info']> {
    return { localAddress: '', localPort: 0, remoteAddress: '', remotePort: 0, tls: undefined };
  }

  #read(): void {
    const skipped = Math.min(this.#skip, this.#bytes.length);
    this.#skip -= skipped;
    this.#bytes = this.#bytes.subarray(skipped);
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      const [head, payload] = [this.#bytes.subarray(0, 9), this.#bytes.subarray(9, end)];
      this.#bytes = this.#bytes.subarray(end);
      this.frames.push(h2.parse(head, payload, this.#decoder));
    }
  }
}

export class Http2Stand {
  readonly transport: FakeTransport = new FakeTransport();
  readonly counters: Counters = new Counters();
  readonly streams: Streams;
  readonly settings: Settings;
  readonly driver: Http2Driver;
  /** What its process was told of the connection, and of WebSockets. */
  readonly ends: string[] = [];
  lost: GunportError | undefined;
  readonly #requests: Requests;
  /** What owners were told of connections. */
  readonly notices: Notice[] = [];
  readonly #told: HttpNotice[] = [];
  #session: http2.ClientHttp2Session | undefined;
  #ids = 0;

  constructor(options: OpenOptions = {}) {
    this.settings = checkOpen('http://example.com', { protocols: ['http2'], ...options }, false).settings;
    const post = (notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void => {
      const moved = structuredClone(notice, { transfer });
      if (moved.type === 'bundle') this.#told.push(...moved.notices);
      else this.notices.push(moved);
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
      throw new Error('not of HTTP/2');
    };
    const host: DriverHost = {
      ...{
        settings: this.settings,
        transport: this.transport,
        streams: this.streams.root,
        outbox: outbox(),
      },
      ...{
        probe: quiet(),
        counters: this.counters,
        transformHeaderName: undefined,
        guard,
        needHttp1: none,
        takeOver: none,
      },
      ...{ tunnelled: none, branched: none, switched: none },
      up: () => this.ends.push('up'),
      over: () => this.ends.push('over'),
      lost: (error) => {
        this.lost = error;
        this.ends.push(`lost ${error.code}${error.reason === 'normal' ? ' normal' : ''}`);
        this.driver.stop();
        this.streams.lost(error, 1);
      },
      opened: (entry) => this.ends.push(`opened ${entry.stream}`),
      refused: (entry, error) => {
        this.ends.push(`refused ${entry.stream} ${error.status}`);
        this.streams.failed(entry, error);
      },
      finished: (entry, closed) => {
        this.ends.push(`finished ${entry.stream} ${closed.code}`);
        this.streams.closed(entry, closed);
      },
      promised: (parent, request) => this.#requests.promised(parent, request),
    };
    const { connect } = http2;
    // The driver's session is nobody's business but here.
    http2.connect = ((...given: Parameters<typeof connect>) => {
      this.#session = connect(...given);
      return this.#session;
    }) as typeof connect;
    syncBuiltinESMExports();
    try {
      this.driver = new Http2Driver(host);
    } finally {
      http2.connect = connect;
      syncBuiltinESMExports();
    }
    this.driver.serve();
  }

  /** The id of the next stream. */
  nextId(id: number): void {
    // Node has it, @types/node does not.
    (this.#session as unknown as { setNextStreamID(id: number): void }).setNextStreamID(id);
  }

  /** Asks, and lets the driver serve it. */
  get(path: string, more: Partial<RequestSettings> = {}): Exchange {
    const stream = ++this.#ids;
    const request = { method: 'GET', path, headers: [], ...more };
    this.#requests.handle({ type: 'request', stream, request }, true);
    const exchange = this.streams.exchange(stream);
    if (!exchange) throw new Error('it was not kept');
    this.driver.serve();
    return exchange;
  }

  upgrade(path: string, spans = false): Entry {
    const stream = ++this.#ids;
    this.streams.addWebSocket(
      stream,
      { ...checkWs(path, undefined, this.settings).ws, spans },
      this.streams.root,
    );
    const entry = this.streams.webSocket(stream);
    if (!entry) throw new Error('it was not kept');
    this.driver.serve();
    return entry;
  }

  /** These bytes come, in one read, and are dealt with. */
  async give(...frames: readonly Uint8Array[]): Promise<void> {
    this.read(...frames);
    await this.rest();
  }

  /** These come, as long as there is memory for them; what they lead to comes later. */
  read(...frames: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(frames);
    for (let at = 0; at < bytes.length; ) {
      const memory = this.driver.buffer();
      const part = bytes.subarray(at, at + memory.length);
      memory.set(part);
      at += part.length;
      this.driver.received(part.length);
    }
    this.driver.buffer();
  }

  /** SETTINGS and the acknowledgement of ours. */
  async begin(settings: h2.SettingValues = {}): Promise<void> {
    await this.rest();
    await this.give(h2.settings(settings), h2.settingsAck());
  }

  /** Everything that was begun has been done. */
  async rest(): Promise<void> {
    for (let i = 0; i < 12; i++) await turn();
  }

  /** What a stream was told, in words; once. */
  words(stream: number): string[] {
    const mine = this.#told.filter((notice) => notice.stream === stream);
    for (const notice of mine) this.#told.splice(this.#told.indexOf(notice), 1);
    return mine.map((notice) => wordOf(notice));
  }

  /** Frames of this kind that were sent. */
  sent(type: h2.FrameName): h2.H2Frame[] {
    return this.transport.frames.filter((frame) => frame.type === type);
  }

  stop(): void {
    this.driver.stop();
    this.#requests.stop();
  }
}

function wordOf(notice: HttpNotice): string {
  const fin = 'fin' in notice && notice.fin ? ' fin' : '';
  switch (notice.type) {
    case 'inform':
    case 'response':
      return `${notice.status}${fin}`;
    case 'data':
      return `${Buffer.from(notice.data)}${fin}`;
    case 'trailers':
      return `trailers ${notice.rawHeaders.join(' ')}`;
    case 'push':
      return `push ${notice.promised} ${notice.method} ${notice.uri}`;
    case 'error': {
      const { code, reason } = fromRecord(notice.error) as GunportError; // The driver makes no others.
      return `${code}${reason === undefined ? '' : ` ${reason}`}`;
    }
    default:
      return notice.type;
  }
}
