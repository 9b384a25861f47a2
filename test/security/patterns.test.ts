// Every regular expression of lib/ and workers/: none that backtracks, whatever a peer sends.
// Source: CVE-2021-32640 (ws: Sec-WebSocket-Protocol); the patterns are read from the sources, so that none is forgotten.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseSetCookie } from '../../lib/protocol/cookies.ts';
import { Redactor } from '../../lib/session/redact.ts';
import { trimmed } from '../../lib/whitespace.ts';

// The sources: what runs is compiled, three folders below.
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Characters of an input. A pattern that tries again from each of them takes 200 million steps. */
const LONG = 20_000;
/** Milliseconds for one: half a millisecond as a rule, and 600 for a pattern that is quadratic. */
const SOON = 60;

interface Pattern {
  readonly file: string;
  readonly pattern: RegExp;
}

/** A literal stands where an expression may begin. */
const LITERAL =
  /(?:^|[(=>,:?[!&|{;]|\breturn)\s*\/((?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([dgimsuvy]*)(?![\w/])/g;

const sources: readonly (readonly [string, string])[] = ['lib', 'workers'].flatMap((wing) =>
  readdirSync(join(ROOT, wing), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.c?ts$/.test(name))
    .map((name) => [`${wing}/${name}`, codeOf(readFileSync(join(ROOT, wing, name), 'utf8'))] as const),
);

function codeOf(source: string): string {
  return source
    .split('\n')
    .filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line))
    .join('\n');
}

const patterns: readonly Pattern[] = sources.flatMap(([file, source]) =>
  [...source.matchAll(LITERAL)].map(([, text = '', flags]) => ({ file, pattern: new RegExp(text, flags) })),
);

/** Inputs that a pattern could try again and again: what it is made of, over and over, behind its own words, and with an
 *  end that does not match. */
function* inputsFor({ source }: RegExp): Generator<string> {
  const letters = new Set([...'a0A=-. \t\n;"\\:/@?', ...source.replace(/\\./g, '')]);
  const words = new Set([...(source.match(/[\w":=&?/-]{2,}/g) ?? []), ...letters]);
  for (const letter of letters) {
    for (const other of letters) yield (letter + other).repeat(LONG / 2);
    for (const word of words) yield `${word}${letter.repeat(LONG)}\x01`;
  }
  for (const word of words) yield word.repeat(LONG / word.length);
}

/** The quickest of some, where the first was slow: another may have had the processor. */
function timeOf(run: () => unknown, tries = 4): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && best > SOON; i++) {
    const begun = performance.now();
    run();
    best = Math.min(best, performance.now() - begun);
  }
  return best;
}

describe('a regular expression', () => {
  it('is written as a literal: none is made of what somebody gives', () => {
    expect(patterns.length).to.be.above(40);
    const made = sources.filter(([, source]) => /\bRegExp\(/.test(source)).map(([file]) => file);
    expect(made).to.deep.equal([]);
  });

  for (const { file, pattern } of patterns) {
    it(`of ${file} takes linear time: ${pattern}`, function () {
      this.timeout(20_000);
      expect(slow(pattern)).to.equal(undefined);
    });
  }

  it('that backtracks would be found out', () => {
    expect(slow(/^[\t ]+|[\t ]+$/g, 1)).to.be.a('string');
  });

  /** What it takes long for. */
  function slow(pattern: RegExp, tries = 4): string | undefined {
    for (const input of inputsFor(pattern)) {
      pattern.lastIndex = 0;
      if (timeOf(() => input.replace(pattern, ''), tries) > SOON) return input.slice(0, 20);
    }
    return undefined;
  }
});

describe('text of a peer', () => {
  const MIB = 1024 * 1024;
  /** Milliseconds for 1 MiB. What is quadratic takes half an hour. */
  const MOST = 500;
  const spaces = `a${' '.repeat(MIB)}a`;

  it('is trimmed of spaces and tabs, and no others, in linear time', () => {
    expect(trimmed('\t  a \t b\u00a0 ')).to.equal('a \t b\u00a0');
    expect(trimmed('   ')).to.equal('');
    expect(trimmed('a')).to.equal('a');
    for (const text of [spaces, ' '.repeat(MIB), '\t '.repeat(MIB / 2)]) {
      expect(timeOf(() => trimmed(text))).to.be.below(MOST);
    }
  });

  it('is a cookie, or none, in linear time', () => {
    const none = () => undefined;
    for (const line of [
      spaces,
      `a=${spaces}`,
      `a=b; ${spaces}`,
      `a=b; max-age=${'1'.repeat(MIB)}`,
      '; '.repeat(MIB / 16),
    ]) {
      expect(timeOf(() => parseSetCookie(line, none))).to.be.below(MOST);
    }
  });

  it('is freed of secrets in linear time', () => {
    const redactor = new Redactor();
    const inputs = ['"token": "\\', 'a://a', 'bearer a', '?a=', '&token=', 'Basic  ', '"', 'a.a-a'];
    for (const word of inputs) {
      const long = word.repeat(MIB / 4 / word.length);
      expect(
        timeOf(() => redactor.text(long)),
        word,
      ).to.be.below(MOST);
    }
  });
});
