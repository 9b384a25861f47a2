// handler — the contract of your code beside the socket: what a handler module exports, and what it is given.
// Read by users who write one, by lib/handling/runner.ts, which calls it, and by lib/session/session.ts, which is one.
// Invariant: all hooks of one handler run in one thread, one at a time and in the order of the wire; a hook that throws
// or rejects is reported as a fault, and the WebSocket goes on.
// Source: WebsockexNova's ConnectionHandler and MessageHandler; Gun's protocol modules.

import type { Batch } from './batch.ts';
import type { GunportError } from './errors.ts';
import type { HandlerReference, Renewal } from './options.ts';
import type {
  AttemptInfo,
  CloseResult,
  FailureInfo,
  Headers,
  Message,
  RetryChoice,
  StreamState,
} from './types.ts';

export type { HandlerReference, Renewal } from './options.ts';
export type { AttemptInfo, FailureInfo, RetryChoice } from './types.ts';

/** What a handler module exports: called once for each WebSocket, before it is dialled. It may give a promise.
 *  @example
 *  export default ({ symbol }, context) => ({
 *    message: (text) => { const trade = JSON.parse(text); return trade.symbol === symbol ? trade : undefined; },
 *  }); */
export type HandlerFactory<O = unknown, M = unknown> = (
  options: O,
  context: HandlerContext<M>,
) => Handler | Promise<Handler>;

/** Options with a handler of which it is known what it delivers. */
export type WithHandler<Options, M> = Omit<Options, 'handler'> & {
  handler?: HandlerReference | HandlerFactory<undefined, M> | undefined;
};

/** Hooks, all optional. Of `connect()`'s WebSocket, one handler serves all attempts. */
export interface Handler {
  /** Before each attempt, the first too. What it gives is for this attempt: another URL, headers laid over the options'
   *  by name, subprotocols in place of them. What it throws fails the attempt. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook without `return`.
  connecting?(attempt: AttemptInfo): Renewal | undefined | void | Promise<Renewal | undefined>;
  /** The transport is up: the upgrade is about to be asked for. */
  connected?(info: ConnectedInfo): void;
  /** The WebSocket is open. */
  open?(info: OpenInfo): void;
  /** One message: a string, or a view that is yours until the hook returns. What it returns is delivered to the owner in
   *  place of it, as of now (it is copied): a string, bytes, or any value that can be cloned. `undefined` drops it. A
   *  promise holds later messages up until it is settled. */
  message?(data: Message): unknown;
  /** All messages of a read at a time, read by index; in place of `message`. Its results leave by `context.emit`. */
  batch?(batch: Batch): void | Promise<void>;
  /** The owner has room again: `context.ready` was false, and is true now. */
  ready?(): void;
  /** The socket was lost; another attempt may follow. */
  down?(loss: LossInfo): void;
  /** An attempt failed or a socket was lost: may decide what follows. Default: the connection's own retries. */
  retrying?(failure: FailureInfo): RetryChoice | Promise<RetryChoice>;
  /** Another attempt follows in `delay` milliseconds. */
  waiting?(wait: { readonly delay: number; readonly error: GunportError }): void;
  /** It belongs to another thread now. */
  owner?(info: { readonly threadId: number; readonly transfers: number }): void;
  /** The WebSocket has ended: the last hook. What it emits is still delivered. For a hook that gave a promise it waits 2 s
   *  (or `closingTimeout`, if that is less) at most. */
  close?(result: CloseResult): void;
  /** What the owner calls by `stream.remote<Api>()`: functions, at any depth; each may give a promise. */
  api?: object;
}

/** The transport is up, as a handler is told. */
export interface ConnectedInfo {
  readonly attempt: number;
}

/** What the upgrade was agreed on, as a handler is told. */
export interface OpenInfo {
  /** From 1. */
  readonly attempt: number;
  readonly url: string;
  /** The subprotocol that the server chose, or ''. */
  readonly protocol: string;
  readonly extensions: string;
  readonly headers: Headers;
}

/** A lost socket, as a handler is told. */
export interface LossInfo {
  /** The attempt that was lost. */
  readonly attempt: number;
  readonly reason: GunportError;
}

/** A timer of a handler. It ends with the WebSocket. */
export interface HandlerTimer {
  clear(): void;
}

/** What a handler does things with. */
export interface HandlerContext<M = unknown> {
  /** What `connect()` was given, without credentials; of the last attempt once there was one. */
  readonly url: string;
  /** The thread that it runs in. */
  readonly threadId: number;
  /** It runs on the owner's thread. */
  readonly inline: boolean;
  readonly state: StreamState;
  /** The owner has room: what is emitted now is posted at once. */
  readonly ready: boolean;
  /** Aborted when the WebSocket has ended. */
  readonly signal: AbortSignal;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Delivers a value to the owner, in order with all others. It is copied as of now; `transfer` moves memory and ports.
   *  False: the owner has no room, and it is held (above `maxBuffered` the socket is paused).
   *  @throws {DataCloneError} it cannot be cloned. */
  emit(value: M, transfer?: readonly (ArrayBuffer | import('node:worker_threads').MessagePort)[]): boolean;
  /** Tells the owner something out of band, ahead of what is held: its `'notify'` event. Without credit, so for what is
   *  rare; of what is told before anybody listens, the first 100 wait. @throws {DataCloneError} */
  notify(value: unknown): void;
  /** Sends one message, or each of an array, without a thread hop. False: more than `maxBuffered` bytes have not left.
   *  `secret`: its bytes are not shown to who listens to frames, nor are those of what comes, until `reveal()`.
   *  @throws {StreamError} ERR_GUNPORT_NOT_CONNECTED it is not open, ERR_GUNPORT_OVERLOADED. @throws {OptionError} */
  send(
    data: Message | readonly Message[],
    options?: { readonly secret?: boolean | undefined } | undefined,
  ): boolean;
  /** The answer to what was secret has come: frames are shown again. So they are on each new connection. */
  reveal(): void;
  /** Resolves when all that was sent has left this process. @throws {StreamError} ERR_GUNPORT_CLOSED the socket was lost. */
  drained(): Promise<void>;
  /** The round trip in milliseconds. @throws {StreamError} it is not open. @throws {TimeoutError} */
  ping(options?: { readonly timeout?: number | undefined } | undefined): Promise<number>;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Gives the socket up, as if it had been lost: `connect()`'s WebSocket comes back. */
  drop(reason: string): void;
  /** Calls back in so many milliseconds, unless it has ended by then; what the callback throws is a fault. */
  setTimeout(callback: () => void, ms: number): HandlerTimer;
  setInterval(callback: () => void, ms: number): HandlerTimer;
  /** Reports a fault of its own. `where`: what failed. */
  fault(error: unknown, where: string): void;
}

/** A hook that threw, rejected or gave what it must not: `'fault'` of the WebSocket. Of one beside the socket, 100 a second
 *  are told at most. */
export interface Fault {
  /** `message`, `open`, a timer …; or what `context.fault` named. */
  readonly hook: string;
  readonly error: Error;
}
