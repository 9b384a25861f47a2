// options — the command line of the benchmark.
// Read by run.ts once, before anything is started.
// Invariant: what is not understood is an UsageError that names the option and the value; nothing is guessed.

import { parseArgs } from 'node:util';
import { GROUPS } from './groups.ts';
import { listOf, UsageError, wholeOf } from './instruments/commandline.ts';
import type { Settings } from './instruments/work.ts';

export interface BenchOptions extends Settings {
  /** Names of the works to do. */
  readonly works: readonly string[];
  readonly peers: readonly string[];
  /** They were asked for by name. */
  readonly named: boolean;
  /** Where to write all figures as JSON. */
  readonly json: string | undefined;
  /** Where to write the report as a page with plots. */
  readonly html: string | undefined;
  /** Run the micro-benchmarks of functions/ instead. */
  readonly functions: boolean;
  readonly help: boolean;
}

const WORK_NAMES: readonly string[] = GROUPS.flatMap(({ works }) => works);
const PEER_NAMES: readonly string[] = [...new Set(GROUPS.flatMap(({ peers }) => peers))];

export const USAGE: string = `usage: npm run bench -- [options]

  --rounds N        rounds, each with one window of each peer (default 7)
  --window MS       length of a measured window (default 500)
  --warmup MS       time from open to the window's start (default 250)
  --quick           3 rounds, windows of 250 ms after 100 ms, and fewer peers, where not given otherwise
  --mib N           length of a download in MiB (default 1024, with --quick 256)
  --only A,B        works: ${WORK_NAMES.join(', ')}
  --peers A,B       peers: ${PEER_NAMES.join(', ')}
  --json FILE       write all figures to FILE
  --html FILE       write a page with plots to FILE; it needs no other file
  --functions       the hot functions alone, by tinybench
  --help            this text`;

/** @throws {UsageError} an unknown option, or a value out of its range. */
export function readOptions(argv: readonly string[]): BenchOptions {
  const values = parse(argv);
  const quick = values.quick ?? false;
  return {
    quick,
    rounds: wholeOf('--rounds', values.rounds, quick ? 3 : 7, [1, 1_000]),
    window: wholeOf('--window', values.window, quick ? 250 : 500, [10, 60_000]),
    warmup: wholeOf('--warmup', values.warmup, quick ? 100 : 250, [0, 60_000]),
    mib: wholeOf('--mib', values.mib, quick ? 256 : 1_024, [1, 65_536]),
    works: listOf('--only', values.only, WORK_NAMES),
    peers: listOf('--peers', values.peers, PEER_NAMES),
    named: values.peers !== undefined,
    json: values.json,
    html: values.html,
    functions: values.functions ?? false,
    help: values.help ?? false,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

const OPTIONS = {
  rounds: { type: 'string' },
  window: { type: 'string' },
  warmup: { type: 'string' },
  quick: { type: 'boolean' },
  mib: { type: 'string' },
  only: { type: 'string' },
  peers: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  functions: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;
