// sendwire — what an owner posts of the messages that it sends.
// Part of wire.ts; made by sending.ts, read by workers/casts.ts and workers/websocket.ts.

/** Frames of one WebSocket, with room for the mask, laid end to end; the process masks and writes them. */
export interface SentFrames {
  /** `sendSecret`: of a handler on the owner's thread; it is not shown to who listens to frames, and nor is what comes until
   *  'reveal'. */
  readonly type: 'send' | 'sendSecret';
  readonly stream: number;
  readonly image: Uint8Array;
  readonly messages: number;
  /** Little is under way: the owner need not be woken to hear that it has left. */
  readonly unhurried: boolean;
  /** An 'ack' that rides along. */
  read?: readonly number[] | undefined;
}

export type SendCast =
  | SentFrames
  // 'sent' as soon as all that was sent until now has left
  | { readonly type: 'askSent'; readonly stream: number };
