// making — a session and its adapter, each of which is made of the other.
// Called by handler.ts beside a socket, and by lib/client/line.ts on its owner's thread.
// Invariant: an adapter that is a function is called once for each session. Source: lib/session/adapter.ts.

import { StreamError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { Adapter, AdapterFactory } from './adapter.ts';
import { adapterContext } from './adaptercontext.ts';
import { Session } from './session.ts';
import type { Delivered, SessionSettings } from './sessionwire.ts';

/** Makes a session of an adapter. @throws {StreamError} rejects ERR_GUNPORT_HANDLER: it is none. @internal */
export async function sessionOf(
  settings: SessionSettings,
  context: HandlerContext<Delivered>,
  given: Adapter | AdapterFactory,
): Promise<Session> {
  let session: Session | undefined;
  const own = adapterContext(context, () => session?.forAdapter);
  const adapter: unknown = typeof given === 'function' ? await given(settings.adapter?.options, own) : given;
  if (typeof adapter !== 'object' || adapter === null) {
    throw new StreamError('ERR_GUNPORT_HANDLER', `an adapter must be an object, got ${typeof adapter}`);
  }
  session = new Session(settings, context, adapter);
  return session;
}
