// roster — the streams of one connection, requests and WebSockets, as its owner holds them.
// Held by owned.ts. Invariant: each notice goes to the stream it names, or counts as read; a stream that has ended and
// holds nothing more is forgotten. Source: promises O1 and O5.

import type { MessagePort } from 'node:worker_threads';
import { ById } from './byid.ts';
import { type GunportError, OwnerError } from './errors.ts';
import type { Making } from './handlersettings.ts';
import type { HttpNotice, RequestSettings } from './httpwire.ts';
import { Stream } from './stream.ts';
import type { StreamHost } from './streamhost.ts';
import type { Notice, StreamRecord, WsSettings } from './wire.ts';
import { WsStream } from './wsstream.ts';

/** A stream of either kind. */
export type AnyStream<C = unknown> = Stream<C> | WsStream<C, unknown>;

const NOTHING: readonly never[] = [];

/** Where a request belongs. */
interface Place {
  /** Its answer goes to a port of its own. */
  readonly replied: boolean;
  /** Bytes of body that its head has promised. */
  readonly declared: number | undefined;
  /** Of the far end of the tunnel that it goes through. */
  readonly origin: string | undefined;
  /** Of a tunnel: where to. */
  readonly leads: string | undefined;
}

/** @internal */
export class Roster<C> {
  readonly all: ById<AnyStream<C>> = new ById();
  readonly #handle: C;
  readonly #host: StreamHost;
  readonly #forgotten: (stream: number) => void;

  /** `forgotten`: nothing is left of a stream. */
  constructor(handle: C, host: StreamHost, forgotten: (stream: number) => void) {
    this.#handle = handle;
    this.#host = host;
    this.#forgotten = forgotten;
  }

  /** From another owner. A push among them names a stream that may come later. */
  restore(records: readonly StreamRecord[]): void {
    const pushed = [...records].sort((a, b) => a.stream - b.stream);
    for (const record of pushed) this.#make(record);
  }

  /** `origin`: of the far end of a tunnel; `making`: of a handler that runs on this thread. */
  addWebSocket(stream: number, ws: WsSettings, origin?: string | undefined, making?: Making): WsStream<C> {
    const fresh = { upgraded: undefined, closed: undefined, error: undefined, over: undefined };
    const nothing = { acked: 0, replies: [], untaken: [], sentBytes: 0, flushedBytes: 0 };
    const record: StreamRecord = {
      kind: 'ws',
      stream,
      ws,
      origin,
      state: 'connecting',
      ...fresh,
      ...nothing,
    };
    return this.#make(record, making) as WsStream<C>; // As its record says.
  }

  addRequest(
    stream: number,
    { method, path, body, streamed, halfOpen }: RequestSettings,
    { replied, declared, origin, leads }: Place,
  ): Stream<C> {
    const uploading = streamed ? { left: declared } : undefined;
    const sentBytes = body?.byteLength ?? 0;
    const [head, ended, untaken] = [undefined, undefined, NOTHING];
    const tunnel =
      leads === undefined ? undefined : { origin: leads, protocol: undefined, refusal: undefined };
    // Written out: a literal with `...` in it costs a microsecond.
    const record: StreamRecord = {
      kind: 'http',
      stream,
      method,
      path,
      replied,
      uploading,
      head,
      ended,
      untaken,
      sentBytes,
      flushedBytes: 0,
      origin,
      tunnel,
      halfOpen,
    };
    return this.#make(record) as Stream<C>; // As its record says.
  }

  #make(record: StreamRecord, making?: Making): AnyStream<C> {
    const made =
      record.kind === 'ws'
        ? new WsStream<C>(this.#handle, this.#host, record, making)
        : new Stream<C>(this.#handle, this.#host, record, this.#requestOf);
    this.all.set(record.stream, made);
    return made;
  }

  readonly #requestOf = (id: number): Stream<C> | undefined => {
    const found = this.all.get(id);
    return found instanceof Stream ? found : undefined;
  };

  /** What the process says of a stream. False: nobody has it any more. */
  notice(notice: Notice & { readonly stream: number }): boolean {
    const stream = this.all.get(notice.stream);
    if (stream instanceof WsStream) stream.notice(notice);
    else stream?.notice(notice, this.#requestOf);
    return stream !== undefined;
  }

  /** What it says of requests. */
  bundle(notices: readonly HttpNotice[]): number {
    let bytes = 0;
    for (const notice of notices) {
      if (notice.type === 'data') bytes += notice.data.byteLength;
      const stream = this.all.get(notice.stream);
      if (notice.type === 'push') this.#promised(notice);
      if (stream instanceof WsStream) stream.reply(notice);
      else stream?.notice(notice, this.#requestOf);
      if (stream?.isOver) this.#forget(notice.stream);
    }
    return bytes;
  }

  #promised({ stream, promised, method, uri }: HttpNotice & { type: 'push' }): void {
    const path = uri.replace(/^[a-z]+:\/\/[^/]*/i, '');
    const origin = this.#requestOf(stream)?.origin;
    const request = { method, path, headers: [] };
    this.addRequest(promised, request, { replied: false, declared: undefined, origin, leads: undefined });
  }

  /** The socket was lost: WebSockets know it at once, and mark the gap in its place; tunnels are down; what becomes of
   *  requests is told one by one. */
  lost(error: GunportError): void {
    for (const stream of this.all.values()) stream.lost(error);
  }

  /** Those that hold nothing any more go. */
  sweep(): void {
    this.all.each((stream, id) => {
      if (stream.isOver) this.#forget(id);
    });
  }

  #forget(id: number): void {
    this.all.delete(id);
    this.#forgotten(id);
  }

  seal(sealed: boolean): void {
    for (const stream of this.all.values()) stream.seal(sealed);
  }

  records(memory: (ArrayBuffer | MessagePort)[]): StreamRecord[] {
    return [...this.all.values()].map((stream) => stream.record(memory));
  }

  /** @throws {OwnerError} ERR_GUNPORT_UNSUPPORTED a handler runs on this thread. */
  assertGivable(): void {
    for (const stream of this.all.values()) {
      if (!(stream instanceof WsStream && stream.isInline)) continue;
      const text = `the handler of stream ${stream.id} runs on this thread: it cannot be handed over`;
      throw new OwnerError('ERR_GUNPORT_UNSUPPORTED', text);
    }
  }

  /** A commit could not be posted. */
  putBack(records: readonly StreamRecord[]): void {
    for (const record of records) {
      const stream = this.all.get(record.stream);
      // A request has kept what it had recorded.
      if (record.kind === 'ws' && stream instanceof WsStream) stream.putBack(record);
    }
  }

  give(error: Parameters<WsStream['give']>[0]): void {
    for (const stream of this.all.values()) stream.give(error);
  }

  /** Their process is gone: calls end at once, and what it had posted is still read. */
  died(error: GunportError): void {
    for (const stream of this.all.values()) stream.died(error);
  }

  finish(error: Parameters<WsStream['finish']>[0]): void {
    for (const stream of this.all.values()) stream.finish(error);
  }

  get awaited(): boolean {
    return [...this.all.values()].some((stream) => stream.isAwaited);
  }
}
