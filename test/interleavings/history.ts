// history — what threads have told of one stream, put into one order and checked as the model's is.
// Called by play.ts when all is over. Invariant: turns follow each other, and within one there is one owner; so what was
// told by different threads has one order, whatever the clocks say. Source: promises O1 to O4.

import { OneStream } from '../support/onestream.ts';
import type { Told } from './program.ts';

/** One connection at the server: the numbers that were sent on it. */
export interface Sent {
  readonly first: number;
  end: number;
  /** Nothing of it may be lost. */
  isWhole: boolean;
}

export interface History {
  readonly told: readonly Told[];
  readonly sent: readonly Sent[];
  /** By threads that were killed. */
  readonly dead: ReadonlySet<string>;
  /** Something was closed, cancelled or killed: not all has to be given. */
  readonly isCut: boolean;
}

/** @returns what is wrong. */
export function judge({ told, sent, dead, isCut }: History): readonly string[] {
  const numbers = Array.from({ length: sent.at(-1)?.end ?? 0 }, (_, number) => number);
  const stream = new OneStream(numbers);
  const turns = groupByTurn(told);
  for (const [turn, events] of [...turns].sort(([a], [b]) => a - b)) {
    const owners = new Set(events.filter(({ what }) => what === 'owns').map(({ by }) => by));
    if (owners.size > 1) stream.wrong(`turn ${turn} has ${owners.size} owners`);
    const before = stream.owner;
    // It had no time to say that it has given it.
    if (before !== undefined && dead.has(before)) stream.died();
    for (const event of events) step(stream, event, sent);
  }
  const whole = sent.filter(({ isWhole }) => isWhole).at(-1)?.end ?? 0;
  if (!isCut && stream.read < whole) stream.wrong(`of ${whole} that were sent, ${stream.read} were given`);
  return stream.violations;
}

function groupByTurn(told: readonly Told[]): Map<number, Told[]> {
  const turns = new Map<number, Told[]>();
  for (const one of told) {
    const list = turns.get(one.turn) ?? [];
    turns.set(one.turn, list);
    list.push(one);
  }
  return turns;
}

function step(stream: OneStream, { by, what, number = 0, text = '' }: Told, sent: readonly Sent[]): void {
  switch (what) {
    case 'got': {
      // The tail of a connection that was lost may be: what comes next is the first of another.
      const from = sent.findIndex(({ end }) => stream.read < end);
      const to = sent.findIndex(({ first, end }) => first === number && end > first);
      const lost = sent.slice(from, to);
      if (to > from && from >= 0 && lost.every(({ isWhole }) => !isWhole)) stream.mayLose();
      return stream.got(by, number);
    }
    case 'ended':
      return stream.ended(by, text);
    case 'wrong':
      return stream.wrong(`${by}: ${text}`);
    default:
      return stream[what](by);
  }
}
