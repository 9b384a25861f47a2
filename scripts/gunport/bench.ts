// bench — `gunport bench URL`: rounds of the peers in turn, and one report of them: on the terminal, as JSON, as a page.
// Called by gunport.ts. Invariant: stdout has the report and nothing else; with `--json -` the JSON alone.

import { writeFile } from 'node:fs/promises';
import type { FigureName } from '../../bench/instruments/figures.ts';
import { versions } from '../../bench/instruments/machine.ts';
import { type Report, type ReportWork, reportOf, reportWork } from '../../bench/instruments/report.ts';
import type { Row } from '../../bench/instruments/results.ts';
import { pageOf } from '../../bench/page/page.ts';
import { type BenchCommand, shownUrl } from './command.ts';
import { curvesOf, latenciesOf, type Measured } from './curves.ts';
import { type Probed, type Progress, probe } from './probe.ts';
import { ProgressLine, told } from './telling.ts';
import type { PeerName } from './values.ts';
import { ownVersion } from './version.ts';

const LABELS: Readonly<Record<PeerName, string>> = { gunport: 'gunport', ws: 'ws on main' };
const WHAT = { feed: 'msg/s', echo: 'msg/s', ping: 'msg/s', get: 'GET/s' } as const;
const ALWAYS: readonly FigureName[] = [
  'rate',
  'bytesRate',
  'activeNs',
  'mainCpuNs',
  'busy',
  'cpuNs',
  'peakBytes',
];
const SIZES: readonly FigureName[] = ['sizeMin', 'sizeP50', 'sizeP99', 'sizeMax'];
const LATENCIES: readonly FigureName[] = ['p50', 'p90', 'p99', 'p999', 'max'];
const AS_SENT: readonly FigureName[] = ['sentP50', 'sentP90', 'sentP99', 'sentP999', 'sentMax'];

/** The exit code. `signal` ends it early; it reports what it has. */
export async function bench(command: BenchCommand, signal: AbortSignal): Promise<number> {
  const line = new ProgressLine(process.stderr);
  const measured: Measured[] = command.peers.map((peer) => ({
    peer,
    label: labelOf(command, peer),
    rounds: [],
  }));
  try {
    for (let round = 0; round < command.rounds && !signal.aborted; round++) {
      for (let turn = 0; turn < measured.length && !signal.aborted; turn++) {
        const one = measured[(turn + round) % measured.length];
        if (one)
          one.rounds[round] = await probe(command, one.peer, signal, progressOf(one, round, command, line));
      }
    }
  } catch (error) {
    line.clear();
    process.stderr.write(`gunport: ${shownUrl(command.url)}: ${describe(error)}\n`);
    return 1;
  }
  line.clear();
  const report = reportFrom(command, measured);
  try {
    await tell(report, command);
  } catch (error) {
    process.stderr.write(`gunport: ${describe(error)}\n`);
    return 1;
  }
  return measured.some(({ rounds }) => rounds.some((probed) => probed?.ended !== undefined)) ? 1 : 0;
}

function progressOf(
  { label }: Measured,
  round: number,
  { rounds }: BenchCommand,
  line: ProgressLine,
): Progress {
  const where = rounds > 1 ? `${label}, round ${round + 1} of ${rounds}` : label;
  line.show(`${where}: opening`);
  return {
    update: (elapsed, window, messages) => {
      const rate = elapsed > 0 ? Math.round(messages / elapsed) : 0;
      line.show(`${where}: ${elapsed.toFixed(1)} of ${window} s, ${messages} so far, ${rate}/s`);
    },
  };
}

function reportFrom(command: BenchCommand, measured: readonly Measured[]): Report {
  const { url, kind, rate, rounds, duration, warmup, peers } = command;
  const rows = measured.map(({ peer, label, rounds: probed }): Row => {
    return { peer, label, samples: probed.map((one) => one?.sample) };
  });
  const base = peers.at(-1) ?? 'gunport';
  const timed = kind === 'feed' ? [] : [...LATENCIES, ...(rate === undefined ? [] : AS_SENT)];
  const work = {
    name: kind,
    label: titleOf(command),
    unit: { rate: WHAT[kind], per: 1 },
    base: { peer: base, label: labelOf(command, base) },
    peers: [],
    columns: [...ALWAYS, ...SIZES, ...timed],
    notes: notesOf(measured),
  };
  return reportOf({
    title: `gunport bench ${shownUrl(url)}`,
    command: command.typed,
    versions: versionsOf(peers),
    others: [],
    settings: { rounds, window: duration / rounds, warmup },
    works: [
      withLatencies({ ...reportWork(work, rows), curves: curvesOf(measured, command) }, measured, command),
    ],
  });
}

/** Those of all rounds together, in place of medians over rounds. */
function withLatencies(work: ReportWork, measured: readonly Measured[], { rate }: BenchCommand): ReportWork {
  const rows = work.rows.map((row, index) => {
    const one = measured[index];
    return one
      ? { ...row, medians: { ...row.medians, ...latenciesOf(one).figures(rate !== undefined) } }
      : row;
  });
  return { ...work, rows };
}

function versionsOf(peers: readonly PeerName[]): Readonly<Record<string, string>> {
  const { node = '', ws = '' } = versions();
  return { node, gunport: ownVersion(), ...(peers.includes('ws') ? { ws } : {}) };
}

function titleOf({ kind, rate, connections, reading }: BenchCommand): string {
  const over = `${connections} connection${connections === 1 ? '' : 's'}`;
  const pace = rate === undefined ? 'the next when the last is answered' : `${rate} a second`;
  switch (kind) {
    case 'feed':
      return `What comes, over ${over}, by ${reading}`;
    case 'echo':
      return `Messages and their answers, ${pace}, over ${over}`;
    case 'ping':
      return `What comes, and pings, ${pace}, over ${over}`;
    case 'get':
      return `GET, ${pace}, over ${over}`;
    default:
      throw kind satisfies never;
  }
}

/** Each once, with who it is about where there are several. */
function notesOf(measured: readonly Measured[]): string[] {
  const notes = measured.flatMap(({ label, rounds }) =>
    rounds.flatMap((probed, round) => {
      const who = measured.length > 1 || rounds.length > 1 ? `${label}, round ${round + 1}: ` : '';
      return [...(probed?.notes ?? []), ...endedEarly(probed)].map((note) => `${who}${note}`);
    }),
  );
  const late = measured.flatMap(({ rounds }) => rounds.flatMap((probed) => probed?.late ?? []));
  if (late.length === 0) return notes;
  const most = Math.max(...late);
  const says = `the clock that sends was late by up to ${most} us (p99): so much of the figures is this machine's`;
  return [...notes, says];
}

function endedEarly(probed: Probed | undefined): string[] {
  if (!probed) return [];
  const early = probed.ended === undefined ? [] : [`it ended early: ${probed.ended}`];
  return probed.sample.rate === 0 ? ['nothing came', ...early] : early;
}

function labelOf({ reading, kind }: BenchCommand, peer: PeerName): string {
  return peer === 'gunport' && kind !== 'get' && reading !== 'events' ? `gunport, ${reading}` : LABELS[peer];
}

/** On the terminal first: a file that cannot be written costs nobody the figures. */
async function tell(report: Report, { json, html }: BenchCommand): Promise<void> {
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  process.stdout.write(json === '-' ? text : `${told(report)}\n`);
  if (json !== undefined && json !== '-') await writeFile(json, text);
  if (html !== undefined) await writeFile(html, pageOf(report));
}

/** One line. Of several addresses that were tried Node gives an AggregateError without a message. */
function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describe).join(', ');
  return error instanceof Error ? error.message : String(error);
}
