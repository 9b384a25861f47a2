// taking — one notice of a stream for whoever awaits it: an answer to its request first, then messages, then its end.
// Called by stream.ts for `connection.await()`.
// Invariant: what is taken is given to nobody else; a wait that ends otherwise has taken nothing. Source: gun:await/4.

import { type WaitOptions, wait } from './await.ts';
import { closedError } from './ending.ts';
import { OwnerError } from './errors.ts';
import type { Queue } from './queue.ts';
import { messageNotice, type Replies } from './replies.ts';
import type { StreamNotice } from './types.ts';
import type { StreamMark } from './wire.ts';

/** What a notice is taken from. */
export interface Takable {
  readonly replies: Replies;
  readonly queue: Queue<StreamMark>;
  /** Its close, once it was closed by a Close frame. */
  closedBy(): StreamNotice | undefined;
}

export function takeNotice(
  what: string,
  options: WaitOptions,
  { replies, queue, closedBy }: Takable,
): Promise<StreamNotice> {
  return wait<StreamNotice>(what, options, (settle) => {
    let answered = false;
    const stop = replies.next((reply) => {
      answered = true;
      settle(undefined, reply);
    });
    if (answered) return undefined;
    const leave = queue.takeOne((message, error) => {
      const end = closedBy();
      if (message !== undefined) settle(undefined, messageNotice(message));
      // A close is a notice here, whatever its code; a loop would throw for some.
      else if (end && !(error instanceof OwnerError)) settle(undefined, end);
      else settle(error ?? closedError());
    });
    return () => {
      stop();
      leave();
    };
  });
}
