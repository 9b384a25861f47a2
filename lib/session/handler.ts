// handler — a session as a handler module: what a client with a module adapter has loaded beside its socket.
// Named by lib/client/line.ts; loaded as any other handler is.
// Invariant: the adapter's module is loaded in the same thread. Source: lib/handler.ts.

import { OptionError } from '../errors.ts';
import type { Handler, HandlerContext } from '../handler.ts';
import { load } from '../modules.ts';
import type { AdapterFactory } from './adapter.ts';
import { sessionOf } from './making.ts';
import type { Delivered, SessionSettings } from './sessionwire.ts';

/** @internal */
export default async function session(
  settings: SessionSettings,
  context: HandlerContext<Delivered>,
): Promise<Handler> {
  const { adapter } = settings;
  if (!adapter) throw new OptionError('a session beside the socket needs the module of its adapter');
  // What a user's function gives is checked by sessionOf.
  const factory = (await load({ module: adapter.module, export: adapter.export })) as AdapterFactory;
  return (await sessionOf(settings, context, factory)).handler;
}
