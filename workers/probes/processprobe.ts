// processprobe — the events of a connection process itself: its beginning, what is spoken where, its losses, its retries
// and its end.
// Called by process.ts and branch.ts. Nothing is built while nobody listens.
// Source: gun_event(3): init, protocol_changed, origin_changed, disconnect, terminate.

import type { GunportError } from '../../lib/errors.ts';
import { BIT } from '../../lib/events/eventwire.ts';
import type { Hop, Leg } from '../../lib/httpwire.ts';
import type { Protocol } from '../../lib/types.ts';
import type { DownRecord, Settings } from '../../lib/wire.ts';
import type { Probe } from './probe.ts';
import { errorRecord } from './redact.ts';

/** It is there. */
export function begins(probe: Probe, settings: Settings, ownerThreadId: number): void {
  if (!probe.wants(BIT['gunport:init'])) return;
  const { transport, origin, host, port, http, retry, retryTimeout, hops, onOwnerDown } = settings;
  const { lookupTimeout, connectTimeout, tlsTimeout } = settings;
  probe.tell('gunport:init', {
    ...{ ownerThreadId, transport, scheme: origin.slice(0, origin.indexOf(':')), host, port },
    options: {
      ...{ protocols: http.protocols, retry, retryTimeout, lookupTimeout, connectTimeout, tlsTimeout },
      ...{ onOwnerDown, proxies: hops.map(({ leg }) => leg.origin) },
    },
  });
}

/** What a tunnel leads to is reached: that of `stream`, or of the connection's own road. */
export function originChanges(
  probe: Probe,
  stream: number | undefined,
  by: Hop['kind'],
  { origin, host, port }: Leg,
): void {
  if (!probe.wants(BIT['gunport:origin-changed'])) return;
  const scheme = origin.slice(0, origin.indexOf(':'));
  const type = by === 'socks' ? 'socks5' : 'connect';
  probe.tell('gunport:origin-changed', { ...(stream !== undefined && { stream }), type, scheme, host, port });
}

/** And speaks this. */
export function protocolChanges(probe: Probe, stream: number | undefined, protocol: Protocol): void {
  if (!probe.wants(BIT['gunport:protocol-changed'])) return;
  probe.tell('gunport:protocol-changed', { ...(stream !== undefined && { stream }), protocol });
}

/** It was up, and is not any more. */
export function disconnects(probe: Probe, attempt: number, protocol: Protocol, error: GunportError): void {
  if (!probe.wants(BIT['gunport:disconnect'])) return;
  probe.tell('gunport:disconnect', { attempt, protocol, error: errorRecord(error) });
}

/** It will be dialled again. */
export function retries(probe: Probe, delay: number, error: GunportError): void {
  if (probe.wants(BIT['gunport:retry'])) probe.tell('gunport:retry', { delay, error: errorRecord(error) });
}

/** Its one end. */
export function terminates(
  probe: Probe,
  state: 'connecting' | 'up' | 'retrying',
  { kind, message }: DownRecord,
): void {
  probe.tell('gunport:terminate', { state, reason: { kind, message } });
}
