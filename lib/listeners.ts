// listeners — the user's listeners: what they throw hurts nobody else; and 'message' listeners of a stream, of which the
// first begins to read and the last one to go ends it.
// Held by stream.ts; calls from queue.ts come through `emit`.
// Invariant: what is emitted is what EventEmitter would emit, to whom it would, in the same order.

import type { EventEmitter } from 'node:events';
import type { Message } from './types.ts';

type Listener = (message: Message) => void;

/** Calls listeners of the user's in the midst of our own work, which goes on whatever they throw: that is their
 *  thread's uncaught exception, in a turn of its own. @internal */
export function shielded(emit: () => void): void {
  try {
    emit();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

/** @internal */
export class MessageListeners {
  readonly #emitter: EventEmitter;
  /** The only listener, `null` when there are several; undefined when that is to be looked up anew. */
  #only: Listener | null | undefined;

  /** `readable` may throw to refuse the listener; `events` has messages emitted, or stops that. */
  constructor(
    emitter: EventEmitter,
    readable: () => void,
    events: (emit: ((message: Message) => void) | undefined) => void,
  ) {
    this.#emitter = emitter;
    const emit = (message: Message): void => this.emit(message);
    emitter.on('newListener', (name) => {
      if (name !== 'message') return;
      this.#only = undefined;
      if (emitter.listenerCount('message') > 0) return;
      readable();
      events(emit);
    });
    emitter.on('removeListener', (name) => {
      if (name !== 'message') return;
      this.#only = undefined;
      if (emitter.listenerCount('message') === 0) events(undefined);
    });
  }

  /** What emit() does, without its cost where there is one listener: a third of the time per message. */
  emit(message: Message): void {
    if (this.#only === undefined) {
      const listeners = this.#emitter.rawListeners('message') as Listener[]; // The emitter's events are typed so.
      this.#only = listeners.length === 1 ? (listeners[0] ?? null) : null;
    }
    if (this.#only) this.#only.call(this.#emitter, message);
    else this.#emitter.emit('message', message);
  }
}
