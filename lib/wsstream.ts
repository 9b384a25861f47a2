// wsstream — one WebSocket, as its owner holds it.
// Made by roster.ts; reads through queue.ts, sends through speaking.ts.
// Invariant: it ends exactly once; its messages and its marks (down, up, close) come in the order of the wire;
// inert, nothing leaves it and every call throws ERR_GUNPORT_NOT_OWNER.
// Source: Gun's stream; WHATWG WebSocket for names; RFC 6455 §7 for the close.

import type { EventEmitter } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { closingDeadline, type WaitOptions } from './await.ts';
import type { Batch } from './batch.ts';
import { checkMessages } from './checks.ts';
import { abnormal, checkClose, closeResult } from './closing.ts';
import { badEnd, closedError, Ending } from './ending.ts';
import { fromRecord, type GunportError, OwnerError, StreamError, toRecord } from './errors.ts';
import type { Making } from './handlersettings.ts';
import type { HttpNotice } from './httpwire.ts';
import { MessageListeners, shielded } from './listeners.ts';
import type { TransferOptions, TransferTarget } from './owner.ts';
import { headersOf } from './protocol/headers.ts';
import { Queue } from './queue.ts';
import { BatchReader, MessageReader } from './reader.ts';
import { lay, untaken } from './remainder.ts';
import { Replies } from './replies.ts';
import { Speaking } from './speaking.ts';
import type { StreamHost } from './streamhost.ts';
import { takeNotice } from './taking.ts';
import type { CloseResult, Headers, Message, StreamNotice, StreamState } from './types.ts';
import type { Closed, Notice, Parcel, StreamMark, Upgraded, WsRecord, WsSettings } from './wire.ts';

/** One WebSocket. Read it in one way at a time: `for await`, `batches()`, `'message'` events or `connection.await()`.
 *  Opened by `connect()`, it spans reconnects: `'down'` and `'up'` mark the gap.
 *  @example
 *  const feed = await connect('wss://feed.example/trades');
 *  for await (const message of feed) console.log(message); */
export class WsStream<C = unknown, M = Message>
  extends Speaking<M>
  implements AsyncIterable<M>, AsyncDisposable
{
  readonly connection: C;
  /** Resolves once it has ended and its last message was given to a reader (at once when nobody reads). Never rejects. */
  readonly closed: Promise<CloseResult>;
  readonly #host: StreamHost;
  readonly #ws: WsSettings;
  readonly #origin: string | undefined;
  readonly #queue: Queue<StreamMark>;
  #state: StreamState;
  #upgraded: Upgraded | undefined;
  #headers: Headers | undefined;
  #end: Closed | undefined;
  #error: GunportError | undefined;
  /** It has ended, and the messages before that are still on their way. */
  #over: Closed | undefined;
  readonly #replies: Replies;
  readonly #ending = new Ending(() => this.unsent);
  #given: GunportError | undefined;

  /** @internal */
  constructor(connection: C, host: StreamHost, record: WsRecord, making?: Making) {
    super(host, record, making);
    this.connection = connection;
    this.#host = host;
    this.#ws = record.ws;
    this.#origin = record.origin;
    this.#state = record.state;
    this.#upgraded = record.upgraded;
    this.#replies = new Replies(record.replies);
    this.closed = this.#ending.closed;
    this.#queue = new Queue<StreamMark>({
      parcelRead: (slab, bytes) => (this.inline ? this.inline.read() : host.parcelRead(this.id, slab, bytes)),
      passed: (mark) => this.#passed(mark),
      reading: () => {
        host.reading();
        if (this.#over && !this.#queue.reading) this.#settleClosed(closeResult(this.#over));
      },
    });
    // Its untyped face has 'newListener' and 'removeListener'.
    new MessageListeners(
      this as unknown as EventEmitter,
      () => host.readable(),
      (emit) => this.#queue.events(emit),
    );
    this.#restore(record);
  }

  /** Where it goes, without credentials: in a tunnel, at the far end of that. */
  get url(): string {
    return (this.#origin ?? this.#host.origin).replace(/^http/, 'ws') + this.#ws.path;
  }
  /** `connecting`, `open`, `down` between two attempts, `closing` or `closed`. */
  get state(): StreamState {
    return this.#state;
  }
  /** The subprotocol that the server chose, or ''. */
  get protocol(): string {
    return this.#upgraded?.protocol ?? '';
  }
  /** The extensions that the server agreed to, as it wrote them, or ''. */
  get extensions(): string {
    return this.#upgraded?.extensions ?? '';
  }
  /** Headers of the server's answer, lower-case. */
  get headers(): Headers {
    this.#headers ??= headersOf(this.#upgraded?.rawHeaders ?? []);
    return this.#headers;
  }

  /** Resolves when it is open, rejects when it will not be. @internal */
  opened(options: WaitOptions): Promise<void> {
    return this.#ending.opened(options);
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Every message, one at a time. `break` ends the loop, not the stream; whoever reads next gets the next message.
   *  Ends when the peer closes with 1000, 1001 or no code; any other end throws, after all that was received.
   *  @throws {StreamError} ERR_GUNPORT_READING it is being read already; ERR_GUNPORT_CLOSED and others: a bad end.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER it was handed over. */
  [Symbol.asyncIterator](): AsyncIterableIterator<M> {
    // What the messages are, its opener knows: they are what its handler gives.
    return new MessageReader(this.#queue) as unknown as AsyncIterableIterator<M>;
  }

  /** The fast lane: all messages of a parcel at a time, read by index. Ends and throws as the iterator does.
   *  `borrow`: the batch's memory is used again, so it is valid until the next turn of the loop only. */
  batches({ borrow = false }: { borrow?: boolean | undefined } = {}): AsyncIterableIterator<Batch<M>> {
    return new BatchReader(this.#queue, borrow) as unknown as AsyncIterableIterator<Batch<M>>; // As above.
  }

  /** Tops up the credit of a stream opened with `flow: number`. Source: gun:update_flow/3.
   *  @throws {OptionError} not an integer from 1. */
  updateFlow(messages: number): void {
    this.#host.readable();
    checkMessages(messages);
    this.#host.post({ type: 'flow', stream: this.id, add: messages });
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The closing handshake: resolves with how it ended, at the latest after `closingTimeout` (and 5 s, when its thread is
   *  stuck: `error` is a TimeoutError then). What has arrived stays readable; what comes now is dropped. During a transfer it takes the transfer back first.
   *  @throws {OptionError} a code that may not be sent, a reason above 123 bytes.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER. */
  async close(code = 1000, reason = ''): Promise<CloseResult> {
    checkClose(code, reason);
    const why = 'the stream was closed during the hand-over';
    const taking = this.#host.reclaim(new OwnerError('ERR_GUNPORT_CLOSING', why));
    if (taking) await taking;
    if (this.#given) throw this.#given;
    const end = this.#end ?? this.#over;
    if (end) return this.#ending.result(closeResult(end));
    if (this.#error) return this.#ending.result(abnormal(this.#error));
    if (this.#state !== 'closing') {
      this.flushSent();
      this.inline?.ask();
      this.#state = 'closing';
      this.#host.post({ type: 'closeStream', stream: this.id, code, reason });
    }
    return this.#ending.ended(closingDeadline(this.#ws));
  }

  /** Hands its connection over, this stream named as the `feed`; see `Connection.transferOwnership`. */
  transferOwnership(target: TransferTarget, options: TransferOptions = {}): Promise<void> {
    return this.#host.give(this.id, target, options);
  }

  /** Drops the messages that have come and nobody was given. Source: gun:flush/1. */
  flush(): void {
    this.#host.readable();
    this.#queue.skip();
  }

  /** Gun's cancel: nothing more comes for it. The socket is dropped without a closing handshake. */
  cancel(): void {
    this.#host.usable();
    // It has ended: nobody is given what is left.
    if (this.#end || this.#error) return this.#queue.skip();
    this.#state = 'closing';
    const error = new StreamError('ERR_GUNPORT_CANCELLED', 'the stream was cancelled');
    this.inline?.cancelled(error);
    this.#host.post({ type: 'cancel', stream: this.id });
    this.#queue.discard();
    this.finish(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#given || this.#end || this.#error) return;
    // Handed over meanwhile: the scope is left, and the stream is another's.
    await this.close().catch(() => {});
  }

  /** One notice of the process about this stream. @internal */
  notice(notice: Notice): void {
    if (notice.type === 'parcel' && notice.sent !== undefined) this.sentSoFar(notice.sent);
    const cancelled = this.#error?.code === 'ERR_GUNPORT_CANCELLED';
    if (notice.type === 'parcel' && (cancelled || this.#state === 'closing')) {
      // Too late to be delivered, and it counts as read: the process must go on to the close behind it.
      return this.#host.parcelRead(this.id);
    }
    if (cancelled) return;
    switch (notice.type) {
      case 'parcel':
        return this.inline ? this.inline.parcel(notice) : this.deliver(notice);
      case 'upgrade':
        if (this.#state === 'connecting' && !this.#ws.spans) this.#replies.add(notice);
        this.#isOpen(notice);
        return this.#place(notice);
      case 'reopened':
        return this.#isOpen(notice);
      case 'gap':
        // It may come behind messages that waited for their reader, when the stream is open again.
        if (notice.attempt >= (this.#upgraded?.attempt ?? 0))
          this.lost(fromRecord(notice.error) as GunportError);
        return this.#place(notice);
      case 'over':
        return this.#overBefore(notice);
      case 'closed':
        return this.#closedBy(notice);
      case 'error':
        return this.finish(fromRecord(notice.error) as GunportError);
      case 'notified':
      case 'fault':
      case 'pong':
      case 'sent':
        return this.told(notice);
      default: // the rest speaks of the connection
    }
  }

  /** Once for each attempt, whether told ahead of its messages or in its place. */
  #isOpen(upgraded: Upgraded): void {
    if (upgraded.attempt <= (this.#upgraded?.attempt ?? 0)) return;
    this.#upgraded = upgraded;
    this.#headers = undefined;
    if (this.#state !== 'closing' && !this.#over) this.#state = 'open';
    this.#ending.tellOpeners();
  }

  /** The socket is gone; what came before is read first. @internal */
  lost(error: GunportError): void {
    if (this.#end || this.#error) return;
    if (this.#state !== 'closing' && !this.#over) this.#state = 'down';
    this.failSent(error);
  }

  /** An answer to its request that is no WebSocket. @internal */
  reply(notice: HttpNotice): void {
    if (notice.type === 'response' || notice.type === 'data') this.#replies.add(notice);
  }

  /** One notice for `connection.await`. @internal */
  take(options: WaitOptions): Promise<StreamNotice> {
    const from = { replies: this.#replies, queue: this.#queue, closed: () => this.#end };
    return takeNotice(`await(stream ${this.id})`, options, from);
  }

  /** Sealed, nothing is given to anybody. @internal */
  seal(sealed: boolean): void {
    this.#queue[sealed ? 'seal' : 'unseal']();
  }

  /** Everything that the next owner must have; `memory` collects what moves with it. @internal */
  record(memory: (ArrayBuffer | MessagePort)[]): WsRecord {
    this.flushSent();
    return {
      kind: 'ws',
      stream: this.id,
      ws: this.#ws,
      origin: this.#origin,
      state: this.#state,
      upgraded: this.#upgraded,
      closed: this.#end,
      error: this.#error && toRecord(this.#error),
      over: this.#over,
      replies: this.#replies.untaken,
      untaken: untaken(this.#queue, memory),
      // After it: what is out on loan counts as read by then.
      acked: this.#host.acked(this.id),
      ...this.sentTotals,
    };
  }

  /** Gives back what `record` took; for a commit that could not be posted. @internal */
  putBack(record: WsRecord): void {
    lay(this.#queue, record.untaken);
  }

  /** It belongs to another now. @internal */
  give(error: GunportError): void {
    this.#given = error;
    this.#queue.abandon(error);
    this.#ending.give(error);
    this.failSent(error); // Behind it: what is still here, the next owner counts.
    this.endCalls(error);
    // Not those of MessageListeners: whoever listens from now on is told that this is no owner.
    const names = ['message', 'close', 'down', 'up', 'error', 'notify', 'fault'] as const;
    for (const name of names) this.removeAllListeners(name);
  }

  /** It has ended, and nothing of it is left to be read. @internal */
  get isOver(): boolean {
    return this.#queue.finished;
  }

  /** Somebody reads, or its end is not known yet: more of it must be heard. @internal */
  get isAwaited(): boolean {
    return this.#queue.reading || !(this.#end ?? this.#error ?? this.#over);
  }

  #restore(record: WsRecord): void {
    this.putBack(record);
    const error = record.error && (fromRecord(record.error) as GunportError);
    this.#error = error;
    this.#end = record.closed;
    if (!error && !record.closed) return void (record.over && this.#overBefore(record.over));
    this.#queue.end(error ?? (record.closed && badEnd(record.closed)));
    this.endCalls(error ?? closedError());
    const marked = record.untaken.some(({ type }) => type === 'closed' || type === 'error');
    if (!marked) this.#ending.settle(record.closed ? closeResult(record.closed) : abnormal(error));
  }

  /** A mark was reached in its place, or nobody reads. */
  #passed(mark: StreamMark): void {
    switch (mark.type) {
      case 'gap':
        return shielded(() =>
          this.emit('down', { attempt: mark.attempt, reason: fromRecord(mark.error) as GunportError }),
        );
      case 'upgrade':
        return mark.attempt > 1 ? shielded(() => this.emit('up', { attempt: mark.attempt })) : undefined;
      case 'closed':
        return this.#settleClosed(closeResult(mark));
      case 'error':
        return this.#settleClosed(abnormal(fromRecord(mark.error) as GunportError));
      default:
        mark satisfies never;
    }
  }

  #settleClosed(result: CloseResult): void {
    const told = this.#ending.settle(result);
    const error = told?.error;
    if (error && this.listenerCount('error') > 0) shielded(() => this.emit('error', error));
    if (told) shielded(() => this.emit('close', told));
  }

  /** Its end is known, and messages before it wait for credit: for ever, where nobody reads. */
  #overBefore(notice: Closed): void {
    this.#over = notice;
    if (this.#state !== 'closing') this.#state = 'closed';
    const result = closeResult(notice);
    this.#settleWaits(result);
    if (!this.#queue.reading) this.#settleClosed(result);
  }

  #settleWaits(result: CloseResult): void {
    const { error = closedError() } = result;
    this.failSent(error);
    this.endCalls(error);
    this.#ending.tellClosers(result);
  }

  #closedBy(notice: Notice & { type: 'closed' }): void {
    if (this.#end || this.#error) return;
    const ours = this.#state === 'closing';
    this.#state = 'closed';
    const { type: _, stream: __, ...end } = notice;
    this.#end = end;
    const result = closeResult(end);
    this.#settleWaits(result);
    // After our own close() nobody waits for a reader: one that awaits close() inside its loop would wait for itself.
    if (ours) this.#settleClosed(result);
    this.#place(notice, { error: ours ? undefined : badEnd(notice) });
  }

  /** It ends badly: an error of its own, or its process is gone and all that it posted has arrived. @internal */
  finish(error: GunportError): void {
    if (this.#end || this.#error) return;
    const [ours, result] = [this.#state === 'closing', abnormal(error)];
    this.#error = error;
    this.#state = 'closed';
    this.#settleWaits(result);
    if (ours) this.#settleClosed(result);
    this.#place({ type: 'error', stream: this.id, error: toRecord(error) }, { error });
  }

  /** Among the messages: behind what a handler on this thread makes of those before it. */
  #place(mark: StreamMark, end?: { readonly error: GunportError | undefined }): void {
    const put = (): void => {
      this.#queue.mark(mark);
      if (end) this.#queue.end(end.error);
    };
    if (this.inline) this.inline.mark(mark, put);
    else put();
  }

  /** @internal */
  deliver(parcel: Parcel): void {
    this.#queue.push(parcel);
  }
}
