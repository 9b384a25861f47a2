// socket — the contract between a connected socket and whoever reads and writes it.
// Implemented by transport.ts, and by http2/socket.ts for a stream of HTTP/2; read into by drivers.
// Invariant: a sink hears nothing while paused, FIN after all bytes, and `lost` once and last.

import type { GunportError } from '../lib/errors.ts';
import type { ProcessInfo } from '../lib/wire.ts';

/** Where a socket's bytes go. Node asks for the next buffer right after each read: only there may it change. */
export interface Sink {
  /** Free memory to read into; never empty. */
  buffer(): Uint8Array;
  /** `length` bytes now stand at the start of what `buffer()` gave last. */
  received(length: number): void;
  /** The peer will send no more (FIN). */
  ended(): void;
  /** The socket is gone; once, and nothing after it. `undefined`: closed without an error. */
  lost(error: GunportError | undefined): void;
}

/** A connected socket, whatever it is made of. */
export interface Transport {
  /** Hands bytes to the socket. `done` is called when they have left this process, or with an error when they were
   *  dropped with the socket. */
  write(bytes: Uint8Array, done?: (error?: Error | null) => void): void;
  /** Bytes that the socket still holds. */
  readonly pending: number;
  pause(): void;
  resume(): void;
  /** Reads no more in this turn of the loop, where it reads by itself. */
  yield?(): void;
  /** Bytes that come before what is read next: whoever read them has made place for another. */
  unshift(bytes: Uint8Array): void;
  /** FIN after what was written. `done`: that has left, or never will. */
  end(done?: () => void): void;
  /** Now; `lost` is not called any more. */
  destroy(): void;
  /** What TLS has agreed on, if it has. */
  readonly alpn: string | undefined;
  info(): Pick<ProcessInfo, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort' | 'tls'>;
}

/** Counted over all attempts of one connection. */
export class Counters {
  messagesReceived = 0;
  bytesReceived = 0;
  messagesSent = 0;
  bytesSent = 0;
  pingsAnswered = 0;
}
