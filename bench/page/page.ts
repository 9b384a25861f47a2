// page — a report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
// Called by run.ts with --html, and by `gunport bench`. Pure: the same report is the same page.
// Invariant: well formed, also as XML; whatever came from outside is escaped.

import { FIGURES } from '../instruments/figures.ts';
import type { Report } from '../instruments/report.ts';
import type { Verdict } from '../instruments/results.ts';
import { columnsOf, percent, verdictText } from '../instruments/table.ts';
import { element, text } from './markup.ts';
import { sectionOf } from './sections.ts';
import { STYLE } from './style.ts';

export function pageOf(report: Report): string {
  const title = report.title ?? 'gunport and its peers';
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, text(title)),
    // A style's text is not escaped in HTML; STYLE has nothing in it that XML would mind.
    element('style', {}, STYLE),
  );
  const body = element(
    'body',
    {},
    element('h1', {}, text(title)),
    aboutOf(report),
    verdictsOf(report),
    keysOf(report),
    ...report.works.map(sectionOf),
    footOf(report),
  );
  return `<!DOCTYPE html>\n${element('html', { lang: 'en' }, head, body)}\n`;
}

function aboutOf({ date, machine, versions, command, settings, others }: Report): string {
  const { rounds, window, warmup } = settings;
  const lines: (readonly [term: string, says: string])[] = [
    ['Date', text(date.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))],
    ['Machine', text(machine)],
    [
      'Versions',
      text(
        Object.entries(versions)
          .map((pair) => pair.join(' '))
          .join(', '),
      ),
    ],
    ['Command', element('code', {}, text(command))],
    ['Measured', text(`${count(rounds, 'round')} of ${window} ms each, after ${warmup} ms of warm-up`)],
  ];
  const [before, after] = others;
  if (before !== undefined && after !== undefined) {
    const says = `kept ${percent(before)} of the machine busy before the run, ${percent(after)} after it`;
    lines.push(['Others', text(says)]);
  }
  return element(
    'dl',
    { class: 'about' },
    ...lines.flatMap(([term, says]) => [element('dt', {}, term), element('dd', {}, says)]),
  );
}

/** Nothing where no work has a target. */
function verdictsOf({ works }: Report): string {
  const all = works.flatMap(({ verdicts }) => verdicts);
  if (all.length === 0) return '';
  const met = all.filter((verdict) => verdict.met).length;
  const rows = works.flatMap((work) =>
    work.verdicts.map((verdict) => {
      const { label = verdict.peer } = work.rows.find(({ peer }) => peer === verdict.peer) ?? {};
      return element(
        'tr',
        {},
        element('td', {}, mark(verdict)),
        element('td', {}, element('a', { href: `#${work.name}` }, text(work.label))),
        element('td', {}, text(label)),
        element('td', {}, text(verdictText(verdict, work.unit))),
      );
    }),
  );
  const heads = ['', 'Work', 'Who', 'Found, and asked'].map((head) => element('th', {}, head));
  return element(
    'div',
    {},
    element('p', { class: 'sum' }, element('b', {}, `${met} of ${all.length} targets met`)),
    element(
      'details',
      { open: 'open' },
      element('summary', {}, 'Targets'),
      element('table', { class: 'verdicts' }, element('tr', {}, ...heads), ...rows),
    ),
  );
}

function mark({ met }: Verdict): string {
  return element('span', { class: met ? 'met' : 'missed' }, met ? '✓ met' : '✗ missed');
}

/** What the colours are; nothing where there is only one. */
function keysOf({ works }: Report): string {
  if (works.every(({ rows }) => rows.length < 2)) return '';
  const keys: readonly (readonly [tone: string, says: string])[] = [
    ['ours', 'gunport'],
    ['base', 'whom the others are compared with'],
    ['other', 'others'],
  ];
  return element(
    'ul',
    { class: 'keys' },
    ...keys.map(([tone, says]) => element('li', {}, element('i', { class: tone }, ''), text(says))),
  );
}

function footOf({ works }: Report): string {
  const names = [...new Set(works.flatMap(columnsOf))];
  const says = names.map((name) => `${FIGURES[name].head}: ${FIGURES[name].says}`);
  return element(
    'footer',
    {},
    element(
      'p',
      {},
      text(
        'A bar is the median of its rounds; its line goes from quartile to quartile, and each dot is a round. A broken bar ' +
          'is longer than the axis. A multiple is the median of the ratios to the base in the same round. Machines are ' +
          'shared, so only ratios count.',
      ),
    ),
    element('p', {}, text(says.join('; '))),
  );
}

function count(number: number, name: string): string {
  return `${number} ${name}${number === 1 ? '' : 's'}`;
}
