// replies — what a stream was answered and nobody has been given: its upgrade, or the response that refused it.
// Held by stream.ts; read by `connection.await()` before any message.
// Invariant: a reply is given once, in order. Source: gun:await/3.

import type { HttpNotice } from './httpwire.ts';
import { headersOf } from './protocol/headers.ts';
import type { Headers, Message, StreamNotice, WsNotice } from './types.ts';
import type { Closed, Notice } from './wire.ts';

type Reply = (Notice & { type: 'upgrade' }) | (HttpNotice & { type: 'response' | 'data' });

/** @internal */
export class Replies {
  #untaken: StreamNotice[];
  readonly #waiters: (() => void)[] = [];

  constructor(untaken: readonly StreamNotice[]) {
    this.#untaken = untaken.map((notice) => ('headers' in notice ? withHeaders(notice) : notice));
  }

  get untaken(): readonly StreamNotice[] {
    return this.#untaken;
  }

  /** One has come: the first who waits gets it. */
  add(notice: Reply): void {
    this.#untaken.push(publicShape(notice));
    this.#waiters[0]?.();
  }

  /** Gives the next one to `settle`, now or when it comes; returns how to stop waiting. */
  next(settle: (notice: StreamNotice) => void): () => void {
    const take = (): boolean => {
      const notice = this.#untaken.shift();
      if (notice) settle(notice);
      return notice !== undefined;
    };
    if (take()) return () => {};
    const waiter = (): void => void take();
    this.#waiters.push(waiter);
    return () => {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
    };
  }
}

/** Structured clone gives objects a prototype: headers of a peer have none. */
function withHeaders<T extends { readonly headers: Headers }>(notice: T): T {
  return { ...notice, headers: Object.assign(Object.create(null), notice.headers) };
}

/** Without what is the wire's alone. */
function publicShape(notice: Reply): StreamNotice {
  switch (notice.type) {
    case 'upgrade': {
      const { rawHeaders, protocol } = notice;
      const headers = headersOf(rawHeaders);
      return { type: 'upgrade', protocols: protocol ? [protocol] : ['websocket'], headers, rawHeaders };
    }
    case 'response': {
      const { fin, status, rawHeaders } = notice;
      return { type: 'response', fin, status, headers: headersOf(rawHeaders), rawHeaders };
    }
    case 'data':
      return { type: 'data', fin: notice.fin, data: notice.data };
    default:
      return notice satisfies never;
  }
}

/** A message of a WebSocket as `connection.await()` gives it. */
export function messageNotice(data: Message): WsNotice {
  return typeof data === 'string'
    ? { type: 'ws', frame: 'text', data }
    : { type: 'ws', frame: 'binary', data };
}

/** The close of a WebSocket as `connection.await()` gives it. */
export function closeNotice({ code, reason }: Closed): WsNotice {
  return { type: 'ws', frame: 'close', code, reason };
}
