// arguments — what `npm run soak -- …` was asked for.
// Called by run.ts. Pure: what is wrong with them is thrown as a sentence.

export const USAGE = `usage: npm run soak [-- options]
  npm run soak                       everything at random, for 5 minutes
  npm run soak -- 3600               for so many seconds; also --seconds 3600, --minutes 60
  npm run soak -- --seed 7           with the random choices of that run
  npm run soak -- --list             names of single jobs
  npm run soak -- storm kills        those jobs whose names have one of these words
more: --rest <seconds> between two rests, --allowed <percent> of growth, --plant <port|bytes|loss> a fault to be found`;

/** Faults that can be planted, to see that they are found. */
const PLANTS = ['port', 'bytes', 'loss'] as const;
export type Plant = (typeof PLANTS)[number];

/** Everything at random. */
export interface Mixed {
  readonly type: 'mixed';
  readonly seconds: number;
  /** Between two rests. */
  readonly rest: number;
  /** Growth of memory that is flat still, as a part. */
  readonly allowed: number;
  /** Undefined: a new one, or GUNPORT_SEED. */
  readonly seed: number | undefined;
  readonly plants: readonly Plant[];
}

export type Asked =
  | Mixed
  | { readonly type: 'list' }
  | { readonly type: 'jobs'; readonly words: readonly string[] };

const DEFAULT = 300;
const LONG = 900;

/** @throws what they lack. */
export function parse(given: readonly string[]): Asked {
  const values: Record<string, number> = {};
  const plants: Plant[] = [];
  const words: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!;
    if (word === '--list' || word === '--help') {
      if (given.length > 1) throw new Error(`${word} goes with nothing else`);
      return { type: 'list' };
    }
    if (!word.startsWith('-') && Number.isNaN(Number(word))) words.push(word);
    else if (word === '--plant') plants.push(plantOf(given[++i]));
    else if (NAMES.has(word)) values[word.slice(2)] = positive(word, given[++i]);
    else if (word.startsWith('--')) throw new Error(`there is no option ${word}`);
    else values['seconds'] = positive('seconds', word);
  }
  if (words.length > 0) {
    const [other] = [...Object.keys(values), ...(plants.length > 0 ? ['plant'] : [])];
    if (other !== undefined) throw new Error(`jobs take no ${other}: ${words.join(', ')}`);
    return { type: 'jobs', words };
  }
  const { seconds, minutes, seed, allowed = 5 } = values;
  if (seconds !== undefined && minutes !== undefined) throw new Error('seconds or minutes, not both');
  if (seed !== undefined && !Number.isInteger(seed))
    throw new Error(`--seed must be an integer, got ${seed}`);
  const long = seconds ?? (minutes === undefined ? DEFAULT : 60 * minutes);
  const rest = values['rest'] ?? (long >= LONG ? 60 : Math.min(15, long / 10));
  return { type: 'mixed', seconds: long, rest, allowed: allowed / 100, seed, plants };
}

const NAMES: ReadonlySet<string> = new Set(['--seconds', '--minutes', '--seed', '--rest', '--allowed']);

function positive(name: string, value: string | undefined): number {
  const number = value === undefined || value.trim() === '' ? Number.NaN : Number(value);
  if (!(number > 0 && Number.isFinite(number)))
    throw new Error(`${name} must be a number above 0, got ${value ?? 'nothing'}`);
  return number;
}

function plantOf(value: string | undefined): Plant {
  const plant = PLANTS.find((one) => one === value);
  if (!plant) throw new Error(`--plant must be one of ${PLANTS.join(', ')}, got ${value ?? 'nothing'}`);
  return plant;
}
