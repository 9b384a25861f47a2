import { expect } from 'chai';
import { BOTH } from '../support/httpstage.ts';
import { httpStorm } from '../support/httpstorm.ts';

const seed = Number(process.env['GUNPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a storm of hand-overs under downloads and uploads loses, repeats and reorders nothing (O1, O2, O3, O7)', function () {
  this.timeout(60_000);
  this.slow(20_000);

  const plans = {
    'at full speed': { streams: 20, open: 6, size: 1_000_000, transfers: 100, faults: 0, replied: 0 },
    'failing at random': { streams: 20, open: 4, size: 600_000, transfers: 60, faults: 1.5, replied: 2 },
    'with many small ones': {
      streams: 250,
      open: 20,
      size: 20_000,
      transfers: 100,
      faults: 0.5,
      replied: 12,
    },
  };
  for (const speaks of BOTH) {
    for (const [name, plan] of Object.entries(plans)) {
      it(`${name}, over ${speaks}: ${plan.streams} streams, ${plan.transfers} times (GUNPORT_SEED=${seed})`, async () => {
        const { transfers, failed } = await httpStorm(speaks, { ...plan, seed });
        expect(transfers).to.be.within(plan.transfers / 10, plan.transfers);
        if (plan.faults === 0) expect(failed).to.equal(0);
      });
    }
  }
});
