// page.test — the benchmark's page: it says what the report says, and is well formed whatever names are in it.

import { expect } from 'chai';
import { type Report, reportWork } from '../../bench/instruments/report.ts';
import type { Row } from '../../bench/instruments/results.ts';
import type { Work } from '../../bench/instruments/work.ts';
import { pageOf } from '../../bench/page/page.ts';
import { wellFormed } from '../support/markup.ts';

const FEED: Omit<Work, 'peers'> = {
  name: 'feed',
  label: '64 B <binary> & more',
  unit: { rate: 'k msg/s', per: 1_000 },
  base: { peer: 'ws', label: 'ws on main' },
  columns: ['rate', 'activeNs', 'busy', 'peakBytes', 'p50', 'p99'],
  targets: [
    { peer: 'events', figure: 'rate', least: 5 },
    { peer: 'events', figure: 'activeNs', most: 0.1 },
  ],
  notes: ['"quoted" & noted'],
};

/** Rounds of a peer that takes `scale` times as long as one of a million a second. */
function rowOf(peer: string, label: string, scale: number): Row {
  const samples = [1, 1.1, 1.2].map((weather) => ({
    rate: 1e6 / scale / weather,
    activeNs: 500 * scale * weather,
    busy: 0.5,
    peakBytes: 64 * 1024 * 1024,
    p50: 123 * scale,
    p99: 4_567 * scale,
  }));
  return { peer, label, samples };
}

function reportOn(rows: readonly Row[]): Report {
  return {
    date: '2026-01-02T03:04:05.678Z',
    machine: 'Node on a <machine>',
    versions: { node: '20.20.2', ws: '8.23.0' },
    command: 'npm run bench -- --only "feed" & more',
    others: [0.01, 0.25],
    settings: { rounds: 3, window: 300, warmup: 150 },
    works: [reportWork({ ...FEED, peers: [] }, rows)],
  };
}

const ROWS = [
  rowOf('events', "gunport, 'message' events", 0.125),
  rowOf('ws', 'ws on main', 1),
  rowOf('slow', 'a slow <one>', 100),
];

describe('the page of a report', () => {
  it('is well formed, and fetches nothing', () => {
    const page = pageOf(reportOn(ROWS));
    wellFormed(page);
    expect(page).not.to.match(/<script|<link|<img|src=|url\(|@import/);
    expect(page).to.include('64 B &lt;binary&gt; &amp; more');
    expect(page).to.include('&quot;quoted&quot; &amp; noted');
    expect(page).not.to.include('<one>');
  });

  it('says where, when and how it was measured', () => {
    const page = pageOf(reportOn(ROWS));
    for (const says of [
      '2026-01-02 03:04:05 UTC',
      'Node on a &lt;machine&gt;',
      'node 20.20.2, ws 8.23.0',
      '3 rounds of 300 ms each, after 150 ms of warm-up',
      '1 % of the machine busy before the run, 25 % after it',
    ]) {
      expect(page).to.include(says);
    }
  });

  it('has each figure in the table, and draws rate, active time and latencies', () => {
    const page = pageOf(reportOn(ROWS));
    const cells = [...page.matchAll(/<td>([^<]*)<\/td>/g)].map(([, cell]) => cell);
    // Medians of the middle round: 1e6 / 0.125 / 1.1, and so on.
    for (const cell of ['7 273', '8.00x', '69', '0.125x', '50 %', '64', '15', '571', '909', '550', '9.09']) {
      expect(cells, `${cell} in the table`).to.include(cell);
    }
    expect(page.match(/<figure>/g)).to.have.length(3);
    expect(page).to.include('aria-label="k msg/s"').and.to.include('aria-label="active ns"');
    expect(page).to.include('12.3 ms · 457 ms');
  });

  it('says what was met and what was missed', () => {
    const page = pageOf(reportOn(ROWS));
    expect(page).to.include('1 of 2 targets met');
    expect(page).to.match(/✓ met.*k msg\/s 8\.00x \(at least 5\.00x\), against ws on main/);
    expect(page).to.match(/✗ missed.*active ns 0\.125x \(at most 0\.100x\), against ws on main/);
  });

  it('breaks a bar that leaves no room for the others, and still says its value', () => {
    const rows = [...ROWS, rowOf('floor', '(the floor)', 0.001)];
    const page = pageOf(reportOn(rows));
    expect(page).to.include('class="break"');
    expect(page).to.include('909 091 · 1 000x');
  });

  it('holds with a peer that failed, or with none', () => {
    const failed: Row = { peer: 'broken', label: 'broken', samples: [undefined], error: 'round 1: <lost>' };
    const page = pageOf(reportOn([...ROWS, failed]));
    wellFormed(page);
    expect(page).to.include('broken failed: round 1: &lt;lost&gt;');
    const alone = pageOf(reportOn([failed]));
    wellFormed(alone);
    expect(alone).to.include('so there are no multiples');
    wellFormed(pageOf({ ...reportOn([]), works: [] }));
  });

  it('draws curves, each with its table', () => {
    const [work = expect.fail('it has no work')] = reportOn(ROWS).works;
    const points = [
      [0, 100],
      [50, 1_500],
      [90, 2_000],
      [99, 40_000],
    ] as const;
    const page = pageOf({
      ...reportOn(ROWS),
      title: 'gunport bench <url>',
      works: [
        {
          ...work,
          curves: [
            {
              kind: 'percentiles',
              title: 'latency by percentile',
              unit: 'us',
              series: [
                { label: 'gunport', tone: 'ours', points },
                { label: 'gunport, as sent', tone: 'ours', dashed: true, points: points.slice(0, 2) },
              ],
            },
            {
              kind: 'time',
              title: 'msg/s over time',
              unit: 'msg/s',
              series: [{ label: 'gunport', tone: 'ours', points: [1, 2, 3].map((x) => [x, x * 1_234]) }],
            },
            {
              kind: 'sizes',
              title: 'sizes in bytes',
              unit: 'B',
              series: [
                {
                  label: 'gunport',
                  tone: 'ours',
                  points: [
                    [64, 30],
                    [128, 10],
                  ],
                },
              ],
            },
          ],
        },
      ],
    });
    wellFormed(page);
    expect(page).to.include('<title>gunport bench &lt;url&gt;</title>');
    expect(page.match(/<path /g)).to.have.length(3);
    expect(page.match(/class="ours raw" d=/g)).to.have.length(1);
    const cells = [...page.matchAll(/<td>([^<]*)<\/td>/g)].map(([, cell]) => cell);
    for (const cell of ['90 %', '2 ms', '40 ms', '2 s', '2468 msg/s', '64 to 127 B', '75 %', '25 %']) {
      expect(cells, `${cell} in a table`).to.include(cell);
    }
  });
});
