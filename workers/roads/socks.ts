// socks — a SOCKS5 server on a connected socket: it is asked for the one tunnel that waits, and hands the socket on to it.
// Made by link.ts where the next proxy of a road is one of SOCKS.
// Invariant: one tunnel, with one outcome: `tunnelled` with what came behind the reply, or a typed error that names the
// hop, and the socket goes; silence is bounded by the deadline of the tunnel's own exchange.
// Source: gun_socks; RFC 1928. Judging is lib/protocol/socks.ts.

import { ConnectionError, type GunportError, StreamError } from '../../lib/errors.ts';
import {
  ended,
  greet,
  received,
  type SocksCommand,
  type SocksReason,
  type SocksState,
  type SocksStep,
} from '../../lib/protocol/socks.ts';
import { type Driver, type DriverHost, noPing } from '../driver.ts';
import type { Exchange, Server } from '../exchange.ts';
import type { TunnelRequest } from '../place.ts';

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'asking'; readonly exchange: Exchange; readonly machine: SocksState }
  | { readonly name: 'stopped' };

/** Bytes read at once: the longest answer has 262. */
const SIZE = 512;

export class SocksDriver implements Driver, Server {
  readonly protocol = 'socks';
  readonly #host: DriverHost;
  readonly #memory = new Uint8Array(SIZE);
  #state: State = { name: 'idle' };

  constructor(host: DriverHost) {
    this.#host = host;
  }

  serve(): void {
    const { streams } = this.#host;
    for (const one of streams.waiting) {
      if (this.#state.name !== 'idle') break;
      if (one.kind === 'http' && one.tunnel) this.#ask(one, one.tunnel);
    }
    const message = 'the connection is to a SOCKS server, which takes one tunnel and nothing else';
    const code = { http: 'ERR_GUNPORT_BAD_STATE', ws: 'ERR_GUNPORT_NOT_CONNECTED' } as const;
    streams.failWaiting(({ kind }) => new StreamError(code[kind], message));
  }

  #ask(exchange: Exchange, { destination, credentials }: TunnelRequest): void {
    const { streams, settings } = this.#host;
    streams.take(exchange);
    exchange.server = this;
    this.#follow(exchange, greet({ destination, credentials, hop: settings.origin }));
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return this.#memory;
  }

  received(length: number): void {
    const state = this.#state;
    const bytes = this.#memory.subarray(0, length);
    if (state.name === 'asking') this.#follow(state.exchange, received(state.machine, bytes));
    else this.#lost('unasked', 'the server sent bytes that nobody asked for');
  }

  ended(): void {
    this.lost(undefined);
  }

  lost(error: GunportError | undefined): void {
    const state = this.#state;
    if (state.name === 'asking') this.#follow(state.exchange, ended(state.machine, error));
    else this.#lost('closed', 'the server closed the connection before a tunnel was asked for', error);
  }

  #follow(exchange: Exchange, { state, commands }: SocksStep): void {
    this.#state = { name: 'asking', exchange, machine: state };
    for (const command of commands) {
      // A command before has ended it: the link is down by what it was told.
      if (this.#state.name !== 'asking') return;
      this.#do(exchange, command);
    }
  }

  #do(exchange: Exchange, command: SocksCommand): void {
    switch (command.type) {
      case 'send':
        return this.#host.transport.write(command.bytes);
      case 'admitted':
        return this.#host.up();
      case 'up':
        this.stop();
        // There is no status to tell of; its deadline ends with it.
        exchange.established(0, []);
        return this.#host.tunnelled(exchange, command.rest);
      case 'fail':
        this.stop();
        // It must not be asked for again, as it is where a connection was lost.
        this.#host.streams.failed(exchange, command.error);
        return this.#host.lost(command.error);
      default:
        return command satisfies never;
    }
  }

  // ── from the exchange ─────────────────────────────────────────────────────────────────────────────────────

  upload(): void {}
  resume(): void {}

  /** Cancelled, or late: RFC 1928 has no word for it but the end of the socket. */
  cancel(exchange: Exchange): void {
    if (this.#state.name === 'stopped') return;
    this.stop();
    this.#host.streams.forget(exchange);
    const { origin: hop } = this.#host.settings;
    this.#host.lost(new ConnectionError('ERR_GUNPORT_CANCELLED', 'the tunnel on it was cancelled', { hop }));
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'SOCKS has no pings'));
  }

  shutdown(): void {
    this.stop();
    this.#host.over();
  }

  stop(): void {
    this.#state = { name: 'stopped' };
  }

  #lost(reason: SocksReason, what: string, cause?: GunportError): void {
    if (this.#state.name === 'stopped') return;
    this.stop();
    const { origin: hop } = this.#host.settings;
    const details = { phase: 'connect', reason, hop, cause } as const;
    this.#host.lost(new ConnectionError('ERR_GUNPORT_PROXY', `SOCKS5: ${what}`, details));
  }
}
