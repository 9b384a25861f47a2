// messages — what is sent, and how a server knows it again.
// Used by peers.ts and server.ts. Invariant: all messages of a work are alike, so that bytes tell of messages.

/** Payload of every message: 0, 1, 2 … */
export function messageOf(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, at) => at & 0xff));
}

/** A client's frame of it, mask included. */
export function frameSize(size: number): number {
  return size + (size < 126 ? 6 : 8);
}

/** What the server has read on the connection of the moment. */
export interface Count {
  readonly bytes: number;
  /** When, in ms; of a clock that all processes share. */
  readonly at: number;
  /** The first frame that was not as sent. */
  readonly wrong: string | undefined;
}
