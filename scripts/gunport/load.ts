// load — exchanges on lanes, timed: as many a second as asked, or the next one when the last is answered.
// Made by probe.ts for a round.
// Invariant: with a rate, each exchange that was due by the end of the window is in the record once: answered, or still
// waiting then with its age, also those that no lane was free for; what failed is counted by itself. So nothing is left
// out because the server was slow.

import { setTimeout as delay } from 'node:timers/promises';
import { Pace } from './pace.ts';
import { Recorder } from './recorder.ts';

/** Where exchanges go, one by one. */
export interface Lane {
  /** Starts one; `done` is called once, when its answer is complete, or with an error. Throws when it is closed. */
  exchange(done: (error?: unknown) => void): void;
}

interface Underway {
  readonly due: number;
  readonly sent: number;
}

/** For answers that are still under way at the end, in ms. */
const GRACE = 2_000;

export class Load implements AsyncDisposable {
  readonly recorder: Recorder = new Recorder();
  /** By their messages. */
  readonly failures: Map<string, number> = new Map();
  /** Were due and have no answer; known once it has finished. */
  unanswered = 0;
  /** Of those in the window. */
  answered = 0;
  readonly #pace: Pace | undefined;
  /** One entry for each exchange that a lane has room for. */
  readonly #free: Lane[];
  readonly #underway = new Set<Underway>();
  #next = 0;
  #from = Number.POSITIVE_INFINITY;
  #until = Number.POSITIVE_INFINITY;
  #settled: () => void = () => {};

  /** `each`: exchanges at a time on one lane. `rate`: a second. */
  constructor(lanes: readonly Lane[], each: number, rate: number | undefined) {
    this.#free = Array.from({ length: each }, () => lanes).flat();
    if (rate === undefined) queueMicrotask(() => this.#pump());
    else this.#pace = new Pace(rate, () => this.#pump());
  }

  /** What is due from now on counts. */
  begin(): void {
    this.#from = performance.now();
  }

  /** What is due from now on is not asked for; resolves when the rest is answered, or after `grace` ms. */
  async finish(grace: number = GRACE): Promise<void> {
    const end = performance.now();
    this.#until = end;
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    this.#pump();
    const late = new AbortController();
    const deadline = delay(grace, undefined, { signal: late.signal }).catch(() => {});
    await Promise.race([settled, deadline]);
    late.abort();
    this.#recordRest(performance.now(), end);
  }

  /** How late the ticks of a rate came, in us. */
  late(percentile: number): number | undefined {
    return this.#pace?.late(percentile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#until = Number.NEGATIVE_INFINITY;
    await this.#pace?.[Symbol.asyncDispose]();
  }

  /** Starts what is due, as far as lanes are free. */
  #pump(): void {
    const pace = this.#pace;
    while (this.#free.length > 0) {
      const now = performance.now();
      if (pace && this.#next >= pace.due(now)) break;
      const due = pace ? pace.at(this.#next) : now;
      if (due > this.#until) break;
      const lane = this.#free.shift();
      if (!lane) break;
      this.#next++;
      this.#start(lane, due, now);
    }
    if (this.#underway.size === 0 && this.#until < Number.POSITIVE_INFINITY) this.#settled();
  }

  #start(lane: Lane, due: number, sent: number): void {
    const one: Underway = { due, sent };
    this.#underway.add(one);
    const failed = (error: unknown): void => {
      const text = error instanceof Error ? error.message : String(error);
      this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
    };
    try {
      lane.exchange((error) => {
        if (!this.#underway.delete(one)) return; // It was given up.
        this.#free.push(lane);
        if (error !== undefined) failed(error);
        else if (due >= this.#from) this.#answered(one);
        // What fails at once must not keep this loop from everything else.
        if (error === undefined) this.#pump();
        else setImmediate(() => this.#pump());
      });
    } catch (error) {
      // This lane is closed, and takes no more.
      this.#underway.delete(one);
      failed(error);
    }
  }

  #answered({ due, sent }: Underway): void {
    const now = performance.now();
    this.answered++;
    this.recorder.record(due, sent, now);
  }

  #recordRest(now: number, end: number): void {
    for (const { due, sent } of this.#underway) {
      if (due < this.#from) continue;
      this.unanswered++;
      this.recorder.record(due, sent, now);
    }
    this.#underway.clear();
    const pace = this.#pace;
    if (!pace) return;
    for (let n = this.#next; pace.at(n) < end; n++) {
      if (pace.at(n) < this.#from) continue;
      this.unanswered++;
      this.recorder.record(pace.at(n), undefined, now);
    }
  }
}
