// link — one connection to the server that is measured, whoever it is made with; and what all WebSockets have in common.
// Made by gunportlinks.ts, wslinks.ts and weblinks.ts; used by probe.ts.

import type { Intake } from './intake.ts';
import type { Lane } from './load.ts';

/** Connections of one round. */
export interface Links {
  readonly lanes: readonly Lane[];
  /** Sends to subscribe, on each. */
  readonly say: (text: string) => void;
  /** Resolves when none is left, with why the last one ended. */
  readonly gone: Promise<string>;
  /** What a reader of the figures should know: statuses that were answered. */
  readonly notes: () => string[];
  /** Politely, within `CLOSING`. */
  readonly close: () => Promise<void>;
}

/** How long a polite end may take, in ms. */
export const CLOSING = 2_000;

/** What comes on one WebSocket: counted, and given to who waits for an answer, first come, first served. */
export class Answers {
  readonly #intake: Intake;
  readonly #waiting: ((error?: unknown) => void)[] = [];

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  wait(done: (error?: unknown) => void): void {
    this.#waiting.push(done);
  }

  came(size: number): void {
    this.#intake.take(size);
    // They are few: no more than --concurrency.
    this.#waiting.shift()?.();
  }
}

/** Resolves when all have, with what the last one says. */
export async function lastOf(ends: readonly Promise<string>[]): Promise<string> {
  let last = '';
  await Promise.all(
    ends.map(async (end) => {
      last = await end;
    }),
  );
  return last;
}
