// verdict — which promises held, by what was found.
// Called by show.ts at the end. Pure: the same findings give the same verdict.
// Invariant: a promise that was not put to the test did not hold. Source: README, "The promises".

import type { ThreadDown } from '../../lib/index.ts';
import type { Ending } from './crew.ts';
import { many, milliseconds, percent } from './figures.ts';
import type { Counts } from './ledger.ts';
import type { Report } from './server.ts';

/** One time in which main ran nothing but a busy loop; moments are of clock.ts. */
export interface Block {
  readonly from: number;
  readonly to: number;
  /** Received and handed over meanwhile. */
  readonly messages: number;
  readonly handOvers: number;
}

/** One Down that main's kept monitor was told. */
export interface Seen {
  /** Milliseconds after the kill. */
  readonly after: number;
  readonly kind: string;
}

export interface Findings {
  readonly counts: Counts;
  /** Hand-overs that the time was enough for. */
  readonly expected: number;
  readonly blocks: readonly Block[];
  readonly report: Report | undefined;
  /** Of main, blocks left out, 0 to 1. */
  readonly utilisation: number;
  /** Types of what main kept active at any time. */
  readonly resources: ReadonlySet<string>;
  readonly downs: readonly Seen[];
  readonly threadDowns: readonly ThreadDown[];
  readonly ending: Ending | undefined;
  /** What main keeps active after the end, that was not there before the beginning. */
  readonly left: readonly string[];
}

/** One line of the verdict. */
export interface Promised {
  readonly promise: string;
  readonly held: boolean;
  readonly figure: string;
}

/** Main may be busy for this part of its time. It reads eleven numbers and writes a line a second; the rest is room
 *  for a machine that is busy with other things. */
const IDLE = 0.25;
const SOCKETS = /TCP|TLS|UDP|GetAddrInfo/i;

export function judge(findings: Findings): Promised[] {
  return [exact(findings), moved(findings), ...blocked(findings), ...main(findings), ...killed(findings)];
}

function exact({ counts }: Findings): Promised {
  const { messages, gaps, repeats, reorders, broken } = counts;
  const amiss = [many(gaps, 'gap'), many(repeats, 'repeat'), many(reorders, 'reorder')];
  return {
    promise: 'nothing lost, repeated or reordered',
    held: messages > 0 && gaps === 0 && repeats === 0 && reorders === 0 && broken === 0,
    figure: `${many(messages, 'message')}: ${amiss.join(', ')}${broken > 0 ? `, ${broken} broken` : ''}`,
  };
}

function moved({ counts, expected }: Findings): Promised {
  const { handOvers, failures, silence } = counts;
  return {
    promise: 'the feed moved between threads',
    // Half of them: the machine may be busy, and nothing is promised about its speed.
    held: handOvers >= Math.max(2, expected / 2) && failures === 0,
    figure: `${many(handOvers, 'hand-over')}, ${failures} failed, longest silence ${milliseconds(silence / 1000)}`,
  };
}

function blocked({ blocks, report }: Findings): Promised[] {
  const messages = blocks.reduce((sum, block) => sum + block.messages, 0);
  const handOvers = blocks.reduce((sum, block) => sum + block.handOvers, 0);
  const went = blocks.map(({ from, to }) => ({ block: to - from, gap: longestGap(report, from, to) }));
  const longest = Math.max(0, ...went.map(({ gap }) => gap));
  const rtts = (report?.pongs ?? []).map(({ rtt }) => rtt).sort((a, b) => a - b);
  const median = rtts[rtts.length >> 1] ?? 0;
  const times = blocks.map(({ from, to }) => `${Math.round(to - from)} ms`).join(' and ');
  return [
    {
      promise: 'main blocked: feed, hand-overs go on',
      held: blocks.length > 0 && blocks.every((block) => block.messages > 0 && block.handOvers > 0),
      figure: `${times || 'never blocked'}: ${many(messages, 'message')}, ${many(handOvers, 'hand-over')}`,
    },
    {
      promise: 'main blocked: heartbeats go on',
      // If main had a part in a pong, none would come for as long as it was blocked.
      held: went.length > 0 && rtts.length > 0 && went.every(({ block, gap }) => gap < block),
      figure: `longest wait for a pong ${milliseconds(longest)}; ${many(rtts.length, 'pong')}, median ${milliseconds(median)}`,
    },
  ];
}

/** The longest time without a pong that lies in this time, or reaches into it. */
function longestGap(report: Report | undefined, from: number, to: number): number {
  const moments = (report?.pongs ?? []).map(({ at }) => at);
  const before = moments.findLast((at) => at <= from) ?? from;
  const after = moments.find((at) => at >= to) ?? to;
  const seen = [before, ...moments.filter((at) => at > from && at < to), after];
  return Math.max(...seen.slice(1).map((at, index) => at - (seen[index] ?? at)));
}

function main({ utilisation, resources }: Findings): Promised[] {
  const types = [...resources].sort();
  return [
    {
      promise: 'main stayed idle',
      held: utilisation < IDLE,
      figure: `${percent(utilisation)} busy, blocks left out`,
    },
    {
      promise: 'main opened no socket',
      held: types.length > 0 && !types.some((type) => SOCKETS.test(type)),
      figure: types.join(', '),
    },
  ];
}

function killed({ downs, threadDowns, ending, report, left }: Findings): Promised[] {
  const told = downs.map(({ kind, after }) => `${kind}, ${milliseconds(after)} after the kill`);
  const deaths = threadDowns.map(
    ({ threadId, connections }) => `thread ${threadId} with ${many(connections.length, 'connection')}`,
  );
  return [
    {
      promise: 'exactly one Down, its reason true',
      held: downs.length === 1 && downs[0]?.kind === 'terminated',
      figure: told.join(', ') || 'none',
    },
    {
      promise: 'the pool told of one dead thread',
      held: threadDowns.length === 1 && threadDowns[0]?.connections.length === 1,
      figure: deaths.join(', ') || 'none',
    },
    {
      promise: 'the owner heard the same reason',
      held: ending?.kind === 'terminated',
      figure: ending ? `consumer ${ending.consumer}: ${ending.kind}` : 'it has told nothing',
    },
    {
      promise: 'the thread took its socket along',
      held: report?.open === 0,
      figure: report
        ? `${many(report.open, 'connection')} left at the server`
        : 'the server has told nothing',
    },
    {
      promise: 'nothing is left alive',
      held: left.length === 0,
      figure: left.join(', ') || 'no thread, socket, port or timer',
    },
  ];
}
