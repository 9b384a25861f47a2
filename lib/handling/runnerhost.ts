// runnerhost — what the place offers that a handler runs in: beside the socket, or on its owner's thread.
// Implemented by workers/handling.ts and by inline.ts; used by runner.ts and context.ts.
// Invariant: neither place knows what hooks there are, and the runner knows neither place.

import type { Fault } from '../handler.ts';
import type { Sendable } from '../sendable.ts';
import type { StreamState } from '../types.ts';
import type { StreamMark } from '../wire.ts';
import type { Laid } from './outlet.ts';

/** The place that a handler runs in. */
export interface RunnerHost {
  /** Where the WebSocket goes, or went last, without credentials. */
  readonly url: string;
  readonly threadId: number;
  readonly inline: boolean;
  readonly state: StreamState;
  /** The owner has room. Once it was false when it was asked for, `runner.ready()` is to be called when it is true. */
  readonly ready: boolean;
  /** Messages that may still be delivered by manual flow; undefined: any. */
  readonly flow?: number | undefined;
  /** Bytes of messages that may wait for an asynchronous hook before `hold(true)`. */
  readonly maxBuffered: number;
  /** How long the end waits for an asynchronous hook, in milliseconds. */
  readonly patience: number;
  /** What the handler delivers, in memory of its own. */
  deliver(parcel: Laid): void;
  /** A mark, in its place behind what was delivered before; its hook has run. */
  mark(mark: StreamMark): void;
  /** @throws {DataCloneError} */
  notify(value: unknown): void;
  /** Its state is `open`. @throws {StreamError} ERR_GUNPORT_OVERLOADED */
  send(data: Sendable | readonly Sendable[], secret: boolean): boolean;
  /** What comes is shown again to who listens to frames, after a secret was sent. */
  reveal(): void;
  drained(): Promise<void>;
  ping(timeout: number | undefined): Promise<number>;
  /** Once the hook that wants it has returned; so is `drop`. */
  close(code: number, reason: string): void;
  drop(reason: string): void;
  fault(fault: Fault): void;
  /** Too many messages wait for a hook: no more are read, or again. */
  hold(held: boolean): void;
  /** Runs what is called from a timer or a promise. */
  guard(run: () => void): void;
}
