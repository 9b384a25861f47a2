// attempt — one try to reach the first leg of a connection's road: the user's functions are loaded, then it is dialled.
// Made by process.ts. Invariant: `connected` or `notReached` is called once, never within the constructor, and neither after
// cancel(); a proxy that cannot be reached is named. Source: gun.erl's domain_lookup, connecting and tls_handshake.

import { type GunportError, withHop } from '../../lib/errors.ts';
import type { Leg } from '../../lib/httpwire.ts';
import { load, type UserFunction } from '../../lib/modules.ts';
import type { Settings } from '../../lib/wire.ts';
import type { CookieHold } from '../cookies/cookies.ts';
import { asConnectionError } from '../entry.ts';
import type { Probe } from '../probes/probe.ts';
import type { Sink, Transport } from '../socket.ts';
import { type Dialing, type DialSettings, dial } from '../transport.ts';

/** What it is made with. */
export interface AttemptPlan {
  readonly settings: Settings;
  /** What is dialled. */
  readonly leg: Leg;
}

export interface AttemptHost {
  /** Hooks may have it made with something else than the last one; may reject. */
  plan(): AttemptPlan | Promise<AttemptPlan>;
  /** What else must be there before it is up; it may reject. */
  load(): Promise<void> | undefined;
  /** Loaded before it is dialled. */
  readonly cookies: CookieHold | undefined;
  readonly probe: Probe;
  /** `transform`: the user's transformHeaderName. */
  connected(transport: Transport, transform: UserFunction | undefined): void;
  notReached(error: GunportError): void;
  guard(run: () => unknown): void;
}

export class Attempt {
  readonly #host: AttemptHost;
  #plan: AttemptPlan | undefined;
  #dialing: Dialing | undefined;
  #over = false;

  /** `sink`: where the bytes of the socket go. */
  constructor(sink: Sink, host: AttemptHost) {
    this.#host = host;
    this.#begin(sink).catch((error: unknown) => this.#failed(asConnectionError(error)));
  }

  async #begin(sink: Sink): Promise<void> {
    const plan = await this.#host.plan();
    if (this.#over) return;
    this.#plan = plan;
    const { settings, leg } = plan;
    const { lookup, http } = settings;
    const { checkServerIdentity } = leg;
    const hooks = {
      lookup: lookup && (await load(lookup)),
      checkServerIdentity: checkServerIdentity && (await load(checkServerIdentity)),
      probe: this.#host.probe,
    };
    await this.#host.load();
    const transform = http.transformHeaderName && (await load(http.transformHeaderName));
    if (this.#host.cookies) await this.#host.cookies.load();
    if (this.#over) return;
    this.#dialing = dial(dialSettings(settings, leg), hooks, sink, {
      connected: (transport) => {
        this.#over = true;
        this.#host.guard(() => this.#host.connected(transport, transform));
      },
      failed: (error) => this.#failed(error),
    });
  }

  #failed(error: GunportError): void {
    if (this.#over) return;
    this.#over = true;
    const plan = this.#plan;
    const named = plan && plan.settings.hops.length > 0 ? withHop(error, plan.leg.origin) : error;
    this.#host.guard(() => this.#host.notReached(named));
  }

  cancel(): void {
    this.#over = true;
    this.#dialing?.cancel();
  }
}

/** The settings of a socket are those of its connection; where it leads is the leg's. */
function dialSettings(settings: Settings, leg: Leg): DialSettings {
  const { socketPath, localAddress, family, noDelay, lookupTimeout } = settings;
  const { transport, host, port, tls, connectTimeout, tlsTimeout, protocols } = leg;
  return {
    transport,
    host,
    port,
    socketPath,
    localAddress,
    family,
    noDelay,
    tls,
    lookupTimeout,
    connectTimeout,
    tlsTimeout,
    protocols,
  };
}
