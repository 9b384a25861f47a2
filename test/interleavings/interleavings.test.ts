import { expect } from 'chai';
import fc from 'fast-check';
import { plans, tellPlan } from '../model/plan.ts';
import { seedOf } from '../support/chance.ts';
import { Company } from './play.ts';

/** Plans in the suite; more by GUNPORT_PLANS. */
const PLANS = Number(process.env['GUNPORT_PLANS'] ?? 40);
/** Milliseconds for all of them, after which one that has failed is made no smaller. */
const PATIENCE = Math.max(60_000, 2_000 * PLANS);

describe('real threads, asked for anything in any order', function () {
  this.timeout(2 * PATIENCE);
  const seed = seedOf();
  let company: Company;

  before(async () => {
    company = await Company.gather();
  });
  after(() => company.leave());

  it(`keep the promises in ${PLANS} plans, seed ${seed} (O1 to O8, S1, S2, M1, M2)`, async () => {
    const law = fc.asyncProperty(plans, async (plan) => {
      const wrong = await company.play(plan);
      expect(wrong, tellPlan(plan)).to.deep.equal([]);
    });
    const path = process.env['GUNPORT_PATH'];
    const until = { interruptAfterTimeLimit: PATIENCE, markInterruptAsFailure: false };
    await fc.assert(law, { seed, numRuns: PLANS, ...until, ...(path !== undefined && { path }) });
  });
});
