// support — what the tests of clients have in common.

import type { Verdict } from './judge.ts';
import type { Patience } from './server.ts';

/** For a client that is to do all it must: it never waits so long, however busy the machine is. */
export const PATIENT: Patience = { must: 30_000, fast: 30_000 };

/** Each verdict but OK: `FAILED 5.18`. */
export function notOk(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter(({ grade }) => grade !== 'OK').map(({ grade, id }) => `${grade} ${id}`);
}
