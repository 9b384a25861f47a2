// tls — Node's TLS options as data: copied, checked, and ready to be posted.
// Called by settings.ts, roads.ts and proxies.ts; transport.ts hands the result to tls.connect.
// Invariant: no function, no memory shared with the caller, and no option that the transport decides itself.
// Verification is on unless `rejectUnauthorized: false` stands here: the environment has no say.
// Source: Node tls.connect and tls.createSecureContext.

import { isIP } from 'node:net';
import { types } from 'node:util';
import { flag, moduleReference, NOTHING, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';
import type { Settings } from './wire.ts';

/** Node's TLS options that are data, as Node 20 to 24 know them. What the transport decides (host, port, socket, …)
 *  and what is a server's is not among them. */
const TLS_NAMES: ReadonlySet<string> = new Set([
  'ALPNProtocols',
  'allowPartialTrustChain',
  'ca',
  'cert',
  'checkServerIdentity',
  'ciphers',
  'clientCertEngine',
  'crl',
  'dhparam',
  'ecdhCurve',
  'enableTrace',
  'honorCipherOrder',
  'key',
  'maxVersion',
  'minDHSize',
  'minVersion',
  'passphrase',
  'pfx',
  'privateKeyEngine',
  'privateKeyIdentifier',
  'rejectUnauthorized',
  'requestOCSP',
  'secureOptions',
  'secureProtocol',
  'servername',
  'session',
  'sessionIdContext',
  'sigalgs',
]);

type CheckedTls = Pick<Settings, 'tls' | 'checkServerIdentity'>;

/** Checks `tls`, for a far end that is secure or not. `name`: which of the options it is.
 *  @throws {OptionError} @internal */
export function checkTls(value: unknown, secure: boolean, name = 'tls'): CheckedTls {
  if (!secure) {
    if (value !== undefined) throw new OptionError(`${name} must be left out where there is no TLS`);
    return { tls: undefined, checkServerIdentity: undefined };
  }
  const given = value === undefined ? NOTHING : within(value, TLS_NAMES, name);
  const tls: Record<string, unknown> = {
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment cannot turn verification off.
    rejectUnauthorized: flag(given, `${name}.rejectUnauthorized`, true),
  };
  for (const [whole, item] of Object.entries(given)) {
    const own = whole.slice(name.length + 1);
    if (item === undefined || CHECKED_APART.has(own)) continue;
    tls[own] = dataOf(item, whole, 0);
    // Node would show what it is given instead.
    if (SECRETS.has(own) && !isTextual(tls[own])) throw new OptionError(`${whole} must be text or bytes`);
  }
  const servername = tls['servername'];
  // RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in HostName".
  if (servername !== undefined && (typeof servername !== 'string' || isIP(servername) !== 0)) {
    throw new OptionError(`${name}.servername must be a host name, got ${describe(servername)}`);
  }
  try {
    structuredClone(tls);
  } catch {
    throw new OptionError(`${name} must be data that can be cloned`); // DataCloneError's text could show a secret.
  }
  const identity = `${name}.checkServerIdentity`;
  return { tls, checkServerIdentity: moduleReference(given[identity], identity) };
}
const SECRETS: ReadonlySet<string> = new Set([
  ...['key', 'passphrase', 'pfx', 'session', 'sessionIdContext', 'cert', 'ca', 'crl', 'dhparam'],
  ...['privateKeyEngine', 'privateKeyIdentifier'],
]);
const CHECKED_APART: ReadonlySet<string> = new Set(['rejectUnauthorized', 'checkServerIdentity']);

/** A copy of plain data in memory of its own: cloning a small Buffer would send the pool it stands in, with its
 *  neighbours' secrets. Messages name the option only. */
function dataOf(value: unknown, name: string, depth: number): unknown {
  if (value === null || ['string', 'number', 'bigint', 'boolean', 'undefined'].includes(typeof value))
    return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
  if (types.isAnyArrayBuffer(value)) return new Uint8Array(new Uint8Array(value));
  if (depth < 4 && Array.isArray(value)) return value.map((item) => dataOf(item, name, depth + 1));
  if (depth < 4 && typeof value === 'object' && isPlain(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, dataOf(item, name, depth + 1)]),
    );
  }
  const what =
    typeof value === 'function'
      ? 'a function, which cannot cross threads'
      : `an ${typeof value} that is none`;
  throw new OptionError(`${name} must be data, got ${what}`);
}

/** Of what dataOf() has made. */
function isTextual(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === undefined || typeof value === 'string';
  return value instanceof Uint8Array || Object.values(value).every(isTextual);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
