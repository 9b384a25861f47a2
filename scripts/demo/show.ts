// show — the demo itself: a feed at full speed, seen, moved, kept alive under a blocked main, and killed.
// Called by demo.ts. Main opens the feed, watches it with a monitor that is kept, and gives it away at once.
// Invariant: whatever goes wrong, the threads and the process that were started are ended, and what was not seen
// counts as a promise that did not hold.

import { Pool, type ThreadDown } from '../../lib/index.ts';
import { now, until, within } from './clock.ts';
import { Crew, type Ending, nameOf } from './crew.ts';
import { bytes, grouped, many, milliseconds, percent } from './figures.ts';
import { Gauge } from './gauge.ts';
import { type Counts, newLedger } from './ledger.ts';
import { Resources } from './resources.ts';
import type { Screen } from './screen.ts';
import type { Report } from './server.ts';
import { Source } from './source.ts';
import { type Block, judge, type Seen } from './verdict.ts';

/** How long main is blocked, in milliseconds, and when: in parts of the run. */
const BLOCK = 500;
const BLOCKS_AT = [1 / 3, 2 / 3];
/** How long what has to come after the kill may take, in milliseconds. */
const ENDING = 5_000;

const COLUMNS = [
  { title: 'time', width: 5 },
  { title: 'messages/s', width: 11 },
  { title: 'bytes/s', width: 9 },
  { title: 'main busy', width: 9 },
  { title: 'delay p99', width: 9 },
  { title: 'owner', width: 5 },
  { title: 'hand-overs', width: 10 },
  { title: 'gaps', width: 4 },
];

/** Runs it; resolves with whether every promise held. An abort cuts it short. */
export async function show(seconds: number, screen: Screen, signal: AbortSignal): Promise<boolean> {
  const resources = new Resources();
  // Once a second; more often when there is little time.
  const every = Math.min(1000, seconds * 100);
  let source: Source | undefined;
  let crew: Crew | undefined;
  const pool = new Pool({ threads: 1 });
  try {
    source = await Source.start();
    crew = await Crew.start(every);
    const run = new Run({ screen, source, crew, pool, resources, every });
    await run.open();
    await run.watch(seconds * 1000, signal);
    await run.kill();
    await Promise.all([crew.stop(), pool.close(), source.stop()]);
    const promises = judge({ ...run.findings(seconds * 1000), left: await resources.left() });
    screen.promises(promises);
    return promises.every(({ held }) => held);
  } finally {
    await Promise.all([crew?.stop(), pool.close(), source?.stop()]);
  }
}

interface Cast {
  readonly screen: Screen;
  readonly source: Source;
  readonly crew: Crew;
  readonly pool: Pool;
  readonly resources: Resources;
  readonly every: number;
}

class Run {
  readonly #cast: Cast;
  readonly #downs: Seen[] = [];
  readonly #threadDowns: ThreadDown[] = [];
  readonly #blocks: Block[] = [];
  readonly #gauge = new Gauge();
  #utilisation = 1;
  #began = 0;
  #killed = 0;
  #threadId = -1;
  #last: { readonly at: number; readonly counts: Counts } = { at: 0, counts: newLedger(0) };
  #report: Report | undefined;
  #ending: Ending | undefined;
  #onDown: () => void = () => {};
  readonly #down = new Promise<void>((resolve) => {
    this.#onDown = resolve;
  });

  constructor(cast: Cast) {
    this.#cast = cast;
    cast.pool.on('down', (down) => this.#threadDowns.push(down));
  }

  /** Opens the feed, watches it, and gives it to the first consumer, unread. */
  async open(): Promise<void> {
    const { screen, source, crew, pool, resources } = this.#cast;
    // No retry: another connection would begin another sequence. Keepalive: a lost heartbeat would end it.
    const feed = await pool.connect(source.url, { retry: 0, keepalive: 500 });
    this.#threadId = feed.connection.threadId;
    resources.look();
    feed.connection.monitor(
      ({ ref, connection, reason: { kind, message, exitCode } }) => {
        const after = now() - this.#killed;
        this.#downs.push({ after, kind });
        const exit = exitCode === undefined ? '' : ` (exit code ${exitCode})`;
        screen.event(`Down ${ref} of connection ${connection.id}: ${kind}, ${message}${exit}`, 'bad');
        this.#onDown();
      },
      { keep: true },
    );
    const [a, b] = crew.threadIds;
    screen.say(
      `gunport: ${feed.url} (process ${source.processId}), its socket in thread ${this.#threadId},`,
      `its owner consumer A (thread ${a}) or B (thread ${b}), and main watches`,
    );
    await feed.transferOwnership(crew.first, { data: { ...newLedger(source.first), since: now() } });
  }

  /** Prints once a second and blocks main now and then, for so many milliseconds. */
  async watch(time: number, signal: AbortSignal): Promise<void> {
    const { screen, crew } = this.#cast;
    const ended = new AbortController();
    void crew.ended.then((ending) => {
      this.#ending = ending;
      ended.abort();
    });
    const over = AbortSignal.any([signal, ended.signal]);
    screen.head(COLUMNS);
    this.#gauge.start();
    this.#began = now();
    this.#last = { at: this.#began, counts: crew.counts() };
    const ticking = this.#tickUntil(this.#began + time, over);
    for (const part of BLOCKS_AT) {
      await until(this.#began + part * time, over);
      await this.#blockAcrossHandOver(over);
    }
    await ticking;
    const cause = signal.aborted ? 'interrupted' : 'the feed has ended';
    if (over.aborted) screen.event(`${cause} before its time`, 'bad');
    this.#utilisation = this.#gauge.total(this.#blocks.reduce((sum, { from, to }) => sum + to - from, 0));
    this.#gauge.stop();
  }

  /** Kills the thread that holds the socket, and waits for what must come of it. */
  async kill(): Promise<void> {
    const { screen, source, crew, pool } = this.#cast;
    screen.event(`main kills thread ${this.#threadId}, where the connection lives`);
    this.#killed = now();
    // What does not come is missing in the verdict; the show goes on to it.
    const missing = (): undefined => undefined;
    await pool.terminate(this.#threadId).catch(missing);
    await within(this.#down, ENDING, 'the Down').catch(missing);
    this.#ending = await within(crew.ended, ENDING, "the owner's end").catch(missing);
    if (this.#ending) {
      const { consumer, kind, message } = this.#ending;
      const heard = kind === 'terminated' ? kind : `${kind}, ${message}`;
      screen.event(
        `consumer ${consumer}, the owner, read what had arrived, and then its own Down: ${heard}`,
        'faint',
      );
    }
    this.#report = await source.report().catch(missing);
  }

  /** What has been seen; `time`: how long it was meant to run, in milliseconds. */
  findings(time: number): Omit<Parameters<typeof judge>[0], 'left'> {
    return {
      counts: this.#cast.crew.counts(),
      expected: Math.floor(time / this.#cast.every),
      blocks: this.#blocks,
      report: this.#report,
      utilisation: this.#utilisation,
      resources: this.#cast.resources.seen,
      downs: this.#downs,
      threadDowns: this.#threadDowns,
      ending: this.#ending,
    };
  }

  /** One row a second, late after a block and on time again after that. */
  async #tickUntil(end: number, over: AbortSignal): Promise<void> {
    for (let due = this.#began + 1000; due <= end && !over.aborted; due += 1000) {
      await until(due, over);
      if (!over.aborted) this.#tick();
    }
    await until(end, over);
  }

  #tick(): void {
    const { screen, crew, resources } = this.#cast;
    resources.look();
    const at = now();
    const counts = crew.counts();
    const { utilisation, delay } = this.#gauge.read();
    const seconds = (at - this.#last.at) / 1000;
    const rate = (counts.messages - this.#last.counts.messages) / seconds;
    const rateOfBytes = (counts.bytes - this.#last.counts.bytes) / seconds;
    this.#last = { at, counts };
    screen.row(
      [
        ((at - this.#began) / 1000).toFixed(1),
        grouped(rate),
        bytes(rateOfBytes),
        [percent(utilisation), utilisation > 0.25 ? 'loud' : 'good'],
        [milliseconds(delay), delay > 100 ? 'loud' : 'good'],
        [nameOf(counts.owner), counts.owner === 0 ? 'first' : 'second'],
        String(counts.handOvers),
        [String(counts.gaps), counts.gaps === 0 ? 'good' : 'bad'],
      ],
      rate,
    );
  }

  /** Waits until the next hand-over is half a block away: it falls into the block, and nobody asks main. */
  async #blockAcrossHandOver(over: AbortSignal): Promise<void> {
    const { crew, every } = this.#cast;
    const due = crew.counts().since + every - BLOCK / 2;
    await until(due > now() ? due : due + every, over);
    if (!over.aborted) this.#block();
  }

  #block(): void {
    const { screen, crew, resources } = this.#cast;
    resources.look();
    screen.event(`main is blocked for ${BLOCK} ms`);
    const before = crew.counts();
    const from = now();
    while (now() < from + BLOCK);
    const to = now();
    const after = crew.counts();
    const messages = after.messages - before.messages;
    const handOvers = after.handOvers - before.handOvers;
    this.#blocks.push({ from, to, messages, handOvers });
    const moved = `${many(handOvers, 'hand-over')}, now with ${nameOf(after.owner)}`;
    screen.event(`meanwhile ${many(messages, 'message')}, ${moved}`);
  }
}
