// connected — a socket that is connected, TLS or not, as a transport.
// Made by transport.ts for one that was dialled, and by secure.ts for TLS on what is no socket of its own.
// Invariant: as socket.ts has it; the peer's FIN ends nothing by itself, so what is being written still goes out.
// Source: Node net.Socket and tls.TLSSocket.

import type * as net from 'node:net';
import { type Duplex, finished } from 'node:stream';
import * as tls from 'node:tls';
import { ConnectionError } from '../lib/errors.ts';
import type { ProcessInfo } from '../lib/wire.ts';
import type { Reading } from './reading.ts';
import type { Transport } from './socket.ts';

/** What is written in one turn behind its first write is gathered up to so many bytes. */
const GATHERED = 16 * 1024;

/** A connected socket. */
export class SocketTransport implements Transport {
  readonly #socket: net.Socket;
  readonly #reading: Reading;
  readonly #under: Transport | undefined;
  #info: ReturnType<Transport['info']> | undefined;
  #destroyed = false;
  #turn: 'fresh' | 'written' | 'gathering' = 'fresh';

  /** `under`: the transport that a TLS socket stands on. */
  constructor(socket: net.Socket, reading: Reading, under?: Transport) {
    this.#socket = socket;
    this.#reading = reading;
    this.#under = under;
    let error: Error | undefined;
    readAlert(socket, (alert) => {
      error = alert;
    });
    socket.on('error', (cause) => {
      error ??= cause;
      // An alert after the handshake is told and no more: Node leaves a TLS socket that has failed as it is.
      socket.destroy();
    });
    socket.on('end', () => {
      // A socket forgets its addresses when it is closed.
      this.info();
      reading.ended();
    });
    socket.on('close', () => !this.#destroyed && reading.lost(error && lostBy(error)));
    reading.attach(socket);
  }

  get pending(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    const socket = this.#socket;
    const dropped = (): Error => new Error('the socket was closed');
    // A write after the end would be an error of the socket, and destroy it under what is still being read.
    if (socket.destroyed || socket.writableEnded) {
      if (done) process.nextTick(done, dropped());
      return;
    }
    this.#gather(bytes.byteLength);
    // A write that was under way when its socket broke is called back without an error.
    socket.write(bytes, done && ((error) => done(error ?? (socket.destroyed ? dropped() : undefined))));
  }

  /** The first write of a turn leaves at once, and what follows it in one write: each is a call of the kernel, which
   *  takes longer than all that was done to make it. */
  #gather(bytes: number): void {
    if (this.#turn === 'fresh') {
      this.#turn = 'written';
      setImmediate(() => this.#endTurn());
    } else if (this.#turn === 'written' && bytes < GATHERED) {
      this.#turn = 'gathering';
      this.#socket.cork();
    } else if (this.#turn === 'gathering' && this.#socket.writableLength + bytes > GATHERED) {
      this.#turn = 'written';
      this.#socket.uncork();
    }
  }

  #endTurn(): void {
    const gathered = this.#turn === 'gathering';
    this.#turn = 'fresh';
    if (gathered) this.#socket.uncork();
  }

  pause(): void {
    this.#reading.pause();
  }

  resume(): void {
    this.#reading.resume();
  }

  yield(): void {
    this.#reading.yield();
  }

  unshift(bytes: Uint8Array): void {
    this.#reading.unshift(bytes);
  }

  end(done?: () => void): void {
    endOf(this.#socket, done);
  }

  destroy(): void {
    // What was written before goes to the kernel, as it would have without.
    this.#endTurn();
    this.#destroyed = true;
    this.#reading.stop();
    this.#socket.destroy();
  }

  info(): ReturnType<Transport['info']> {
    // Asked for when somebody wants to know: that is two calls of the system.
    const socket = this.#socket;
    this.#info ??= { ...infoOf(socket), ...this.#under?.info(), tls: tlsOf(socket) };
    return this.#info;
  }

  get alpn(): string | undefined {
    return alpnOf(this.#socket);
  }
}

/** A server that refuses a client behind the handshake says why in an alert, and closes. A write that finds it closed
 *  must not win over the alert, which is here already: the socket goes one turn later, when it has been read.
 *  Source: Gun, which waits up to 200 ms for it. */
function readAlert(socket: net.Socket, told: (alert: Error) => void): void {
  if (!(socket instanceof tls.TLSSocket)) return;
  const destroy = socket._destroy.bind(socket);
  // Not documented; without it the failed write is what is told.
  socket.on('_tlsError', told);
  socket._destroy = (cause, callback) => {
    const written = cause !== null && (cause as NodeJS.ErrnoException).syscall === 'write';
    if (!written) destroy(cause, callback);
    else {
      deafen(socket);
      // Two: the first may run before the loop has looked at its sockets again.
      setImmediate(() => setImmediate(() => destroy(cause, callback)));
    }
  };
}

/** Bytes that still come for a socket that is being destroyed are taken by Node for an error with a positive number,
 *  which it cannot name: that throws, beyond all listeners. So it does itself, where it destroys at once.
 *  Source: Node lib/net.js (Socket.prototype._destroy), lib/internal/stream_base_commons.js (onStreamRead). */
function deafen(socket: tls.TLSSocket): void {
  const { _handle: handle } = socket as { _handle?: { onread: unknown } | null }; // Not documented.
  if (handle) handle.onread = () => {};
}

/** Ends a stream. */
export function endOf(stream: Duplex, done: (() => void) | undefined): void {
  if (!done) {
    if (!stream.destroyed) stream.end();
    return;
  }
  finished(stream, { readable: false }, () => done());
  stream.end();
}

/** Where its two ends are. */
export function infoOf(socket: net.Socket): ReturnType<Transport['info']> {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  return { localAddress, localPort, remoteAddress, remotePort };
}

function tlsOf(socket: net.Socket): ProcessInfo['tls'] {
  if (!(socket instanceof tls.TLSSocket)) return undefined;
  return { version: socket.getProtocol() ?? '', cipher: socket.getCipher().name, alpn: alpnOf(socket) };
}

function alpnOf(socket: net.Socket): string | undefined {
  if (!(socket instanceof tls.TLSSocket)) return undefined;
  return typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined;
}

function lostBy(cause: Error): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_CLOSED', `connection was lost: ${codeOf(cause)}`, {
    phase: 'closed',
    cause,
  });
}

/** What an error says shortly. */
export function codeOf(error: unknown): string {
  // Any error may have a code; system and TLS errors do.
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message);
}
