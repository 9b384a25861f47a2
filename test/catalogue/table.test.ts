// The table of CATALOGUE.md: forty checks, each with tests that are where it says.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { tableOf, twinsOf } from '../support/tables.ts';

// The sources: what runs is compiled, three folders below.
const TESTS = fileURLToPath(new URL('../../../test', import.meta.url));
const CHECKS = 40;

interface Row {
  readonly check: number;
  /** `file: title`, as the source has it, without `check N: `. */
  readonly tests: readonly string[];
}

const rows: readonly Row[] = tableOf('CATALOGUE.md').map(({ cells: [check = '', , tests = ''] }) => ({
  check: Number(check),
  tests: twinsOf(tests),
}));

describe('the catalogue of acceptance checks', () => {
  it(`has each of the ${CHECKS} once`, () => {
    expect(rows.map(({ check }) => check)).to.deep.equal(Array.from({ length: CHECKS }, (_, i) => i + 1));
  });

  it('has a test for each, whose title says so, in the file that it names', () => {
    const missing = rows.flatMap(({ check, tests }) =>
      tests.filter((test) => !stands(test, check)).map((test) => `${check}: ${test}`),
    );
    expect(missing).to.deep.equal([]);
  });
});

function stands(test: string, check: number): boolean {
  const [, file, title] = /^(\S+\.test\.ts): (.+)$/.exec(test) ?? [];
  if (!file || !title) return false;
  // A title in quotes of its own kind has those within it escaped.
  const source = readFileSync(join(TESTS, file), 'utf8');
  return ["'", '"', '`'].some((quote) => source.includes(`(${quote}check ${check}: ${title}${quote}`));
}
