// run — `npm run bench`: gunport against what else one could receive a WebSocket feed or HTTP answers with, in one run.
// One server process and the same bytes for all who do a work; rounds in which each peer has its turn, begun by another
// peer each time, so that drift and neighbours hit all alike. Medians, and ratios against one of them.
// Leaves with 0 when every peer ran (whatever the verdict: machines are shared), 1 when one failed, 2 on bad options.
// Figures of a run, and how to read them: RESULTS.md.

import { writeFile } from 'node:fs/promises';
import { bookWorks } from './book.ts';
import { type FeedReady, type HttpReady, ServerProcess } from './feed.ts';
import { feedWorks } from './feed-works.ts';
import { httpWorks } from './http-works.ts';
import { describeMachine, neighbours } from './machine.ts';
import { type BenchOptions, readOptions, USAGE, UsageError } from './options.ts';
import type { Work } from './peer.ts';
import { baseOf, figures, judge, type Row } from './results.ts';
import { type SseReady, sseWorks } from './sse.ts';
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
  const { payloads, http, sse, books, mib } = options;
  console.log(describeMachine());
  const othersBefore = await neighbours();
  const fed = [...payloads, ...books];
  await using feeds = fed.length > 0 ? await ServerProcess.start<FeedReady>('server', fed) : null;
  const large = mib * 1024 * 1024;
  await using answers =
    http.length > 0 ? await ServerProcess.start<HttpReady>('http-server', [String(large)]) : null;
  await using events = sse.length > 0 ? await ServerProcess.start<SseReady>('sse-server', []) : null;
  const works = [
    ...(feeds ? feedWorks(payloads, feeds.ready, options) : []),
    ...(feeds ? bookWorks(books, feeds.ready, options) : []),
    ...(answers ? httpWorks(http, answers.ready, large, options) : []),
    ...(events ? sseWorks(sse, events.ready, options) : []),
  ].map((work) => ({ ...work, peers: work.peers.filter(({ name }) => options.peers.includes(name)) }));
  console.log(describeRun(options, works));
  const rows: Row[] = [];
  for (const work of works) {
    const found = await roundsOf(work, options);
    rows.push(...found);
    console.log(`\n${tableOf(work, found)}\n`);
  }
  console.log(`${LEGEND}\n`);
  const verdicts = judge(rows);
  if (verdicts.length > 0) console.log(verdictOf(verdicts, works));
  const others = [othersBefore, await neighbours()];
  const shares = others.map((share) => `${Math.round(share * 100)} %`);
  console.log(`\nOthers kept ${shares.join(' of this machine busy before the run, ')} after it`);
  if (options.json !== undefined) await writeJson(options.json, { options, others, rows });
  return rows.some(({ error }) => error !== undefined) ? 1 : 0;
}

async function roundsOf(work: Work, options: BenchOptions): Promise<Row[]> {
  const { name, base, peers } = work;
  const rows = peers.map(
    (peer): Row => ({ work: name, peer: peer.name, isBase: peer.name === base.peer, samples: [] }),
  );
  const progress = new Progress(options.rounds);
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const place = (turn + round) % rows.length;
      const [row, peer] = [rows[place], peers[place]];
      if (!row || !peer) continue;
      progress.window(work, round, peer);
      try {
        row.samples[round] = await peer.measure();
      } catch (error) {
        row.samples[round] = undefined;
        row.error = `round ${round + 1}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    progress.round(work, rows, round);
  }
  progress.done();
  return rows;
}

function describeRun({ rounds, window, warmup }: BenchOptions, works: readonly Work[]): string {
  const turns = works.reduce((sum, { peers }) => sum + peers.length, 0);
  const seconds = Math.round((rounds * turns * (window + warmup + 120)) / 1_000);
  return `${rounds} rounds of ${window} ms a peer after ${warmup} ms of warm-up; this takes about ${seconds} s`;
}

interface Report {
  readonly options: BenchOptions;
  /** Share of the machine that others kept busy, before and after. */
  readonly others: readonly number[];
  readonly rows: readonly Row[];
}

async function writeJson(file: string, { options, others, rows }: Report): Promise<void> {
  const results = rows.map((row) => ({ ...row, ...figures(row, baseOf(row.work, rows)) }));
  const about = { date: new Date().toISOString(), machine: describeMachine(), others, options };
  await writeFile(file, `${JSON.stringify({ ...about, results, verdicts: judge(rows) }, undefined, 2)}\n`);
}
