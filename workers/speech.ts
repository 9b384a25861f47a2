// speech — what a handler says on its WebSocket, without a thread hop: messages and pings, and who waits for them.
// Held by handling.ts. Invariant: what is said in one turn leaves in one write, in its order, but for what is secret, which
// has a write of its own; every ping and drain settles. None of it is counted as the owner's.
// Source: workers/websocket.ts; RFC 6455 §5.5.2; promise F3.

import { LONGEST } from '../lib/checks.ts';
import { ConnectionError, describe, OptionError, TimeoutError } from '../lib/errors.ts';
import { Layout } from '../lib/layout.ts';
import { checkBuffered, lay, type Sendable } from '../lib/sendable.ts';

/** An open WebSocket, as a handler uses it. */
export interface HandledSocket {
  /** Frames, room for the mask left. `done`: they have left this process, or with an error were dropped. */
  speak(
    image: Uint8Array,
    messages: number,
    how: { readonly secret: boolean; done(error?: Error | null): void },
  ): void;
  ping(id: number, payload: Uint8Array | undefined): void;
  reveal(): void;
  /** Bytes that have not left this process. */
  readonly pending: number;
}

export interface SpeechHost {
  readonly maxBuffered: number;
  socket(): HandledSocket | undefined;
  guard(run: () => void): void;
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** How long a pong may take by default, in milliseconds. */
const PONG_TIMEOUT = 10_000;

export class Speech {
  readonly #host: SpeechHost;
  readonly #layout = new Layout();
  #secret = false;
  #due = false;
  /** Writes under way on the socket of this attempt. */
  #writes = { count: 0 };
  #drains: Waiter<void>[] = [];
  readonly #pings = new Map<number, Waiter<number>>();
  #lastPing = 0;

  constructor(host: SpeechHost) {
    this.#host = host;
  }

  /** @throws {StreamError} ERR_GUNPORT_OVERLOADED */
  send(data: Sendable | readonly Sendable[], secret: boolean): boolean {
    const { maxBuffered } = this.#host;
    checkBuffered(this.#buffered, maxBuffered);
    if (secret !== this.#secret) this.flush();
    this.#secret = secret;
    // A Buffer is no array, and a list of messages is.
    for (const one of Array.isArray(data) ? data : [data]) lay(one as Sendable, this.#layout);
    if (!this.#due) {
      this.#due = true;
      process.nextTick(() => this.#host.guard(() => this.flush()));
    }
    return this.#buffered <= maxBuffered;
  }

  get #buffered(): number {
    return this.#layout.bytes + (this.#host.socket()?.pending ?? 0);
  }

  /** What was said in this turn goes before what is said otherwise. */
  flush(): void {
    this.#due = false;
    if (this.#layout.bytes === 0) return;
    const { image, messages } = this.#layout.take();
    // No Buffer, as one that has crossed threads is none: its slice() does not copy.
    const bytes = new Uint8Array(image.buffer, image.byteOffset, image.byteLength);
    const socket = this.#host.socket();
    if (!socket) return this.lost(undefined);
    const writes = this.#writes;
    writes.count++;
    const done = (error?: Error | null): void => {
      writes.count--;
      // Of a socket that is gone all was told before.
      if (writes !== this.#writes) return;
      if (error) this.#settleDrains(lostBy(error));
      else if (writes.count === 0) this.#settleDrains(undefined);
    };
    socket.speak(bytes, messages, { secret: this.#secret, done });
  }

  /** Resolves when all that was sent until now has left this process. */
  drained(): Promise<void> {
    this.flush();
    if (this.#writes.count === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drains.push({ resolve, reject }));
  }

  #settleDrains(error: Error | undefined): void {
    for (const { resolve, reject } of this.#drains.splice(0)) error ? reject(error) : resolve();
  }

  ping(timeout: number = PONG_TIMEOUT): Promise<number> {
    if (typeof timeout !== 'number' || !(timeout >= 0 && (timeout <= LONGEST || timeout === Infinity))) {
      throw new OptionError(`timeout must be milliseconds from 0 to ${LONGEST}, got ${describe(timeout)}`);
    }
    this.flush();
    // Below 0, so that they are told from the owner's; 0 is the keepalive's own.
    const id = --this.#lastPing;
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.#pings.delete(id);
        reject(new TimeoutError('ERR_GUNPORT_TIMEOUT', `context.ping() took longer than ${timeout} ms`));
      };
      const timer = timeout === Infinity ? undefined : setTimeout(late, timeout);
      const over =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          this.#pings.delete(id);
          clearTimeout(timer);
          settle(value);
        };
      this.#pings.set(id, { resolve: over(resolve), reject: over(reject) });
      this.#host.socket()?.ping(id, undefined);
    });
  }

  answered(id: number, rtt: number): void {
    this.#pings.get(id)?.resolve(rtt);
  }

  /** The socket is gone: nothing that is still here is sent, and no pong will come. */
  lost(cause: Error | undefined): void {
    this.#layout.take();
    this.#writes = { count: 0 };
    const error = lostBy(cause);
    this.#settleDrains(error);
    for (const { reject } of [...this.#pings.values()]) reject(error);
  }
}

function lostBy(cause: Error | undefined): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_CLOSED', 'the socket was lost', { cause });
}
