// contentsettings — content handlers, as they are given for a connection or a request, become plain data.
// And those of an EventStream. Called by httpsettings.ts and sse.ts. Invariant: each is checked at once, and can be posted.
// Source: Gun's content_handlers.

import {
  checkSignal,
  flag,
  type Given,
  headerList,
  integer,
  LONGEST,
  moduleReference,
  namesIn,
  own,
} from './checks.ts';
import { describe, OptionError } from './errors.ts';
import type { ContentSettings, HandlerSettings } from './httpwire.ts';
import type { EventStreamOptions, RequestOptions } from './options.ts';

/** The names in ContentOptions. @internal */
export const CONTENT_OPTIONS: readonly string[] = ['contentHandlers', 'maxEventSize'];

const NAMES: ReadonlySet<string> = new Set(['module', 'export', 'options']);
const MAX_EVENT_SIZE = 1_048_576;
const LARGEST_EVENT = 268_435_456;

/** `base`: of the connection, for a request. @throws {OptionError} naming the option and the value. @internal */
export function checkContent(given: Given, base?: ContentSettings | undefined): ContentSettings | undefined {
  const { contentHandlers } = given;
  if (CONTENT_OPTIONS.every((name) => given[name] === undefined)) return base;
  const standard = base?.maxEventSize ?? MAX_EVENT_SIZE;
  const maxEventSize = integer(given, 'maxEventSize', standard, [1, LARGEST_EVENT]);
  if (contentHandlers === undefined) return { handlers: base?.handlers ?? [], maxEventSize };
  if (!Array.isArray(contentHandlers)) {
    throw new OptionError(`contentHandlers must be an array, got ${describe(contentHandlers)}`);
  }
  const handlers = contentHandlers.map((value, i) => checkHandler(value, `contentHandlers[${i}]`));
  return { handlers, maxEventSize };
}

function checkHandler(value: unknown, name: string): HandlerSettings {
  if (value === 'sse') return value;
  if (typeof value !== 'object' || value === null) {
    throw new OptionError(
      `${name} must be "sse" or a module reference { module, export, options }, got ${describe(value)}`,
    );
  }
  const { module, export: exported, options } = own(value, NAMES, name);
  const reference = moduleReference({ module, export: exported }, name);
  // It was given: only what is undefined comes to nothing.
  return {
    reference: reference as NonNullable<typeof reference>,
    options: cloned(options, `${name}.options`),
  };
}

function cloned(options: unknown, name: string): unknown {
  try {
    return structuredClone(options);
  } catch (cause) {
    throw new OptionError(`${name} cannot be cloned: ${describe((cause as Error).message)}`, { cause });
  }
}

/** Options of an EventStream after checking. @internal */
export interface EventStreamSettings {
  readonly reconnect: boolean;
  readonly retryDelay: number;
  readonly lastEventId: string;
  readonly signal: AbortSignal | undefined;
  /** Of each request; checked with the first. */
  readonly request: RequestOptions;
  /** Name, value, … without the id of the last event. */
  readonly headers: readonly string[];
}

const OWN = ['reconnect', 'retryDelay', 'lastEventId'] as const;
const PASSED = [
  ...['headers', 'flow', 'tunnel', 'signal', 'maxEventSize'],
  ...['requestTimeout', 'headersTimeout', 'idleTimeout', 'continueTimeout'],
];
const EVENT_STREAM_OPTIONS: ReadonlySet<string> = new Set([...OWN, ...PASSED]);
/** HTML §9.2.2: an event source asks for its type, past all caches; Fetch §4.6 has that as `no-cache`. */
const STANDARD_HEADERS = ['accept', 'text/event-stream', 'cache-control', 'no-cache'];
const LAST_EVENT_ID: ReadonlySet<string> = new Set(['last-event-id']);
const RETRY_DELAY = 3_000;

/** Options of connection.sse(). @throws {OptionError} @internal */
export function checkEventStream(options: EventStreamOptions | undefined): EventStreamSettings {
  const given = own(options, EVENT_STREAM_OPTIONS, '');
  const { lastEventId = '' } = given;
  if (typeof lastEventId !== 'string' || /[\0\r\n]/.test(lastEventId)) {
    throw new OptionError(
      `lastEventId must be a text without NUL and line ends, got ${describe(lastEventId)}`,
    );
  }
  const list = headerList(given['headers'], LAST_EVENT_ID);
  const names = namesIn(list);
  const missing = STANDARD_HEADERS.filter((_, i, all) => !names.has(all[i - (i % 2)] ?? ''));
  const passed = Object.fromEntries(PASSED.map((name) => [name, given[name]]));
  return {
    reconnect: flag(given, 'reconnect', false),
    retryDelay: integer(given, 'retryDelay', RETRY_DELAY, [0, LONGEST]),
    lastEventId,
    signal: checkSignal(given['signal']),
    request: { ...passed, contentHandlers: ['sse'] },
    headers: [...missing, ...list],
  };
}
