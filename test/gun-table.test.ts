import { expect } from 'chai';
import { absent, tableOf, titles, twinsOf } from './support/tables.ts';
import { roadNames } from './support/tunnel-names.ts';

/** How many tests each suite of Gun has, tunnels and all. */
const SUITES: Readonly<Record<string, number>> = {
  gun_SUITE: 59,
  shutdown_SUITE: 34,
  flow_SUITE: 10,
  ping_SUITE: 6,
  ws_SUITE: 14,
  send_errors_SUITE: 3,
  sse_SUITE: 5,
  rfc7230_SUITE: 6,
  rfc7231_SUITE: 22,
  rfc7540_SUITE: 39,
  raw_SUITE: 26,
  socks_SUITE: 25,
  pool_SUITE: 15,
  tunnel_SUITE: 216,
  rfc6265bis_SUITE: 39,
  event_SUITE: 64,
};

interface Row {
  readonly suite: string;
  readonly test: string;
  /** The file, and the sentences of `describe` and `it`; none where there is a reason. */
  readonly twins: readonly string[];
  readonly reason: string | undefined;
}

const rows: readonly Row[] = tableOf('GUN.md').flatMap(
  ({ section, cells: [tests = '', cell = ''] }): Row[] => {
    const reason = cell.startsWith('none: ') ? cell.slice(6) : undefined;
    const twins = reason === undefined ? twinsOf(cell) : [];
    return expanded(tests).map((test) => ({ suite: section, test, reason, twins }));
  },
);

/** `{a,b}_{c,d}` as a shell has it. */
function expanded(text: string): string[] {
  const [, before = '', some = '', behind = ''] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(text) ?? [];
  if (some === '') return [text];
  return some.split(',').flatMap((one) => expanded(behind).map((rest) => `${before}${one}${rest}`));
}

function rootOf(suite: Mocha.Suite | undefined): Mocha.Suite | undefined {
  return suite?.parent ? rootOf(suite.parent) : suite;
}

function testsOf(suite: Mocha.Suite | undefined): string[] {
  if (!suite) return [];
  return [...suite.tests.map(({ title }) => title), ...suite.suites.flatMap(testsOf)];
}

/** Names of tests of these suites in the parentheses of a title; `bare`: also those without their suite. */
function namesIn(title: string, bare: boolean): string[] {
  const groups = [...title.matchAll(/\(([^()]*)\)/g)].map(([, group = '']) => group.split(', '));
  return groups.flatMap((items) => {
    let suite = bare ? 'rfc7540_SUITE' : '';
    let last = '';
    return items.flatMap((item) => {
      const [, named, name = ''] = /^(?:(\w+_SUITE) )?([a-z0-9_]+)$/.exec(item) ?? [];
      suite = named ?? suite;
      if (!(suite in SUITES) || !name || (!named && !name.includes('_'))) return [];
      // `(shutdown_SUITE http1_owner_down, _error)` is two.
      last = name.startsWith('_') ? last + name : name;
      return [last];
    });
  });
}

describe("the table of Gun's tests", () => {
  it('has each test of its suites once', () => {
    for (const [suite, count] of Object.entries(SUITES)) {
      const tests = rows.filter((row) => row.suite === suite).map(({ test }) => test);
      expect(tests, suite).to.have.lengthOf(count);
      expect(new Set(tests).size, suite).to.equal(count);
    }
    expect(rows.map(({ suite }) => suite)).to.satisfy((all: string[]) =>
      all.every((suite) => suite in SUITES),
    );
  });

  it('has a twin for each, which is there, or a reason', () => {
    const missing = rows.flatMap(({ test, twins, reason }) => {
      if (reason !== undefined) return reason.length > 10 ? [] : [`${test}: no reason`];
      return absent(twins).map((twin) => `${test}: ${twin}`);
    });
    expect(missing).to.deep.equal([]);
  });

  it('has every name that a title of a test here gives', () => {
    const known = new Set(rows.map(({ test }) => test));
    // This file has names of suites, and no test of theirs.
    const files = [...titles()].filter(([file]) => file !== 'gun-table.test.ts');
    const unknown = files.flatMap(([file, all]) =>
      all.flatMap((title) =>
        namesIn(title, file === 'http/rfc7540.test.ts')
          .filter((name) => !known.has(name))
          .map((name) => `${file}: ${name}`),
      ),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('has a road for each name of the tunnels, in the tests that make them out of names', function () {
    const tests = rows.filter(({ suite }) => suite === 'tunnel_SUITE').map(({ test }) => test);
    const names = roadNames().map(([name]) => name);
    expect(names).to.deep.equal(tests);
    // Where this file runs with the others, what mocha has of them is looked at as well.
    const loaded = testsOf(rootOf(this.test?.parent)).filter((title) => title.includes('(tunnel_SUITE)'));
    if (loaded.length === 0) return;
    expect(loaded.map((title) => title.slice(0, title.indexOf(':')))).to.deep.equal(tests);
  });
});
