// nursery.test — memory that arrives from elsewhere is collected while it is young.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';

const NURSERY = new URL('../lib/nursery.js', import.meta.url).href;

/** Posts 512 MiB, a tick's worth of 4 at a time. */
const POSTS = `
  const { parentPort } = require('node:worker_threads');
  let left = 512;
  const post = () => {
    for (let i = 0; i < 4; i++, left--) {
      const { buffer } = Buffer.allocUnsafeSlow(1024 * 1024);
      parentPort.postMessage(buffer, [buffer]);
    }
    if (left > 0) setTimeout(post, 1);
  };
  post();`;

/** Is posted them, and tells how often the whole of its heap was marked meanwhile. */
const IS_POSTED = `
  const { once } = require('node:events');
  const { constants, PerformanceObserver } = require('node:perf_hooks');
  const { parentPort, Worker, workerData } = require('node:worker_threads');
  import(workerData.nursery).then(async ({ Nursery }) => {
    const kinds = [];
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries()) kinds.push(detail.kind);
    });
    observer.observe({ entryTypes: ['gc'] });
    const nursery = new Nursery();
    const worker = new Worker(workerData.posts, { eval: true });
    worker.on('message', (memory) => workerData.used && nursery.arrived(memory.byteLength));
    await once(worker, 'exit');
    // The observer is told in a turn of its own.
    setImmediate(() => {
      observer.disconnect();
      parentPort.postMessage(kinds.filter((kind) => kind === constants.NODE_PERFORMANCE_GC_MAJOR).length);
    });
  });`;

/** Marks of the whole heap in a fresh thread. */
async function marks(used: boolean): Promise<number> {
  const workerData = { nursery: NURSERY, posts: POSTS, used };
  const worker = new Worker(IS_POSTED, { eval: true, workerData });
  // A last message and the exit may come in one breath.
  const [[count]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  return count;
}

describe('the nursery', () => {
  it('has moved memory collected without a look at the whole heap', async function () {
    // Of V8 as Node 20 has it: later ones look at the whole heap anyhow.
    if (!process.version.startsWith('v20.')) this.skip();
    expect(await marks(true)).to.be.below((await marks(false)) / 2);
  });
});
