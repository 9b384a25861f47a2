import { expect } from 'chai';
import { Deadlines, type Late } from '../../workers/deadlines.ts';

const HOUR = 3_600_000;

describe('the deadlines of a connection', () => {
  const real = globalThis.setTimeout;
  afterEach(() => {
    globalThis.setTimeout = real;
  });

  it('set no timer once they were stopped, be it by what one of them has led to (S3)', async () => {
    const deadlines = new Deadlines((run) => run());
    const passed = new Promise<void>((resolve) => {
      const late: Late = {
        due: undefined,
        late: () => {
          deadlines.stop();
          resolve();
        },
      };
      deadlines.set(late, 'requestTimeout', 1);
      deadlines.set({ due: undefined, late: () => {} }, 'headersTimeout', HOUR);
    });
    const waits: unknown[] = [];
    globalThis.setTimeout = new Proxy(real, {
      apply: (target, self, given: Parameters<typeof setTimeout>) => {
        waits.push(given[1]);
        return Reflect.apply(target, self, given);
      },
    });
    // An unref'd timer alone ends no test.
    const awake = setInterval(() => {}, HOUR);
    await passed;
    clearInterval(awake);
    deadlines.set({ due: undefined, late: () => {} }, 'idleTimeout', HOUR);
    // Node's timers may fire a little early: then it looks again.
    expect(waits.filter((ms) => Number(ms) > 1_000)).to.deep.equal([]);
  });
});
