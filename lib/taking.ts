// taking — one notice of a stream for whoever awaits it: an answer to its request first, then messages, then its end.
// Called by stream.ts for `connection.await()`.
// Invariant: what is taken is given to nobody else; a wait that ends otherwise has taken nothing. Source: gun:await/4.

import { type WaitOptions, wait } from './await.ts';
import { closedError } from './ending.ts';
import { OwnerError } from './errors.ts';
import type { Queue } from './queue.ts';
import { closeNotice, messageNotice, type Replies } from './replies.ts';
import type { StreamNotice } from './types.ts';
import type { Closed, StreamMark } from './wire.ts';

/** What a notice is taken from. */
export interface Takable {
  readonly replies: Replies;
  readonly queue: Queue<StreamMark>;
  /** How it closed, once it has. */
  closed(): Closed | undefined;
}

export function takeNotice(
  what: string,
  options: WaitOptions,
  { replies, queue, closed }: Takable,
): Promise<StreamNotice> {
  return wait<StreamNotice>(what, options, (settle) => {
    let answered = false;
    const stop = replies.next((reply) => {
      answered = true;
      settle(undefined, reply);
    });
    if (answered) return undefined;
    const leave = queue.takeOne((message, error) => {
      const end = closed();
      if (message !== undefined) settle(undefined, messageNotice(message));
      // A close is a notice here, whatever its code; a loop would throw for some.
      else if (end && !end.error && !(error instanceof OwnerError)) settle(undefined, closeNotice(end));
      else settle(error ?? closedError());
    });
    return () => {
      stop();
      leave();
    };
  });
}
