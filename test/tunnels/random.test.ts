import { expect } from 'chai';
import { Pool } from '../../lib/index.ts';
import { seedOf } from '../support/chance.ts';
import { RandomRoads } from '../support/random-roads.ts';

describe('roads of chance', () => {
  const seed = seedOf();
  const pool = new Pool({ threads: 1 });
  const roads = new RandomRoads(pool, seed);
  const downs: unknown[] = [];
  before(() => {
    pool.on('down', ({ reason }) => downs.push(reason));
    return roads.open();
  });
  after(async () => {
    await roads.close();
    await pool.close();
  });

  it('settle all that was asked, whatever breaks, and leave nothing open: 300 of them (S1, S2, S4, M1)', async function () {
    this.timeout(60_000);
    this.slow(30_000);
    for (let round = 0; round < 300; round++) {
      try {
        await roads.round();
        expect(downs).to.deep.equal([]);
      } catch (error) {
        throw new Error(`round ${round} with GUNPORT_SEED=${seed}`, { cause: error });
      }
    }
  });
});
