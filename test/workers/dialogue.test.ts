import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Dialogue } from '../../workers/dialogue.ts';
import { block } from '../support/blocking.ts';

/** The loop of this thread turns for nothing. */
function isTurning(): boolean {
  return process.getActiveResourcesInfo().includes('Immediate');
}

describe('Dialogue', () => {
  // One core is needed for the answer.
  if (availableParallelism() === 1) return void it.skip('keeps its thread awake');

  function talk(dialogue: Dialogue, times: number): void {
    for (let i = 0; i < times; i++) {
      dialogue.heard('owner');
      dialogue.heard('peer');
    }
  }

  it('keeps its thread awake for an answer that is likely to come at once, and no longer', async () => {
    const dialogue = new Dialogue();
    talk(dialogue, 40);
    expect(isTurning()).to.equal(true);
    await delay(5);
    expect(isTurning()).to.equal(false);
  });

  it('lets it sleep until answers are a habit', () => {
    talk(new Dialogue(), 4);
    expect(isTurning()).to.equal(false);
  });

  it('lets it sleep where one of them speaks alone', () => {
    const dialogue = new Dialogue();
    for (let i = 0; i < 100; i++) dialogue.heard('peer');
    expect(isTurning()).to.equal(false);
  });

  it('lets it sleep where answers take longer', () => {
    const dialogue = new Dialogue();
    for (let i = 0; i < 20; i++) {
      dialogue.heard('owner');
      block(0.3);
      dialogue.heard('peer');
      block(0.3);
    }
    expect(isTurning()).to.equal(false);
  });

  it('is not put off by one answer that was late, and is by several', async () => {
    const dialogue = new Dialogue();
    talk(dialogue, 40);
    await delay(5);
    talk(dialogue, 1);
    expect(isTurning()).to.equal(true);
    for (let late = 0; late < 4; late++) {
      await delay(2);
      dialogue.heard('owner');
      await delay(2);
      dialogue.heard('peer');
    }
    await delay(2);
    dialogue.heard('owner');
    expect(isTurning()).to.equal(false);
  });
});
