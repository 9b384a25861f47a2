// secureoptions — Node's options for a TLS handshake with the far end of a leg.
// Used by transport.ts for what is dialled, and by secure.ts for what is behind a tunnel.
// Invariant: what the user gave wins, but for what decides who is spoken to. Source: Node tls.connect.

import * as net from 'node:net';
import * as tls from 'node:tls';
import { asError } from '../../lib/errors.ts';
import type { Leg } from '../../lib/httpwire.ts';
import type { UserFunction } from '../../lib/modules.ts';

/** Contexts take 2 to 7 ms to make; a connection's settings are one object over all its attempts. */
const contexts = new WeakMap<object, tls.SecureContext>();

const ALPN: ReadonlyMap<string, string> = new Map([
  ['http2', 'h2'],
  ['http', 'http/1.1'],
]);

/** @throws what Node finds wrong with the user's options. */
export function secureOptions(
  { host, tls: given = {}, protocols }: Pick<Leg, 'host' | 'tls'> & { readonly protocols: readonly string[] },
  { checkServerIdentity }: { readonly checkServerIdentity?: UserFunction | undefined },
): tls.ConnectionOptions {
  let secureContext = contexts.get(given);
  if (!secureContext) {
    secureContext = tls.createSecureContext(given);
    contexts.set(given, secureContext);
  }
  const offered = protocols.flatMap((one) => ALPN.get(one) ?? []);
  return {
    ...(offered.length > 0 && { ALPNProtocols: offered }),
    // RFC 6066 §3: never an IP address. Node would send none by itself.
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...given,
    ...(checkServerIdentity && { checkServerIdentity: guarded(checkServerIdentity) }),
    secureContext,
  };
}

/** Keeps a user's check from throwing through Node's handshake into the thread, or from saying yes by a promise. */
function guarded(check: UserFunction): (host: string, certificate: tls.PeerCertificate) => Error | undefined {
  return (host, certificate) => {
    try {
      const verdict = check(host, certificate);
      if (verdict === undefined || verdict instanceof Error) return verdict;
      // Whatever the promise becomes, the handshake does not wait for it.
      if (verdict instanceof Promise) verdict.catch(() => {});
      return new Error('checkServerIdentity must return undefined or an Error');
    } catch (error) {
      return asError(error);
    }
  };
}
