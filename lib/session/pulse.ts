// pulse — the heartbeat of a session, and its ear: what is sent every so often, and how long nothing may come.
// Held by session.ts. Invariant: it beats only while the WebSocket is open.
// Source: WebsockexNova's ping_interval, which no timer ever served; heartbeats of exchanges.

import type { HandlerContext, HandlerTimer } from '../handler.ts';

/** @internal */
export interface PulseHost {
  readonly context: Pick<HandlerContext, 'now' | 'ping' | 'setInterval' | 'state'>;
  /** In milliseconds; 0: never. */
  readonly interval: number;
  readonly idleTimeout: number;
  /** How often the round trip is measured, in milliseconds, and once at the beginning; 0: never. */
  readonly keepalive: number;
  beat(): void;
  measured(rtt: number): void;
  /** Nothing has come for so long. */
  idle(idleFor: number): void;
}

/** How often in an `idleTimeout` it is looked at: it is late by as much of it at most. */
const LOOKS = 4;

/** @internal */
export class Pulse {
  readonly #host: PulseHost;
  #timers: HandlerTimer[] = [];
  #heard = 0;

  constructor(host: PulseHost) {
    this.#host = host;
  }

  /** Something has come. */
  heard(): void {
    if (this.#host.idleTimeout > 0) this.#heard = this.#host.context.now();
  }

  start(): void {
    this.stop();
    const { context, interval, idleTimeout, keepalive } = this.#host;
    this.heard();
    if (keepalive > 0) {
      this.#measure();
      this.#timers.push(context.setInterval(() => this.#measure(), keepalive));
    }
    if (interval > 0) this.#timers.push(context.setInterval(() => this.#beat(), interval));
    if (idleTimeout > 0)
      this.#timers.push(context.setInterval(() => this.#look(), Math.ceil(idleTimeout / LOOKS)));
  }

  stop(): void {
    for (const timer of this.#timers) timer.clear();
    this.#timers = [];
  }

  /** Not while it is being given up. */
  #beat(): void {
    if (this.#host.context.state === 'open') this.#host.beat();
  }

  /** Whether the peer is there at all is the WebSocket's own keepalive's to find out. */
  #measure(): void {
    const { context } = this.#host;
    if (context.state !== 'open') return;
    context.ping().then(
      (rtt) => this.#host.measured(rtt),
      () => {}, // Lost, or late: both are told elsewhere.
    );
  }

  #look(): void {
    const { context, idleTimeout } = this.#host;
    if (context.state !== 'open') return;
    const idleFor = context.now() - this.#heard;
    if (idleFor < idleTimeout) return;
    // Whatever is done about it: once for each silence.
    this.#heard = context.now();
    this.#host.idle(idleFor);
  }
}
