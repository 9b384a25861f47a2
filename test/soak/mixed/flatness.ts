// flatness — whether what a process holds is the same at the end as it was: counts exactly, memory in the median.
// Called by soak.ts with what measure.ts took at each rest. Pure.
// The statistic: of all rests after the warm-up, the median of the first third against that of the last third; for each
// figure of memory the growth may be so many hundredths. A count (threads, descriptors, ports, handles by type …) must be
// at each rest what it was at the first.
// Catch: fewer than six rests tell nothing about memory.

/** One rest. */
export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number;
  /** Bytes, by name. */
  readonly memory: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
}

export interface Growth {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** As a part of the first: 0.05 is five hundredths. */
  readonly growth: number;
}

export interface Verdict {
  readonly growths: readonly Growth[];
  /** What is not flat, in words. */
  readonly faults: readonly string[];
}

const FEWEST = 6;
const MiB = 1024 * 1024;

/** @param allowed growth of memory: 0.05. */
export function verdict(samples: readonly Sample[], allowed: number): Verdict {
  const faults = [...new Set(samples.slice(1).flatMap((sample) => counts(samples[0]!, sample)))];
  if (samples.length < FEWEST) return { growths: [], faults };
  const third = Math.floor(samples.length / 3);
  const growths = Object.keys(samples[0]!.memory).map((name) => {
    const all = samples.map(({ memory }) => memory[name] ?? 0);
    const [first, last] = [median(all.slice(0, third)), median(all.slice(-third))];
    return { name, first, last, growth: (last - first) / first };
  });
  for (const { name, first, last, growth } of growths) {
    if (growth <= allowed) continue;
    faults.push(`${name} grew by ${percent(growth)}: ${mebibytes(first)} to ${mebibytes(last)} MiB`);
  }
  return { growths, faults };
}

/** What is more, or less, than it was. */
export function counts(first: Sample, sample: Sample): string[] {
  const names = new Set([...Object.keys(first.counts), ...Object.keys(sample.counts)]);
  return [...names].flatMap((name) => {
    const [was = 0, is = 0] = [first.counts[name], sample.counts[name]];
    return was === is ? [] : [`${is} ${name} instead of ${was}`];
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? 0) + (high ?? 0)) / 2;
}

/** What it holds, in words. */
export function weighed({ memory }: Sample): string {
  return Object.entries(memory)
    .map(([name, bytes]) => `${name} ${mebibytes(bytes)} MiB`)
    .join(', ');
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

export function mebibytes(bytes: number): string {
  return (bytes / MiB).toFixed(1);
}
