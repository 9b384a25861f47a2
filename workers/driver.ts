// driver — the contracts between a connection process and what it drives: its socket and its protocol.
// Implemented by transport.ts (Transport), http1.ts and websocket.ts (Driver); called by process.ts.
// Invariant: a driver decides nothing about connections; it tells the process, which does.
// Source: undici's context object, with Gun's verbs; the door of Python's websockets.

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
  /** FIN after what was written. */
  end(): void;
  /** Now; `lost` is not called any more. */
  destroy(): void;
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

/** A protocol on a connected socket. */
export interface Driver extends Sink {
  /** Frames laid out by the owner, room for the mask left. */
  send(image: Uint8Array, messages: number): void;
  ping(id: number, payload: Uint8Array | undefined): void;
  /** Starts the closing handshake, or ends at once where there is none. */
  close(code: number, reason: string): void;
  /** The owner has room again. */
  credit(): void;
  /** Stops all timers; nothing is sent or told after it. */
  stop(): void;
}
