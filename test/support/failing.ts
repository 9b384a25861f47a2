// failing — drives each way in which a connect can fail, any number of times.
// Used by connect-failures.test.ts (a tenth) and by test/soak/failures.ts (in full).
// Invariant: after failTimes() nothing is left: no slot, socket, timer or port, in this thread or in the pool's.

import { performance } from 'node:perf_hooks';
import type { GunportError, Pool } from '../../lib/index.ts';
import { type Culprit, type Failure, moduleOf } from './failures.ts';
import { returnsTo, snapshot } from './leaks.ts';

/** How many connects fail at a time. */
const AT_ONCE = 10;

/** Fails so many times in one way and checks each error, and that nothing is left of any.
 *  @param pool of one thread, which hosts nothing else. @throws what is not as the table says. */
export async function failTimes(failure: Failure, times: number, pool: Pool): Promise<void> {
  const options = typeof failure.options === 'function' ? await failure.options() : failure.options;
  // The first look loads the module that looks.
  await resourcesBeside(pool);
  const beside = await resourcesBeside(pool);
  const culprit = await failure.culprit();
  try {
    const attempt = () => pool.connect(culprit.url, options);
    // The first one loads what stays: TLS contexts, the user's modules, the thread itself.
    check(failure, await outcome(attempt()));
    await empty(pool, culprit);
    const before = snapshot();
    for (let left = times; left > 0; left -= AT_ONCE) {
      const errors = await Promise.all(
        Array.from({ length: Math.min(left, AT_ONCE) }, () => outcome(attempt())),
      );
      for (const error of errors) check(failure, error);
      await empty(pool, culprit);
    }
    await returnsTo(before);
    await until(
      async () => (await resourcesBeside(pool)) === beside,
      async () => {
        return `resources beside the sockets: ${await resourcesBeside(pool)} instead of ${beside}`;
      },
    );
  } finally {
    await culprit.close();
  }
}

async function outcome(connecting: Promise<unknown>): Promise<GunportError> {
  try {
    await connecting;
  } catch (error) {
    return error as GunportError; // Checked by check().
  }
  throw new Error('it connected');
}

function check(failure: Failure, error: GunportError): void {
  const { code, phase, status, body, cause } = failure;
  const found = {
    name: error.name,
    code: error.code,
    phase: error.phase,
    status: error.status,
    body: error.body && Buffer.from(error.body).toString(),
  };
  const wanted = { name: 'ConnectionError', code, phase, status, body };
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`, { cause: error });
  }
  if (status !== undefined && typeof error.headers !== 'object') {
    throw new Error('it has no headers', { cause: error });
  }
  const root = rootCode(error);
  if (cause === undefined ? root !== undefined : ![cause].flat().includes(String(root))) {
    throw new Error(`its cause is ${root} instead of ${[cause].flat().join(' or ')}`, { cause: error });
  }
}

/** Code of the error at the end of the chain of causes, if that is none of ours. */
function rootCode(error: Error): string | undefined {
  let root = error;
  while (root.cause instanceof Error) root = root.cause;
  const { code } = root as { code?: string };
  return code?.startsWith('ERR_GUNPORT_') ? undefined : (code ?? root.name);
}

async function empty(pool: Pool, culprit: Culprit): Promise<void> {
  await until(
    async () => pool.info().connections === 0 && (culprit.open ?? 0) === 0,
    async () => `${pool.info().connections} slots, ${culprit.open} sockets at the server`,
  );
}

/** What keeps the pool's thread alive, as that thread tells: its timers, sockets and ports. */
async function resourcesBeside(pool: Pool): Promise<string> {
  const error = await outcome(pool.connect('ws://spy.invalid', { lookup: spy }));
  return (error.cause as Error).message;
}
// Nextticks and immediates are of this very turn.
const spy = moduleOf(`export default (host, options, callback) => {
  const found = process.getActiveResourcesInfo().filter((one) => !/Immediate|TickObject/.test(one));
  callback(new Error(found.sort().join(' ')));
};`);

/** Waits by turns of the loop, for at most 2 s. */
async function until(holds: () => Promise<boolean>, otherwise: () => Promise<string>): Promise<void> {
  const end = performance.now() + 2_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`left behind: ${await otherwise()}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
