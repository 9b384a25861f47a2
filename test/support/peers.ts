// peers — scripted servers on loopback: hostile, silent, wrong, or just as a test wants them.
// Used by every test that needs somebody to talk to. `await using server = await peer(…)`, or close() in afterEach.
// Invariant: close() destroys every socket, so that nothing is left alive; each peer has a free port of its own.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { type ServerOptions, WebSocketServer } from 'ws';
import { certificates, type Pair } from './certificates.ts';
import { reset } from './reset.ts';

export interface Peer extends AsyncDisposable {
  /** `ws://127.0.0.1:port`, or `wss://localhost:port`. */
  readonly url: string;
  readonly port: number;
  /** Connections taken so far. */
  readonly taken: number;
  /** Connections open now. */
  readonly open: number;
  close(): Promise<void>;
}

export type Script = (socket: net.Socket) => unknown;

export interface PeerOptions {
  /** Speak TLS: with a certificate for localhost, or with this one. */
  secure?: boolean | (tls.TlsOptions & Pair) | undefined;
  /** Scheme of the URL. Default: wss with `secure`, else ws. */
  scheme?: 'ws' | 'wss' | undefined;
  /** Listen on this unix socket. */
  path?: string | undefined;
  /** Listen on this port. Default: a free one. */
  port?: number | undefined;
  /** Go on after the client's FIN. Default false: answer it with one. */
  halfOpen?: boolean | undefined;
}

/** A server that does with each connection what the script says. */
export async function peer(
  script: Script,
  { secure, scheme, path, port, halfOpen }: PeerOptions = {},
): Promise<Peer> {
  const onSocket = (socket: net.Socket): void =>
    void Promise.resolve(script(socket)).catch(() => socket.destroy());
  const pair = secure === true ? (await certificates()).localhost : secure;
  const allowHalfOpen = halfOpen ?? false;
  // Over TLS not before its handshake: who leaves in the midst of that would never be gone.
  const server = pair
    ? tls.createServer(pair, (socket) => onSocket(Object.assign(socket, { allowHalfOpen })))
    : net.createServer({ allowHalfOpen }, onSocket);
  server.on('tlsClientError', () => {}); // The client's fault is what many a test is about.
  return serve(server, scheme ?? (secure ? 'wss' : 'ws'), path ?? port);
}

async function serve(server: net.Server, scheme: 'ws' | 'wss', at: string | number = 0): Promise<Peer> {
  const sockets = new Set<net.Socket>();
  let taken = 0;
  // Also of a TLS server: the sockets underneath, handshake or not.
  server.on('connection', (socket: net.Socket) => {
    taken++;
    sockets.add(socket);
    socket.on('error', () => {}); // A peer does not mind being left.
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket: net.Socket) => socket.on('error', () => {}));
  server.listen(typeof at === 'string' ? at : { host: '127.0.0.1', port: at });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const close = async (): Promise<void> => {
    // First the listener: a client that comes back at once finds nobody, rather than a backlog that nobody takes from.
    const closed = server.listening ? once(server.close(), 'close') : undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `${scheme}://${scheme === 'wss' ? 'localhost' : '127.0.0.1'}:${port}`,
    port,
    get taken() {
      return taken;
    },
    get open() {
      return sockets.size;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A port where nobody listens any more. */
export async function refusing(scheme: 'ws' | 'wss' = 'ws'): Promise<Peer> {
  const gone = await peer(silent, { scheme });
  await gone.close();
  return gone;
}

// ── scripts ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Accepts and says nothing. With scheme wss: a TLS handshake that never begins. */
export const silent: Script = (socket) => socket.resume();

/** Accepts and closes. */
export const closing: Script = (socket) => socket.end().resume();

/** Accepts and resets. */
export const resetting: Script = (socket) => reset(socket);

/** Refuses the TLS handshake: alert handshake_failure. With scheme wss, without `secure`. */
export const tlsRefusing: Script = (socket) =>
  socket.once('data', () => socket.end(Buffer.from('15030300020228', 'hex'))).resume();

/** Says these bytes once the request is there; `after` is what it does then. Default: nothing more. */
export function says(bytes: string | Uint8Array, after: 'silence' | 'end' | 'reset' = 'silence'): Script {
  return (socket) => {
    readHead(socket).then(
      () => {
        socket.resume();
        if (after === 'reset') socket.write(bytes, () => reset(socket));
        else if (after === 'end') socket.end(bytes);
        else socket.write(bytes);
      },
      () => socket.destroy(),
    );
  };
}

/** Answers with a status and a body, framed in one of three ways. */
export function answers(
  status: number,
  framing: 'length' | 'chunked' | 'close' = 'length',
  body = `status ${status}`,
): Script {
  const location = status === 301 ? 'Location: ws://127.0.0.1:1/\r\n' : '';
  const line = `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n${location}Content-Type: text/plain\r\n`;
  if (framing === 'length') return says(`${line}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  if (framing === 'close') return says(`${line}Connection: close\r\n\r\n${body}`, 'end');
  const size = Buffer.byteLength(body).toString(16);
  return says(`${line}Transfer-Encoding: chunked\r\n\r\n${size}\r\n${body}\r\n0\r\n\r\n`);
}
const REASONS: Record<number, string> = {
  200: 'OK',
  301: 'Moved Permanently',
  401: 'Unauthorized',
  404: 'Not Found',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Bytes that are not HTTP. */
export const garbage: Script = says(Buffer.from('00ff17fe0d0a1337', 'hex'));

/** Half a status line, then silence. */
export const halfAnswer: Script = says('HTTP/1.1 1');

/** Headers without end. */
export const headerFlood: Script = async (socket) => {
  await readHead(socket);
  socket.resume();
  socket.write('HTTP/1.1 101 Switching Protocols\r\n');
  const more = (): void => {
    while (!socket.destroyed && socket.write(`X-Flood: ${'x'.repeat(1000)}\r\n`));
  };
  socket.on('drain', more);
  more();
};

/** A 101 whose Sec-WebSocket-Accept answers another key. */
export const wrongAccept: Script = says(
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=\r\n\r\n',
);

// ── a WebSocket by hand ─────────────────────────────────────────────────────────────────────────────────────

export interface Frame {
  readonly fin: boolean;
  /** The three reserved bits. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Unmasked. */
  readonly payload: Buffer;
}

/** The server's end of one WebSocket. */
export interface Conversation {
  readonly socket: net.Socket;
  /** The request's head as it came. */
  readonly request: string;
  /** Value of a request header, or undefined. */
  header(name: string): string | undefined;
  /** Sends raw bytes: hex with any spaces, as in `'81 05 48656c6c6f'`, or bytes. */
  send(bytes: string | Uint8Array): void;
  /** The client's next frame, unmasked; rejects when there will be none. */
  read(): Promise<Frame>;
  /** FIN. */
  end(): void;
}

export interface WsPeerOptions extends PeerOptions {
  /** More headers for the answer, each with its CRLF. */
  headers?: string | undefined;
  /** Frames in the same segment as the answer, in hex. */
  first?: string | undefined;
}

/** Does the opening handshake by hand, then what the script says. */
export function wsPeer(script: (peer: Conversation) => unknown, options: WsPeerOptions = {}): Promise<Peer> {
  const { headers = '', first = '' } = options;
  return peer(async (socket) => {
    const reader = new Reader(socket);
    const request = (await reader.until('\r\n\r\n')).toString('latin1');
    const header = (name: string) => new RegExp(`^${name}: *(.*?) *\r$`, 'im').exec(request)?.[1];
    const head =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${acceptFor(header('sec-websocket-key') ?? '')}\r\n${headers}\r\n`;
    socket.write(Buffer.concat([Buffer.from(head, 'latin1'), unhex(first)]));
    await script({
      socket,
      request,
      header,
      send: (bytes) => void socket.write(typeof bytes === 'string' ? unhex(bytes) : bytes),
      read: () => readFrame(reader),
      end: () => void socket.end(),
    });
  }, options);
}

/** Such a peer, and who comes to it first; `greet` is done to everybody who comes. */
export async function wsPeerOfOne(
  greet: (peer: Conversation) => unknown = () => {},
  options: WsPeerOptions = {},
): Promise<{ readonly peer: Peer; readonly first: Promise<Conversation> }> {
  let arrive: (one: Conversation) => void = () => {};
  const first = new Promise<Conversation>((resolve) => {
    arrive = resolve;
  });
  const peer = await wsPeer((one) => {
    greet(one);
    arrive(one);
  }, options);
  return { peer, first };
}

/** Bytes out of hex with any white space between. */
export function unhex(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s+/g, ''), 'hex');
}

/** What answers a Sec-WebSocket-Key. */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** The next frame of a client, from whatever gives its bytes by amounts. */
export async function readFrame(reader: Amounts): Promise<Frame> {
  const [first = 0, second = 0] = await reader.take(2);
  let length = second & 0x7f;
  if (length === 126) length = (await reader.take(2)).readUInt16BE();
  else if (length === 127) length = Number((await reader.take(8)).readBigUInt64BE());
  const masked = (second & 0x80) !== 0;
  const mask = masked ? await reader.take(4) : Buffer.alloc(4);
  const payload = Buffer.from(await reader.take(length));
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 15, masked, payload };
}

/** Reads the frames of a client on any byte stream that is a WebSocket already. */
export function framesOf(stream: Duplex): () => Promise<Frame> {
  const reader = new Reader(stream);
  return () => readFrame(reader);
}

/** The request of a client, up to its blank line. */
export async function readHead(socket: net.Socket): Promise<string> {
  return (await new Reader(socket).until('\r\n\r\n')).toString('latin1');
}

interface Amounts {
  take(length: number): Promise<Buffer>;
}

/** Reads a socket by amounts; what nobody takes is kept. */
class Reader {
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Duplex) {
    socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', end).on('close', end);
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) await this.#more();
    return this.#cut(length);
  }

  async until(mark: string): Promise<Buffer> {
    while (!this.#rest.includes(mark)) await this.#more();
    return this.#cut(this.#rest.indexOf(mark) + mark.length);
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error('the client has ended');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #cut(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

// ── a real one ──────────────────────────────────────────────────────────────────────────────────────────────

/** The `ws` server on a free port. */
export async function wsServer(
  options: ServerOptions & { secure?: boolean | undefined } = {},
): Promise<Peer & { readonly server: WebSocketServer }> {
  const { secure, ...rest } = options;
  const http = secure
    ? https.createServer((await certificates()).localhost)
    : new (await import('node:http')).Server();
  http.on('tlsClientError', () => {});
  const server = new WebSocketServer({ ...rest, server: http });
  server.on('connection', (socket) => socket.on('error', () => {}));
  const served = await serve(http, secure ? 'wss' : 'ws');
  return Object.defineProperties(
    { server } as Peer & { server: WebSocketServer },
    Object.getOwnPropertyDescriptors(served),
  );
}
