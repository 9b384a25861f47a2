// turn — one owner's turn with the feed: it reads its share, each message checked, and gives the feed on.
// Called by works.ts on main and by worker-owner.ts in threads.
// Invariant: each message's number is the one after the last, whoever had that; anything else ends the round. The last
// is stamped before the call that is the cut, in the handler that was given it: nothing lies between.

import type { Connection, TransferTarget, WsStream } from '../../lib/index.ts';
import type { TransferLog } from './log.ts';

/** Messages that each owner reads. */
export const SHARE = 1_000;

export type Feed = WsStream<Connection>;

/** What goes along. */
export interface Baton {
  /** Number of the next message. */
  readonly next: number;
  /** When the giver had its last, by the clock that all threads have, in us; none before the first transfer. */
  readonly at?: number;
  readonly log: SharedArrayBuffer;
}

/** Resolves when it is another's, or closed at the end of the round.
 *  @throws a message is lost, comes twice, or after the cut; the feed is closed then. */
export async function takeTurn(
  feed: Feed,
  baton: Baton,
  log: TransferLog,
  to: TransferTarget,
): Promise<void> {
  try {
    const given = await readShare(feed, baton, log, to);
    log.delivered(given - baton.next);
  } catch (error) {
    await feed.connection.close().catch(() => {}); // It may be another's already.
    throw error;
  }
}

/** Resolves with the number of the next message, which is not this owner's. */
function readShare(feed: Feed, baton: Baton, log: TransferLog, to: TransferTarget): Promise<number> {
  const { next: first, at: before } = baton;
  const end = first + SHARE;
  return new Promise((resolve, reject) => {
    let next = first;
    let closing = false;
    const cut = (at: number): void => {
      closing = log.stopped;
      const data: Baton = { next, at, log: log.shared };
      const done = closing ? feed.connection.close() : feed.transferOwnership(to, { data });
      done.then(() => resolve(next), reject);
    };
    feed.on('message', (message) => {
      if (closing) return; // What has arrived stays readable.
      if (next === first && before !== undefined) log.took(now() - before);
      const number = numberOf(message as Uint8Array); // All are binary.
      if (number !== next) return reject(new Error(`message ${number} came in place of ${next}`));
      if (next === end) return reject(new Error(`message ${number} came after the cut`));
      if (++next === end) cut(now());
    });
    feed.closed.then(({ error }) => {
      // Behind the cut the handle is inert, and says so here as well.
      if (next < end) reject(error ?? new Error('the feed was closed'));
    }, reject);
  });
}

function numberOf(message: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = message;
  return a + b * 0x100 + c * 0x1_0000 + d * 0x100_0000;
}

/** In us. Of process.hrtime, which has one beginning for all threads; performance.now() has one for each. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}
