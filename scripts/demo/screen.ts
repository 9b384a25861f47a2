// screen — how the demo looks: one row a second, what happens in between, and a list of promises at the end.
// Used by show.ts and listener.ts.
// Invariant: colours and bars on a terminal only (and not with NO_COLOR); in a pipe every line is plain text and says
// the same. A reader that has gone (`| head`) is an interrupt, not an error.

import { styleText } from 'node:util';
import type { Promised } from './verdict.ts';

export interface Column {
  readonly title: string;
  readonly width: number;
}

/** How a cell or an event is to be read. */
export type Tone = 'plain' | 'faint' | 'good' | 'bad' | 'loud' | 'first' | 'second';

/** One cell: its text, and what it means. */
export type Cell = string | readonly [text: string, tone: Tone];

const COLOURS = {
  plain: 'reset',
  faint: 'dim',
  good: 'green',
  bad: 'red',
  loud: 'yellow',
  first: 'cyan',
  second: 'magenta',
} as const satisfies Record<Tone, string>;

/** Characters of a full bar. */
const BAR = 16;

export class Screen {
  readonly #output: NodeJS.WriteStream;
  readonly #pretty: boolean;
  #columns: readonly Column[] = [];
  #most = 1;

  /** `onGone` is called when nobody reads any more. */
  constructor(output: NodeJS.WriteStream, onGone: () => void) {
    this.#output = output;
    this.#pretty = output.isTTY === true && !process.env['NO_COLOR'];
    output.on('error', onGone);
  }

  /** Lines of text. */
  say(...lines: readonly string[]): void {
    for (const line of lines) this.#output.write(`${line}\n`);
  }

  /** The head of the rows that follow. */
  head(columns: readonly Column[]): void {
    this.#columns = columns;
    const titles = columns.map(({ title, width }) => title.padStart(width));
    this.say('', this.#paint(`  ${titles.join('  ')}`, 'faint'));
  }

  /** One row. `amount` draws a bar behind it, on a terminal. */
  row(cells: readonly Cell[], amount = 0): void {
    const parts = cells.map((cell, index) => {
      const [text, tone] = typeof cell === 'string' ? ([cell, 'plain'] as const) : cell;
      return this.#paint(text.padStart(this.#columns[index]?.width ?? 0), tone);
    });
    const width = this.#columns.reduce((sum, column) => sum + 2 + column.width, 0);
    this.say(`  ${parts.join('  ')}${this.#bar(amount, this.#output.columns - width - 2)}`);
  }

  /** Something happened between two rows. */
  event(text: string, tone: Tone = 'loud'): void {
    this.say(this.#paint(`  » ${text}`, tone));
  }

  /** What was promised, and whether it held. */
  promises(list: readonly Promised[]): void {
    const width = Math.max(...list.map(({ promise }) => promise.length));
    this.say('');
    for (const { promise, held, figure } of list) {
      const mark = held ? this.#paint('✓', 'good') : this.#paint('✗', 'bad');
      this.say(`  ${mark} ${promise.padEnd(width)}  ${this.#paint(figure, held ? 'faint' : 'bad')}`);
    }
    const broken = list.filter(({ held }) => !held).length;
    const result =
      broken === 0 ? `all ${list.length} promises held` : `${broken} of ${list.length} promises did not hold`;
    this.say('', this.#paint(`  ${result}`, broken === 0 ? 'good' : 'bad'));
  }

  #bar(amount: number, room: number): string {
    if (!this.#pretty || amount <= 0 || room < 4) return '';
    this.#most = Math.max(this.#most, amount);
    const length = Math.ceil((Math.min(BAR, room) * amount) / this.#most);
    return `  ${this.#paint('▇'.repeat(length), 'faint')}`;
  }

  #paint(text: string, tone: Tone): string {
    return this.#pretty && tone !== 'plain' ? styleText(COLOURS[tone], text) : text;
  }
}
