// The table of threats: each has an answer, and a test that is there.

import { expect } from 'chai';
import { absent, tableOf, twinsOf } from './support/tables.ts';

const rows = tableOf('SECURITY.md');

describe('the table of threats', () => {
  it('says of each what is done about it', () => {
    expect(rows.length).to.be.above(45);
    const bare = rows.filter(({ cells }) => cells.length !== 3 || cells.some((cell) => cell.length < 4));
    expect(bare.map(({ cells }) => cells[0])).to.deep.equal([]);
  });

  it('names a test for each, which is there', () => {
    const missing = rows.flatMap(({ cells: [threat, , tests = ''] }) =>
      absent(twinsOf(tests)).map((twin) => `${threat}: ${twin}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('has each test of test/security that stands for something of its own', () => {
    const files = ['patterns', 'tls', 'credentials', 'secrets', 'peerdata', 'sources', 'threads'];
    for (const file of files) {
      const named = rows.filter(({ cells }) => cells[2]?.includes(`\`security/${file}.test.ts\``));
      expect(named, file).not.to.deep.equal([]);
    }
  });
});
