// plan — what happens in one run of the model, as a list of steps that fast-check makes, shrinks and prints.
// Used by run.ts; played by stage.ts. Invariant: a plan and nothing else decides a run; a step that makes no sense where it
// stands does nothing, so that any part of a plan is one.

import fc from 'fast-check';

const WAYS = ['iterator', 'batches', 'borrow', 'await', 'events'] as const;
export type Way = (typeof WAYS)[number];

const TAKERS = ['waits', 'waits', 'waits', 'deaf', 'refuses', 'throws', 'closed'] as const;
type Taker = (typeof TAKERS)[number];

/** Who may own: the main thread, and two workers. */
export type Who = 0 | 1 | 2;

export type Step =
  // events happen: which of those that may, each time; 0 is the one that waits longest
  | { readonly do: 'turns'; readonly picks: readonly number[] }
  | { readonly do: 'pass'; readonly ms: number }
  // the server
  | { readonly do: 'serve'; readonly count: number; readonly size: number }
  | { readonly do: 'drop'; readonly how: 'reset' | 'fin' }
  | { readonly do: 'refuse'; readonly dials: number }
  | { readonly do: 'goodbye'; readonly code: number }
  // whoever owns it
  | { readonly do: 'read'; readonly way: Way; readonly count: number }
  | { readonly do: 'stop' }
  | { readonly do: 'send'; readonly count: number }
  | { readonly do: 'ask'; readonly what: 'drained' | 'ping' | 'info' | 'streamInfo' }
  | { readonly do: 'credit'; readonly messages: number }
  | {
      readonly do: 'give';
      readonly to: Who;
      readonly road: 'port' | 'thread' | 'worker';
      readonly taker: Taker;
      readonly timeout: number;
      /** Not now, but in the midst of its reading. */
      readonly inside: boolean;
    }
  | { readonly do: 'abort' }
  | { readonly do: 'close'; readonly how: 'stream' | 'connection' | 'shutdown' | 'cancel' }
  | { readonly do: 'watch'; readonly keep: boolean }
  | { readonly do: 'unwatch'; readonly flush: boolean }
  // somebody waits at last for what was offered and nobody heard
  | { readonly do: 'wait'; readonly who: Who }
  // `posts`: behind so many posts more
  | { readonly do: 'kill'; readonly who: 'owner' | 'process' | 1 | 2; readonly posts: number };

export interface Plan {
  readonly seed: number;
  readonly rehome: boolean;
  readonly flow: number | undefined;
  /** The server answers no Close. */
  readonly rude: boolean;
  /** Reads end in the midst of frames; 0: they do not. */
  readonly cuts: number;
  readonly steps: readonly Step[];
  readonly end: 'goodbye' | 'close' | 'connection' | 'process' | 'owner';
  /** The last owner reads to the end. */
  readonly reads: boolean;
}

const turns = fc.record({
  do: fc.constant('turns' as const),
  picks: fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }),
});
const serve = fc.record({
  do: fc.constant('serve' as const),
  count: fc.integer({ min: 1, max: 12 }),
  size: fc.constantFrom(0, 0, 0, 0, 100, 100, 300, 300, 300, 40_000),
});
const read = fc.record({
  do: fc.constant('read' as const),
  way: fc.constantFrom(...WAYS),
  count: fc.integer({ min: 1, max: 12 }),
});
const give = fc.record({
  do: fc.constant('give' as const),
  to: fc.constantFrom<Who>(0, 1, 2),
  road: fc.constantFrom('port', 'port', 'thread', 'worker'),
  taker: fc.constantFrom(...TAKERS),
  timeout: fc.constantFrom(0, 5, 50, 5_000),
  inside: fc.boolean(),
});
const rest = fc.oneof(
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 5, 50, 300, 5_000) }),
  fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({
    do: fc.constant('ask' as const),
    what: fc.constantFrom('drained', 'ping', 'info', 'streamInfo'),
  }),
  fc.record({ do: fc.constant('stop' as const) }),
  fc.record({ do: fc.constant('abort' as const) }),
  fc.record({ do: fc.constant('wait' as const), who: fc.constantFrom<Who>(0, 1, 2) }),
  fc.record({ do: fc.constant('watch' as const), keep: fc.boolean() }),
  fc.record({ do: fc.constant('unwatch' as const), flush: fc.boolean() }),
  fc.record({ do: fc.constant('credit' as const), messages: fc.integer({ min: 1, max: 9 }) }),
);
const fate = fc.oneof(
  fc.record({ do: fc.constant('drop' as const), how: fc.constantFrom('reset', 'fin') }),
  fc.record({ do: fc.constant('refuse' as const), dials: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ do: fc.constant('goodbye' as const), code: fc.constantFrom(1000, 1011, 4000) }),
  fc.record({
    do: fc.constant('kill' as const),
    who: fc.constantFrom('owner', 'owner', 'process', 'process', 1, 2),
    posts: fc.constantFrom(0, 0, 1, 2, 3),
  }),
  fc.record({
    do: fc.constant('close' as const),
    how: fc.constantFrom('stream', 'connection', 'shutdown', 'cancel'),
  }),
) as fc.Arbitrary<Step>;

const step = fc.oneof(
  { weight: 9, arbitrary: turns },
  { weight: 5, arbitrary: serve },
  { weight: 3, arbitrary: read },
  { weight: 4, arbitrary: give },
  { weight: 4, arbitrary: rest as fc.Arbitrary<Step> },
  { weight: 2, arbitrary: fate },
) as fc.Arbitrary<Step>;

export const plans: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(1_000_000),
  rehome: fc.boolean(),
  flow: fc.constantFrom(undefined, undefined, undefined, 3),
  rude: fc.constantFrom(false, false, false, true),
  cuts: fc.constantFrom(0, 1, 2, 3),
  steps: fc.array(step, { maxLength: 36, size: 'max' }),
  end: fc.constantFrom('goodbye', 'goodbye', 'close', 'connection', 'process', 'owner'),
  reads: fc.constantFrom(true, true, true, false),
});

/** One step in a line. */
function tell(step: Step): string {
  const { do: name, ...rest } = step;
  const words = Object.entries(rest).map(
    ([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : value}`,
  );
  return [name, words.join(', ')].join(' ').trim();
}

/** A whole plan, a step a line. */
export function tellPlan({ steps, ...rest }: Plan): string {
  return [JSON.stringify(rest), ...steps.map((one) => `  ${tell(one)}`)].join('\n');
}
