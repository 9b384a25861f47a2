// retrysettings — the options of a connection's attempts: how many, when, with what, and after which closes.
// Called by settings.ts, before anything is started. Invariant: as there. Source: Gun's retry, retry_timeout, retry_fun.

import { flag, type Given, integer, LONGEST, moduleReference, oneOf, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';
import { STANDARD_BACKOFF } from './protocol/backoff.ts';
import type { BackoffSettings, RetrySettings } from './retrywire.ts';

/** The names among OpenOptions. @internal */
export const RETRY_OPTIONS: readonly string[] = [
  'retry',
  'retryTimeout',
  'retryFun',
  'backoff',
  'renew',
  'reconnectOn',
];

/** @throws {OptionError} naming the option and the value. @internal */
export function checkRetry(given: Given, connect: boolean): RetrySettings {
  const { retry, retryTimeout, retryFun, renew, handler } = given;
  return {
    retry: retry === Infinity ? Infinity : integer(given, 'retry', 5, [0, Number.MAX_SAFE_INTEGER]),
    retryFirst: !connect || retry !== undefined,
    retryTimeout: retryTimeout === undefined ? undefined : integer(given, 'retryTimeout', 0, [0, LONGEST]),
    backoff: checkBackoff(given['backoff']),
    retryFun: typeof retryFun === 'function' ? 'ask' : moduleReference(retryFun, 'retryFun'),
    renew: typeof renew === 'function' ? 'ask' : moduleReference(renew, 'renew'),
    advised: connect && (typeof handler === 'function' || isInline(handler)),
    reconnectOn: checkCodes(given['reconnectOn']),
  };
}

function isInline(handler: unknown): boolean {
  // Whatever it is, it is looked at; it is checked elsewhere.
  return typeof handler === 'object' && (handler as { inline?: unknown } | null)?.inline === true;
}

const BACKOFF_NAMES: ReadonlySet<string> = new Set([
  ...['strategy', 'first', 'longest', 'factor', 'step', 'jitter', 'immediate', 'stableAfter'],
]);

function checkBackoff(value: unknown): BackoffSettings | undefined {
  if (value === undefined) return undefined;
  const given = within(value, BACKOFF_NAMES, 'backoff');
  const time = (name: string, standard: number, least: number) =>
    integer(given, `backoff.${name}`, standard, [least, LONGEST]);
  const standard = STANDARD_BACKOFF;
  const strategy = oneOf<BackoffSettings['strategy']>(given, 'backoff.strategy', [
    ...(['exponential', 'linear', 'decorrelated'] as const),
  ]);
  const first = time('first', standard.first, 1);
  const longest = time('longest', Math.max(first, standard.longest), 1);
  if (first > longest) {
    throw new OptionError(`backoff.first must be at most backoff.longest, got ${first} and ${longest}`);
  }
  only(given, 'backoff.factor', strategy, ['exponential']);
  only(given, 'backoff.step', strategy, ['linear']);
  only(given, 'backoff.jitter', strategy, ['exponential', 'linear']);
  return {
    strategy,
    first,
    longest,
    factor: number(given, 'backoff.factor', standard.factor, [1, 100]),
    step: time('step', first, 0),
    jitter: number(given, 'backoff.jitter', strategy === 'exponential' ? standard.jitter : 0, [0, 1]),
    immediate: flag(given, 'backoff.immediate', standard.immediate),
    stableAfter: time('stableAfter', standard.stableAfter, 0),
  };
}

function only(given: Given, name: string, strategy: string, strategies: readonly string[]): void {
  if (given[name] === undefined || strategies.includes(strategy)) return;
  throw new OptionError(`${name} must be left out where backoff.strategy is ${describe(strategy)}`);
}

function number(given: Given, name: string, standard: number, bounds: readonly [number, number]): number {
  const value = given[name];
  if (value === undefined) return standard;
  const [least, most] = bounds;
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw new OptionError(`${name} must be a number from ${least} to ${most}, got ${describe(value)}`);
}

const RESTARTS: readonly number[] = [1012, 1013];

function checkCodes(value: unknown): readonly number[] | 'any' {
  if (value === undefined) return RESTARTS;
  if (value === 'any') return value;
  const codes: readonly unknown[] = Array.isArray(value) ? [...value] : [undefined];
  return codes.map((code) => {
    if (typeof code === 'number' && Number.isInteger(code) && code >= 1000 && code <= 4999) return code;
    throw new OptionError(
      `reconnectOn must be "any" or close codes from 1000 to 4999, got ${describe(value)}`,
    );
  });
}
