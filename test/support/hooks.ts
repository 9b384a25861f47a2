// hooks — what holds for every test file: each test asserts something, and at its end nothing that it made is left alive.
// Loaded by mocha (.mocharc.json).
// Invariant: no ref'd port, socket, server or timer outlives a file, and no thread but the idle ones of the default
// pool and that of feeds.ts, which keep no process alive and are shared by all files. The run ends by itself: never --exit.

import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { mustAssert } from './asserting.ts';
import { openModules } from './handles.ts';
import { returnsTo, type Snapshot, snapshot } from './leaks.ts';

const POOLED = Math.max(1, availableParallelism() - 1) + 1;
/** An event loop of a thread has four to six descriptors. */
const ALLOWED: Snapshot = { threads: POOLED, descriptors: 8 * POOLED };
/** Milliseconds that the process may take to end after the last test. */
const GRACE = 10_000;

export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll(this: Mocha.Context) {
    // Starts libuv's own threads, which stay.
    await stat('.');
    let before = snapshot();
    const modules = openModules();
    for (const suite of this.test?.parent?.suites ?? []) {
      // Added last, so it runs after the file's own hooks.
      suite.afterAll('leaves nothing alive', async () => {
        try {
          // Of threads that were killed while they loaded.
          const descriptors = (ALLOWED['descriptors'] ?? 0) + openModules() - modules;
          await returnsTo(before, 2_000, { ...ALLOWED, descriptors });
        } catch (error) {
          // Else every later file would be blamed for it.
          before = snapshot();
          throw error;
        }
      });
    }
  },
  beforeEach(this: Mocha.Context) {
    if (this.currentTest) mustAssert(this.currentTest);
  },
};

/** After the last file, in the process that the run was started in; those that run files beside it are ended by it. */
export function mochaGlobalTeardown(): void {
  // A process that does not end is a leak: name it rather than hang. The timer itself keeps nothing alive.
  const hung = (): void => {
    process.stderr.write(`the run does not end: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  };
  setTimeout(hung, GRACE).unref();
}
