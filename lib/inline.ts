// inline — a handler that runs on its owner's thread, for debugging and tests, or since it is a function: the socket stays in
// its worker, and what comes from there passes through the same runner before it can be read.
// Held by handled.ts. Invariant: hooks are called as messages and marks arrive, not when a reader reaches them; what came
// counts as read once it was handled and what was made of it is within `maxBuffered`, so the socket is held up as ever.
// Source: lib/handling/runner.ts, which workers/handling.ts runs beside the socket; promises F1 and F2.

import { threadId } from 'node:worker_threads';
import type { OwnAdviser } from './advice.ts';
import { describe, type GunportError, StreamError } from './errors.ts';
import type { Fault } from './handler.ts';
import type { Making } from './handlersettings.ts';
import type { Laid } from './handling/outlet.ts';
import { Runner, type RunnerHost } from './handling/runner.ts';
import { shielded } from './listeners.ts';
import { checkChoice } from './protocol/retry.ts';
import type { Sendable } from './sendable.ts';
import type { StreamHost } from './streamhost.ts';
import type { StreamState } from './types.ts';
import type { Parcel, StreamMark, WsSettings } from './wire.ts';

/** Its WebSocket. */
export interface InlineStream {
  readonly id: number;
  readonly host: StreamHost;
  readonly ws: WsSettings;
  url(): string;
  state(): StreamState;
  send(data: Sendable | readonly Sendable[], secret: boolean): boolean;
  drained(): Promise<void>;
  ping(timeout: number | undefined): Promise<number>;
  /** What was sent goes before what is posted next. */
  flushSent(): void;
  /** To be read. */
  deliver(parcel: Parcel): void;
  /** It ends badly. */
  finish(error: GunportError): void;
}

/** Where its handler is heard. */
export interface InlineEvents {
  notify(value: unknown): void;
  fault(fault: Fault): void;
}

/** Parcels, and bytes, that wait to be read: from the first on its owner has no room, up to the second it has again; as
 *  beside the socket. */
const FULL = { parcels: 8, bytes: 8 * 1024 * 1024 };
const ROOM = { parcels: 4, bytes: 4 * 1024 * 1024 };

/** How long its end waits for a hook that gave a promise, in milliseconds, at most. */
const PATIENCE = 2_000;

/** @internal */
export class Inline {
  readonly runner: Runner;
  readonly #stream: InlineStream;
  readonly #events: InlineEvents;
  readonly #puts: (() => void)[] = [];
  /** Bytes of each parcel that waits to be read, oldest first. */
  readonly #costs: number[] = [];
  #bytes = 0;
  #ready = true;
  /** The handler was told so. */
  #full = false;
  /** Parcels that were handled, and do not count as read yet. */
  #owed = 0;
  /** Asks its process for the WebSocket. */
  #ask: (() => void) | undefined;
  #begun = false;
  #late: NodeJS.Timeout | undefined;
  #cancelled = false;
  #stopAdvice: () => void = () => {};

  constructor(stream: InlineStream, events: InlineEvents, making: Making) {
    this.#stream = stream;
    this.#events = events;
    this.runner = new Runner(this.#runnerHost());
    const begun = this.#begin(making);
    if (stream.ws.spans) this.#stopAdvice = stream.host.adviseBy(this.#adviser(begun));
  }

  /** It is to be asked for once the handler is there. */
  askBy(ask: () => void): void {
    this.#ask = ask;
    if (this.#begun) this.ask();
  }

  /** Its process hears of the WebSocket now at the latest, whatever becomes of the handler. */
  ask(): void {
    const ask = this.#ask;
    this.#ask = undefined;
    ask?.();
  }

  async #begin({ load, options }: Making): Promise<void> {
    const { host } = this.#stream;
    const text = `the handler was not there within connectTimeout (${host.connectTimeout} ms)`;
    this.#late = setTimeout(() => {
      this.runner.stop();
      this.#failed(new StreamError('ERR_GUNPORT_HANDLER', text, { phase: 'timeout' }));
    }, host.connectTimeout);
    try {
      await this.runner.begin(load, options);
    } catch (error) {
      // Whatever a module throws while it is loaded is the cause of an error of ours.
      return this.#failed(error as GunportError);
    } finally {
      clearTimeout(this.#late);
    }
    this.#begun = true;
    this.ask();
  }

  #failed(error: GunportError): void {
    const { host, ws } = this.#stream;
    this.#stream.finish(error);
    if (ws.spans) host.post({ type: 'close' });
  }

  #adviser(begun: Promise<void>): OwnAdviser {
    const { runner } = this;
    return {
      connecting: async (info) => {
        await begun;
        return runner.connecting(info);
      },
      retrying: async (info) => {
        await begun;
        try {
          const choice = await runner.retrying(info);
          checkChoice(choice);
          return choice;
        } catch (error) {
          this.#events.fault({ hook: 'retrying', error: asError(error) });
          throw error;
        }
      },
      connected: ({ attempt }) => runner.connected(attempt),
      waiting: (wait) => runner.waiting(wait),
    };
  }

  // ── from the wire ─────────────────────────────────────────────────────────────────────────────────────────

  parcel(parcel: Parcel): void {
    this.runner.feed(parcel, false, () => {
      this.#owed++;
      this.#settle();
    });
  }

  /** `put`: has it stand in its place, behind what is made of the messages before it. */
  mark(mark: StreamMark, put: () => void): void {
    if (this.#cancelled) return put();
    this.#puts.push(put);
    this.runner.mark(mark);
  }

  /** One parcel of what was made has been read. */
  read(): void {
    this.#bytes -= this.#costs.shift() ?? 0;
    this.#settle();
    if (this.#ready || this.#costs.length > ROOM.parcels || this.#bytes > ROOM.bytes) return;
    this.#ready = true;
    // In a turn of its own: a reader may be called in the midst of a hook.
    if (this.#full) setImmediate(() => this.#hasRoom());
  }

  #hasRoom(): void {
    if (!this.#full || !this.#ready) return;
    this.#full = false;
    this.runner.ready();
  }

  #settle(): void {
    if (this.#bytes > this.#stream.host.maxBuffered) return;
    const { id, host } = this.#stream;
    for (; this.#owed > 0; this.#owed--) host.parcelRead(id);
  }

  /** Its owner has cancelled it. */
  cancelled(error: GunportError): void {
    this.ask();
    this.#cancelled = true;
    this.runner.cancelled(error);
  }

  /** It has ended. */
  close(): void {
    clearTimeout(this.#late);
    this.#ask = undefined;
    this.#stopAdvice();
  }

  // ── for its handler ───────────────────────────────────────────────────────────────────────────────────────

  #runnerHost(): RunnerHost {
    const [self, stream] = [this, this.#stream];
    const { id, host, ws } = stream;
    return {
      threadId,
      inline: true,
      maxBuffered: host.maxBuffered,
      patience: Math.min(PATIENCE, ws.closingTimeout),
      get url() {
        return stream.url();
      },
      get state() {
        return stream.state();
      },
      get ready() {
        if (!self.#ready) self.#full = true;
        return !self.#full;
      },
      deliver: (laid) => this.#deliver(laid),
      mark: () => shielded(() => this.#puts.shift()?.()),
      notify: (value) => this.#events.notify(structuredClone(value)),
      send: (data, secret) => stream.send(data, secret),
      reveal: () => host.post({ type: 'reveal', stream: id }),
      drained: () => stream.drained(),
      ping: (timeout) => stream.ping(timeout),
      close: (code, reason) =>
        this.#later(() => host.post({ type: 'closeStream', stream: id, code, reason })),
      drop: (reason) => this.#later(() => host.post({ type: 'drop', stream: id, reason })),
      fault: (fault) => this.#events.fault(fault),
      // What is not handled does not count as read: its process stops by itself.
      hold: () => {},
      guard: (run) => run(),
    };
  }

  #deliver(laid: Laid): void {
    const { id: stream } = this.#stream;
    this.#costs.push(laid.bytes);
    this.#bytes += laid.bytes;
    if (this.#costs.length >= FULL.parcels || this.#bytes >= FULL.bytes) this.#ready = false;
    // A listener that throws is no fault of the handler's.
    shielded(() => this.#stream.deliver({ ...laid, type: 'parcel', stream, seq: 0 }));
  }

  /** Behind the hook that wants it. */
  #later(run: () => void): void {
    queueMicrotask(() => {
      this.#stream.flushSent();
      run();
    });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(describe(thrown), { cause: thrown });
}
