// The table of SCENARIOS.md: thirty failures, each with tests that are where it says; and the invariants beside them.

import { expect } from 'chai';
import { absent, tableOf, twinsOf } from './support/tables.ts';

const rows = tableOf('SCENARIOS.md');
const scenarios = rows.filter(({ section }) => section === '');
const beside = rows.filter(({ section }) => section === 'Beside them');

describe('the table of failures', () => {
  it('has thirty, and says of each what happens and what holds', () => {
    expect(scenarios.map(({ cells: [number] }) => Number(number))).to.deep.equal(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    for (const { cells } of scenarios) {
      expect(cells, cells[0]).to.have.lengthOf(4);
      for (const cell of cells.slice(1)) expect(cell, cells[0]).to.have.length.above(10);
    }
  });

  it('has ten invariants, and the clock', () => {
    const names = [...Array.from({ length: 10 }, (_, i) => `I${i + 1}`), 'clock'];
    expect(beside.map(({ cells: [name] }) => name)).to.deep.equal(names);
  });

  it('has tests for each, and all of them are there', () => {
    const missing = rows.flatMap(({ cells }) => {
      const twins = twinsOf(cells.at(-1) ?? '');
      return absent(twins).map((twin) => `${cells[0]}: ${twin}`);
    });
    expect(missing).to.deep.equal([]);
  });
});
