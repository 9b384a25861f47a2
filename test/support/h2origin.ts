// h2origin — HTTP/2 servers that a test speaks by hand: it reads frame by frame, and sends just what it wants to.
// `const server = await keep(h2origin(async (talk) => { const { stream } = await talk.request(); talk.answer(stream,
// 200, 'Hello'); }))`, or without a script `const talk = await server.next()`; h2talks() does both ends at once.
// Invariant: frames are never lost: `next()` takes the oldest of its kind and leaves the others; close() rethrows what
// a script threw, unless its client had left. Over TLS it is chosen by ALPN, else by prior knowledge.
// Source: gun_test:init_origin/3, for http2, and rfc7540_SUITE.

import type * as net from 'node:net';
import type { Connection, OpenOptions, Stream } from '../../lib/index.ts';
import { certificates } from './certificates.ts';
import { type Feeds, feeds } from './feeds.ts';
import * as h2 from './h2frames.ts';
import { Decoder, type Fields } from './hpack.ts';
import { ClientLeft } from './origin.ts';
import { type Peer, type PeerOptions, peer, unhex } from './peers.ts';

/** RFC 9113 §3.4. */
const MAGIC = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** The head of a request. */
export interface H2Request {
  readonly stream: number;
  /** `:path` too; lower-case names. */
  readonly fields: Readonly<Record<string, string>>;
  readonly path: string;
  /** No body follows. */
  readonly fin: boolean;
}

export interface AnswerOptions {
  readonly fields?: Fields | undefined;
  readonly trailers?: Fields | undefined;
}

/** The server's end of one connection. */
export interface H2Talk {
  readonly socket: net.Socket;
  /** Which connection of its server this is, from 1. */
  readonly number: number;
  /** Every frame that has come, also those that were taken. */
  readonly frames: readonly h2.H2Frame[];
  /** The client's preface and SETTINGS have come. */
  readonly ready: Promise<void>;
  /** The client has sent FIN or RST, or is gone. */
  readonly ended: Promise<void>;
  /** The connection is gone. */
  readonly closed: Promise<void>;
  /** Sends frames, or hex with any spaces, in one write. */
  send(...parts: (string | Uint8Array)[]): void;
  /** The oldest frame of this kind (and stream) that nobody took, now or when it comes. Rejects when there is none and
   *  the client has left. */
  next(type: h2.FrameName, stream?: number): Promise<h2.H2Frame>;
  /** The next request. */
  request(): Promise<H2Request>;
  /** So many requests. */
  requests(count: number): Promise<H2Request[]>;
  /** All of a request's body, up to END_STREAM; `trailers` where that came on HEADERS. */
  body(
    stream: number,
  ): Promise<{ readonly body: Buffer; readonly trailers: h2.H2Frame['fields'] | undefined }>;
  /** A whole answer. */
  answer(stream: number, status: number, body?: string | Uint8Array, options?: AnswerOptions): void;
  /** A ping and its answer: what was sent before has been read, and what the client sent before has come. */
  roundTrip(): Promise<void>;
  /** Sends this over and over until the client has left or so many bytes have gone; resolves with how many. */
  flood(bytes: Uint8Array, most?: number): Promise<number>;
}

export interface H2Options extends Omit<PeerOptions, 'scheme' | 'secure'> {
  readonly secure?: boolean | undefined;
  /** What it takes over TLS. Default: `h2`. */
  readonly alpn?: readonly string[] | undefined;
  /** In the server's first SETTINGS. */
  readonly settings?: h2.SettingValues | undefined;
  /** Begin with SETTINGS. Default true. */
  readonly preface?: boolean | undefined;
  /** Acknowledge the client's SETTINGS. Default true. */
  readonly acknowledge?: boolean | undefined;
  /** Answer its pings. Default true. */
  readonly pong?: boolean | undefined;
}

export interface H2Origin extends Peer {
  /** `http://127.0.0.1:port`, `https://localhost:port`. */
  readonly url: string;
  /** For open(): prior knowledge, or the authority to trust. */
  readonly options: OpenOptions;
  /** All connections so far. */
  readonly talks: readonly H2Talk[];
  /** The next connection that no call of this was given, now or when it comes. */
  next(): Promise<H2Talk>;
}

/** A server that does with each connection what the script says; by default it only listens. */
export async function h2origin(
  script: (talk: H2Talk) => unknown = () => {},
  { secure = false, alpn = ['h2'], ...options }: H2Options = {},
): Promise<H2Origin> {
  const { ca, localhost } = await certificates();
  const talks: HttpTalk[] = [];
  const waiting: ((talk: H2Talk) => void)[] = [];
  let given = 0;
  let failure: unknown;
  const served = await peer(
    async (socket) => {
      const talk = new HttpTalk(socket, talks.length + 1, options);
      talks.push(talk);
      const waiter = waiting.shift();
      if (waiter) {
        given++;
        waiter(talk);
      }
      try {
        await script(talk);
      } catch (error) {
        if (!(error instanceof ClientLeft)) failure ??= error;
        throw error;
      }
    },
    { ...options, secure: secure && { ...localhost, ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }) } },
  );
  const close = async (): Promise<void> => {
    await served.close();
    if (failure !== undefined) throw failure;
  };
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    options: secure ? { tls: { ca } } : { protocols: ['http2'] },
    talks,
    next: (): Promise<H2Talk> => {
      const talk = talks[given];
      if (!talk) return new Promise((resolve) => waiting.push(resolve));
      given++;
      return Promise.resolve(talk);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  // `taken` and `open` are getters.
  return Object.defineProperties({} as H2Origin, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

class HttpTalk implements H2Talk {
  readonly socket: net.Socket;
  readonly number: number;
  readonly frames: h2.H2Frame[] = [];
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  readonly closed: Promise<void>;
  readonly #options: H2Options;
  readonly #decoder = new Decoder();
  #untaken: h2.H2Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;
  #block: { readonly header: Buffer; readonly payload: Buffer }[] = [];
  #left = false;
  #wake: (() => void)[] = [];
  #pings = 0;

  constructor(socket: net.Socket, number: number, options: H2Options) {
    this.socket = socket.setNoDelay(true);
    this.number = number;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.ended = new Promise((resolve) => {
      const left = (): void => {
        this.#left = true;
        this.#woken();
        resolve();
      };
      socket.once('end', left).once('close', left).once('error', left);
    });
    this.ready = this.#until(() => this.frames.some(({ type }) => type === 'settings'));
    this.ready.catch(() => {}); // Not everybody waits for it.
    if (options.preface !== false) this.send(h2.settings(options.settings));
  }

  send(...parts: (string | Uint8Array)[]): void {
    const bytes = parts.map((part) => (typeof part === 'string' ? unhex(part) : part));
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(Buffer.concat(bytes));
  }

  async next(type: h2.FrameName, stream?: number): Promise<h2.H2Frame> {
    const fits = (one: h2.H2Frame): boolean =>
      one.type === type && (stream === undefined || one.stream === stream);
    await this.#until(() => this.#untaken.some(fits));
    const [frame] = this.#untaken.splice(this.#untaken.findIndex(fits), 1);
    return frame!; // It is there: that was waited for.
  }

  async request(): Promise<H2Request> {
    const opens = (one: h2.H2Frame): boolean => one.type === 'headers' && ':method' in one.fields;
    await this.#until(() => this.#untaken.some(opens));
    const [frame] = this.#untaken.splice(this.#untaken.findIndex(opens), 1);
    const { stream, fields, fin } = frame!;
    return { stream, fields, path: fields[':path'] ?? '', fin };
  }

  async requests(count: number): Promise<H2Request[]> {
    const all: H2Request[] = [];
    while (all.length < count) all.push(await this.request());
    return all;
  }

  async body(stream: number): Promise<{ body: Buffer; trailers: h2.H2Frame['fields'] | undefined }> {
    const parts: Buffer[] = [];
    const ends = (one: h2.H2Frame): boolean => one.stream === stream && /^(data|headers)$/.test(one.type);
    for (;;) {
      await this.#until(() => this.#untaken.some(ends));
      const [frame] = this.#untaken.splice(this.#untaken.findIndex(ends), 1);
      if (frame!.type === 'data') parts.push(frame!.payload);
      if (!frame!.fin) continue;
      return { body: Buffer.concat(parts), trailers: frame!.type === 'headers' ? frame!.fields : undefined };
    }
  }

  answer(
    stream: number,
    status: number,
    body: string | Uint8Array = '',
    { fields = {}, trailers }: AnswerOptions = {},
  ): void {
    const pairs = Array.isArray(fields) ? fields : Object.entries(fields);
    const bodiless = body.length === 0 && !trailers;
    this.send(
      h2.headers(stream, [[':status', status], ...pairs], { fin: bodiless }),
      ...h2.body(stream, body, !trailers),
      ...(trailers ? [h2.headers(stream, trailers, { fin: true })] : []),
    );
  }

  async roundTrip(): Promise<void> {
    const payload = Buffer.alloc(8, `gun ${String(++this.#pings).padStart(4, '0')}`);
    this.send(h2.ping(payload));
    await this.#until(() =>
      this.frames.some((one) => one.type === 'ping' && one.ack && one.payload.equals(payload)),
    );
  }

  async flood(bytes: Uint8Array, most = 256 * 1024 * 1024): Promise<number> {
    let sent = 0;
    while (!this.#left && !this.socket.destroyed && sent < most) {
      sent += bytes.length;
      if (this.socket.write(bytes)) continue;
      await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.ended]);
      // One turn of the loop: the client may have something to say.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return sent;
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (!this.#begun) {
      if (this.#rest.length < MAGIC.length) return;
      if (this.#rest.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new Error('no preface of HTTP/2');
      this.#begun = true;
      this.#rest = this.#rest.subarray(MAGIC.length);
    }
    for (;;) {
      if (this.#rest.length < 9) break;
      const length = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < length) break;
      this.#frame(this.#rest.subarray(0, 9), this.#rest.subarray(9, length));
      this.#rest = this.#rest.subarray(length);
    }
    this.#woken();
  }

  #frame(header: Buffer, payload: Buffer): void {
    const [, , , type, flags = 0] = header;
    let whole = { header, payload };
    if (type === 1 || type === 9) {
      this.#block.push({ header, payload });
      if ((flags & 4) === 0) return;
      const block = this.#block.splice(0);
      // Its stream and END_STREAM are in the first; node:http2 pads nothing.
      whole = { header: block[0]!.header, payload: Buffer.concat(block.map((part) => part.payload)) };
    }
    const one = h2.parse(whole.header, whole.payload, this.#decoder);
    this.frames.push(one);
    this.#untaken.push(one);
    const { acknowledge = true, pong = true } = this.#options;
    if (one.type === 'settings' && !one.ack && acknowledge) this.send(h2.settingsAck());
    if (one.type === 'ping' && !one.ack && pong) this.send(h2.ping(one.payload, true));
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#left) {
        const had = this.frames.map(({ type, stream, code }) => `${type} ${stream} ${code ?? ''}`.trim());
        throw new ClientLeft(`the client has left; it had sent ${had.slice(-20).join(', ')}`);
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #woken(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

// ── both ends ───────────────────────────────────────────────────────────────────────────────────────────────

export interface H2Talks extends Feeds {
  /** A connection that is up, and the server's end of it. */
  both(
    options?: OpenOptions,
    serverOptions?: H2Options,
  ): Promise<{ readonly connection: Connection; readonly server: H2Talk; readonly origin: H2Origin }>;
  /** A server with this script, and a connection to it, which may not be up yet. */
  served(
    script: (talk: H2Talk) => unknown,
    options?: OpenOptions,
    serverOptions?: H2Options,
  ): Promise<{ readonly connection: Connection; readonly origin: H2Origin }>;
}

/** Called in a describe. */
export function h2talks(): H2Talks {
  const all = feeds();
  const served: H2Talks['served'] = async (script, options, serverOptions) => {
    const origin = await all.keep(h2origin(script, serverOptions));
    return { connection: all.open(origin.url, { ...origin.options, ...options }), origin };
  };
  return {
    ...all,
    served,
    both: async (options, serverOptions) => {
      const { connection, origin } = await served(() => {}, options, serverOptions);
      const server = await origin.next();
      await Promise.all([server.ready, connection.awaitUp()]);
      return { connection, server, origin };
    },
  };
}

/** Answers every request with its path, to the end. */
export async function echoing(talk: H2Talk): Promise<void> {
  for (;;) {
    const { stream, path } = await talk.request();
    talk.answer(stream, 200, path);
  }
}

/** All notices of a stream in words, to its end: `200 fin`, `data abc`, `ERR_GUNPORT_RESET CANCEL`. */
export async function wordsOf(connection: Connection, stream: Stream<Connection>): Promise<string[]> {
  const words: string[] = [];
  for (;;) {
    try {
      const notice = await connection.await(stream);
      const fin = 'fin' in notice && notice.fin;
      if (notice.type === 'response') words.push(`${notice.status}`);
      else if (notice.type === 'inform') words.push(`inform ${notice.status}`);
      else if (notice.type === 'data') words.push(`data ${Buffer.from(notice.data)}`);
      else if (notice.type === 'trailers') words.push(`trailers ${JSON.stringify(notice.headers)}`);
      else words.push(notice.type);
      if (fin) words.push('fin');
      if (fin || notice.type === 'trailers') return words;
    } catch (error) {
      const { code, reason } = error as { code: string; reason?: unknown }; // All of ours have a code.
      words.push(reason === undefined ? code : `${code} ${reason}`);
      return words;
    }
  }
}
