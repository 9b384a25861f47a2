// parsers — the parsers of targets.ts, fed with what is right, spoilt in every way, whole and in parts, at high volume.
// Run by parsers.test.ts and soak/parsers.ts. `GUNPORT_SEED=… GUNPORT_PEER=…` runs one execution again, alone.
// Invariant: no exception, no place or length that makes no sense, and the same words however the bytes were cut.

import { chanceAt } from '../support/chance.ts';
import { MUTATIONS, mutated } from './mutations.ts';
import { TARGETS, type Target } from './targets.ts';

export interface ParserOptions {
  readonly seed: number;
  readonly from?: number | undefined;
  readonly count: number;
  /** Default: all. */
  readonly targets?: readonly Target[] | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

export interface ParserFigures {
  readonly executions: number;
  /** Different outcomes, by target: a fuzzer that only ever meets one has not got far. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** What did not hold, with the seed, the execution and the bytes. */
  readonly faults: readonly string[];
}

/** Of one execution: most bytes, after they were spoilt. In more there might be the thousand control frames that a second
 *  may have, and which second it is would count. */
const MOST_BYTES = 1_900;
const MOST_FAULTS = 10;
/** Words kept of each target, to count the different ones. */
const MOST_OUTCOMES = 5_000;

export function fuzzParsers({ seed, from = 0, count, targets = TARGETS, log }: ParserOptions): ParserFigures {
  const seen = new Map(targets.map(({ name }) => [name, new Set<string>()]));
  const faults: string[] = [];
  for (let index = from; index < from + count && faults.length < MOST_FAULTS; index++) {
    const roll = chanceAt(seed, index);
    const target = targets[roll(targets.length)] as Target; // There is one.
    const bytes = bytesFor(target, roll);
    try {
      const words = target.read([Buffer.from(bytes)]);
      const parts = cut(bytes, roll);
      const again = target.read(parts);
      if (words.join('\n') !== again.join('\n'))
        throw new Error(
          `in parts of ${parts.map(({ length }) => length)}: ${again.join(', ')}; whole: ${words.join(', ')}`,
        );
      const outcomes = seen.get(target.name);
      if (outcomes && outcomes.size < MOST_OUTCOMES) outcomes.add(words.join('\n').slice(0, 200));
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      faults.push(
        `GUNPORT_SEED=${seed} GUNPORT_PEER=${index} (${target.name}, ${bytes.toString('hex')}): ${text}`,
      );
    }
    if ((index + 1 - from) % 100_000 === 0) log?.(`${index + 1 - from} executions`);
  }
  const outcomes = new Map([...seen].map(([name, all]) => [name, all.size]));
  return { executions: count, outcomes, faults };
}

function bytesFor({ samples }: Target, roll: (below: number) => number): Buffer {
  const sample = samples[roll(samples.length)] as Buffer; // There is one.
  const mutations = Array.from({ length: roll(4) }, () => MUTATIONS[roll(MUTATIONS.length)] ?? 'noise');
  return mutated(sample, mutations, roll, MOST_BYTES);
}

/** Into parts of any size, few or many. */
function cut(bytes: Buffer, roll: (below: number) => number): Buffer[] {
  const most = roll(2) === 0 ? 1 + roll(8) : 1 + roll(bytes.length + 1);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = parts.length > 200 ? bytes.length : 1 + roll(most);
    parts.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return parts;
}
