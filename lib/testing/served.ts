// served — the server's end of one WebSocket: what the package ws does well, and the socket beneath it for what it must
// not do.
// Made by server.ts; played by scripts.
// Invariant: it ends once, and with it every promise and timer that it gave out.
// Source: RFC 6455 §5.2 for frames by hand; the package ws.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { RawData, WebSocket } from 'ws';
import { type Settle, wait } from '../await.ts';
import { StreamError } from '../errors.ts';
import type { Message } from '../types.ts';
import type { Outgoing, Patience, ServedConnection } from './servertypes.ts';

/** What a connection tells its server. @internal */
export interface ServedHost {
  received(connection: ServedConnection, data: Message): void;
  /** What came on this connection, of what is remembered. */
  remembered(number: number): readonly Message[];
  failed(error: unknown): void;
  /** How many messages wait for a `next` at most. */
  readonly most: number;
}

/** In milliseconds. */
const PATIENCE = 5_000;

/** @internal */
export class Served implements ServedConnection {
  readonly number: number;
  readonly url: string;
  readonly headers: ServedConnection['headers'];
  readonly closed: ServedConnection['closed'];
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #host: ServedHost;
  readonly #listeners = new Set<(message: Message) => unknown>();
  /** What no `next` was given. */
  readonly #untaken: Message[] = [];
  /** What is told of the end, and the next thing each waits for. */
  readonly #ends = new Set<(error: Error) => void>();
  readonly #takers = new Set<Settle<Message>>();

  constructor(ws: WebSocket, request: IncomingMessage, number: number, host: ServedHost) {
    this.number = number;
    this.url = request.url ?? '/';
    this.headers = request.headers;
    this.#ws = ws;
    this.#socket = request.socket;
    this.#host = host;
    ws.on('error', () => {}); // Told by 'close' as well.
    ws.on('message', (data, binary) => this.#received(messageOf(data, binary)));
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        const end = { code, reason: reason.toString() };
        for (const settle of [...this.#ends]) settle(this.#goneError());
        this.#listeners.clear();
        resolve(end);
      });
    });
  }

  get protocol(): string {
    return this.#ws.protocol;
  }
  get open(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }
  get received(): readonly Message[] {
    return this.#host.remembered(this.number);
  }

  onMessage(listener: (message: Message) => unknown): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  next({ timeout = PATIENCE, signal }: Patience = {}): Promise<Message> {
    return wait<Message>(`next() of connection ${this.number}`, { timeout, signal }, (settle) => {
      const waiting = this.#untaken.shift();
      if (waiting !== undefined) settle(undefined, waiting);
      else if (this.#ended) settle(this.#goneError());
      this.#takers.add(settle);
      this.#ends.add(settle);
      return () => {
        this.#takers.delete(settle);
        this.#ends.delete(settle);
      };
    });
  }

  send(data: Outgoing): boolean {
    if (!this.open) return false;
    this.#ws.send(encoded(data), () => {}); // A client that has gone is told by 'close'.
    return true;
  }

  ping({ timeout = PATIENCE, signal }: Patience = {}): Promise<number> {
    return wait<number>(`ping() of connection ${this.number}`, { timeout, signal }, (settle) => {
      if (!this.open) return void settle(this.#goneError());
      const start = performance.now();
      const name = Buffer.from(`${this.number}-${start}`);
      const heard = (payload: Buffer): void => {
        if (payload.equals(name)) settle(undefined, performance.now() - start);
      };
      this.#ws.on('pong', heard);
      this.#ends.add(settle);
      this.#ws.ping(name, false, () => {});
      return () => {
        this.#ws.off('pong', heard);
        this.#ends.delete(settle);
      };
    });
  }

  close(code = 1000, reason = ''): ServedConnection['closed'] {
    this.#ws.resume();
    this.#ws.close(code, reason);
    if (!this.#ended) {
      const late = setTimeout(() => this.drop(), PATIENCE);
      void this.closed.then(() => clearTimeout(late));
    }
    return this.closed;
  }

  drop({ reset = false }: { readonly reset?: boolean | undefined } = {}): void {
    if (this.#ended) return;
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    // A paused one would never hear that its socket has closed.
    this.#ws.terminate();
  }

  stall(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  garbage(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  rudeClose(code = 1001, reason = ''): void {
    const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
    this.garbage(frame(8, payload));
    // FIN behind it, and nothing is read any more.
    this.#socket.end(() => this.drop());
  }

  slowBytes(message: Message, { every = 1 }: { readonly every?: number | undefined } = {}): Promise<void> {
    const bytes = frame(typeof message === 'string' ? 1 : 2, Buffer.from(message));
    return wait<void>('slowBytes()', {}, (settle) => {
      let sent = 0;
      const timer = setInterval(() => {
        this.#socket.write(bytes.subarray(sent, ++sent));
        if (sent === bytes.length) settle(undefined, undefined);
      }, every);
      this.#ends.add(settle);
      if (!this.open) settle(this.#goneError());
      return () => {
        clearInterval(timer);
        this.#ends.delete(settle);
      };
    });
  }

  get #ended(): boolean {
    return this.#ws.readyState === this.#ws.CLOSED;
  }

  #goneError(): StreamError {
    return new StreamError('ERR_GUNPORT_CLOSED', `connection ${this.number} has ended`, { phase: 'closed' });
  }

  #received(data: Message): void {
    this.#host.received(this, data);
    const [taker] = this.#takers;
    if (taker) taker(undefined, data);
    else if (this.#untaken.push(data) > this.#host.most) this.#untaken.shift();
    for (const listener of [...this.#listeners]) {
      try {
        Promise.resolve(listener(data)).catch((error: unknown) => this.#host.failed(error));
      } catch (error) {
        this.#host.failed(error);
      }
    }
  }
}

/** A string and bytes as they are, all else as JSON. */
function encoded(data: Outgoing): string | Uint8Array {
  return typeof data === 'string' || data instanceof Uint8Array ? data : JSON.stringify(data);
}

/** With the standard binaryType, and unless fragments were asked for, it is one Buffer. */
function messageOf(data: RawData, binary: boolean): Message {
  const bytes = data as Buffer;
  return binary ? new Uint8Array(bytes) : bytes.toString();
}

/** One frame of a server, unmasked. */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, length]), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
