// feeds — journeys of feeds: opened by main, read and handed on by all threads, lost and found again, to their Down.
// Acts of soak.ts; what an owner does is turn.ts. Invariant: each journey has exactly one Down, for a reason there is.

import type { Connection, Received } from '../../../lib/index.ts';
import type { Feed } from '../../support/storm-actor.ts';
import { PAGES } from './ledger.ts';
import { excused, one, type Random, type Stage, watched, way } from './stage.ts';
import type { Baton } from './turn.ts';
import { turn } from './turn.ts';

/** Where nobody may answer any more. */
const WARY = { keepalive: 200, pongTimeout: 500, upgradeTimeout: 1_000 };
/** At most. */
const VETERANS = 8;
const ENDS = ['politely,fin,reset', 'politely,fin', 'reset,cut', 'stall', ''];

/** What main knows of those under way. */
export class Journeys {
  readonly #stage: Stage;
  /** By id: for orphans. */
  readonly #batons = new Map<string, Baton>();
  #veterans = 0;
  #feeds = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** One journey, to its end. */
  async travel(random: Random, veteran = false): Promise<void> {
    const stage = this.#stage;
    // A veteran keeps its page. Others have theirs for long after their Down: what had come is still read then.
    const page = veteran ? this.#veterans++ : VETERANS + (this.#feeds % (PAGES - VETERANS));
    const since = performance.now();
    const feed = await this.#open(random, page, veteran).catch((error: unknown) => {
      if (!excused(stage, error, since)) throw error;
    });
    if (!feed) return;
    const { connection } = feed;
    const over = watched(stage, connection);
    stage.ledger.begin(page);
    const baton: Baton = { type: 'feed', page, seed: random(0x7fffffff), hops: random(10), veteran };
    this.#batons.set(connection.id, baton);
    this.#turn(feed, baton);
    const { reason } = await over;
    this.#batons.delete(connection.id);
    stage.ledger.count('journeys');
    this.#check(connection, page, reason.kind);
  }

  /** A feed that came to main. */
  taken({ feed, data }: Received<Baton>): void {
    this.#turn(feed, data);
  }

  /** Its owner's thread has died. */
  orphan(connection: Connection): void {
    const baton = this.#batons.get(connection.id);
    const [feed] = connection.streams.values();
    if (!baton || !feed) return this.#stage.fail(`an orphan that nobody knows: ${connection.id}`);
    this.#stage.ledger.count('orphans');
    this.#stage.ledger.gap(baton.page);
    // Its owner died when it had called close() already, and it ends like that.
    if (this.#stage.ledger.isLeft(baton.page))
      return void this.#stage.tracker.note(`end of orphan ${connection.id}`, connection.close());
    this.#turn(feed as Feed, { ...baton, hops: 3 });
  }

  /** All veterans are here. */
  get home(): boolean {
    return [...this.#batons.values()].every(
      ({ page, veteran }) => !veteran || this.#stage.ledger.ownerOf(page) === 0,
    );
  }

  /** Journeys that are under way, veterans too. */
  get underWay(): number {
    return this.#batons.size;
  }

  #open(random: Random, page: number, veteran: boolean): Promise<Feed> {
    const stage = this.#stage;
    const by = veteran ? 'http' : one(random, ['http', 'https', 'https', 'line'] as const);
    const { origin, options } = way(stage, by, 'ws');
    const compress = random(3) === 0;
    const asked = {
      ...{ name: String(++this.#feeds), size: one(random, ['30', '64', '150', '1000', '6000']) },
      ...{ rate: one(random, ['fast', 'steady', 'slow']), life: one(random, ['200', '1000', '4000']) },
      // On a bad line nothing is certain of an end, so the line has to do it.
      ...{ ends: veteran ? 'politely,fin,reset' : by === 'line' ? '' : one(random, ENDS) },
      ...(random(3) === 0 ? { text: '1' } : {}),
      ...(compress ? { deflate: '1' } : {}),
    };
    const connecting = stage.pool.connect(`${origin}/feed?${new URLSearchParams(asked)}`, {
      ...options,
      ...{ compress, isolated: veteran, retry: Number.POSITIVE_INFINITY, retryTimeout: 1 + random(30) },
      onOwnerDown: veteran || random(2) === 0 ? 'rehome' : 'shutdown',
      ...(asked.ends === 'stall' || by === 'line' ? WARY : {}),
    });
    return stage.tracker.note(`connect of page ${page}`, connecting);
  }

  #turn(feed: Feed, baton: Baton): void {
    const { tracker, ground, fail } = this.#stage;
    const running = turn(feed, baton, ground);
    const named = `turn ${baton.hops} of page ${baton.page}`;
    const noted = baton.veteran ? running : tracker.note(named, running);
    noted.catch((error: unknown) => fail(`main, ${named}: ${(error as Error).stack ?? String(error)}`));
  }

  #check(connection: Connection, page: number, kind: string): void {
    const { ledger, fail } = this.#stage;
    const owner = ledger.ownerOf(page);
    const { threadId } = connection;
    if (['normal', 'shutdown'].includes(kind)) return;
    if (kind === 'owner-gone' && ledger.hasDeadOwner(page)) return;
    if (['exit', 'uncaught', 'terminated'].includes(kind) && ledger.isStruck(threadId)) return;
    fail(
      `page ${page} ended with ${kind}: owner ${owner}, thread ${threadId}, ${String(connection.lastError)}`,
    );
  }
}
