// lookup — a host name becomes addresses: by dns.lookup or by the user's own function.
// Called by transport.ts, which keeps the time.
// Invariant: what comes out is a list of IP addresses, checked whoever gave it; it answers once, never in the same
// turn, and not at all after cancel (a lookup cannot be stopped, its late answer is dropped).
// Source: Node dns.lookup with { all: true }.

import { lookup as dnsLookup } from 'node:dns';
import { isIP } from 'node:net';
import { asError, describe } from '../lib/errors.ts';
import type { UserFunction } from '../lib/modules.ts';

/** One address of a host. */
export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Looks a host name up. @returns a function that makes it silent. */
export function resolveHost(
  host: string,
  family: 0 | 4 | 6,
  own: UserFunction | undefined,
  answer: (error: Error | undefined, addresses: readonly Address[]) => void,
): () => void {
  let waiting = true;
  const settle = (error: unknown, found: unknown): void => {
    if (!waiting) return;
    waiting = false;
    setImmediate(() => {
      if (cancelled) return;
      if (error) return answer(asError(error), []);
      try {
        answer(undefined, addressesOf(found, family, host));
      } catch (thrown) {
        answer(asError(thrown), []);
      }
    });
  };
  let cancelled = false;
  // `verbatim`: the order is the resolver's; which family is tried first is not for this place to say.
  const options = { all: true, family, verbatim: true } as const;
  try {
    // Node's callback has a third parameter, the family, where the second is one address.
    if (own === undefined) dnsLookup(host, options, settle);
    else {
      const single = (error: unknown, found: unknown, kind?: unknown) =>
        settle(error, typeof found === 'string' ? [{ address: found, family: kind ?? isIP(found) }] : found);
      // An async function's rejection must not end the thread.
      Promise.resolve(own(host, options, single)).catch((error: unknown) =>
        settle(error ?? new Error('rejected'), []),
      );
    }
  } catch (error) {
    settle(error ?? new Error('thrown'), []);
  }
  return () => {
    cancelled = true;
  };
}

function addressesOf(found: unknown, family: 0 | 4 | 6, host: string): readonly Address[] {
  if (!Array.isArray(found)) throw new Error(`lookup must give a list of addresses, got ${describe(found)}`);
  const list: Address[] = [];
  for (const item of found as unknown[]) {
    const address = typeof item === 'object' && item !== null && 'address' in item ? item.address : undefined;
    const kind = typeof address === 'string' ? isIP(address) : 0;
    if (typeof address !== 'string' || (kind !== 4 && kind !== 6)) {
      throw new Error(`lookup must give IP addresses, got ${describe(address)}`);
    }
    if (family === 0 || family === kind) list.push({ address, family: kind });
  }
  if (list.length === 0)
    throw new Error(`${host} has no address${family === 0 ? '' : ` of family ${family}`}`);
  return list;
}
