// rollover — a client goes over to a fresh connection before the old one ends: make before break.
// Held by lines.ts, one at a time. Invariant: the old one is left only when the new one is ready, and has by then brought
// all that the new one may lack; if that does not come about, the old one goes on and nothing of the new one is left.
// Source: feeds that cut every 24 hours.

import { type ErrorRecord, fromRecord, type GunportError, StreamError } from '../errors.ts';
import type { SessionNotice } from '../session/sessionwire.ts';
import type { Line } from './line.ts';

/** @internal */
export interface RolloverHost {
  /** Between two, in milliseconds; 0: none by itself. */
  readonly interval: number;
  /** How long both are read, in milliseconds. */
  readonly overlap: number;
  /** The one to leave, if it is ready. */
  current(): Line | undefined;
  open(): Promise<Line>;
  /** The fresh one takes its place. */
  promote(line: Line): void;
  done(): void;
  /** One that nobody had asked for has failed. */
  failed(error: Error): void;
}

/** Attempts of the fresh one that may fail. */
const MOST_FAILURES = 3;
/** When one that came to nothing is tried again, in milliseconds. */
const SOON = 60_000;

/** @internal */
export class Rollover {
  readonly #host: RolloverHost;
  #running: Promise<void> | undefined;
  #fresh: { readonly line: Line; readonly settle: (error?: GunportError) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: GunportError | undefined;
  /** Of the fresh one. */
  #failures = 0;

  constructor(host: RolloverHost) {
    this.#host = host;
  }

  /** One in `interval` from now, or `atMost` so many milliseconds. */
  plan(atMost: number = Number.POSITIVE_INFINITY): void {
    clearTimeout(this.#timer);
    const interval = Math.min(this.#host.interval, atMost);
    if (interval === 0) return;
    this.#timer = setTimeout(() => {
      this.run().catch((error: Error) => {
        this.#host.failed(error);
        if (this.#host.current()) this.plan(SOON);
      });
    }, interval);
    this.#timer.unref();
  }

  /** Who asks while one is under way has that one. @throws {StreamError} rejects ERR_GUNPORT_NOT_CONNECTED; what the fresh
   *  one failed with. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** None is under way. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => {});
  }

  /** The client ends, or is another's. */
  stop(error: GunportError): void {
    clearTimeout(this.#timer);
    this.#stopped = error;
    this.#fresh?.settle(error);
  }

  /** True: it was the fresh one's, and means nothing to the client yet. */
  notice(line: Line, notice: SessionNotice): boolean {
    const fresh = this.#fresh;
    if (line !== fresh?.line) return false;
    if (notice.type === 'ready') fresh.settle();
    // Its own retries could go on for ever, where the server takes no second connection.
    if (notice.type === 'state' && notice.to === 'reconnecting' && ++this.#failures === MOST_FAILURES)
      fresh.settle(failureOf(notice.reason));
    // Records of a session are made of our own errors.
    if (notice.type === 'gaveUp') fresh.settle(fromRecord(notice.error) as GunportError);
    return true;
  }

  down(line: Line, error: GunportError): boolean {
    if (line !== this.#fresh?.line) return false;
    this.#fresh.settle(error);
    return true;
  }

  async #run(): Promise<void> {
    const old = this.#host.current();
    if (!old) throw notReady();
    clearTimeout(this.#timer);
    const noted = new Set<string | number>();
    old.noting = noted;
    this.#failures = 0;
    const line = await this.#opened(old);
    line.seen = noted;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fresh = { line, settle: (error) => (error ? reject(error) : resolve()) };
      });
      await this.#cut(old);
    } catch (error) {
      old.noting = undefined;
      // The old one has died meanwhile, and this one has taken its place, such as it is.
      if (this.#fresh?.line !== line) throw error;
      this.#fresh = undefined;
      discard(line);
      throw error;
    }
    if (this.#fresh?.line === line) this.#promote(line);
    void retire(old);
    this.plan();
    this.#host.done();
  }

  async #opened(old: Line): Promise<Line> {
    try {
      const line = await this.#host.open();
      // Its credentials may have taken a while: the client has ended, or lost the old one.
      if (this.#host.current() === old) return line;
      discard(line);
      throw this.#stopped ?? notReady();
    } catch (error) {
      old.noting = undefined;
      throw error;
    }
  }

  #promote(line: Line): void {
    this.#fresh = undefined;
    this.#host.promote(line);
  }

  /** The old one has brought all that was sent on it before the new one was ready. */
  async #cut({ session }: Line): Promise<void> {
    const { overlap } = this.#host;
    try {
      await session.fence();
      if (overlap > 0) await new Promise((resolve) => setTimeout(resolve, overlap));
      await session.finish();
    } catch {
      // It is lost, or gone: what it has brought is there, and nothing more comes of it.
    }
  }

  /** The old one has died: the fresh one takes its place as far as it is. Undefined: there is none. */
  take(): Line | undefined {
    const line = this.#fresh?.line;
    const settle = this.#fresh?.settle;
    this.#fresh = undefined;
    settle?.();
    return line;
  }
}

function failureOf(reason: ErrorRecord | undefined): GunportError {
  // Records of a session are made of our own errors.
  return reason ? (fromRecord(reason) as GunportError) : notReady();
}

function notReady(): StreamError {
  return new StreamError('ERR_GUNPORT_NOT_CONNECTED', 'rollover(): the client is not ready');
}

/** Nothing of it is left. */
function discard(line: Line): void {
  line.letGo();
  void line.feed.connection.close().catch(() => {});
}

/** All that it has delivered arrives here; then its connection goes. */
async function retire({ feed }: Line): Promise<void> {
  // Its pong comes behind that.
  await feed.ping().catch(() => {});
  await feed.close().catch(() => {});
}
