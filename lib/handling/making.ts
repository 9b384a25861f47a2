// making — a handler is made of what a factory gives, and looked at before anything is called.
// Called by runner.ts. Invariant: what leaves here has hooks that are functions, and an api that is an object, if any.

import { asError, describe, StreamError } from '../errors.ts';
import type { Fault, Handler, HandlerContext, HandlerFactory } from '../handler.ts';

const HOOKS = [
  'connecting',
  'connected',
  'open',
  'message',
  'batch',
  'ready',
  'down',
  'retrying',
  'waiting',
  'owner',
  'close',
] as const;
/** A hook's name. @internal */
export type Hook = (typeof HOOKS)[number];

/** Calls a factory and looks at what it gives. @throws {StreamError} rejects with ERR_GUNPORT_HANDLER. @internal */
export async function makeHandler(
  factory: HandlerFactory,
  options: unknown,
  context: HandlerContext,
): Promise<Handler> {
  const bad = (text: string, cause?: unknown): StreamError =>
    new StreamError('ERR_GUNPORT_HANDLER', text, { cause });
  let handler: unknown;
  try {
    handler = await factory(options, context);
  } catch (cause) {
    throw bad(`the handler's factory threw: ${asError(cause).message}`, cause);
  }
  if (typeof handler !== 'object' || handler === null)
    throw bad(`the handler's factory must give an object of hooks, got ${describe(handler)}`);
  // typeof has said so; what is read of it is checked.
  const given = handler as Record<string, unknown>;
  for (const hook of HOOKS) {
    const one = given[hook];
    if (one !== undefined && typeof one !== 'function')
      throw bad(`${hook} of the handler must be a function, got ${describe(one)}`);
  }
  const { api } = given;
  if (api !== undefined && (typeof api !== 'object' || api === null))
    throw bad(`api of the handler must be an object, got ${describe(api)}`);
  return handler;
}

/** What a hook threw, as it is told. @internal */
export function faultOf(hook: string, thrown: unknown): Fault {
  const error = asError(thrown);
  if (error === thrown) return { hook, error };
  const text = `${hook} threw ${describe(thrown)}`;
  return { hook, error: new StreamError('ERR_GUNPORT_HANDLER', text, { cause: thrown }) };
}
