// tables — tables in test/*.md whose rows name the tests that stand for them, and whether those tests are there.
// Used by the tests of GUN.md, SCENARIOS.md, SECURITY.md and CATALOGUE.md: `tableOf('GUN.md')`, `absent(twinsOf(cell))`.
// A twin is "`file.test.ts`: sentence › sentence": a file in test/ and sentences of its `describe`s and `it`s, as mocha
// prints them; `…` is what varies. A cell has one or more of them, with ` <br> ` between.
// Invariant: what counts is the source: a test that is not run on this machine is there all the same.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// The sources: what runs is compiled, three folders below.
const TESTS = fileURLToPath(new URL('../../../test', import.meta.url));

/** A line of a table: the heading that it stands under (empty before the first), and its cells. */
export interface TableRow {
  readonly section: string;
  readonly cells: readonly string[];
}

/** The rows of all tables in a file of test/, without their heads. */
export function tableOf(name: string): TableRow[] {
  const sections = readFileSync(join(TESTS, name), 'utf8').split('\n## ');
  return sections.flatMap((text, index) => {
    const section = index === 0 ? '' : text.slice(0, text.indexOf('\n')).trim();
    const lines = text.split('\n').filter((line) => line.startsWith('|'));
    // A head, a line of dashes, and then what counts.
    return lines
      .filter((line, at) => !isRule(line) && !isRule(lines[at + 1] ?? ''))
      .map((line) => ({ section, cells: cellsOf(line) }));
  });
}

function isRule(line: string): boolean {
  return /^\|[-:| ]+\|$/.test(line) && line.includes('---');
}

function cellsOf(line: string): string[] {
  const cells = line.split(/(?<!\\)\|/).slice(1, -1);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The twins that a cell names. */
export function twinsOf(cell: string): string[] {
  return cell.split(' <br> ');
}

/** Those of some twins that are not there: their file, or one of their sentences in it. */
export function absent(twins: readonly string[]): string[] {
  return twins.filter((twin) => {
    const [, file = '', path = ''] = /^`([^`]*)`: (.*)$/.exec(twin) ?? [];
    const sentences = (titles().get(file) ?? []).map(sentenceOf);
    if (!path) return true;
    return !path.split(' › ').every((sentence) => sentences.includes(sentence));
  });
}

let read: ReadonlyMap<string, readonly string[]> | undefined;

/** All that may be a title in each test file, by its path in test/; what varies as `…`. */
export function titles(): ReadonlyMap<string, readonly string[]> {
  read ??= new Map(
    readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => [name, titlesIn(readFileSync(join(TESTS, name), 'utf8'))]),
  );
  return read;
}

/** All string literals that may be a title, or a part of one. */
function titlesIn(source: string): string[] {
  const literals = /(['"`])((?:\\.|(?!\1)[^\\\n])*)\1/g;
  return [...source.matchAll(literals)].map(([, , text = '']) =>
    text.replace(/\\(.)/g, '$1').replace(/\$\{[^}]*\}/g, '…'),
  );
}

/** Without the names of Gun's tests behind it, and the number of CATALOGUE.md before it. */
function sentenceOf(title: string): string {
  return title.replace(/^check \d+: /, '').replace(/ \([^()]*_[^()]*\)$/, '');
}
