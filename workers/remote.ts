// remote — what an owner's `stream.remote()` speaks with, beside the socket: a handler's `api`, over comlink.
// Held by the entry of a WebSocket that has a handler, which tells when there is one, and when it has ended.
// Invariant: every call has an answer, what the api throws as data that keeps its class, code and cause; nothing is open
// after close(). A callback whose owner has gone does no harm. Source: comlink, on ports that are ours.

import type { MessagePort } from 'node:worker_threads';
import * as comlink from 'comlink';
import { Proxies } from '../lib/remoting/line.ts';
import { callAt, type Path, thrownOf, valueAt } from '../lib/remoting/reach.ts';

/** A handler that calls back where nobody is any more may not wait for the answer: a rejection would end the thread. */
const NOTHING = { value: undefined } as const;

/** Of one WebSocket: each of its owners has a line of its own. */
export class RemoteEnds {
  readonly #api: Promise<object | undefined>;
  readonly #lines = new Map<MessagePort, Proxies>();
  #closed = false;

  /** `api`: as soon as there is a handler. It must not reject. */
  constructor(api: Promise<object | undefined>) {
    this.#api = api;
  }

  /** From an owner: answered once there is a handler. */
  add(port: MessagePort): void {
    if (this.#closed) return port.close();
    const proxies = new Proxies(NOTHING);
    this.#lines.set(port, proxies);
    port.on('close', () => {
      this.#lines.delete(port);
      proxies.close(NOTHING);
    });
    comlink.expose(this.#exposed(proxies), port as unknown as comlink.Endpoint); // It is an EventTarget, too.
    port.unref();
  }

  /** The WebSocket has ended. */
  close(): void {
    this.#closed = true;
    for (const port of this.#lines.keys()) port.close();
  }

  #exposed(proxies: Proxies): object {
    // comlink throws what is no Error as it is.
    const guarded = async (ask: () => Promise<unknown>): Promise<unknown> => {
      try {
        return await ask();
      } catch (error) {
        throw thrownOf(error);
      }
    };
    return {
      call: (path: Path, ...parameters: unknown[]) =>
        guarded(async () => {
          const unpacked = parameters.map((one) => proxies.unpack(one));
          return proxies.pack(await callAt(await this.#api, path, unpacked));
        }),
      get: (path: Path) => guarded(async () => valueAt(await this.#api, path)),
    };
  }
}
