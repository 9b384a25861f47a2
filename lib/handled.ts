// handled — what the owner of a WebSocket has of the handler beside its socket: its events, and calls of its `api`.
// Held by speaking.ts where there is a handler; one that runs on this thread is inline.ts's.
// Invariant: what the handler tells is emitted as it arrives, ahead of what waits to be read; calls settle with the
// stream. Source: WebsockexNova's callbacks; promise M1.

import type { EventEmitter } from 'node:events';
import { fromRecord, type GunportError } from './errors.ts';
import type { Fault } from './handler.ts';
import type { Making } from './handlersettings.ts';
import type { HandlingNotice } from './handling/handlingwire.ts';
import { Inline, type InlineStream } from './inline.ts';
import { shielded } from './listeners.ts';
import { type Answerer, answererAfar, answererHere, RemoteCalls, type RemoteOptions } from './remote.ts';

/** Its stream. */
export interface HandledStream extends InlineStream {
  readonly emitter: EventEmitter;
}

/** Most values that wait for the first listener of 'notify'; the first are kept. */
const MOST_EARLY = 100;

/** @internal */
export class Handled {
  readonly #stream: HandledStream;
  /** Where it runs on this thread. */
  readonly inline: Inline | undefined;
  readonly #calls: RemoteCalls;
  #warned = false;
  /** Told while nobody listened, which may be before connect() has resolved; undefined: somebody has listened. */
  #early: unknown[] | undefined = [];

  constructor(stream: HandledStream, making: Making | undefined) {
    this.#stream = stream;
    const { id, host } = stream;
    const events = {
      notify: (value: unknown) => this.#notified(value),
      fault: (fault: Fault) => this.#fault(fault),
    };
    this.inline = making && new Inline(stream, events, making);
    const { inline } = this;
    const connect = (): Answerer =>
      inline
        ? answererHere(inline.runner.api)
        : answererAfar((port) => host.post({ type: 'remote', stream: id, port }, [port]));
    this.#calls = new RemoteCalls(() => host.usable(), connect);
  }

  remote(options: RemoteOptions | undefined): unknown {
    return this.#calls.remote(options);
  }

  told(notice: HandlingNotice): void {
    if (notice.type === 'notified') return this.#notified(notice.value);
    this.#fault({ hook: notice.hook, error: fromRecord(notice.error) });
  }

  #notified(value: unknown): void {
    const { emitter } = this.#stream;
    const isHeard = emitter.listenerCount('notify') > 0;
    if (isHeard) this.#early = undefined;
    if (this.#early === undefined) return shielded(() => emitter.emit('notify', value));
    if (this.#early.length === MOST_EARLY) return;
    if (this.#early.push(value) > 1) return;
    const listened = (name: string | symbol): void => {
      if (name !== 'notify') return;
      emitter.off('newListener', listened);
      // Node tells of a listener before it is there.
      queueMicrotask(() => {
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const one of early) shielded(() => emitter.emit('notify', one));
      });
    };
    emitter.on('newListener', listened);
  }

  #fault(fault: Fault): void {
    const { emitter, url } = this.#stream;
    if (emitter.listenerCount('fault') > 0) return shielded(() => emitter.emit('fault', fault));
    if (this.#warned) return;
    this.#warned = true;
    const { hook, error } = fault;
    // A query may be secret.
    const text = `the handler of ${url().replace(/\?.*/, '')} has failed (${hook}): ${error.message}`;
    process.emitWarning(text, { type: 'HandlerFault', ...(error.stack && { detail: error.stack }) });
  }

  /** The WebSocket has ended, its process is gone, or it is another's. */
  close(error: GunportError): void {
    this.#calls.close(error);
    this.inline?.close();
  }
}
