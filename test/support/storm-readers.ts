// storm-readers — the ways in which an owner of a storm reads: all that a user has.
// Called by storm-actor.ts and soak/mixed/turn.ts with what checks every message and gives the feed away at each cut.
// Invariant: a reader returns when the feed is given or the storm is over; after it was given, a loop over it must
// throw ERR_GUNPORT_NOT_OWNER, and a listener must hear nothing.

import type { Message } from '../../lib/index.ts';
import type { Feed } from './storm-actor.ts';
import type { Way } from './storm-plan.ts';

/** The feed while one turn lasts. */
export interface Holder {
  readonly feed: Feed;
  /** Nothing of it is left to be read. */
  readonly over: boolean;
  /** This turn reads no more. */
  readonly finished: boolean;
  /** It is another's. */
  readonly given: boolean;
  /** It is time to give it away. */
  readonly isCut: boolean;
  /** A message was given to the user. */
  message(message: Message): void;
  /** The peer has closed. */
  end(): void;
  /** Tries to give it away: it is `given`, or is read on. */
  giveAway(): Promise<void>;
}

export const readers: Record<Way, (holder: Holder) => Promise<void>> = {
  iterator: (holder) =>
    afterBreak(holder, async () => {
      for await (const message of holder.feed) {
        holder.message(message);
        if (holder.isCut || holder.over) return;
      }
      holder.end();
    }),
  'iterator-inside': (holder) =>
    inside(holder, async () => {
      for await (const message of holder.feed) {
        holder.message(message);
        while (holder.isCut && !holder.given) await holder.giveAway();
        if (holder.over) return;
      }
      holder.end();
    }),
  batches: (holder) => afterBreak(holder, () => readBatches(holder, false, false)),
  'batches-inside': (holder) => inside(holder, () => readBatches(holder, false, true)),
  borrow: (holder) => inside(holder, () => readBatches(holder, true, true)),
  await: (holder) =>
    afterBreak(holder, async () => {
      const { feed } = holder;
      while (!holder.isCut && !holder.over) {
        const notice = await feed.connection.await(feed, { timeout: 30_000 });
        if (notice.type === 'ws' && notice.frame === 'close') return holder.end();
        if (notice.type !== 'ws') throw new Error(`a notice of type ${notice.type} came`);
        holder.message(notice.data);
      }
    }),
  events: (holder) =>
    new Promise((resolve, reject) => {
      let running = false;
      const cut = async (): Promise<void> => {
        running = true;
        while (holder.isCut && !holder.given) await holder.giveAway();
        running = false;
        if (holder.finished) end();
      };
      const end = (): void => {
        holder.feed.off('message', onMessage).off('close', onClose);
        resolve();
      };
      const onClose = (): void => {
        try {
          holder.end();
          end();
        } catch (error) {
          reject(error);
        }
      };
      const onMessage = (message: Message): void => {
        try {
          holder.message(message);
        } catch (error) {
          reject(error);
        }
        if (holder.over) end();
        else if (holder.isCut && !running) cut().catch(reject);
      };
      holder.feed.on('message', onMessage).on('close', onClose);
      if (holder.over) end();
      else if (holder.isCut) cut().catch(reject);
    }),
};

/** Each loop is left with `break`, and a new one begun after a hand-over that failed. */
async function afterBreak(holder: Holder, loop: () => Promise<void>): Promise<void> {
  while (!holder.finished) {
    if (!holder.isCut) await loop();
    if (holder.isCut) await holder.giveAway();
  }
}

/** One loop, which goes on when a hand-over failed, and throws when one came about. */
async function inside(holder: Holder, loop: () => Promise<void>): Promise<void> {
  while (holder.isCut && !holder.given) await holder.giveAway();
  if (holder.finished) return;
  try {
    await loop();
  } catch (error) {
    if (holder.given && (error as { code?: string }).code === 'ERR_GUNPORT_NOT_OWNER') return;
    throw error;
  }
  if (holder.given) throw new Error('a loop over a feed that was given away just ended');
}

async function readBatches(holder: Holder, borrow: boolean, giveInside: boolean): Promise<void> {
  for await (const batch of holder.feed.batches({ borrow })) {
    for (let i = 0; i < batch.length; i++) holder.message(batch.bytes(i));
    if (giveInside) while (holder.isCut && !holder.given) await holder.giveAway();
    else if (holder.isCut) return;
    if (holder.over) return;
  }
  holder.end();
}
