// run — `npm run bench`: gunport against what else one could use in its place, in one run.
// A server process and the same bytes for all who do a work; rounds in which each peer has its turn. Medians, and
// ratios against one of them.
// Leaves with 0 when every peer ran (whatever the verdict: machines are shared), 1 when one failed, 2 on bad options.
// Figures of a run, and how to read them: RESULTS.md.

import './instruments/plain.ts';
import { writeFile } from 'node:fs/promises';
import { GROUPS } from './groups.ts';
import { UsageError } from './instruments/commandline.ts';
import { describeMachine, neighbours, versions } from './instruments/machine.ts';
import { type Report, type ReportWork, reportOf, reportWork } from './instruments/report.ts';
import { roundsOf } from './instruments/rounds.ts';
import { legendOf, Progress, tableOf, verdictOf } from './instruments/table.ts';
import type { Group } from './instruments/work.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { pageOf } from './page/page.ts';

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
    const { benchFunctions } = await import('./functions/functions.ts');
    await benchFunctions();
    return 0;
  }
  const report = await compare(options, argv);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.html !== undefined) await writeFile(options.html, pageOf(report));
  return report.works.some(({ rows }) => rows.some(({ error }) => error !== undefined)) ? 1 : 0;
}

async function compare(options: BenchOptions, argv: readonly string[]): Promise<Report> {
  const { rounds, window, warmup } = options;
  console.log(describeMachine());
  console.log(`${rounds} rounds of ${window} ms a peer after ${warmup} ms of warm-up`);
  const before = await neighbours();
  const works: ReportWork[] = [];
  for (const group of GROUPS) works.push(...(await measured(group, options)));
  const others = [before, await neighbours()];
  console.log(`${legendOf(works)}\n`);
  if (works.some(({ verdicts }) => verdicts.length > 0)) console.log(verdictOf(works));
  const shares = others.map((share) => `${Math.round(share * 100)} %`);
  console.log(`\nOthers kept ${shares.join(' of this machine busy before the run, ')} after it`);
  const command = ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' ');
  return reportOf({ command, versions: versions(), others, settings: options, works });
}

/** The works of a group that were asked for, one after the other; its servers live as long. */
async function measured(group: Group, options: BenchOptions): Promise<ReportWork[]> {
  const names = group.works.filter((name) => options.works.includes(name));
  if (names.length === 0) return [];
  await using running = await group.start(names, options);
  const reports: ReportWork[] = [];
  for (const { peers, quick, ...rest } of running.works) {
    const asked = options.quick && !options.named ? (quick ?? options.peers) : options.peers;
    const work = { ...rest, peers: peers.filter(({ name }) => asked.includes(name)) };
    if (work.peers.length === 0) continue;
    const place = `${options.works.indexOf(work.name) + 1} of ${options.works.length}`;
    const rows = await roundsOf(work, options.rounds, new Progress(place, options.rounds));
    const report = reportWork(work, rows);
    console.log(`\n${tableOf(report)}\n`);
    reports.push(report);
  }
  return reports;
}
