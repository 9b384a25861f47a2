// run.test — `npm run bench` as a user runs it, in a process of its own: each kind of work once, with windows so short that
// its figures mean nothing but that everybody could do the work.
// Invariant: a peer that fails fails the run.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { GROUPS } from '../../bench/groups.ts';
import { STANDARD } from '../../bench/instruments/figures.ts';
import type { Report } from '../../bench/instruments/report.ts';
import { wellFormed } from '../support/markup.ts';

const BENCH = fileURLToPath(new URL('../../bench/run.js', import.meta.url));
/** One work of each group, and those of another kind. */
const WORKS = 'tls,deflate,send10,echo,book,blocked,transfer,idle,startup,get,download,sse';
// Of 150 ms there was nothing to tell where other tests had the machine for as long.
const SHORT = ['--quick', '--rounds', '1', '--window', '400', '--warmup', '50', '--mib', '4'];

const bench = promisify(execFile);
const run = (...args: string[]) => bench(process.execPath, [BENCH, ...args], { timeout: 140_000 });

describe('the benchmark', function () {
  this.timeout(150_000);
  let folder = '';
  let report: Report;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gunport-'));
    const [json, html] = [join(folder, 'run.json'), join(folder, 'run.html')];
    // It leaves with anything but 0 where some peer has failed: its table says which.
    await run(...SHORT, '--only', WORKS, '--json', json, '--html', html).catch(
      (error: { stdout?: string }) => {
        throw new Error(`the benchmark has failed\n${error.stdout}`, { cause: error });
      },
    );
    report = JSON.parse(readFileSync(json, 'utf8')) as Report; // Its own.
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has a work of each group done by each of its peers, with the figures that are shown', () => {
    expect(report.works.map(({ name }) => name)).to.deep.equal(WORKS.split(','));
    for (const { works } of GROUPS)
      expect(
        works.some((name) => WORKS.includes(name)),
        works.join(),
      ).to.be.true;
    for (const { name, rows, columns = STANDARD } of report.works) {
      expect(rows.length, name).to.be.at.least(2);
      for (const { peer, medians, error } of rows) {
        expect(error, `${name}, ${peer}`).to.equal(undefined);
        expect(Object.values(medians).every(Number.isFinite), `${name}, ${peer}`).to.be.true;
      }
      for (const figure of columns) {
        const has = rows.some(({ medians }) => medians[figure] !== undefined);
        expect(has, `${name}: ${figure}`).to.be.true;
      }
    }
  });

  it('judges each target whose rows are there, and leaves with 0 whatever the verdict', () => {
    const verdicts = report.works.flatMap((work) => work.verdicts);
    expect(verdicts.length).to.be.at.least(10);
    for (const { found, figure, peer } of verdicts) expect(found, `${peer}: ${figure}`).to.be.a('number');
  });

  it('says where, when and with what it was done', () => {
    expect(report.machine).to.include(process.version);
    expect(report.command).to.match(/^npm run bench -- --quick --rounds 1 /);
    expect(report.versions).to.include.keys('node', 'ws', 'undici', 'websocket');
    expect(Date.parse(report.date)).to.be.closeTo(Date.now(), 120_000);
  });

  it('is drawn as a page of its own', () => {
    const page = readFileSync(join(folder, 'run.html'), 'utf8');
    expect(() => wellFormed(page)).not.to.throw();
    for (const { label } of report.works) expect(page).to.include(label);
  });

  for (const [args, text] of [
    [['--rounds', '0'], "--rounds must be an integer from 1 to 1000, got '0'"],
    [['--window', '5ms'], "--window must be an integer from 10 to 60000, got '5ms'"],
    [['--only', '65B'], "got '65B'"],
    [['--peers', 'ws,wss'], "got 'wss'"],
    [['--fast'], '--fast'],
  ] as const) {
    it(`refuses ${args.join(' ')}, naming it, and leaves with 2`, async () => {
      const failed = await run(...args).then(
        () => undefined,
        (error: { code: number; stderr: string }) => error,
      );
      expect(failed?.code).to.equal(2);
      expect(failed?.stderr.split('\n')[0]).to.include(text);
    });
  }
});
