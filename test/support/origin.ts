// origin — HTTP/1 servers that a test speaks by hand: it reads what came byte by byte, and says just what it wants to.
// `const server = await keep(origin(async (talk) => { await talk.request(); talk.answer(200, 'Hello'); }))`, or without
// a script `const talk = await server.next()`. A server with handlers, on HTTP/1.1 and HTTP/2, is cowboy.ts.
// Invariant: what came is never lost: `raw` has all of it; close() rethrows what a script threw, unless its client
// had left. Source: gun_test:init_origin/3 and the suites that use it.

import type * as net from 'node:net';
import { certificates } from './certificates.ts';
import { type Peer, type PeerOptions, peer } from './peers.ts';
import { reset } from './reset.ts';

/** The head of a request, as it came. */
export interface Head {
  readonly method: string;
  readonly path: string;
  /** `1.1` */
  readonly version: string;
  /** Lower-case names; what came twice is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** The lines without their CRLF; the request line first, names as they were sent. */
  readonly lines: readonly string[];
  /** All of it, with the blank line. */
  readonly raw: string;
}

/** The body of a request. */
export interface Received {
  readonly body: Buffer;
  readonly text: string;
  /** Sizes of the chunks, the last one (0) too; empty where there was a content-length. */
  readonly chunks: readonly number[];
  readonly trailers: Readonly<Record<string, string>>;
}

/** What a test wants of an answer beside its status. */
export interface AnswerOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Send the body in one chunk, with these fields behind it. */
  readonly trailers?: Readonly<Record<string, string>> | undefined;
}

/** The server's end of one connection. */
export interface Talk {
  readonly socket: net.Socket;
  /** Which connection of its server this is, from 1. */
  readonly number: number;
  /** Every byte that has come, as latin1. */
  readonly raw: string;
  /** The next head of a request; empty lines before it are passed over. Rejects when there will be none. */
  request(): Promise<Head>;
  /** The body of the request that was read last. */
  body(): Promise<Received>;
  /** So many bytes. */
  take(length: number): Promise<Buffer>;
  /** All up to this text, with it. */
  until(mark: string): Promise<string>;
  /** Whatever comes next. */
  some(): Promise<Buffer>;
  /** Resolves with the client's FIN, or its reset. */
  readonly ended: Promise<void>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  /** Sends text (as latin1) or bytes, at once; resolves when the kernel has them. */
  write(bytes: string | Uint8Array): Promise<void>;
  /** A whole answer; `content-length` unless it has trailers or its headers say otherwise. */
  answer(status: number, body?: string, options?: AnswerOptions): Promise<void>;
  /** FIN, after what was written. */
  end(bytes?: string | Uint8Array): void;
  /** RST; over TLS a FIN without a goodbye. */
  reset(): void;
}

export interface OriginOptions extends Omit<PeerOptions, 'scheme'> {}

export interface Origin extends Peer {
  /** `http://127.0.0.1:port`, `https://localhost:port`. */
  readonly url: string;
  /** PEM: `open(server.url, { tls: { ca: server.ca } })`. */
  readonly ca: string;
  /** All connections so far. */
  readonly talks: readonly Talk[];
  /** The next connection that no call of this was given, now or when it comes. */
  next(): Promise<Talk>;
}

/** A server that does with each connection what the script says; by default it only listens. */
export async function origin(
  script: (talk: Talk) => unknown = () => {},
  options: OriginOptions = {},
): Promise<Origin> {
  const talks: HttpTalk[] = [];
  const waiting: ((talk: Talk) => void)[] = [];
  let given = 0;
  let failure: unknown;
  const served = await peer(async (socket) => {
    const talk = new HttpTalk(socket, talks.length + 1);
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
  }, options);
  const close = async (): Promise<void> => {
    await served.close();
    if (failure !== undefined) throw failure;
  };
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    ca: (await certificates()).ca,
    talks,
    next: (): Promise<Talk> => {
      const talk = talks[given];
      if (!talk) return new Promise((resolve) => waiting.push(resolve));
      given++;
      return Promise.resolve(talk);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  // `taken` and `open` are getters.
  return Object.defineProperties({} as Origin, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** The server's end of a connection that somebody else has taken; `number` as its server counts. */
export function talkOver(socket: net.Socket, number: number): Talk {
  return new HttpTalk(socket, number);
}

/** The client is gone, and what was waited for will not come. */
export class ClientLeft extends Error {}

class HttpTalk implements Talk {
  readonly socket: net.Socket;
  readonly number: number;
  readonly ended: Promise<void>;
  readonly closed: Promise<void>;
  #raw: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #left = false;
  #wake: (() => void)[] = [];
  #head: Head | undefined;

  constructor(socket: net.Socket, number: number) {
    this.socket = socket.setNoDelay(true);
    this.number = number;
    socket.on('data', (chunk: Buffer) => {
      this.#raw.push(chunk);
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#woken();
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.ended = new Promise((resolve) => {
      const left = (): void => {
        this.#left = true;
        this.#woken();
        resolve();
      };
      socket.once('end', left).once('close', left);
    });
  }

  get raw(): string {
    return Buffer.concat(this.#raw).toString('latin1');
  }

  async request(): Promise<Head> {
    let raw = '\r\n';
    // RFC 9112 §2.2: a server "SHOULD ignore at least one empty line".
    while (raw === '\r\n') raw = await this.until('\r\n');
    while (!raw.endsWith('\r\n\r\n')) raw += await this.until('\r\n');
    const lines = raw.slice(0, -4).split('\r\n');
    const [method = '', path = '', version = ''] = (lines[0] ?? '').split(' ');
    const headers = fields(lines.slice(1));
    this.#head = { method, path, version: version.replace('HTTP/', ''), headers, lines, raw };
    return this.#head;
  }

  async body(): Promise<Received> {
    const headers = this.#head?.headers ?? {};
    const parts: Buffer[] = [];
    const chunks: number[] = [];
    let trailers = {};
    if (headers['transfer-encoding'] === 'chunked') {
      for (let size = -1; size !== 0; ) {
        size = Number.parseInt(await this.until('\r\n'), 16);
        chunks.push(size);
        if (size === 0) break;
        parts.push(await this.take(size));
        await this.take(2);
      }
      let block = await this.until('\r\n');
      while (block !== '\r\n' && !block.endsWith('\r\n\r\n')) block += await this.until('\r\n');
      trailers = fields(block.trimEnd().split('\r\n').filter(Boolean));
    } else parts.push(await this.take(Number(headers['content-length'] ?? 0)));
    const body = Buffer.concat(parts);
    return { body, text: body.toString(), chunks, trailers };
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) await this.#more();
    return this.#cut(length);
  }

  async until(mark: string): Promise<string> {
    while (!this.#rest.includes(mark)) await this.#more();
    return this.#cut(this.#rest.indexOf(mark) + mark.length).toString('latin1');
  }

  async some(): Promise<Buffer> {
    if (this.#rest.length === 0) await this.#more();
    return this.#cut(this.#rest.length);
  }

  write(bytes: string | Uint8Array): Promise<void> {
    const whole = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    // One who has left is no fault of the script's: it hears of it when it reads.
    return new Promise((resolve) => this.socket.write(whole, () => resolve()));
  }

  answer(status: number, body = '', { headers = {}, trailers }: AnswerOptions = {}): Promise<void> {
    const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
    const framed = names.has('content-length') || names.has('transfer-encoding');
    const bodiless = status < 200 || status === 204 || status === 304;
    const length = Buffer.byteLength(body);
    const framing = trailers ? 'transfer-encoding: chunked\r\n' : `content-length: ${length}\r\n`;
    const content = trailers
      ? `${length ? `${length.toString(16)}\r\n${body}\r\n` : ''}0\r\n${block(trailers)}\r\n`
      : body;
    const head = `HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'No'}\r\n${block(headers)}`;
    return this.write(
      Buffer.from(
        `${head}${framed || bodiless ? '' : framing}\r\n${this.#head?.method === 'HEAD' ? '' : content}`,
      ),
    );
  }

  end(bytes?: string | Uint8Array): void {
    if (bytes !== undefined) void this.write(bytes);
    this.socket.end();
  }

  reset(): void {
    reset(this.socket);
  }

  async #more(): Promise<void> {
    if (this.#left) throw new ClientLeft(`the client has left; it had sent ${JSON.stringify(this.raw)}`);
    await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #woken(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #cut(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

function block(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

function fields(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    const lower = name.toLowerCase();
    headers[lower] = lower in headers ? `${headers[lower]}, ${value}` : value;
  }
  return headers;
}
