// handlers — the handlers of one connection process: made before their WebSockets are asked for, and told what they may do.
// Held by process.ts. Invariant: a WebSocket with a handler is asked for when that is there, and not at all where it cannot be
// made: connect() dials nothing then. Source: promise S4; gun's content handlers.

import type { GunportError } from '../lib/errors.ts';
import { asError, ConnectionError, StreamError } from '../lib/errors.ts';
import type { HandlerFactory } from '../lib/handler.ts';
import { load } from '../lib/modules.ts';
import type { ModuleReference } from '../lib/options.ts';
import { checkChoice } from '../lib/protocol/retry.ts';
import { urlOf } from '../lib/renewal.ts';
import type { FailureInfo, RetryChoice } from '../lib/types.ts';
import type { Closed, Settings, WsSettings } from '../lib/wire.ts';
import { asConnectionError, closeEntry, type Entry } from './entry.ts';
import type { HandledOutbox } from './handling.ts';
import { Outbox, type OutboxHost, type Post } from './outbox.ts';
import type { Adviser } from './renewing.ts';
import type { Streams } from './streams.ts';

/** What they ask of their process. */
export interface HandlersHost {
  readonly streams: Streams;
  /** Of this attempt, or the last. */
  readonly settings: Settings;
  /** The number of the one that is under way, or up. */
  readonly attemptUnderWay: number;
  readonly post: Post;
  /** What connect() waited for is there: it may be dialled. */
  dial(): void;
  giveUp(error: GunportError): void;
  streamClosed(entry: Entry, closed: Closed): void;
  guard(run: () => void): void;
}

/** How long the end of a WebSocket waits for a hook that gave a promise, in milliseconds, at most. */
const PATIENCE = 2_000;

export class Handlers {
  readonly #host: HandlersHost;
  #runtime: typeof import('./handling.ts') | undefined;

  constructor(host: HandlersHost) {
    this.#host = host;
  }

  /** `loadRuntime` goes before `outbox` for one of these. */
  lacks({ handler }: WsSettings): boolean {
    return typeof handler === 'object' && this.#runtime === undefined;
  }

  async loadRuntime(): Promise<void> {
    this.#runtime = await import('./handling.ts');
  }

  /** For the messages of one WebSocket. */
  outbox(stream: number, ws: WsSettings): Outbox {
    const host = this.#host;
    const runtime = this.#runtime;
    if (typeof ws.handler !== 'object' || !runtime) return new Outbox(host.post, new Plain(stream, host));
    const { maxBuffered } = host.settings;
    const entry = (): Entry | undefined => host.streams.webSocket(stream);
    const hold = (held: boolean): void => entry()?.socket?.hold(held);
    const outbox = new runtime.HandledOutbox(stream, host.post, {
      maxBuffered,
      patience: Math.min(PATIENCE, ws.closingTimeout),
      get url() {
        return urlOfEntry(entry(), host.settings);
      },
      get state() {
        return entry()?.state ?? 'closed';
      },
      get attempt() {
        return host.attemptUnderWay;
      },
      socket: () => entry()?.socket,
      hold,
      close: (code, reason) => {
        const one = entry();
        const closed = (...end: [Entry, Closed]): void => host.streamClosed(...end);
        if (one && one.state !== 'closing') closeEntry(one, { code, reason, keep: true }, closed);
      },
      drop: (reason) => this.drop(stream, reason),
      guard: (run) => host.guard(run),
    });
    // It may deliver before there is a socket.
    if (ws.flow !== undefined) outbox.topUp(stream, ws.flow, true);
    return outbox;
  }

  /** A handler has given the socket up, as if it had been lost. */
  drop(stream: number, reason: string): void {
    const text = `its handler gave the socket up: ${reason}`;
    const error = new ConnectionError('ERR_GUNPORT_CLOSED', text, { reason });
    this.#host.streams.webSocket(stream)?.socket?.giveUp(error);
  }

  /** That of connect() on its owner's thread is there. */
  isThere(): void {
    this.#host.dial();
  }

  /** Makes the handler of one; then it may be asked for. */
  load({ stream, given, handling }: Entry, options: unknown): void {
    const { handler } = given;
    if (!handling || typeof handler !== 'object') return;
    const { connectTimeout } = this.#host.settings;
    const late = setTimeout(() => {
      const text = `the handler was not there within connectTimeout (${connectTimeout} ms)`;
      over(() => this.#failed(stream, new StreamError('ERR_GUNPORT_HANDLER', text, { phase: 'timeout' })));
    }, connectTimeout);
    let settled = false;
    const over = (then: () => void): void => {
      if (settled) return;
      settled = true;
      this.#host.guard(then);
    };
    // Whatever comes of it, and where its WebSocket ends meanwhile.
    void handling.runner.api.then(() => clearTimeout(late));
    handling
      .load(() => loadFactory(handler), options)
      .then(
        () => over(() => this.#ready(stream)),
        (error: unknown) => over(() => this.#failed(stream, asConnectionError(error))),
      );
  }

  #ready(stream: number): void {
    const { streams } = this.#host;
    const entry = streams.webSocket(stream);
    if (!entry?.handling || !streams.ready(entry)) return;
    entry.adviser = adviserOf(entry.handling);
    if (entry.given.spans) this.#host.dial();
    else entry.lane.server?.serve();
  }

  #failed(stream: number, error: GunportError): void {
    const { streams } = this.#host;
    const entry = streams.webSocket(stream);
    if (!entry) return;
    entry.handling?.runner.stop();
    if (entry.given.spans) this.#host.giveUp(error);
    else streams.failed(entry, error);
  }
}

/** Where there is no handler, the socket itself is held, and goes on. */
class Plain implements OutboxHost {
  readonly maxBuffered: number;
  readonly #stream: number;
  readonly #host: HandlersHost;

  constructor(stream: number, host: HandlersHost) {
    this.#stream = stream;
    this.#host = host;
    this.maxBuffered = host.settings.maxBuffered;
  }

  get #socket(): Entry['socket'] {
    return this.#host.streams.webSocket(this.#stream)?.socket;
  }

  pause(): void {
    this.#socket?.hold(true);
  }
  resume(): void {
    this.#socket?.hold(false);
  }
  credit(): void {
    this.#socket?.credit();
  }
}

async function loadFactory(reference: ModuleReference): Promise<HandlerFactory> {
  // It is a function; what it gives is checked by runner.ts.
  return (await load(reference)) as HandlerFactory;
}

function adviserOf(handling: HandledOutbox): Adviser {
  const { runner } = handling;
  const retrying = async (info: FailureInfo): Promise<RetryChoice> => {
    try {
      const choice = await runner.retrying(info);
      checkChoice(choice);
      return choice;
    } catch (error) {
      // Errors of hooks are theirs, whatever they are; those of the check are ours.
      handling.fault({ hook: 'retrying', error: asError(error) });
      throw error;
    }
  };
  return {
    ...(runner.has('connecting') && { connecting: (info) => runner.connecting(info) }),
    ...(runner.has('retrying') && { retrying }),
    ...(runner.has('waiting') && { waiting: (wait) => runner.waiting(wait) }),
  };
}

function urlOfEntry(entry: Entry | undefined, settings: Settings): string {
  const { lane, ws = settings.ws } = entry ?? {};
  return urlOf({ ...settings, ws, origin: (lane?.origin ?? settings.origin).replace(/^http/, 'ws') });
}
