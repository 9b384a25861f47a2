// rejects — the error that a promise must reject with.
// Used by tests that look at it more closely than one property.

import { expect } from 'chai';
import { type Code, GunportError } from '../../lib/errors.ts';

/** Resolves with the error. @throws when the promise resolves, or with another code. */
export async function rejects(promise: Promise<unknown>, code: Code): Promise<GunportError> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(GunportError);
    // The line above has looked.
    const ours = error as GunportError;
    expect(ours.code, ours.message).to.equal(code);
    return ours;
  }
  throw new Error(`resolved with ${String(result)} instead of ${code}`);
}
