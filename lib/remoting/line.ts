// line — one end of a channel that comlink speaks on, and the callbacks that travel over it on channels of their own.
// Used by lib/remote.ts (the owner's end) and workers/remote.ts (the handler's).
// Invariant: closed, every call that waits on it has an answer, and so has every later one; no port of it keeps a thread
// alive, and none is left open after close().
// comlink alone leaves calls unanswered for ever, and the ports of its proxies open; it makes those ports inside, so that
// proxies are packed here, before it sees them. Source: comlink 4.4; promise S1.

import { MessageChannel, MessagePort } from 'node:worker_threads';
import * as comlink from 'comlink';

/** How calls on a closed line end. */
export type Afterlife = { readonly error: unknown } | { readonly value: undefined };

/** As much of comlink's own messages as is looked at here. */
interface Asked {
  readonly id?: string;
  readonly type?: string;
}

type Listener = (event: { readonly data: unknown }) => void;

/** An end that is asked through. @internal */
export class AskingEnd {
  readonly #port: MessagePort;
  readonly #waiting = new Set<string>();
  readonly #listeners = new Set<Listener>();
  #releasing: string | undefined;
  #released = false;
  #over: Afterlife | undefined;

  /** `gone`: how calls end where the other end closes first; left out, they wait for close(). */
  constructor(port: MessagePort, gone?: Afterlife) {
    this.#port = port;
    port.on('message', (data: Asked) => {
      if (data.id !== undefined) this.#waiting.delete(data.id);
      this.#hear(data);
      // comlink releases a proxy, and leaves its port open.
      if (data.id === undefined || data.id !== this.#releasing) return;
      this.#released = true;
      port.close();
    });
    // V8 writes some values that it does not read again: an error that is its own cause. Whose answer that was is lost
    // with it, so nobody's is waited for any more.
    port.on('messageerror', (error) => {
      for (const id of [...this.#waiting]) this.#answer(id, { error });
      this.#waiting.clear();
    });
    if (gone) port.on('close', () => this.close(gone));
    port.unref();
  }

  /** Nobody asks through it any more. */
  get released(): boolean {
    return this.#released;
  }

  addEventListener(_type: string, listener: unknown): void {
    this.#listeners.add(listener as Listener); // comlink's own is a function.
  }

  removeEventListener(_type: string, listener: unknown): void {
    this.#listeners.delete(listener as Listener);
  }

  postMessage(asked: Asked, transfer: Parameters<MessagePort['postMessage']>[1] = []): void {
    const { id, type } = asked;
    const over = this.#over;
    if (id !== undefined && over) return queueMicrotask(() => this.#answer(id, over));
    if (type === 'RELEASE') this.#releasing = id;
    try {
      this.#port.postMessage(asked, transfer);
    } catch (error) {
      // comlink waits for an answer all the same.
      if (id !== undefined) queueMicrotask(() => this.#answer(id, { error }));
      throw error;
    }
    if (id !== undefined) this.#waiting.add(id);
  }

  close(how: Afterlife): void {
    if (this.#over) return;
    this.#over = how;
    this.#port.close();
    for (const id of this.#waiting) this.#answer(id, how);
    this.#waiting.clear();
  }

  /** In comlink's own words; thrown as it is, since it crosses no thread. */
  #answer(id: string, how: Afterlife): void {
    if ('error' in how)
      this.#hear({ id, type: 'HANDLER', name: 'throw', value: { isError: false, value: how.error } });
    else this.#hear({ id, type: 'RAW', value: how.value });
  }

  #hear(data: unknown): void {
    for (const listener of [...this.#listeners]) listener({ data });
  }
}

/** Where a proxy's port travels. */
const PACKED = 'gunport:proxy';

/** All proxies that one line has carried, in either direction. @internal */
export class Proxies {
  readonly #exposed = new Set<MessagePort>();
  readonly #asking = new Set<AskingEnd>();
  readonly #gone: Afterlife | undefined;
  #over: Afterlife | undefined;

  /** As of an AskingEnd. */
  constructor(gone?: Afterlife) {
    this.#gone = gone;
  }

  /** What `comlink.proxy()` has marked stays here, and a port to it goes instead. */
  pack(value: unknown): unknown {
    if (!isProxied(value) || this.#over) return value;
    const { port1, port2 } = new MessageChannel();
    comlink.expose(value, port1 as unknown as comlink.Endpoint); // Node's ports are EventTargets, too.
    port1.unref();
    this.#exposed.add(port1);
    port1.on('close', () => this.#exposed.delete(port1));
    return comlink.transfer({ [PACKED]: port2 }, [port2 as never]); // Typed after the DOM's ports.
  }

  /** The other way round. */
  unpack(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, PACKED)) return value;
    const { [PACKED]: port } = value as { readonly [PACKED]: unknown };
    if (!(port instanceof MessagePort)) return value;
    const end = new AskingEnd(port, this.#gone);
    if (this.#over) end.close(this.#over);
    this.#asking.add(end);
    // Closed by the death of its thread, it has calls to answer when that is told.
    port.on('close', () => end.released && this.#asking.delete(end));
    return comlink.wrap(end);
  }

  close(how: Afterlife): void {
    this.#over = how;
    for (const port of this.#exposed) port.close();
    for (const end of this.#asking) end.close(how);
  }
}

function isProxied(value: unknown): value is object {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && Boolean(Reflect.get(value, comlink.proxyMarker));
}
