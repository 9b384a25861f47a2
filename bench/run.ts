// run — `npm run bench`: gunport against what else one could receive a WebSocket feed with, in one run.
// One server process and the same bytes for all; rounds in which each peer has one window, begun by another peer each
// time, so that drift and neighbours hit all alike. Medians, and ratios against ws on main.
// Leaves with 0 when every peer ran (whatever the verdict: machines are shared), 1 when one failed, 2 on bad options.
// Figures of a run, and how to read them: RESULTS.md.

import { writeFile } from 'node:fs/promises';
import { Feed } from './feed.ts';
import { describeMachine, neighbours } from './machine.ts';
import { measure } from './measure.ts';
import { type BenchOptions, readOptions, USAGE, UsageError } from './options.ts';
import { PAYLOADS, type PayloadName } from './payloads.ts';
import type { Source } from './peer.ts';
import { PEERS } from './peers.ts';
import { figures, judge, type Row } from './results.ts';
import { LEGEND, Progress, tableOf, verdictOf } from './table.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = readOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.functions) {
    const { benchFunctions } = await import('./functions.ts');
    await benchFunctions();
    return 0;
  }
  return compare(options);
}

async function compare(options: BenchOptions): Promise<number> {
  console.log(describeMachine());
  console.log(describeRun(options));
  const othersBefore = await neighbours();
  await using feed = await Feed.start(options.payloads);
  const rows: Row[] = [];
  for (const payload of options.payloads) {
    const found = await roundsOf(payload, feed, options);
    rows.push(...found);
    console.log(`\n${tableOf(payload, found)}\n`);
  }
  console.log(`${LEGEND}\n`);
  const verdicts = judge(rows);
  if (verdicts.length > 0) console.log(verdictOf(verdicts));
  const others = [othersBefore, await neighbours()];
  const shares = others.map((share) => `${Math.round(share * 100)} %`);
  console.log(`\nOthers kept ${shares.join(' of this machine busy before the run, ')} after it`);
  if (options.json !== undefined) await writeJson(options.json, { options, others, rows });
  return rows.some(({ error }) => error !== undefined) ? 1 : 0;
}

async function roundsOf(payload: PayloadName, feed: Feed, options: BenchOptions): Promise<Row[]> {
  const peers = options.peers.filter((peer) => !PEERS[peer].skips?.(PAYLOADS[payload]));
  const rows = peers.map((peer): Row => ({ payload, peer, samples: [] }));
  const source: Source = {
    url: feed.url(payload),
    payload: PAYLOADS[payload],
    frameBytes: feed.frameBytes(payload),
  };
  const progress = new Progress(options.rounds);
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const row = rows[(turn + round) % rows.length];
      if (!row) continue;
      progress.window(payload, round, row.peer);
      try {
        row.samples[round] = await measure(PEERS[row.peer], source, options);
      } catch (error) {
        row.samples[round] = undefined;
        row.error = `round ${round + 1}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    progress.round(rows, round);
  }
  progress.done();
  return rows;
}

function describeRun({ rounds, window, warmup, payloads, peers }: BenchOptions): string {
  const seconds = Math.round((rounds * payloads.length * peers.length * (window + warmup + 120)) / 1_000);
  return `${rounds} rounds of ${window} ms a peer after ${warmup} ms of warm-up; this takes about ${seconds} s`;
}

interface Report {
  readonly options: BenchOptions;
  /** Share of the machine that others kept busy, before and after. */
  readonly others: readonly number[];
  readonly rows: readonly Row[];
}

async function writeJson(file: string, { options, others, rows }: Report): Promise<void> {
  const results = rows.map((row) => {
    const base = rows.find(({ payload, peer }) => payload === row.payload && peer === 'ws');
    return { ...row, ...figures(row, base) };
  });
  const about = { date: new Date().toISOString(), machine: describeMachine(), others, options };
  await writeFile(file, `${JSON.stringify({ ...about, results, verdicts: judge(rows) }, undefined, 2)}\n`);
}
