// open — how a connection begins: its handle here, its process wherever its opener puts it.
// Called by pool.ts, and by default.ts in a thread whose pool is elsewhere.
// Invariant: bad options throw before anything is started; a failed connect() has left nothing behind when it rejects.
// Source: gun:open/3; promise S4.

import { MessageChannel, type MessagePort, threadId as ownThreadId } from 'node:worker_threads';
import { whenAborted } from './aborts.ts';
import { Advice } from './advice.ts';
import { checkWait } from './await.ts';
import { Connection } from './connection.ts';
import type { CookiePlacing } from './cookies/cookiewire.ts';
import { TimeoutError } from './errors.ts';
import { newId } from './lifeline.ts';
import type { OpenOptions } from './options.ts';
import { type CheckedOpen, checkOpen, type OpenTarget } from './settings.ts';
import { SharedSettings } from './shared.ts';
import type { ConnectionState, Settings } from './wire.ts';
import type { WsStream } from './wsstream.ts';

/** What open() hands to whoever places a connection. @internal */
export interface Placing {
  readonly id: string;
  readonly settings: Settings;
  readonly isolated: boolean;
  readonly ownerThreadId: number;
  readonly port: MessagePort;
  readonly cookies?: CookiePlacing | undefined;
}

/** What an opener knows of what was opened through it. @internal */
export class Openings extends SharedSettings {
  #last: { readonly target: string; readonly connecting: boolean; readonly checked: CheckedOpen } | undefined;

  /** Checks them; what is opened without options and where the last was is known: who opens thousands has one place. */
  check(target: OpenTarget, options: OpenOptions | undefined, connecting: boolean): CheckedOpen {
    const last = this.#last;
    if (options === undefined && last?.target === target && last.connecting === connecting)
      return last.checked;
    const found = checkOpen(target, options, connecting, ['signal']);
    const checked = { ...found, settings: this.of(found.settings) };
    // A URL object, and options, may be other ones the next time.
    if (options === undefined && typeof target === 'string') this.#last = { target, connecting, checked };
    return checked;
  }
}

/** Whose threads a process goes to. @internal */
export interface Opener {
  readonly hostId: string;
  readonly openings: Openings;
  /** Returns its thread, as far as that is known; -1: its process will say. */
  place(placing: Placing): number;
  /** A handle was made. */
  keep(handle: Connection): void;
  /** Resolves when nothing of a connection that has ended is left. */
  gone(id: string): Promise<void>;
}

/** Makes the handle, and has its process put somewhere. @internal */
export function openWith(
  opener: Opener,
  target: OpenTarget,
  options: OpenOptions | undefined,
  connecting = false,
): Connection {
  const checked = opener.openings.check(target, options, connecting);
  const { settings, retryFun, renew, isolated, cookies, handling } = checked;
  const signal = options?.signal;
  checkWait(0, signal);
  if (signal?.aborted) throw abortedBy(signal);
  const { port1, port2 } = new MessageChannel();
  const id = newId();
  const advice = new Advice({ retryFun, renew });
  const placed = cookies?.place();
  const threadId = opener.place({
    id,
    settings,
    isolated,
    ownerThreadId: ownThreadId,
    port: port2,
    cookies: placed,
  });
  const state = firstState({ id, host: opener.hostId, threadId, settings });
  const handle = new Connection(port1, state, advice).begin();
  handle.sharing(cookies?.jar).handledBy(handling);
  if (signal && !connecting) closeOnAbort(handle, signal);
  opener.keep(handle);
  return handle;
}

/** The stream of connect() at once, before it is open. Where it never is, it ends with the failure, and its connection
 *  with it. @internal */
export function openFeed(
  opener: Opener,
  target: OpenTarget,
  options: OpenOptions | undefined,
): WsStream<Connection> {
  const connection = openWith(opener, target, options, true);
  if (options?.signal) closeOnAbort(connection, options.signal);
  return connection.upgradeFirst();
}

/** open + wsUpgrade of a stream that spans reconnects. @internal */
export async function connectWith<M>(
  opener: Opener,
  target: OpenTarget,
  options: OpenOptions | undefined,
): Promise<WsStream<Connection, M>> {
  const connection = openWith(opener, target, options, true);
  const stream = connection.upgradeFirst();
  try {
    await stream.opened({ signal: options?.signal });
    return stream as unknown as WsStream<Connection, M>; // What its handler delivers, its opener knows.
  } catch (error) {
    // Nothing stays behind a failed connect: its process is gone before the caller hears of it.
    const { down } = connection.monitor();
    void connection.close().catch(() => {});
    await down;
    await opener.gone(connection.id);
    throw error;
  }
}

function firstState(known: Pick<ConnectionState, 'id' | 'host' | 'threadId' | 'settings'>): ConnectionState {
  const { id, host, threadId, settings } = known;
  return {
    id,
    host,
    threadId,
    settings,
    status: 'connecting',
    protocol: undefined,
    attempt: 0,
    nextStream: 1,
    lastError: undefined,
    transfers: 0,
    streams: [],
  };
}

/** An abort closes a connection that has never been up; afterwards the signal means nothing to it. */
function closeOnAbort(handle: Connection, signal: AbortSignal): void {
  const onAbort = (): void => void handle.close().catch(() => {});
  const forget = whenAborted(signal, onAbort);
  handle.once('up', forget);
  handle.released(forget);
}

function abortedBy(signal: AbortSignal): TimeoutError {
  return new TimeoutError('ERR_GUNPORT_ABORTED', 'opening was aborted', { cause: signal.reason });
}
