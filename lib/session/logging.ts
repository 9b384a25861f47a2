// logging — what a client says of itself to the user's logger: by level, without secrets, wherever its session runs.
// A session writes to a Log, whose sink posts what it is given; `tell` hands that to the logger at the owner.
// Invariant: nothing below the level is even copied; what leaves is plain data without secrets; a logger that throws
// changes nothing. Source: pino's methods and its `err`; WebsockexNova's LoggingHandler.

import { type ErrorRecord, fromRecord, toRecord } from '../errors.ts';
import type { LogLevel } from './adapter.ts';
import type { Redactor } from './redact.ts';

/** A logger: pino's, or any with methods of these names; `console` too. An error is in the object, as `err`. */
export interface Logger {
  trace(object: object, message: string): void;
  debug(object: object, message: string): void;
  info(object: object, message: string): void;
  warn(object: object, message: string): void;
  error(object: object, message: string): void;
}

/** From the most that is said to the least. @internal */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** @internal */
export type LogSink = (level: LogLevel, object: object, message: string) => void;

/** @internal */
export class Log {
  readonly #sink: LogSink;
  readonly #least: number;
  readonly #redactor: Pick<Redactor, 'text' | 'value' | 'error'>;

  /** What is below `level` is dropped. */
  constructor(
    sink: LogSink,
    level: LogLevel | 'silent',
    redactor: Pick<Redactor, 'text' | 'value' | 'error'>,
  ) {
    this.#sink = sink;
    this.#least = LOG_LEVELS.indexOf(level);
    this.#redactor = redactor;
  }

  /** Whether it is worth gathering what would be said. */
  enabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#least;
  }

  trace(object: object, message: string): void {
    this.write('trace', object, message);
  }

  debug(object: object, message: string): void {
    this.write('debug', object, message);
  }

  info(object: object, message: string): void {
    this.write('info', object, message);
  }

  warn(object: object, message: string): void {
    this.write('warn', object, message);
  }

  error(object: object, message: string): void {
    this.write('error', object, message);
  }

  /** `object`: also an error; its fields may be errors. */
  write(level: LogLevel, object: object, message: string): void {
    if (!this.enabled(level)) return;
    const given = object instanceof Error ? { err: object } : object;
    // Of an object comes an object.
    const clean = this.#redactor.value(given) as Record<string, unknown>;
    for (const [name, value] of Object.entries(clean)) {
      // A posted error would lose its class and code.
      if (value instanceof Error) clean[name] = toRecord(value);
    }
    try {
      this.#sink(level, clean, this.#redactor.text(message));
    } catch {
      // The user's logger, or a port that is gone: what is said of the work must not stop the work.
    }
  }
}

/** Hands to a logger what a Log's sink was given; `err` as the error that it was. @internal */
export function tell(logger: Logger, level: LogLevel, object: object, message: string): void {
  try {
    const { err } = object as { err?: unknown };
    logger[level](isRecord(err) ? { ...object, err: fromRecord(err) } : object, message);
  } catch {
    // The user's logger throws: that changes nothing.
  }
}

/** The level that a logger says it has, so that nothing is posted that it would drop; pino's `level`. @internal */
export function levelOf(logger: Logger, standard: LogLevel = 'info'): LogLevel | 'silent' {
  const { level } = logger as { level?: unknown };
  if (typeof level !== 'string') return standard;
  if (level === 'fatal') return 'silent';
  return LOG_LEVELS.find((known) => known === level) ?? 'trace'; // One of its own: it decides by itself.
}

function isRecord(value: unknown): value is ErrorRecord {
  if (typeof value !== 'object' || value === null || value instanceof Error) return false;
  return 'name' in value && 'message' in value && typeof value.message === 'string';
}
