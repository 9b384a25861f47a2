// ending — how one WebSocket opens and ends, told once to everybody who waits for it.
// Held by stream.ts. Invariant: `closed` resolves exactly once and never rejects; the first end counts.
// Source: RFC 6455 §7.1.5 and §7.1.6; WHATWG WebSocket close event.

import { type Settle, type WaitOptions, wait } from './await.ts';
import { abnormal } from './closing.ts';
import { fromRecord, type GunportError, StreamError, TimeoutError } from './errors.ts';
import type { CloseResult } from './types.ts';
import type { Closed } from './wire.ts';

/** Codes with which a peer says goodbye; 1005 is none at all. */
const GOODBYES: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** Who waits for the end of the socket. */
interface Closer {
  resolve(result: CloseResult): void;
  reject(error: GunportError): void;
}

/** @internal */
export class Ending {
  /** Resolves after the last message was given to a reader. */
  readonly closed: Promise<CloseResult>;
  #settled = false;
  #resolve: (result: CloseResult) => void = () => {};
  readonly #closers = new Set<Closer>();
  readonly #openers = new Set<Settle<void>>();
  readonly #unsent: () => number;

  /** `unsent`: bytes that were dropped with its sockets, so far. */
  constructor(unsent: () => number) {
    this.#unsent = unsent;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** For connect(): resolves when it is open, rejects when it will not be. */
  opened(options: WaitOptions): Promise<void> {
    return wait<void>('connect()', options, (settle) => {
      this.#openers.add(settle);
      return () => this.#openers.delete(settle);
    });
  }

  /** It is open. */
  tellOpeners(): void {
    for (const settle of [...this.#openers]) settle(undefined, undefined);
  }

  /** For close(): told as soon as the socket has ended, whoever reads; `within` ms, in case its thread is stuck. */
  async ended(within: number): Promise<CloseResult> {
    try {
      return await wait<CloseResult>('close()', { timeout: within }, (settle) => {
        const closer: Closer = { resolve: (result) => settle(undefined, result), reject: settle };
        this.#closers.add(closer);
        return () => this.#closers.delete(closer);
      });
    } catch (error) {
      if (error instanceof TimeoutError) return this.result(abnormal(error));
      throw error;
    }
  }

  /** The socket has ended. */
  tellClosers(result: CloseResult): void {
    for (const settle of [...this.#openers]) settle(result.error ?? closedError());
    for (const { resolve } of [...this.#closers]) resolve(this.result(result));
  }

  /** How it ends is another owner's to know. */
  give(error: GunportError): void {
    for (const { reject } of [...this.#closers]) reject(error);
    this.settle(abnormal(error));
  }

  /** The last message was given to a reader, or nobody reads. Returns what is told; undefined: it was told before. */
  settle(result: CloseResult): CloseResult | undefined {
    if (this.#settled) return undefined;
    this.#settled = true;
    const told = this.result(result);
    this.#resolve(told);
    return told;
  }

  /** As it is told. */
  result(result: CloseResult): CloseResult {
    const unsent = this.#unsent();
    return unsent > 0 ? { ...result, unsent } : result;
  }
}

/** What waits for something else when it has closed. */
export function closedError(): StreamError {
  return new StreamError('ERR_GUNPORT_CLOSED', 'the WebSocket has closed', { phase: 'closed' });
}

/** How a loop ends: quietly when the peer said goodbye, with an error otherwise. */
export function badEnd(closed: Closed): GunportError | undefined {
  // Records of the process are made of our own errors.
  if (closed.error) return fromRecord(closed.error) as GunportError;
  if (closed.wasClean && GOODBYES.has(closed.code)) return undefined;
  const reason = closed.reason ? ` (${closed.reason})` : '';
  return new StreamError('ERR_GUNPORT_CLOSED', `the WebSocket closed with ${closed.code}${reason}`, {
    phase: 'closed',
    reason: closed.code,
  });
}
