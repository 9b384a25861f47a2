// plan — what one fuzzed peer is, all of it by its seed and its index: which protocol it speaks, at which stage it goes
// wrong, how, and what it does then.
// Made by fuzz.ts; read by mouth.ts (the peer) and visit.ts (its client).
// Invariant: the same seed and index give the same plan, whatever came before it: so that a peer can be run alone.

import { chanceAt } from '../support/chance.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { type Spoken, STAGES } from './stages.ts';

/** How its bytes leave: in one write, in parts that are cut by chance, or byte by byte. */
type Pace = 'whole' | 'parts' | 'bytes';
/** What it does behind what it has spoilt: goes on as if nothing were, FIN, RST, or nothing any more. */
type After = 'on' | 'end' | 'reset' | 'silence';

export interface Plan {
  readonly seed: number;
  readonly index: number;
  readonly spoken: Spoken;
  readonly stage: string;
  /** The conversation comes by a stage more than once: how many times it passes before it is spoilt. */
  readonly passes: number;
  readonly mutations: readonly Mutation[];
  readonly pace: Pace;
  readonly after: After;
  /** It speaks TLS below, well. */
  readonly secure: boolean;
  /** Its client asks for its tunnels by hand: of proxies. */
  readonly tunnels: boolean;
  /** Of the peer's chances, and of its client's: each has its own, since which of them is first is nobody's to say. */
  readonly peerSeed: number;
  readonly clientSeed: number;
}

/** In turn, so that none is left out. */
const PLACES: readonly { readonly spoken: Spoken; readonly stage: string }[] = (
  Object.keys(STAGES) as Spoken[]
) // Its keys are all that it has.
  .flatMap((spoken) => STAGES[spoken].map((stage) => ({ spoken, stage })));
const AFTER: readonly After[] = ['on', 'on', 'on', 'on', 'end', 'end', 'reset', 'silence'];
const PACES: readonly Pace[] = ['whole', 'whole', 'whole', 'parts', 'parts', 'bytes'];
/** What may have TLS below it. */
const SECURE: ReadonlySet<Spoken> = new Set(['http1', 'ws', 'http2', 'ws2', 'sse', 'raw']);

/** @param only one protocol alone. */
export function planOf(seed: number, index: number, only?: Spoken): Plan {
  const roll = chanceAt(seed, index);
  const one = <T>(list: readonly T[]): T => list[roll(list.length)] as T; // Never empty.
  const places = only ? PLACES.filter(({ spoken }) => spoken === only) : PLACES;
  const { spoken, stage } = places[index % places.length] as (typeof PLACES)[number]; // There are some of each.
  return {
    seed,
    index,
    spoken,
    stage,
    passes: roll(2) === 0 ? 0 : roll(3),
    mutations: Array.from({ length: roll(4) === 0 ? 2 : 1 }, () => one(MUTATIONS)),
    pace: one(PACES),
    after: one(AFTER),
    secure: roll(8) === 0 && SECURE.has(spoken),
    peerSeed: roll(0x7fffffff),
    clientSeed: roll(0x7fffffff),
    tunnels: roll(3) === 0 && (spoken === 'connect' || spoken === 'connect2'),
  };
}

/** In words: what a failure is told with. */
export function wordsOf(plan: Plan): string {
  const { seed, index, spoken, stage, passes, mutations, pace, after, secure } = plan;
  const where = `${spoken}${secure ? ' over TLS' : ''}: ${stage}${passes > 0 ? ` (after ${passes})` : ''}`;
  return `GUNPORT_SEED=${seed} GUNPORT_PEER=${index} (${where}; ${mutations.join(' and ')}, ${pace}, then ${after})`;
}
