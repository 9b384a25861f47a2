// dialprobe — the events of one way to a peer: lookup, connect, TLS handshake, each a pair.
// Held by transport.ts for a socket, and by secure.ts for TLS at the far end of a tunnel.
// Invariant: one phase is open at a time; the next one, the end of the dial, its failure and its being given up each
// close it. Source: gun_event(3): domain_lookup_*, connect_*, tls_handshake_*.

import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import { BIT, type EventFields } from '../../lib/events/eventwire.ts';
import type { Protocol } from '../../lib/types.ts';
import type { Transport } from '../socket.ts';
import type { Probe } from './probe.ts';
import { errorRecord } from './redact.ts';

/** Where the way leads. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly lookupTimeout?: number | undefined;
  readonly connectTimeout: number;
  readonly tlsTimeout: number;
  readonly tls: Readonly<Record<string, unknown>> | undefined;
  readonly protocols: readonly string[];
}

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

type Phase =
  | { readonly name: 'none' | 'lookup' | 'tls' }
  | { readonly name: 'connect'; readonly addresses: readonly Address[] };

const ADDRESSES = BIT['gunport:domain-lookup:end'] | BIT['gunport:connect:start'];
const TLS_START = BIT['gunport:tls-handshake:start'];
const CONNECT_END = BIT['gunport:connect:end'];
const TLS_END = BIT['gunport:tls-handshake:end'];

export class DialProbe {
  readonly #probe: Probe | undefined;
  readonly #target: DialTarget;
  readonly #stream: number | undefined;
  #phase: Phase = { name: 'none' };

  /** `stream`: the tunnel whose far end it is. */
  constructor(probe: Probe | undefined, target: DialTarget, stream?: number) {
    this.#probe = probe;
    this.#target = target;
    this.#stream = stream;
  }

  lookup(): void {
    this.#phase = { name: 'lookup' };
    const { lookupTimeout = 0 } = this.#target;
    this.#probe?.tell('gunport:domain-lookup:start', this.#origin(lookupTimeout));
  }

  /** The addresses are known. */
  connect(addresses: readonly Address[]): void {
    const { name } = this.#phase;
    this.#phase = { name: 'connect', addresses };
    if (!this.#probe?.wants(ADDRESSES)) return;
    const { lookupTimeout = 0, connectTimeout } = this.#target;
    if (name === 'lookup')
      this.#probe.tell('gunport:domain-lookup:end', { ...this.#origin(lookupTimeout), addresses });
    this.#probe.tell('gunport:connect:start', { ...this.#origin(connectTimeout), addresses });
  }

  /** TCP is there, and TLS begins: on a socket of its own, or (`info` undefined) on what a tunnel leads to. */
  secure(info?: ReturnType<Transport['info']>): void {
    if (info) this.#connected(info, undefined);
    this.#phase = { name: 'tls' };
    if (!this.#probe?.wants(TLS_START)) return;
    const { tlsTimeout, tls, protocols, host } = this.#target;
    const given = tls?.['servername'];
    const servername = typeof given === 'string' ? given : host;
    const more = { servername, offered: protocols.filter((one) => one !== 'raw').map(alpnOf) };
    this.#probe.tell('gunport:tls-handshake:start', { ...this.#origin(tlsTimeout), ...more });
  }

  /** It is done. */
  done(transport: Transport): void {
    const { name } = this.#phase;
    this.#phase = { name: 'none' };
    if (!this.#probe?.wants(name === 'connect' ? CONNECT_END : TLS_END)) return;
    const info = transport.info();
    const protocol = spokenOn(info.tls?.alpn, this.#target);
    if (name === 'connect') return this.#connected(info, protocol);
    const { version = '', cipher = '', alpn } = info.tls ?? {};
    const more = { version, cipher, ...(alpn !== undefined && { alpn }), protocol };
    this.#probe.tell('gunport:tls-handshake:end', { ...this.#origin(this.#target.tlsTimeout), ...more });
  }

  #connected(info: ReturnType<Transport['info']>, protocol: Protocol | undefined): void {
    if (!this.#probe?.wants(CONNECT_END)) return;
    const { tls: _tls, ...addresses } = info;
    const known = Object.fromEntries(Object.entries(addresses).filter(([, value]) => value !== undefined));
    const more = { ...known, ...(protocol !== undefined && { protocol }) };
    this.#probe.tell('gunport:connect:end', { ...this.#origin(this.#target.connectTimeout), ...more });
  }

  /** It came to nothing: for `error`, or because nobody wants it any more. */
  failed(error?: GunportError): void {
    const { name } = this.#phase;
    this.#phase = { name: 'none' };
    const probe = this.#probe;
    if (name === 'none' || !probe) return;
    const { lookupTimeout = 0, connectTimeout, tlsTimeout } = this.#target;
    const why = errorRecord(error ?? new ConnectionError('ERR_GUNPORT_CANCELLED', 'it was given up'));
    const end = (timeout: number): Ending => ({ ...this.#origin(timeout), error: why });
    if (name === 'lookup') probe.tell('gunport:domain-lookup:end', { ...end(lookupTimeout), addresses: [] });
    else if (name === 'connect') probe.tell('gunport:connect:end', end(connectTimeout));
    else probe.tell('gunport:tls-handshake:end', end(tlsTimeout));
  }

  #origin(timeout: number): Pick<Ending, 'host' | 'port' | 'stream' | 'timeout'> {
    const { host, port } = this.#target;
    return { host, port, ...(this.#stream !== undefined && { stream: this.#stream }), timeout };
  }
}

type Ending = EventFields<'gunport:connect:end'>;

/** What will be spoken; link.ts chooses it the same way. A proxy of SOCKS has no protocols. */
function spokenOn(alpn: string | undefined, { protocols, tls }: DialTarget): Protocol {
  if (protocols.length === 0) return 'socks';
  if (protocols.includes('raw')) return 'raw';
  if (tls && alpn === 'h2') return 'http2';
  const [only] = protocols.length === 1 && !(tls && alpn === 'http/1.1') ? protocols : [];
  return only === 'http2' ? 'http2' : 'http';
}

function alpnOf(protocol: string): string {
  return protocol === 'http2' ? 'h2' : 'http/1.1';
}
