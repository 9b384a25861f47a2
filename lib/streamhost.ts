// streamhost — what a stream asks of its connection, and the events it emits.
// Implemented by connection.ts, used by stream.ts. Invariant: a stream reaches its port in no other way.

import type { MessagePort } from 'node:worker_threads';
import type { OwnAdviser } from './advice.ts';
import type { GunportError } from './errors.ts';
import type { Fault } from './handler.ts';
import type { HttpCast } from './httpwire.ts';
import type { TransferOptions, TransferTarget } from './owner.ts';
import type { CloseResult, Message } from './types.ts';
import type { Cast, WsSettings } from './wire.ts';

/** @internal */
export interface StreamHost {
  readonly origin: string;
  /** Of connect(). */
  readonly ws: WsSettings;
  readonly maxBuffered: number;
  readonly connectTimeout: number;
  /** @throws NOT_OWNER, TRANSFERRING or DOWN when the handle cannot be used. */
  usable(): void;
  /** The same for what is there to be read: a dead connection's messages are. */
  readable(): void;
  post(cast: Cast, transfer?: readonly (ArrayBuffer | MessagePort)[]): void;
  /** The same, together with what else arises in this turn. */
  cast(cast: HttpCast, transfer: readonly (ArrayBuffer | MessagePort)[]): void;
  parcelRead(stream: number, slab?: Uint8Array, bytes?: number): void;
  /** Parcels of a stream read to their end, cumulative. */
  acked(stream: number): number;
  /** Somebody reads, or nobody does any more. */
  reading(): void;
  /** For close(): takes a transfer that is under way back, or rejects because the taker was faster. */
  reclaim(error: GunportError): Promise<void> | undefined;
  /** Settles once no hand-over is under way; undefined when none is. */
  settled(): Promise<void> | undefined;
  /** A handler on this thread has a say in attempts. Returns how to end that. */
  adviseBy(adviser: OwnAdviser): () => void;
  give(stream: number, target: TransferTarget, options: TransferOptions): Promise<void>;
}

/** Events of a WebSocket. `M`: what its handler delivers; messages where it has none. */
export interface StreamEvents<M = Message> {
  message: [data: M];
  /** Once, with what `closed` resolves with. */
  close: [result: CloseResult];
  /** The socket was lost; the stream comes back. */
  down: [notice: { attempt: number; reason: GunportError }];
  up: [notice: { attempt: number }];
  /** It ended badly; emitted only where somebody listens, since `close` tells it too. */
  error: [error: GunportError];
  /** What its handler has told out of band, by `context.notify`. */
  notify: [value: unknown];
  /** A hook of its handler has failed; the WebSocket goes on. Where nobody listens, the first is a warning of the
   *  process. */
  fault: [fault: Fault];
}
