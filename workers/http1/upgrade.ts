// http1/upgrade — an upgrade under way on an HTTP/1 connection that serves requests too.
// Held by http1/driver.ts, which sends nothing else until it is answered. Judging is lib/protocol/handshake.ts.
// Invariant: one outcome, told by http1/driver.ts; what is kept of a refusal's body is bounded, and so is the time.
// Source: RFC 6455 §4.1; upgrade.ts, which does the same on a connection that nothing else was asked of.

import { randomFillSync } from 'node:crypto';
import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import { LIMIT } from '../../lib/protocol/body.ts';
import { offerExtensions } from '../../lib/protocol/extensions.ts';
import { checkUpgrade, type Head, keyOf, refusal, requestHead } from '../../lib/protocol/handshake.ts';
import { headersOf } from '../../lib/protocol/headers.ts';
import type { Settings } from '../../lib/wire.ts';
import type { LinkCookies } from '../cookies/linkcookies.ts';
import type { Agreement } from '../driver.ts';
import { type Entry, standIn, upgradeLate } from '../entry.ts';
import type { Probe } from '../probes/probe.ts';
import { StreamProbe } from '../probes/streamprobe.ts';
import type { ParsedHead } from './parser.ts';

/** How an upgrade ends that the driver does not end itself. */
export interface UpgradeHost {
  readonly probe: Probe;
  /** upgradeTimeout has passed. */
  late(error: ConnectionError): void;
  /** Its owner has given it up. */
  cancelled(error: GunportError): void;
}

export class Upgrading {
  readonly entry: Entry;
  readonly probe: StreamProbe;
  readonly #key: string;
  readonly #timer: NodeJS.Timeout;
  #head: Head | undefined;
  #body: Uint8Array[] = [];
  #kept = 0;

  /** `key`: of a request that has been sent already. */
  constructor(entry: Entry, host: UpgradeHost, key: string = keyOf(randomFillSync(new Uint8Array(16)))) {
    this.entry = entry;
    this.probe = new StreamProbe(host.probe, entry);
    this.#key = key;
    this.#timer = setTimeout(() => host.late(upgradeLate(entry.ws)), entry.ws.upgradeTimeout);
    const given = new ConnectionError('ERR_GUNPORT_CANCELLED', 'the upgrade was given up', {
      reason: 'normal',
    });
    entry.socket = standIn(() => host.cancelled(given));
  }

  request(settings: Pick<Settings, 'authority'>, cookies: LinkCookies | undefined): Uint8Array {
    this.entry.handling?.connected();
    const ws = cookies ? cookies.upgrade(this.entry.ws) : this.entry.ws;
    const head = requestHead(settings, ws, this.#key, offerExtensions(ws.compress));
    this.probe.upgradeAsked(ws, head);
    return head;
  }

  /** It was answered; undefined while it is not. */
  get refusal(): ConnectionError | undefined {
    return this.#head && refusal(this.#head, new Uint8Array(Buffer.concat(this.#body)));
  }

  /** Nothing more of a refusal's body is kept. */
  get full(): boolean {
    return this.#kept >= LIMIT;
  }

  answered(head: ParsedHead): void {
    this.#head = asHead(head);
    this.probe.answered(head.status, head.rawHeaders, false);
  }

  /** A part of the refusal's body. */
  keep(bytes: Uint8Array): void {
    const part = bytes.slice(0, LIMIT - this.#kept);
    this.#body.push(part);
    this.#kept += part.length;
  }

  /** The verdict on a 101. */
  judge(head: ParsedHead): Agreement | ConnectionError {
    const whole = asHead(head);
    this.probe.switched(head.status, head.rawHeaders);
    const agreed = checkUpgrade(whole, this.entry.ws, this.#key);
    if (agreed instanceof ConnectionError) return agreed;
    return { ...agreed, rawHeaders: whole.rawHeaders };
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.probe.over(undefined);
  }
}

function asHead({ status, minor, reason, rawHeaders }: ParsedHead): Head {
  const version = minor === 0 ? '1.0' : '1.1';
  return { status, version, reason, headers: headersOf(rawHeaders), rawHeaders, end: 0 };
}
