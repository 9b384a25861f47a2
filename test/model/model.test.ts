import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { FAULTS } from './faults.ts';
import { assertPlayed, playPlans } from './modelling.ts';

/** Plans in the suite; `npm run soak model` plays 100 000. */
const PLANS = Number(process.env['GUNPORT_MODEL'] ?? 2_000);
/** A fault must be seen within so many. */
const FOUND_WITHIN = 10_000;

describe('the model: real owners, takers and processes on ports, clocks and sockets that are none', function () {
  this.timeout(300_000);
  const seed = seedOf();

  it(`keeps the promises in ${PLANS} plans, seed ${seed} (O1 to O8, S1 to S4, M1, M2, F1)`, async () => {
    const played = await playPlans(PLANS, seed);
    assertPlayed(played, seed);
    expect(played.runs).to.equal(PLANS);
  });

  it('plays a plan again by its seed and path', async () => {
    const fault = 'the streams are not sealed at the call';
    const first = await playPlans(FOUND_WITHIN, seed, { fault });
    const again = await playPlans(1, seed, { fault, path: first.failure?.path ?? '' });
    expect(again.runs).to.equal(1);
    expect({ ...again.failure, shrinks: 0 }).to.deep.equal({ ...first.failure, shrinks: 0 });
  });

  describe('sees a wrong turn that is planted in the code', () => {
    for (const [fault, { promise, always }] of Object.entries(FAULTS)) {
      if (!always) continue;
      it(`${fault} (${promise})`, async () => {
        const { failure, runs } = await playPlans(FOUND_WITHIN, seed, { fault });
        expect(failure, `${runs} plans have gone well, seed ${seed}`).to.not.equal(undefined);
      });
    }
  });
});
