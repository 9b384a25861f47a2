// calls — questions to a connection process, and who waits for their answers.
// Held by owned.ts. Invariant: each is answered once, or fails with its connection; what comes later is nobody's.
// Source: Erlang's gen call, whose reference is ours, made up by the one who asks.

import type { Settle } from './await.ts';
import { fromRecord } from './errors.ts';
import type { HttpCast } from './httpwire.ts';
import type { StreamInfo } from './types.ts';
import type { Cast, Notice, ProcessInfo } from './wire.ts';

type Call = (error: Error | undefined, value?: unknown) => void;

/** How questions leave: at once, or in order with what else is cast in this turn. */
interface Posting {
  post(cast: Cast): void;
  cast(cast: HttpCast, memory: readonly ArrayBuffer[]): void;
}

/** @internal */
export class Calls {
  readonly #port: Posting;
  readonly #waiting = new Map<number, Call>();
  /** From anywhere: an answer that is still on its way to a former owner must not be taken for ours. */
  #next = 1 + Math.floor(Math.random() * 2 ** 48);

  constructor(port: Posting) {
    this.#port = port;
  }

  /** What the process knows of itself. Each of these returns how to stop waiting. */
  info(settle: Settle<ProcessInfo>): () => void {
    return this.#ask((id) => this.#port.post({ type: 'info', id }), settle);
  }

  /** What it knows of a stream. */
  streamInfo(stream: number, settle: Settle<StreamInfo | undefined>): () => void {
    return this.#ask((id) => this.#port.cast({ type: 'streamInfo', stream, id }, []), settle);
  }

  /** The round trip in ms; through a tunnel, to the far end of that. */
  ping(tunnel: number | undefined, settle: Settle<number>): () => void {
    const where = tunnel === undefined ? {} : { tunnel };
    // In order behind what has made the tunnel.
    return this.#ask((id) => this.#port.post({ type: 'pingConnection', id, ...where }), settle);
  }

  #ask<T>(post: (id: number) => void, settle: Settle<T>): () => void {
    const id = this.#next++;
    // What is answered to this id is what was asked for under it.
    this.#waiting.set(id, (error, value) => (error ? settle(error) : settle(undefined, value as T)));
    post(id);
    return () => this.#waiting.delete(id);
  }

  /** The process has answered. */
  answered(notice: Notice & { type: 'info' | 'streamInfo' | 'pong' | 'failedCall' }): void {
    const call = this.#waiting.get(notice.id);
    if (notice.type === 'failedCall') call?.(fromRecord(notice.error));
    else call?.(undefined, notice.type === 'pong' ? notice.rtt : notice.info);
  }

  /** Nobody will answer. */
  reject(error: Error): void {
    for (const call of [...this.#waiting.values()]) call(error);
  }
}
