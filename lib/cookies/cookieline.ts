// cookieline — one port between two threads that share a jar: what changes here is told there, as far as they can take it.
// Held by cookies.ts for each replica of a jar, and by workers/cookies.ts for its home.
// Invariant: a thread that does not listen (main, blocked) holds at most MOST posts: what changes meanwhile waits here, by
// key, and is told once, as it is then. The port keeps no thread alive. What was posted before a cast to a process, or
// before its notice, is here when `drain` is called after it: a port's queue is filled at once.
// Source: design F1 (never post without credit); Node's receiveMessageOnPort.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { CookieEntry, JarMessage } from './cookiewire.ts';

/** Posts that wait for their acknowledgement, at most. */
const MOST = 64;
/** Above so many changed keys all is told instead. */
const MOST_KEYS = 8_192;

/** What a line asks of who holds it. */
export interface CookieLineHost {
  /** What there is under these keys, or under all. */
  entries(keys?: Iterable<string>): CookieEntry[];
  /** The other thread says so. */
  received(entries: readonly CookieEntry[], line: CookieLine): void;
  /** The other end is gone. */
  gone(line: CookieLine): void;
}

export class CookieLine {
  readonly #port: MessagePort;
  readonly #host: CookieLineHost;
  /** Changed, and not told yet. */
  #changed: Set<string> | 'all' = new Set();
  #unacknowledged = 0;
  #closed = false;

  constructor(port: MessagePort, host: CookieLineHost) {
    this.#port = port;
    this.#host = host;
    port.on('message', (message: JarMessage) => this.#hear(message));
    port.on('close', () => this.#gone());
    port.unref();
  }

  /** There is something else under these keys now. */
  changed(keys: Iterable<string>): void {
    if (this.#closed) return;
    if (this.#changed !== 'all') {
      for (const key of keys) this.#changed.add(key);
      if (this.#changed.size > MOST_KEYS) this.#changed = 'all';
    }
    this.#tell();
  }

  /** All that there is, at the beginning. */
  tellAll(): void {
    this.#changed = 'all';
    this.#tell();
  }

  /** Hears what has come. */
  drain(): void {
    if (this.#closed) return;
    for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port)) {
      this.#hear(next.message);
    }
  }

  /** Tells the rest, and no more. */
  close(): void {
    if (this.#closed) return;
    this.#unacknowledged = 0;
    this.#tell();
    this.#closed = true;
    this.#port.close();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.gone(this);
  }

  #hear(message: JarMessage): void {
    if (this.#closed) return;
    switch (message.type) {
      case 'entries':
        this.#port.postMessage({ type: 'ack' } satisfies JarMessage);
        return this.#host.received(message.entries, this);
      case 'ack':
        this.#unacknowledged--;
        return this.#tell();
      default:
        message satisfies never;
    }
  }

  #tell(): void {
    const changed = this.#changed;
    if (this.#unacknowledged >= MOST || (changed !== 'all' && changed.size === 0)) return;
    this.#changed = new Set();
    const entries = this.#host.entries(changed === 'all' ? undefined : changed);
    if (entries.length === 0) return;
    this.#unacknowledged++;
    this.#port.postMessage({ type: 'entries', entries } satisfies JarMessage);
  }
}
