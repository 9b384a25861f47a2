// deribit — the adapter of Deribit's JSON-RPC API: login and its refresh, heartbeats, channels, and order books that are
// kept beside the socket.
// Loaded by a client as a module, or called for its own thread. deribitbooks.ts keeps the books.
// Invariant: a channel counts as subscribed only when the reply names it; what is sent by the adapter has ids that no
// client's request has. Source: https://docs.deribit.com (authentication, market data, rate limits); WebsockexNova's
// Deribit adapter.

import { flag, integer, own } from '../checks.ts';
import { GunportError, OptionError } from '../errors.ts';
import type {
  Act,
  Adapter,
  AdapterContext,
  AdapterFactory,
  AuthHooks,
  AuthResult,
  ErrorHooks,
  MessageAct,
  RequestHooks,
  SubscriptionHooks,
} from '../session/adapter.ts';
import type { RateLimitOptions } from '../session/bucket.ts';
import { BookKeeper, type DeribitTop } from './deribitbooks.ts';
import { channelOf, type Fields, fieldsOf, HEARTBEAT_ID, isOurs, Requests, rpc } from './deribitrpc.ts';

export type { DeribitTop } from './deribitbooks.ts';

/** The exchange. */
export const DERIBIT_URL = 'wss://www.deribit.com/ws/api/v2';
/** Its test network. */
export const DERIBIT_TEST_URL = 'wss://test.deribit.com/ws/api/v2';

/** What a client logs in with; without, it does not. */
export interface DeribitCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  /** As `session:name` or `connection`. Default: the server's. */
  readonly scope?: string | undefined;
}

/** Options of the adapter. */
export interface DeribitOptions {
  /** For the adapter's own URL: the test network's. Default false. */
  testnet?: boolean | undefined;
  /** How often the server is to send heartbeats, in seconds: from 10, or 0 for never. Default 30. */
  heartbeat?: number | undefined;
  /** Instruments whose channel `book.{instrument}.{interval}` is kept as an order book: a DeribitTop is delivered in place
   *  of its messages, when one of its levels has changed. `true`: all. Default: none. */
  books?: readonly string[] | true | undefined;
  /** Levels of each side in a DeribitTop. Default 10. */
  depth?: number | undefined;
  /** Default: Deribit's credits for who does not trade much; `false`: none. */
  rateLimit?: RateLimitOptions | false | undefined;
}

/** What `client.remote<DeribitApi>()` calls. */
export interface DeribitApi {
  /** The top of a book as it is now; undefined: there is none of this instrument. */
  top(instrument: string, depth?: number): DeribitTop | undefined;
  /** Instruments that there are books of. */
  books(): readonly string[];
}

const NAMES: ReadonlySet<string> = new Set(['testnet', 'heartbeat', 'books', 'depth', 'rateLimit']);

/** Credits. Source: Deribit's rate limits: 500 a request and 10 000 a second; subscribing costs 3 000, of 30 000 at most. */
const CREDITS: RateLimitOptions = {
  capacity: 30_000,
  refill: 10_000,
  interval: 1_000,
  queue: 1_000,
  costs: { 'public/subscribe': 3_000, 'private/subscribe': 3_000 },
};
const COST = 500;

/** Refusals that are about the moment, not about what was asked for. */
const PASSING: ReadonlySet<unknown> = new Set([
  10_028, 10_040, 10_041, 10_047, 11_051, 11_094, 13_028, 13_888,
]);
/** How long to leave it alone then, in milliseconds. */
const PASSING_DELAY = 5_000;

/** Speaks to Deribit. Delivers `{ channel, data }` of each notification, and DeribitTops of the books that it keeps.
 *  @throws {OptionError} an option is none.
 *  @example
 *  const module = import.meta.resolve('gunport/adapters/deribit');
 *  const client = new Client({ module, options: { books: ['BTC-PERPETUAL'] } }, { url: DERIBIT_URL });
 *  await client.subscribe('book.BTC-PERPETUAL.100ms');
 *  for await (const top of client) console.log(top.bids[0], top.asks[0]); */
export default function deribit(options: DeribitOptions | undefined, context: AdapterContext): Adapter {
  const given = own(options, NAMES, '');
  const heartbeat = integer(given, 'heartbeat', 30, [0, 3_600]);
  if (heartbeat > 0 && heartbeat < 10) {
    throw new OptionError(`heartbeat must be 0 or an integer from 10, got ${heartbeat}`);
  }
  const requests = new Requests();
  const books = new BookKeeper(context, requests, {
    instruments: checkInstruments(options?.books),
    depth: integer(given, 'depth', 10, [1, 65_536]),
  });
  return {
    url: flag(given, 'testnet', false) ? DERIBIT_TEST_URL : DERIBIT_URL,
    connection: {
      open: () => opened(heartbeat),
      down: () => books.lost(),
      status: () => ({ books: books.status() }),
    },
    message: {
      validate: (message) => fieldsOf(message) !== undefined,
      handle: (message) => handle(message, books),
      key: keyOf,
    },
    request: requestHooks(requests),
    subscription: subscriptionHooks(requests, books),
    ...authHooks(context),
    heartbeat: { answer },
    rateLimit: options?.rateLimit === false ? undefined : (options?.rateLimit ?? { ...CREDITS, cost }),
    api: {
      top: (instrument, depth) => books.top(instrument, depth),
      books: () => books.instruments(),
    } satisfies DeribitApi,
  };
}

/** An adapter with these options, for a client on this thread.
 *  @example
 *  const client = new Client(adapter({ depth: 1 }), { url: DERIBIT_TEST_URL, credentials }); */
export function adapter(options: DeribitOptions = {}): AdapterFactory {
  return (_options, context) => deribit(options, context);
}

// ── hooks ─────────────────────────────────────────────────────────────────────────────────────────────────────

function opened(interval: number): Act {
  if (interval === 0) return undefined;
  return { type: 'reply', message: rpc(HEARTBEAT_ID, 'public/set_heartbeat', { interval }) };
}

/** The server closes a connection whose client does not answer. */
function answer(message: unknown): unknown {
  const fields = fieldsOf(message);
  if (fields?.['method'] !== 'heartbeat' || fieldsOf(fields['params'])?.['type'] !== 'test_request')
    return undefined;
  return rpc(HEARTBEAT_ID, 'public/test', {});
}

function handle(message: unknown, books: BookKeeper): MessageAct {
  const fields = fieldsOf(message);
  if (fields?.['method'] === 'subscription') {
    const { channel, data } = fieldsOf(fields['params']) ?? {};
    if (typeof channel !== 'string') return undefined;
    if (!books.keeps(channel)) return { type: 'deliver', value: { channel, data } };
    const top = books.update(channel, data);
    return top ? { type: 'deliver', value: top } : { type: 'drop' };
  }
  // Answers to what the adapter itself has sent, and heartbeats that want no answer.
  if (fields?.['method'] === 'heartbeat' || isOurs(fields?.['id'])) return { type: 'drop' };
  return undefined;
}

/** For a rollover: two connections bring the same change. */
function keyOf(message: unknown): string | undefined {
  const fields = fieldsOf(message);
  const data = fieldsOf(fields?.['params'])?.['data'] ?? fields?.['data'];
  // Trades come in arrays; each has a number of its instrument.
  const last = fieldsOf(Array.isArray(data) ? data.at(-1) : data);
  const number = fields?.['sequence'] ?? last?.['change_id'] ?? last?.['trade_seq'];
  const channel = channelOf(fields);
  return channel === undefined || number === undefined ? undefined : `${channel} ${number}`;
}

function requestHooks(requests: Requests): RequestHooks {
  return {
    error: (message) => {
      const fields = fieldsOf(message);
      if (fields?.['error'] !== undefined) return fields['error'];
      const channel = requests.subscribed(fields?.['id']);
      const { result } = fields ?? {};
      // A channel that the server does not know is just not among those that it names.
      if (channel === undefined || !Array.isArray(result) || result.includes(channel)) return undefined;
      return { code: -32_602, message: `${channel} was not subscribed` };
    },
  };
}

function subscriptionHooks(requests: Requests, books: BookKeeper): SubscriptionHooks {
  return {
    subscribe: (channel) => requests.subscribe(channel),
    unsubscribe: (channel) => requests.unsubscribe(channel),
    changed: ({ channel, state }) => {
      if (state !== 'confirmed' && state !== 'pending') books.forget(channel);
    },
  };
}

function authHooks(context: AdapterContext): { auth: AuthHooks; error: ErrorHooks } {
  let refreshing = false;
  const login = (credentials: unknown): unknown => {
    refreshing = false;
    if (credentials === undefined) return undefined;
    const { clientId, clientSecret, scope } = checkCredentials(credentials);
    const grant = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    return { method: 'public/auth', params: scope === undefined ? grant : { ...grant, scope } };
  };
  return {
    auth: {
      login,
      accept: (reply) => accepted(reply),
      refresh: (credentials, { refreshToken }) => {
        if (refreshToken === undefined) return login(credentials);
        refreshing = true;
        return {
          method: 'public/auth',
          params: { grant_type: 'refresh_token', refresh_token: refreshToken },
        };
      },
    },
    error: {
      classify: (error, { class: standard }) => (PASSING.has(codeOf(error)) ? 'transient' : standard),
      handle: (error, { where }) => {
        if (where !== 'auth') return undefined;
        if (PASSING.has(codeOf(error))) return { type: 'retry', delay: PASSING_DELAY };
        if (!refreshing) return undefined;
        context.log('warn', {}, 'the refresh token was refused: logging in anew');
        return { type: 'reconnect', reason: 'the refresh token was refused' };
      },
    },
  };
}

function accepted(reply: unknown): AuthResult {
  const { access_token: token, refresh_token: refreshToken, expires_in: seconds } = fieldsOf(reply) ?? {};
  if (typeof token !== 'string') return { ok: false, reason: 'the reply has no access_token' };
  return {
    ok: true,
    token,
    refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
    expiresIn: typeof seconds === 'number' ? 1_000 * seconds : undefined,
  };
}

function cost(_message: unknown, type: string): number {
  return CREDITS.costs?.[type] ?? COST;
}

// ── checks ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The code of the server's error, at the end of the chain of causes. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof GunportError)) return undefined;
  return fieldsOf(error.reason)?.['code'] ?? codeOf(error.cause);
}

function checkInstruments(books: unknown): ReadonlySet<string> | true {
  if (books === undefined) return new Set();
  if (books === true) return true;
  if (Array.isArray(books) && books.every((name) => typeof name === 'string')) return new Set(books);
  throw new OptionError('books must be true or an array of names of instruments');
}

/** What they are is never shown. */
function checkCredentials(credentials: unknown): DeribitCredentials {
  const fields: Fields = fieldsOf(credentials) ?? {};
  const { clientId, clientSecret, scope } = fields;
  const scoped = scope === undefined || typeof scope === 'string';
  if (typeof clientId === 'string' && typeof clientSecret === 'string' && scoped) {
    return { clientId, clientSecret, scope };
  }
  throw new OptionError('credentials must be { clientId, clientSecret, scope? }, each of them a string');
}
