// secureoptions — Node's options for a TLS handshake with the far end of a leg, and who that must be.
// Used by transport.ts for what is dialled, and by secure.ts for what is behind a tunnel.
// Invariant: what the user gave wins, but for what decides who is spoken to; unless verification is off, no handshake is
// good whose certificate is not the host's, be it a full one or one that resumes a session. Source: Node tls.connect.

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

/** Node 20 has no certificate of a session that was resumed: who verifies shakes hands anew there. */
const TELLS_RESUMED = Number.parseInt(process.versions.node, 10) >= 22;

/** The user's own check. */
interface Checks {
  readonly checkServerIdentity?: UserFunction | undefined;
}

/** @throws what Node finds wrong with the user's options. */
export function secureOptions(
  { host, tls: given = {}, protocols }: Pick<Leg, 'host' | 'tls'> & { readonly protocols: readonly string[] },
  checks: Checks,
): tls.ConnectionOptions {
  let secureContext = contexts.get(given);
  if (!secureContext) {
    secureContext = tls.createSecureContext(atLeast(given));
    contexts.set(given, secureContext);
  }
  const offered = protocols.flatMap((one) => ALPN.get(one) ?? []);
  return {
    ...(offered.length > 0 && { ALPNProtocols: offered }),
    // RFC 6066 §3: never an IP address. Node would send none by itself.
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...given,
    ...(!TELLS_RESUMED && given['rejectUnauthorized'] !== false && { session: undefined }),
    // Of a socket that it has not dialled, Node would take an address for `localhost`.
    host,
    checkServerIdentity: checkOf(checks),
    secureContext,
  };
}

/** TLS 1.2, whatever the command line of this Node says, unless the user says otherwise. RFC 8996. */
function atLeast(given: Readonly<Record<string, unknown>>): tls.SecureContextOptions {
  const said = given['minVersion'] !== undefined || given['secureProtocol'] !== undefined;
  return said ? given : { ...given, minVersion: 'TLSv1.2' };
}

/** What is wrong with the far end of a handshake that has resumed a session: Node does not ask whose that is. */
export function resumedFault(
  socket: net.Socket,
  { host, tls: given = {} }: Pick<Leg, 'host' | 'tls'>,
  checks: Checks,
): Error | undefined {
  if (!(socket instanceof tls.TLSSocket) || !socket.isSessionReused()) return undefined;
  if (given['rejectUnauthorized'] === false) return undefined;
  const { servername } = given;
  const name = typeof servername === 'string' && servername !== '' ? servername : host;
  // Its own only: a session has no chain.
  return checkOf(checks)(name, socket.getPeerCertificate(false));
}

function checkOf({ checkServerIdentity }: Checks): typeof tls.checkServerIdentity {
  return checkServerIdentity ? guarded(checkServerIdentity) : checkIdentity;
}

/** Node 22 finds no IPv6 address in a certificate (nodejs/node#64144); what it quotes there is left to it. */
function checkIdentity(host: string, certificate: tls.PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname ?? '';
  if (net.isIPv6(host) && !names.includes('"')) {
    const wanted = `IP Address:${canonical(host)}`;
    const found = names.split(', ').some((name) => {
      const [kind, address = ''] = [name.slice(0, 11), name.slice(11)];
      return kind === 'IP Address:' && net.isIPv6(address) && kind + canonical(address) === wanted;
    });
    if (found) return undefined;
  }
  return tls.checkServerIdentity(host, certificate);
}

function canonical(address: string): string {
  return new net.SocketAddress({ address: address.split('%', 1)[0] ?? '', family: 'ipv6' }).address;
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
