// handlersettings — the option `handler`: a module for the connection's thread, or a handler that runs on the owner's.
// Called by settings.ts. Invariant: what goes to the process can be posted; options are cloned at the call, wherever the
// handler runs. Source: lib/contentsettings.ts, whose references these are, too.

import { flag, moduleReference, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';
import type { HandlerFactory } from './handler.ts';
import { load } from './modules.ts';
import type { WsSettings } from './wire.ts';

/** How a handler is made that runs on the owner's thread. @internal */
export interface Making {
  load(): HandlerFactory | Promise<HandlerFactory>;
  readonly options: unknown;
}

/** `handler` after checking. @internal */
export interface CheckedHandler {
  readonly handler: NonNullable<WsSettings['handler']>;
  /** For the module beside the socket. */
  readonly options?: unknown;
  /** Where it is `'inline'`. */
  readonly making?: Making;
}

const NAMES: ReadonlySet<string> = new Set(['module', 'export', 'options', 'inline']);

/** @throws {OptionError} naming the option and the value. @internal */
export function checkHandler(value: unknown): CheckedHandler | undefined {
  if (value === undefined) return undefined;
  // What it takes and gives is looked at when it is called.
  if (typeof value === 'function') return inline(() => value as HandlerFactory, undefined);
  if (typeof value !== 'object' || value === null) {
    const text = 'handler must be a function or a reference { module, export, options, inline }';
    throw new OptionError(`${text}, got ${describe(value)}`);
  }
  const given = within(value, NAMES, 'handler');
  const { 'handler.module': module, 'handler.export': exported } = given;
  const reference = moduleReference({ module, export: exported }, 'handler');
  if (!reference) return undefined; // It was given: only what is undefined comes to nothing.
  const options = cloned(given['handler.options']);
  if (!flag(given, 'handler.inline', false)) return { handler: reference, options };
  return inline(() => load(reference) as Promise<HandlerFactory>, options); // As above.
}

function inline(load: Making['load'], options: unknown): CheckedHandler {
  return { handler: 'inline', making: { load, options } };
}

function cloned(options: unknown): unknown {
  try {
    return structuredClone(options);
  } catch (cause) {
    throw new OptionError(`handler.options cannot be cloned: ${describe((cause as Error).message)}`, {
      cause,
    });
  }
}
