// pooledoptions — one request through a pool, checked at once: what can be sent again stands here in a form that can.
// Called by authorities.ts. Invariant: nothing of what is sent later is read from the caller again: bytes were copied,
// headers listed; only a body that comes in parts is the caller's still. Source: gun_pool's req_opts().

import { checkUnread, isParts } from '../bodysending.ts';
import { type Given, integer, LONGEST, mergeHeaders, oneOf } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import { type BodyKind, checkRequest, checkTrailers } from '../httpsettings.ts';
import type { BodyPart, RequestOptions } from '../options.ts';
import { basic, type Place } from '../target.ts';
import type { AuthoritySettings, RetryKind } from './authorityoptions.ts';
import type { PooledSettings } from './pooledrequest.ts';

/** Options of one request through a pool. Its timeouts are of each time it is sent, `queueTimeout` of all its waits before. */
export interface PooledRequestOptions
  extends Omit<RequestOptions, 'body' | 'replyTo' | 'tunnel'>,
    ScopeOptions {
  /** All of its body; or its parts, from any async iterable, `ReadableStream` too: those are sent once. Default none. */
  body?: BodyPart | AsyncIterable<BodyPart> | undefined;
  /** How long it may wait for a connection in all, in milliseconds. Default: that of its authority. */
  queueTimeout?: number | undefined;
  /** Default: that of its authority. */
  retry?: RetryKind | undefined;
  /** Default: that of its authority. */
  retries?: number | undefined;
}

/** Which of several pools of one authority. */
export interface ScopeOptions {
  /** Two scopes of one authority share nothing. Default `''`. Source: Gun scope. */
  scope?: string | undefined;
}

/** Options of a request without a body. */
export type PooledBodilessOptions = Omit<PooledRequestOptions, 'body' | 'trailers'>;

/** None were given. @internal */
export const NO_OPTIONS: Given = Object.freeze(Object.create(null));
/** What a pool reads itself. @internal */
export const POOLED_NAMES: readonly string[] = ['scope', 'queueTimeout', 'retry', 'retries'];
/** What has no meaning where nobody knows which connection it will be. */
const NOT_POOLED: readonly string[] = ['replyTo', 'tunnel'];

/** @throws {OptionError} @internal */
export function checkPooled(
  method: unknown,
  place: Place,
  [given, kind]: readonly [Given, BodyKind],
  standard: AuthoritySettings,
): PooledSettings {
  if (given === NO_OPTIONS && place.credentials === undefined) return plain(method, place, kind, standard);
  const { scope: _, queueTimeout, retry, retries, body, trailers, ...rest } = given;
  for (const name of NOT_POOLED) {
    if (rest[name] !== undefined)
      throw new OptionError(`${name} has no place in a pool: check a connection out`);
  }
  const parts = isParts(body) ? body : undefined;
  if (parts && kind === 'none') throw new OptionError(`${describe(method)} takes no body here`);
  if (parts) checkUnread(parts);
  const options = { ...rest, ...(!parts && { body, trailers }) } as RequestOptions; // Of unknown values: checked now.
  const checked = checkRequest(method, place.path, options, parts ? 'follows' : kind, standard.settings);
  const { request, signal } = checked;
  const own = pairs(withCredentials(request.headers, place));
  const { contentHandlers, maxEventSize } = options;
  const content = { contentHandlers: contentHandlers && [...contentHandlers], maxEventSize };
  const again: RequestOptions = { headers: own, ...request.timeouts, ...content, flow: request.flow, signal };
  const fields = parts && trailers !== undefined ? checkTrailers(trailers) : request.trailers;
  return {
    ...{ method: request.method, path: place.path, options: again, body: request.body, parts, signal },
    ...{ trailers: fields && pairs(fields) },
    queueTimeout: integer({ queueTimeout }, 'queueTimeout', standard.queueTimeout, [1, LONGEST]),
    retry: retry === undefined ? standard.retry : oneOf<RetryKind>({ retry }, 'retry', RETRY),
    retries: integer({ retries }, 'retries', standard.retries, [0, LONGEST]),
  };
}

/** A request without options costs little: many wait at a time. */
function plain(
  method: unknown,
  { path }: Place,
  kind: BodyKind,
  standard: AuthoritySettings,
): PooledSettings {
  const { request } = checkRequest(method, path, undefined, kind, standard.settings);
  const { queueTimeout, retry, retries } = standard;
  return {
    method: request.method,
    path,
    options: undefined,
    body: undefined,
    parts: undefined,
    trailers: undefined,
    signal: undefined,
    queueTimeout,
    retry,
    retries,
  };
}

const RETRY = ['unprocessed', 'idempotent'] as const satisfies readonly RetryKind[];

/** A URL's user name and password are those of its request, and not of a connection that others use. */
function withCredentials(headers: readonly string[], { credentials }: Place): readonly string[] {
  if (credentials === undefined) return headers;
  return mergeHeaders(['authorization', basic(credentials, 'target')], headers);
}

function pairs(list: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i < list.length; i += 2) result.push([list[i] ?? '', list[i + 1] ?? '']);
  return result;
}

/** @throws {OptionError} @internal */
export function checkScope(scope: unknown): string {
  if (scope === undefined) return '';
  if (typeof scope === 'string') return scope;
  throw new OptionError(`scope must be a string, got ${describe(scope)}`);
}
