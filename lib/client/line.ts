// line — one connection process of a client: its WebSocket, and the session beside it or on this thread.
// Made by client.ts: the first, one for each rollover, one in place of each that died.
// Invariant: a line tells its client of itself until it is let go; what comes after it is known by `next`.
// Source: WebsockexNova's ConnectionWrapper, of which there was one for all.

import type { Connection } from '../connection.ts';
import { feedOf } from '../default.ts';
import { StreamError } from '../errors.ts';
import type { Fault, HandlerFactory } from '../handler.ts';
import type { Remote } from '../remote.ts';
import type { Adapter, AdapterFactory } from '../session/adapter.ts';
import type { MetricsShare } from '../session/metrics.ts';
import type { Delivered, SessionApi, SessionNotice, SessionSettings } from '../session/sessionwire.ts';
import type { ClientState } from '../session/states.ts';
import type { SubscriptionRecord } from '../session/subscriptions.ts';
import type { Down } from '../types.ts';
import type { WsStream } from '../wsstream.ts';
import type { CheckedClient } from './clientoptions.ts';

/** What a line tells its client. @internal */
export interface LineHost {
  notice(line: Line, notice: SessionNotice): void;
  fault(fault: Fault): void;
  down(line: Line, down: Down<Connection>): void;
}

/** What a session begins with. @internal */
export interface Beginning {
  readonly credentials: unknown;
  readonly subscriptions: readonly SubscriptionRecord[];
  readonly attempts: number;
  readonly metrics: MetricsShare;
}

/** What a session's handler answers to. */
interface Api {
  readonly session: SessionApi;
  readonly adapter: Record<string, (...parameters: unknown[]) => unknown>;
}

/** The module that runs a session beside the socket; `.ts` where this file is run as it is. */
const MODULE = new URL(
  `../session/handler${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

/** @internal */
export class Line {
  readonly feed: WsStream<Connection, Delivered>;
  /** What follows it: another line, nothing, or the failure that the client ended with. */
  readonly next: Promise<Line | undefined>;
  /** Keys of what was delivered from the line before it, for what both have brought. */
  seen: Set<string | number> = new Set();
  /** Keys are noted: another line is being opened. */
  noting: Set<string | number> | undefined;
  /** The last that its session has told. */
  state: ClientState = 'initialized';
  attempt = 0;
  /** What it told when it was ready; undefined: it is not, at the moment. */
  ready: (SessionNotice & { readonly type: 'ready' }) | undefined;
  #follow: (line: Line | undefined | Promise<never>) => void = () => {};
  #host: LineHost | undefined;

  constructor(feed: WsStream<Connection, Delivered>, host: LineHost) {
    this.feed = feed;
    this.#host = host;
    this.next = new Promise((resolve) => {
      this.#follow = resolve;
    });
    // Nobody may be reading.
    this.next.catch(() => {});
    feed.on('notify', (notice) => this.#host?.notice(this, notice as SessionNotice));
    feed.on('fault', (fault) => this.#host?.fault(fault));
    feed.connection.monitor((down) => this.#host?.down(this, down));
  }

  /** Calls of its session. They settle with its stream. */
  get session(): Remote<SessionApi> {
    return this.feed.remote<Api>().session;
  }
  /** Calls of its adapter's api. */
  get adapter(): Remote<Api['adapter']> {
    return this.feed.remote<Api>().adapter;
  }

  /** Whoever has read it to its end goes on there. */
  follow(next: Line | undefined): void {
    this.#follow(next);
  }
  fail(error: Error): void {
    this.#follow(Promise.reject(error));
  }

  /** What its session has told of itself. */
  heard(notice: SessionNotice): void {
    if (notice.type === 'state') {
      this.state = notice.to;
      this.ready = undefined;
    }
    if (notice.type === 'ready') this.ready = notice;
    if (notice.type === 'state' || notice.type === 'ready') this.attempt = notice.attempt;
  }

  /** It tells nothing any more. */
  letGo(): void {
    this.#host = undefined;
  }
}

/** Opens one. @throws {OptionError} @internal */
export function openLine(checked: CheckedClient, beginning: Beginning, host: LineHost): Line {
  const { target, open, url } = checked;
  const settings: SessionSettings = {
    adapter: 'here' in target ? undefined : target,
    credentials: beginning.credentials,
    queue: checked.queue,
    requestTimeout: checked.requestTimeout,
    subscriptionTimeout: checked.subscriptionTimeout,
    authTimeout: checked.authTimeout,
    idleTimeout: checked.idleTimeout,
    keepalive: checked.keepalive,
    rateLimit: checked.rateLimit,
    subscriptions: beginning.subscriptions,
    attempts: beginning.attempts,
    logLevel: checked.logLevel,
    metrics: beginning.metrics,
  };
  const here = 'here' in target && sessionHere(target.here, settings);
  const handler = here || { module: MODULE, options: settings };
  // What its handler gives is what a session delivers.
  return new Line(feedOf(url, { ...open, handler }) as unknown as WsStream<Connection, Delivered>, host);
}

/** What a session is to log in with. @throws {StreamError} rejects ERR_GUNPORT_AUTH: whoever gives it failed. @internal */
export async function credentialsOf(given: unknown): Promise<unknown> {
  if (typeof given !== 'function') return given;
  try {
    return await given();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : typeof cause;
    throw new StreamError('ERR_GUNPORT_AUTH', `credentials() failed: ${why}`, { cause });
  }
}

/** Loaded where it is wanted only: most sessions run beside a socket. */
function sessionHere(
  adapter: Adapter | AdapterFactory,
  settings: SessionSettings,
): HandlerFactory<unknown, Delivered> {
  return async (_, context) => {
    const { sessionOf } = await import('../session/making.ts');
    return (await sessionOf(settings, context, adapter)).handler;
  };
}
