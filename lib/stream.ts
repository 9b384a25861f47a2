// stream — one WebSocket, as its owner holds it.
// Made by connection.ts; reads through queue.ts, sends through sending.ts.
// Invariant: it ends exactly once; its messages and its marks (down, up, close) come in the order of the wire;
// inert, nothing leaves it and every call throws ERR_GUNPORT_NOT_OWNER.
// Source: Gun's stream; WHATWG WebSocket for names; RFC 6455 §7 for the close.

import { EventEmitter } from 'node:events';
import { closingDeadline, type Settle, type WaitOptions, wait } from './await.ts';
import type { Batch } from './batch.ts';
import { checkMessages } from './checks.ts';
import { abnormal, badEnd, checkClose, closedError, closeResult, Ending, notOpen } from './ending.ts';
import { fromRecord, type GunportError, OwnerError, StreamError, toRecord } from './errors.ts';
import { MessageListeners, shielded } from './listeners.ts';
import type { TransferOptions, TransferTarget } from './owner.ts';
import { Pings } from './pings.ts';
import { Queue } from './queue.ts';
import { BatchReader, MessageReader } from './reader.ts';
import { lay, untaken } from './remainder.ts';
import { closeNotice, Replies, withHeaders } from './replies.ts';
import { type Sendable, Sending } from './sending.ts';
import type { StreamEvents, StreamHost } from './streamhost.ts';
import { takeNotice } from './taking.ts';
import type { CloseResult, Headers, Message, StreamNotice, StreamState } from './types.ts';
import type { Closed, Notice, StreamMark, StreamRecord, Upgraded, WsSettings } from './wire.ts';

/** One WebSocket. Read it in one way at a time: `for await`, `batches()`, `'message'` events or `connection.await()`.
 *  Opened by `connect()`, it spans reconnects: `'down'` and `'up'` mark the gap.
 *  @example
 *  const feed = await connect('wss://feed.example/trades');
 *  for await (const message of feed) console.log(message); */
export class WsStream<C = unknown>
  extends EventEmitter<StreamEvents>
  implements AsyncIterable<Message>, AsyncDisposable
{
  /** Made by the caller, at once; unique within the connection. */
  readonly id: number;
  readonly connection: C;
  /** Resolves once the WebSocket has ended and its last message was given to a reader (at once when nobody
   *  reads). Never rejects. */
  readonly closed: Promise<CloseResult>;
  readonly #host: StreamHost;
  readonly #ws: WsSettings;
  readonly #queue: Queue<StreamMark>;
  readonly #sending: Sending;
  #state: StreamState;
  #upgraded: Upgraded | undefined;
  #end: Closed | undefined;
  #error: GunportError | undefined;
  /** It has ended, and the messages before that are still on their way. */
  #over: Closed | undefined;
  readonly #replies: Replies;
  readonly #pings = new Pings();
  readonly #ending = new Ending();
  readonly #opens = new Set<Settle<void>>();
  #given: GunportError | undefined;

  /** @internal */
  constructor(connection: C, host: StreamHost, record: StreamRecord) {
    super();
    this.id = record.stream;
    this.connection = connection;
    this.#host = host;
    this.#ws = record.ws;
    this.#state = record.state;
    this.#upgraded = record.upgraded && withHeaders(record.upgraded);
    this.#replies = new Replies(record.replies);
    this.closed = this.#ending.closed;
    this.#queue = new Queue<StreamMark>({
      parcelRead: (slab) => host.parcelRead(slab),
      passed: (mark) => this.#passed(mark),
      reading: () => {
        host.reading();
        if (this.#over && !this.#queue.reading) this.#settleClosed(closeResult(this.#over));
      },
    });
    this.#sending = new Sending(this.id, host.maxBuffered, (cast, transfer) => host.post(cast, transfer), [
      record.sentBytes,
      record.flushedBytes,
    ]);
    // Its untyped face has 'newListener' and 'removeListener'.
    const listeners: MessageListeners = new MessageListeners(
      this as unknown as EventEmitter,
      () => {
        host.readable();
        this.#queue.events((message) => listeners.emit(message));
      },
      () => this.#queue.events(undefined),
    );
    this.#restore(record);
  }

  /** Where it goes, without credentials. */
  get url(): string {
    return this.#host.origin + this.#ws.path;
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
    return this.#upgraded?.headers ?? Object.create(null);
  }
  /** Bytes of frames that were sent and have not left this process. */
  get bufferedAmount(): number {
    return this.#sending.buffered;
  }

  /** Resolves when it is open, rejects when it will not be. @internal */
  opened(options: WaitOptions): Promise<void> {
    return wait<void>('connect()', options, (settle) => {
      this.#opens.add(settle);
      return () => this.#opens.delete(settle);
    });
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Every message, one at a time. `break` ends the loop, not the stream; whoever reads next gets the next message.
   *  Ends when the peer closes with 1000, 1001 or no code; any other end throws, after all that was received.
   *  @throws {StreamError} ERR_GUNPORT_READING it is being read already; ERR_GUNPORT_CLOSED and others: a bad end.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER it was handed over. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return new MessageReader(this.#queue);
  }

  /** The fast lane: all messages of a parcel at a time, read by index. Ends and throws as the iterator does.
   *  `borrow`: the batch's memory is used again, so it is valid until the next turn of the loop only. */
  batches({ borrow = false }: { borrow?: boolean | undefined } = {}): AsyncIterableIterator<Batch> {
    return new BatchReader(this.#queue, borrow);
  }

  /** Tops up the credit of a stream opened with `flow: number`. Source: gun:update_flow/3.
   *  @throws {OptionError} not an integer from 1. */
  updateFlow(messages: number): void {
    this.#host.readable();
    checkMessages(messages);
    this.#host.post({ type: 'flow', stream: this.id, add: messages });
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends one message, or each of an array in order. Copies; posted once per tick.
   *  Returns false when more than `maxBuffered` bytes wait: `await drained()` before more.
   *  @throws {StreamError} ERR_GUNPORT_NOT_CONNECTED, _CLOSING, _OVERLOADED (four times maxBuffered).
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER, _TRANSFERRING. @throws {OptionError} not sendable. */
  send(data: Sendable | readonly Sendable[]): boolean {
    this.#host.usable();
    if (this.#state !== 'open') throw notOpen('send', this.#state);
    return this.#sending.add(data);
  }

  /** Resolves when all that was sent until now has left this process.
   *  @throws {StreamError} ERR_GUNPORT_CLOSED the socket was lost first. */
  async drained(options: WaitOptions = {}): Promise<void> {
    this.#host.usable();
    return this.#sending.drained(options);
  }

  /** A ping, answered by the peer's pong: the round trip in milliseconds, measured beside the socket.
   *  `payload`: at most 125 bytes. Default timeout 10 000. Source: RFC 6455 §5.5.2. */
  async ping(payload?: string | Uint8Array, options: WaitOptions = {}): Promise<number> {
    this.#host.usable();
    if (this.#state !== 'open') throw notOpen('ping', this.#state);
    return this.#pings.send(payload, options, (id, bytes) => {
      this.#sending.flush();
      this.#host.post({ type: 'ping', stream: this.id, id, payload: bytes });
    });
  }

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
    if (end) return closeResult(end);
    if (this.#error) return abnormal(this.#error);
    if (this.#state !== 'closing') {
      this.#sending.flush();
      this.#state = 'closing';
      this.#host.post({ type: 'closeStream', stream: this.id, code, reason });
    }
    return this.#ending.ended(closingDeadline(this.#ws));
  }

  /** Hands its connection over, this stream named as the `feed`; see `Connection.transferOwnership`. */
  transferOwnership(target: TransferTarget, options: TransferOptions = {}): Promise<void> {
    return this.#host.give(this.id, target, options);
  }

  /** Gun's cancel: nothing more comes for it. The socket is dropped without a closing handshake. */
  cancel(): void {
    this.#host.usable();
    if (this.#end || this.#error) return;
    this.#state = 'closing';
    this.#host.post({ type: 'cancel', stream: this.id });
    this.#queue.discard();
    this.finish(new StreamError('ERR_GUNPORT_CANCELLED', 'the stream was cancelled'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#given || this.#end || this.#error) return;
    // Handed over meanwhile: the scope is left, and the stream is another's.
    await this.close().catch(() => {});
  }

  /** One notice of the process about this stream. @internal */
  notice(notice: Notice): void {
    const cancelled = this.#error?.code === 'ERR_GUNPORT_CANCELLED';
    if (notice.type === 'parcel' && (cancelled || this.#state === 'closing')) {
      // Too late to be delivered, and it counts as read: the process must go on to the close behind it.
      return this.#host.parcelRead();
    }
    if (cancelled) return;
    switch (notice.type) {
      case 'parcel':
        return this.#queue.push(notice);
      case 'upgrade':
        if (this.#state === 'connecting' && !this.#ws.spans) this.#replies.add(notice);
        this.#upgraded = withHeaders(notice);
        if (this.#state !== 'closing' && !this.#over) this.#state = 'open';
        for (const settle of [...this.#opens]) settle(undefined, undefined);
        return this.#queue.mark(notice);
      case 'down':
        if (this.#end || this.#error) return;
        if (this.#state !== 'closing' && !this.#over) this.#state = 'down';
        this.#sending.fail(fromRecord(notice.error));
        this.#pings.fail(fromRecord(notice.error));
        return this.#queue.mark(notice);
      case 'response':
      case 'data':
        return this.#replies.add(notice);
      case 'over':
        return this.#overBefore(notice);
      case 'closed':
        return this.#closedBy(notice);
      case 'error':
        // Records of the process are made of our own errors.
        return this.finish(fromRecord(notice.error) as GunportError);
      case 'pong':
        return this.#pings.answered(notice.id, notice.rtt);
      case 'sent':
        return this.#sending.gone(notice.bytes, notice.error && fromRecord(notice.error));
      default: // the rest speaks of the connection
    }
  }

  /** One notice for `connection.await`. @internal */
  take(options: WaitOptions): Promise<StreamNotice> {
    const closedBy = () => (this.#end && !this.#end.error ? closeNotice(this.#end) : undefined);
    const from = { replies: this.#replies, queue: this.#queue, closedBy };
    return takeNotice(`await(stream ${this.id})`, options, from);
  }

  /** Sealed, nothing is given to anybody. @internal */
  seal(sealed: boolean): void {
    if (sealed) this.#queue.seal();
    else this.#queue.unseal();
  }

  /** Everything that the next owner must have; `memory` collects what moves with it. @internal */
  record(memory: ArrayBuffer[]): StreamRecord {
    this.#sending.flush();
    return {
      stream: this.id,
      ws: this.#ws,
      state: this.#state,
      upgraded: this.#upgraded,
      closed: this.#end,
      error: this.#error && toRecord(this.#error),
      over: this.#over,
      replies: this.#replies.untaken,
      untaken: untaken(this.#queue, memory),
      ...this.#sending.totals,
    };
  }

  /** Gives back what `record` took; for a commit that could not be posted. @internal */
  putBack(record: StreamRecord): void {
    lay(this.#queue, record.untaken);
  }

  /** It belongs to another now. @internal */
  give(error: GunportError): void {
    this.#given = error;
    this.#queue.abandon(error);
    this.#sending.fail(error);
    this.#pings.fail(error);
    this.#ending.failClosers(error);
    this.#ending.settle(abnormal(error));
    // Not those of MessageListeners: whoever listens from now on is told that this is no owner.
    for (const name of ['message', 'close', 'down', 'up', 'error'] as const) this.removeAllListeners(name);
  }

  /** It has ended, and nothing of it is left to be read. @internal */
  get isOver(): boolean {
    return this.#queue.finished;
  }

  /** Somebody reads, or its end is not known yet: more of it must be heard. @internal */
  get isAwaited(): boolean {
    return this.#queue.reading || !(this.#end ?? this.#error ?? this.#over);
  }

  #restore(record: StreamRecord): void {
    this.putBack(record);
    const error = record.error && (fromRecord(record.error) as GunportError);
    this.#error = error;
    this.#end = record.closed;
    if (!error && !record.closed) return void (record.over && this.#overBefore(record.over));
    this.#queue.end(error ?? (record.closed && badEnd(record.closed)));
    const marked = record.untaken.some(({ type }) => type === 'closed' || type === 'error');
    if (!marked) this.#ending.settle(record.closed ? closeResult(record.closed) : abnormal(error));
  }

  /** A mark was reached in its place, or nobody reads. */
  #passed(mark: StreamMark): void {
    switch (mark.type) {
      case 'down':
        return shielded(() =>
          this.emit('down', { attempt: mark.attempt, reason: fromRecord(mark.error) as GunportError }),
        );
      case 'upgrade':
        if (mark.attempt > 1) shielded(() => this.emit('up', { attempt: mark.attempt }));
        return;
      case 'closed':
        return this.#settleClosed(closeResult(mark));
      case 'error':
        return this.#settleClosed(abnormal(fromRecord(mark.error) as GunportError));
      default:
        mark satisfies never;
    }
  }

  #settleClosed(result: CloseResult): void {
    if (!this.#ending.settle(result)) return;
    const { error } = result;
    if (error && this.listenerCount('error') > 0) shielded(() => this.emit('error', error));
    shielded(() => this.emit('close', result));
  }

  /** Its end is known, and messages before it wait for credit: for ever, where nobody reads. */
  #overBefore(notice: Closed): void {
    this.#over = notice;
    if (this.#state !== 'closing') this.#state = 'closed';
    const result = closeResult(notice);
    this.#failWaits(result.error ?? closedError());
    this.#ending.tellClosers(result);
    if (!this.#queue.reading) this.#settleClosed(result);
  }

  #failWaits(error: GunportError): void {
    this.#sending.fail(error);
    this.#pings.fail(error);
    for (const settle of [...this.#opens]) settle(error);
  }

  #closedBy(notice: Notice & { type: 'closed' }): void {
    if (this.#end || this.#error) return;
    const ours = this.#state === 'closing';
    this.#state = 'closed';
    this.#end = { code: notice.code, reason: notice.reason, wasClean: notice.wasClean, error: notice.error };
    const result = closeResult(notice);
    this.#failWaits(result.error ?? closedError());
    this.#ending.tellClosers(result);
    // After our own close() nobody waits for a reader: one that awaits close() inside its loop would wait for itself.
    if (ours) this.#settleClosed(result);
    this.#queue.mark(notice);
    this.#queue.end(ours ? undefined : badEnd(notice));
  }

  /** It ends badly: an error of its own, or its process is gone and all that it posted has arrived. @internal */
  finish(error: GunportError): void {
    if (this.#end || this.#error) return;
    this.#error = error;
    const ours = this.#state === 'closing';
    this.#state = 'closed';
    this.#failWaits(error);
    this.#ending.tellClosers(abnormal(error));
    if (ours) this.#settleClosed(abnormal(error));
    this.#queue.mark({ type: 'error', stream: this.id, error: toRecord(error) });
    this.#queue.end(error);
  }
}
