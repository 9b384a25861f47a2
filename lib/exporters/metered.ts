// metered — what the exporters have in common: whose numbers they are, what each is called, and what it says.
// Read by prometheus.ts and opentelemetry.ts.
// Invariant: each number that a client counts has its line here, once.
// Source: the naming of Prometheus (base units, `_total`); OpenTelemetry's semantic conventions (server.address).

import { parseUrl } from '../checks.ts';
import {
  type ClientMetrics,
  COUNTERS,
  type CounterName,
  type GaugeName,
  type Spread,
} from '../session/metrics.ts';

/** What can be exported: a client, or whatever counts as one does. */
export interface MeteredClient {
  metrics(): ClientMetrics;
  /** Tells it from others; of several with the same, later ones have a number behind it. Default `client`. */
  readonly name?: string | undefined;
  /** Only its host and port are exported. */
  readonly url?: string | URL | undefined;
}

/** Of one, several, or a collection that is gone through anew each time: what was added to it is exported from then on. */
export type MeteredClients = MeteredClient | Iterable<MeteredClient>;

/** One client's numbers, and whose they are. @internal */
export interface Reading {
  readonly name: string;
  /** Empty where no URL is known. */
  readonly address: string;
  readonly port: number | undefined;
  readonly metrics: ClientMetrics;
}

/** @internal */
export const COUNTED: Readonly<Record<CounterName, string>> = {
  messagesReceived: 'Messages that came',
  bytesReceived: 'Bytes of the messages that came; of texts, their characters',
  messagesSent: 'Messages that were written',
  bytesSent: 'Bytes of the messages that were written; of texts, their characters',
  messagesDelivered: 'Messages that were delivered to the owner',
  messagesDropped: 'Messages that came and were not delivered',
  opened: 'Times that the WebSocket opened',
  lost: 'Times that an open WebSocket was lost',
  reconnected: 'Times that it opened again after a loss',
  attemptsFailed: 'Attempts that failed before the WebSocket was open',
  requests: 'Requests that were made',
  replies: 'Replies that a request waited for',
  repliesLate: 'Replies that came after their request had timed out',
  requestsTimedOut: 'Requests whose reply did not come in time',
  subscriptionsConfirmed: 'Subscriptions that the peer confirmed',
  subscriptionsFailed: 'Subscriptions that the peer refused or did not answer',
  logins: 'Logins that the peer accepted',
  loginsFailed: 'Logins that failed',
  rateLimited: 'Messages that had to wait for the rate limit',
  rejected: 'Messages that the rate limit or a full queue refused',
  errors: 'Errors that were reported',
  faults: 'Hooks that threw, rejected or gave what they must not',
};

/** @internal */
export const GAUGED: Readonly<Record<Exclude<GaugeName, 'lastMessageAt'>, string>> = {
  state:
    'Where the client is, from 0: initialized, connecting, connected, websocketConnected, disconnected, reconnecting, error, closed',
  queued: 'Messages that wait to be sent',
  pending: 'Requests that wait for their reply',
  subscriptions: 'Subscriptions that are kept',
  tokens: 'Tokens of the rate limit that are there',
};

/** Of a spread, as quantiles. @internal */
export const QUANTILES: readonly (readonly [quantile: string, of: (spread: Spread) => number])[] = [
  ['0', ({ min }) => min],
  ['0.5', ({ p50 }) => p50],
  ['0.95', ({ p95 }) => p95],
  ['0.99', ({ p99 }) => p99],
  ['1', ({ max }) => max],
];

/** @internal */
export const SPREADS: readonly (readonly [name: 'rtt' | 'latency', help: string])[] = [
  ['rtt', 'Round trips of pings'],
  ['latency', 'Time from a request to its reply'],
];

/** @internal */
export const COUNTER_NAMES: readonly CounterName[] = COUNTERS;
/** @internal */
// An object's keys are the names that its type has.
export const GAUGE_NAMES = Object.keys(GAUGED) as readonly (keyof typeof GAUGED)[];

/** `messagesReceived` as `messages_received`. @internal */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Reads clients: all once a turn, however many numbers are asked for. @internal */
export class Meter {
  readonly #clients: MeteredClients;
  /** Of those that were there at the last reading. */
  #names: ReadonlyMap<MeteredClient, string> = new Map();
  #readings: readonly Reading[] | undefined;

  constructor(clients: MeteredClients) {
    this.#clients = clients;
  }

  read(): readonly Reading[] {
    if (this.#readings) return this.#readings;
    const clients = Symbol.iterator in this.#clients ? new Set(this.#clients) : new Set([this.#clients]);
    this.#name(clients);
    this.#readings = [...clients].flatMap((client) => this.#readingOf(client));
    queueMicrotask(() => {
      this.#readings = undefined;
    });
    return this.#readings;
  }

  /** Each has its name as long as it is there; of several with the same, later ones have a number behind it. A name of
   *  one that went is free again: so that there are no more names than there were clients at once. */
  #name(clients: ReadonlySet<MeteredClient>): void {
    const names = new Map([...this.#names].filter(([client]) => clients.has(client)));
    const taken = new Set(names.values());
    for (const client of clients) {
      if (names.has(client)) continue;
      const own = client.name ?? 'client';
      let name = own;
      for (let number = 2; taken.has(name); number++) name = `${own}-${number}`;
      taken.add(name);
      names.set(client, name);
    }
    this.#names = names;
  }

  #readingOf(client: MeteredClient): Reading[] {
    try {
      const name = this.#names.get(client) ?? '';
      const url = client.url === undefined ? undefined : parseUrl(String(client.url));
      const isSecure = url?.protocol === 'wss:' || url?.protocol === 'https:';
      const port = url && Number(url.port || (isSecure ? 443 : 80));
      return [{ name, address: url?.hostname ?? '', port, metrics: client.metrics() }];
    } catch {
      return []; // It cannot be read, and the others can.
    }
  }
}
