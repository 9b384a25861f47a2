import { expect } from 'chai';
import { runStorm, storms } from './support/storm.ts';
import { runVerdicts } from './support/verdicts.ts';

// A part of what `npm run soak` does.
describe('a storm of hand-overs loses, repeats and reorders nothing (O1, O2, O3, O7)', function () {
  this.timeout(60_000);
  this.slow(30_000);
  for (const storm of storms(0.02)) {
    it(`${storm.name}: ${storm.messages} messages, ${storm.transfers} times`, async () => {
      try {
        const { messages } = await runStorm(storm);
        expect(messages).to.equal(storm.messages * storm.feeds);
      } catch (error) {
        throw new Error(`GUNPORT_SEED=${storm.seed}`, { cause: error });
      }
    });
  }

  it('killed in the midst of it, giver or taker: 8 times (O8)', async () => {
    const { orphaned, given, kept } = await runVerdicts(8);
    expect(orphaned + given + kept).to.equal(8);
  });
});
