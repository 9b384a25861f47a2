// clientoptions — what a client is made with, checked at once.
// Called by client.ts; the options of its connections are checked by connect() as all are.
// Invariant: what leaves here is complete; what is the client's own is not passed on.
// Source: WebsockexNova's Client.connect options.

import { integer, LONGEST, moduleReference, own, parseUrl } from '../checks.ts';
import type { PooledOptions } from '../default.ts';
import { asError, describe, OptionError } from '../errors.ts';
import type { ModuleReference } from '../options.ts';
import type { RetryPolicy } from '../protocol/retry.ts';
import type { Adapter, AdapterFactory, LogLevel } from '../session/adapter.ts';
import { type RateLimiter, type RateLimitOptions, sharedRateLimit } from '../session/bucket.ts';
import { LOG_LEVELS, type Logger, levelOf } from '../session/logging.ts';
import type { SessionSettings } from '../session/sessionwire.ts';
import { checkOpen } from '../settings.ts';

/** An adapter as a module: it runs beside the socket, so that logins, subscriptions and heartbeats go on whatever this
 *  thread does. */
export interface AdapterReference extends ModuleReference {
  /** Data for it: copied, so no functions. */
  options?: unknown;
}

/** What `new Client` takes: an adapter, or a function that makes one, runs on this thread; a module, by reference or by its
 *  absolute URL, beside the socket. */
export type AdapterTarget = Adapter | AdapterFactory | AdapterReference | URL | string;

/** Options of a client: those of its connections, and its own. All times in milliseconds. */
export interface ClientOptions
  extends Omit<PooledOptions, 'handler' | 'renew' | 'retryFun' | 'signal' | 'onOwnerDown' | 'flow'> {
  /** Where to. Default the adapter's `url`. */
  url?: string | URL | undefined;
  /** What the adapter's `auth.login` is given: data, or a function that gives it, called on this thread for each
   *  connection process. It goes to the adapter and nowhere else. Default none: no login. */
  credentials?: unknown;
  /** Most messages that wait to be sent; more are rejected with ERR_GUNPORT_OVERLOADED. Default 1 000. */
  queue?: number | undefined;
  /** How long a request waits for its reply; 0: as long as it takes. Default 30 000. */
  requestTimeout?: number | undefined;
  /** How long a subscription may be pending. Default 30 000. */
  subscriptionTimeout?: number | undefined;
  /** How long a login may take. Default 10 000. */
  authTimeout?: number | undefined;
  /** A connection on which nothing comes for so long is given up; 0: never. Default 0. */
  idleTimeout?: number | undefined;
  /** Of what is sent; a RateLimiter is shared with others. Default the adapter's, else none. */
  rateLimit?: RateLimitOptions | RateLimiter | undefined;
  /** Change over to a fresh connection every so often, without a gap: for servers that cut after a time. Default 0: never. */
  rollover?: number | undefined;
  /** How long both connections are read once the new one is ready. Default 0: until the old one has answered a ping. */
  overlap?: number | undefined;
  /** Retries of one loss; Infinity: for ever. Default Infinity. */
  retry?: number | undefined;
  /** Takes what is logged: pino's face. Default none. */
  logger?: Logger | undefined;
  /** Least level that is logged. `trace` tells of each message, without credit: for tests. Default the logger's own `level`,
   *  else `info`. */
  logLevel?: LogLevel | 'silent' | undefined;
  /** For metrics and logs. Default the adapter module's file, or `client`. */
  name?: string | undefined;
}

/** What of a client its sessions are given as it is. */
type OfSessions =
  | ('queue' | 'requestTimeout' | 'subscriptionTimeout' | 'authTimeout' | 'idleTimeout' | 'keepalive')
  | ('rateLimit' | 'logLevel');

/** @internal */
export interface CheckedClient extends Pick<SessionSettings, OfSessions> {
  readonly target: { readonly here: Adapter | AdapterFactory } | NonNullable<SessionSettings['adapter']>;
  readonly url: string | URL;
  /** Without credentials and query. */
  readonly shownUrl: string;
  readonly open: PooledOptions;
  /** When a thread has died. */
  readonly policy: RetryPolicy;
  readonly credentials: unknown;
  readonly rollover: number;
  readonly overlap: number;
  readonly logger: Logger | undefined;
  readonly name: string;
}

const OWN: readonly (keyof ClientOptions)[] = [
  ...(['url', 'credentials', 'queue', 'requestTimeout', 'subscriptionTimeout', 'authTimeout'] as const),
  ...(['idleTimeout', 'rateLimit', 'rollover', 'overlap', 'logger', 'logLevel', 'name'] as const),
];
const NOT_OURS: readonly string[] = ['handler', 'renew', 'retryFun', 'signal', 'onOwnerDown', 'flow'];

/** @throws {OptionError} naming the option and the value. @internal */
export function checkClient(adapter: AdapterTarget, options: ClientOptions = {}): CheckedClient {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError(`options must be an object, got ${describe(options)}`);
  }
  const target = checkTarget(adapter);
  const open: Record<string, unknown> = { retry: Number.POSITIVE_INFINITY, reconnectOn: 'any' };
  const mine: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (NOT_OURS.includes(name))
      throw new OptionError(
        `${name} is no option of a client: ${name === 'flow' ? 'its reader sets the pace' : 'its adapter has hooks'}`,
      );
    if (!OWN.some((one) => one === name)) open[name] = value ?? open[name];
    else mine[name] = value;
  }
  const given = own(mine, new Set<string>(OWN), '');
  const url = checkUrl(given['url'], target);
  const time = (name: string, standard: number, least = 0) =>
    integer(given, name, standard, [least, LONGEST]);
  return {
    target,
    url: String(url),
    // Checked below; what it is copied from has nothing else.
    open: portable(open) as PooledOptions,
    ...checkedNow(url, open as PooledOptions),
    credentials: given['credentials'],
    queue: integer(given, 'queue', 1_000, [0, LONGEST]),
    requestTimeout: time('requestTimeout', 30_000),
    subscriptionTimeout: time('subscriptionTimeout', 30_000),
    authTimeout: time('authTimeout', 10_000, 1),
    idleTimeout: time('idleTimeout', 0),
    rateLimit: sharedRateLimit(given['rateLimit'], 'rateLimit', false),
    rollover: time('rollover', 0),
    overlap: time('overlap', 0),
    logger: checkLogger(given['logger']),
    logLevel: checkLevel(given['logLevel'], given['logger']),
    name: checkName(given['name'], target),
  };
}

function checkTarget(adapter: unknown): CheckedClient['target'] {
  if (adapter instanceof URL || typeof adapter === 'string') return checkTarget({ module: adapter });
  // An adapter that is a function: what it makes is checked by its session.
  if (typeof adapter === 'function') return { here: adapter as AdapterFactory };
  if (typeof adapter !== 'object' || adapter === null || Array.isArray(adapter)) {
    throw new OptionError(
      `adapter must be an adapter, a function, a module reference or a URL, got ${describe(adapter)}`,
    );
  }
  // An adapter's hooks are looked at when they are called.
  if (!Object.hasOwn(adapter, 'module')) return { here: adapter as Adapter };
  const { options, ...reference } = adapter as AdapterReference;
  const { module, export: name = 'default' } = moduleReference(reference, 'adapter') ?? { module: '' };
  return { module: String(module), export: name, options: cloned(options) };
}

function cloned(options: unknown): unknown {
  try {
    return structuredClone(options);
  } catch (cause) {
    const why = asError(cause).message;
    throw new OptionError(`adapter.options must be data that can be cloned: ${why}`, { cause });
  }
}

/** With texts and lists in place of URLs and Headers, which structured clone leaves empty: a client may be handed over. */
function portable(value: unknown): unknown {
  if (value instanceof URL) return value.href;
  if (value instanceof Headers) return [...value];
  if (Array.isArray(value)) return value.map(portable);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, portable(one)]));
}

/** What connect() will check is checked now. */
function checkedNow(
  url: string | URL,
  { pool: _, ...options }: PooledOptions,
): Pick<CheckedClient, 'policy' | 'shownUrl' | 'keepalive'> {
  const { retry, retryTimeout, backoff, origin, ws } = checkOpen(url, options, true).settings;
  const shownUrl = origin.replace(/^http/, 'ws') + ws.path.replace(/\?.*/s, '');
  return { keepalive: ws.keepalive, shownUrl, policy: { retry, retryTimeout, backoff, retryFirst: true } };
}

function checkUrl(url: unknown, target: CheckedClient['target']): string | URL {
  const own = 'here' in target && typeof target.here === 'object' ? target.here.url : undefined;
  const found = url ?? own;
  if (typeof found === 'string' || found instanceof URL) return found;
  throw new OptionError(`url must be a URL, got ${describe(found)}`);
}

/** @throws {OptionError} @internal */
export function checkLogger(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined;
  const one = Object(logger) as Record<string, unknown>;
  const lacks = LOG_LEVELS.find((level) => level !== 'silent' && typeof one[level] !== 'function');
  if (typeof logger !== 'object' || lacks !== undefined) {
    throw new OptionError(
      `logger must have functions trace, debug, info, warn and error, got ${describe(logger)}`,
    );
  }
  return logger as Logger; // It has all of them.
}

function checkLevel(level: unknown, logger: unknown): CheckedClient['logLevel'] {
  if (logger === undefined) return 'silent';
  if (level === undefined) return levelOf(logger as Logger);
  const known = LOG_LEVELS.find((one) => one === level);
  if (known) return known;
  throw new OptionError(`logLevel must be one of ${LOG_LEVELS.join(', ')}, got ${describe(level)}`);
}

function checkName(name: unknown, target: CheckedClient['target']): string {
  if (name === undefined) {
    const file = 'module' in target ? parseUrl(target.module)?.pathname : undefined;
    return (
      file
        ?.split('/')
        .at(-1)
        ?.replace(/\.\w+$/, '') || 'client'
    );
  }
  if (typeof name === 'string' && name !== '') return name;
  throw new OptionError(`name must be a text, got ${describe(name)}`);
}
