// websocket — one WebSocket on a connected socket: bytes in become parcels, images out become frames.
// Made by process.ts after the upgrade. What a frame means is lib/protocol/websocket.ts's to say; plain messages are
// walked in place by intake.ts.
// Invariant: `finished` is called once, after every message that had arrived was shipped; nothing is read, written
// or told after it. After our own close no message is shipped.
// Source: RFC 6455; gun_ws.erl; promises F1 to F3.

import type { ConnectionError, GunportError } from '../lib/errors.ts';
import { toRecord } from '../lib/errors.ts';
import type { Negotiated } from '../lib/protocol/extensions.ts';
import { type Header, OPCODE, readHeader } from '../lib/protocol/frames.ts';
import {
  close,
  closePayload,
  ended,
  failed,
  judge,
  lost,
  notUtf8,
  OPEN,
  received,
  type WsCommand,
  type WsLimits,
  type WsState,
  type WsStep,
} from '../lib/protocol/websocket.ts';
import type { SentFrames } from '../lib/sendwire.ts';
import type { Closed, WsSettings } from '../lib/wire.ts';
import { Deflater, type Inflated, Inflater } from './deflate.ts';
import { Dialogue } from './dialogue.ts';
import type { Socket } from './entry.ts';
import { Intake } from './intake.ts';
import { Keepalive } from './keepalive.ts';
import { Leaving } from './leaving.ts';
import { controlFrame, mask } from './masking.ts';
import type { Outbox } from './outbox.ts';
import type { FrameProbe } from './probes/frameprobe.ts';
import type { Counters, Sink, Transport } from './socket.ts';

/** What a WebSocket asks of its process. */
export interface WebSocketHost {
  readonly transport: Transport;
  readonly outbox: Outbox;
  readonly counters: Counters;
  /** For who listens to single frames. */
  readonly frames: FrameProbe;
  /** Bytes of wire image that left, or were dropped, in earlier attempts. */
  readonly sentBefore: number;
  /** It has ended, once. The process destroys the socket. */
  finished(closed: Closed): void;
  /** Nobody wants more of it. */
  cancelled(): void;
  /** Too much is held: it is read no more, or again. */
  hold(held: boolean): void;
}

/** Bytes that one read of a compressed WebSocket may bring. Node makes up to 32 reads a turn, and what 64 KiB inflate to
 *  holds up the whole thread: 110 ms a turn, 4 ms with this. */
const INFLATE_MOST = 8 * 1024;
/** How long the peer is given to end the socket once both have said close, in milliseconds. */
const LINGER = 1_000;

export class WebSocketDriver implements Sink, Socket {
  readonly #stream: number;
  readonly #ws: WsSettings;
  readonly #host: WebSocketHost;
  readonly #limits: WsLimits;
  readonly #intake: Intake;
  readonly #keepalive: Keepalive;
  readonly #leaving: Leaving;
  readonly #dialogue = new Dialogue();
  readonly #inflater: Inflater | undefined;
  readonly #deflater: Deflater | undefined;
  #state: WsState = OPEN;
  /** Parts of a message that comes in fragments. */
  #parts: Uint8Array[] = [];
  #timer: NodeJS.Timeout | undefined;
  #creditDue: NodeJS.Immediate | undefined;

  constructor(stream: number, ws: WsSettings, negotiated: Negotiated | undefined, host: WebSocketHost) {
    const { maxPayload, maxFragments, compress } = ws;
    this.#stream = stream;
    this.#ws = ws;
    this.#host = host;
    this.#leaving = new Leaving(stream, host.outbox, host.sentBefore);
    this.#limits = { maxPayload, maxFragments, deflate: negotiated !== undefined };
    const most = negotiated ? INFLATE_MOST : Number.POSITIVE_INFINITY;
    this.#intake = new Intake(stream, host.outbox, host.counters, { maxPayload, most });
    this.#inflater = negotiated && new Inflater(negotiated, maxPayload);
    this.#deflater = negotiated && new Deflater(negotiated, compress?.level ?? -1);
    this.#keepalive = new Keepalive(ws, host.outbox, {
      ping: (payload) => this.#control(OPCODE.ping, payload),
      answered: (id, rtt) => host.outbox.reply({ type: 'pong', stream, id, rtt }),
      late: (error) => this.#do(ended(this.#state, error)),
    });
    if (ws.flow !== undefined) host.outbox.topUp(stream, ws.flow, true);
  }

  /** `rest`: what came right behind the answer. */
  begin(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#intake.prefill(rest);
    this.#run();
  }

  // ── in ────────────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return this.#intake.buffer();
  }

  received(length: number): void {
    this.#intake.filled(length);
    this.#run();
    this.#dialogue.heard('peer');
  }

  ended(): void {
    this.#do(ended(this.#state, undefined));
  }

  lost(error: GunportError | undefined): void {
    this.#do(ended(this.#state, error ?? lost('the connection was closed')));
  }

  #run(): void {
    const intake = this.#intake;
    // Who listens to frames is shown each; asked once a read.
    const watched = this.#host.frames.receiving;
    while (!this.#deaf) {
      const state = this.#state;
      const plain = state.name === 'open' && !state.message && !this.#inflater && !watched;
      if (plain && !intake.walk()) break;
      if (intake.notUtf8 || !this.#frame(watched)) break;
    }
    if (intake.at < intake.end && !intake.notUtf8) this.#judgeHalf();
    if (this.#deaf) return intake.skip(intake.end - intake.at);
    if (this.#host.outbox.ready) intake.ship(true);
    // The owner's word that it has read comes in another part of the loop.
    else this.#host.transport.yield?.();
    if (intake.notUtf8) this.#do(failed(this.#state, notUtf8()));
  }

  /** Nothing that comes matters any more. */
  get #deaf(): boolean {
    return this.#state.name !== 'open' && this.#state.name !== 'closing';
  }

  /** One frame on the slow path; false when it is not complete. */
  #frame(watched: boolean): boolean {
    const intake = this.#intake;
    const { at, end, bytes } = intake;
    const header = readHeader(bytes, at, end);
    if (!header) {
      intake.need(0);
      return false;
    }
    const { frames } = this.#host;
    if (watched) frames.header(header, this.#parts.length);
    const wrong = judge(this.#state, header, this.#limits);
    if (wrong) {
      frames.broken(wrong);
      this.#fail(wrong);
      return true;
    }
    const { start, length, opcode, fin, rsv } = header;
    const size = start - at + length;
    if (end - at < size) {
      intake.need(size);
      return false;
    }
    if (watched) frames.whole(header, bytes.subarray(start, start + length));
    if (this.#isPlain(header)) intake.place(opcode === OPCODE.text, start, length);
    else if (this.#inflater && this.#isWhole && fin && rsv === 4) {
      this.#deliver(opcode === OPCODE.text, this.#inflater.inflate(bytes, start, start + length), size);
    } else {
      const payload = bytes.subarray(start, start + length);
      if (opcode >= OPCODE.close) {
        // A text before it that is not valid is the first fault, and nothing behind that is answered.
        intake.ship(false);
        if (intake.notUtf8) return false;
      } else if (fin) intake.half.nextMessage();
      else if (this.#mayBeText(header, payload)) intake.half.nextFrame();
      else {
        this.#fail(notUtf8());
        return true;
      }
      const expected = opcode === OPCODE.pong && this.#keepalive.pong(payload);
      this.#do(received(this.#state, header, payload, { now: performance.now(), expected }));
      intake.skip(size);
    }
    return true;
  }

  /** A text that no more bytes can make one fails at once, whatever its frame has promised. */
  #judgeHalf(): void {
    const { at, end, bytes } = this.#intake;
    const header = readHeader(bytes, at, end);
    if (header && !this.#mayBeText(header, bytes.subarray(header.start, end))) this.#fail(notUtf8());
  }

  /** `payload`: what has come of it. */
  #mayBeText({ opcode, rsv }: Header, payload: Uint8Array): boolean {
    if (this.#state.name !== 'open') return true;
    const { message } = this.#state;
    const goesOn = opcode === OPCODE.continuation && message?.text === true && !message.compressed;
    return (!goesOn && (opcode !== OPCODE.text || rsv !== 0)) || this.#intake.half.add(payload);
  }

  /** A text before it that is not valid is the first fault. */
  #fail(error: ConnectionError): void {
    this.#intake.ship(false);
    this.#do(failed(this.#state, this.#intake.notUtf8 ? notUtf8() : error));
  }

  /** No message has begun in fragments. */
  get #isWhole(): boolean {
    return this.#state.name === 'open' && !this.#state.message;
  }

  #isPlain({ fin, rsv, opcode }: Header): boolean {
    return (
      this.#isWhole &&
      !this.#inflater &&
      fin &&
      rsv === 0 &&
      (opcode === OPCODE.text || opcode === OPCODE.binary)
    );
  }

  #deliver(text: boolean, inflated: Inflated | ConnectionError, size: number): void {
    if (inflated instanceof Error) this.#fail(inflated);
    else this.#intake.add(text, inflated.parts, inflated.length);
    this.#intake.skip(size);
  }

  // ── what the machine says ─────────────────────────────────────────────────────────────────────────────────

  #do({ state, commands }: WsStep): void {
    const was = this.#state.name;
    this.#state = state;
    if (was === 'open' && (state.name === 'closed' || state.name === 'failed')) this.#shipLast();
    for (const command of commands) this.#command(command);
  }

  #command(command: WsCommand): void {
    switch (command.type) {
      case 'pong':
        this.#host.counters.pingsAnswered++;
        return this.#control(OPCODE.pong, command.payload);
      case 'collect':
        return void this.#parts.push(command.payload.slice());
      case 'deliver':
        return this.#assembled(command);
      case 'close':
        return this.#control(OPCODE.close, closePayload(command.code, command.reason));
      case 'awaitEnd': {
        this.#keepalive.stop();
        const { closingTimeout } = this.#ws;
        if (this.#state.name === 'failed') this.#host.transport.end();
        clearTimeout(this.#timer);
        const ms = this.#state.name === 'closing' ? closingTimeout : Math.min(LINGER, closingTimeout);
        this.#timer = setTimeout(() => this.#do(ended(this.#state, undefined)), ms);
        return;
      }
      case 'finish': {
        this.#shipLast();
        const { error, ...end } = command.end;
        this.stop();
        return this.#host.finished({ ...end, error: error && toRecord(error) });
      }
      default:
        command satisfies never;
    }
  }

  /** The parts of a message are all here. */
  #assembled({ text, compressed, payload }: WsCommand & { type: 'deliver' }): void {
    const parts = [...this.#parts.splice(0), payload];
    if (!compressed || !this.#inflater) {
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      return this.#intake.add(text, parts, length);
    }
    const whole = Buffer.concat(parts);
    this.#deliver(text, this.#inflater.inflate(whole, 0, whole.length), 0);
  }

  /** What had arrived goes before the end. */
  #shipLast(): void {
    if (this.#state.name === 'closing') return;
    // By copy: this may be a timer's turn, in which Node holds the slab.
    this.#intake.ship(false);
    this.#intake.drop();
  }

  // ── out ───────────────────────────────────────────────────────────────────────────────────────────────────

  send({ type, image, messages, unhurried }: SentFrames): void {
    // Dropped: the end that the owner is told of tells it too.
    if (this.#state.name !== 'open') return;
    const { byteLength } = image;
    this.#leaving.given(byteLength);
    this.#write(image, messages, this.#host.frames.laid(image, type === 'sendSecret'), (error) => {
      if (!error) this.#leaving.left(byteLength, unhurried);
    });
    this.#dialogue.heard('owner');
  }

  askSent(): void {
    this.#leaving.asked();
  }

  get pending(): number {
    return this.#host.transport.pending;
  }

  speak(...[image, messages, { secret, done }]: Parameters<Socket['speak']>): void {
    if (this.#state.name !== 'open') return done(lost('the WebSocket is not open'));
    this.#write(image, messages, this.#host.frames.laid(image, secret), done);
  }

  #write(
    image: Uint8Array,
    messages: number,
    laid: ReturnType<FrameProbe['laid']>,
    done: (error?: Error | null) => void,
  ): void {
    const { counters, transport } = this.#host;
    const wire = this.#deflater ? this.#deflater.image(image, this.#ws.compress?.threshold ?? 0) : image;
    counters.bytesSent += mask(wire);
    counters.messagesSent += messages;
    transport.write(wire, done);
    if (laid) this.#host.frames.sent(laid);
  }

  ping(id: number, payload: Uint8Array | undefined): void {
    if (this.#state.name === 'open') this.#keepalive.ping(id, payload);
  }

  close(code: number, reason: string, keep = false): boolean {
    const step = close(this.#state, code, reason);
    if (step.commands.length > 0) {
      this.#do(step);
      this.#intake.drop();
    }
    // What is held would wait for a reader; without it the socket goes on, and the peer's Close is reached.
    if (!keep) this.#host.outbox.drop(this.#stream);
    return true;
  }

  reveal(): void {
    this.#host.frames.reveal();
  }

  giveUp(error: GunportError): void {
    this.#do(ended(this.#state, error));
  }

  cancel(): void {
    this.#host.cancelled();
  }

  hold(held: boolean): void {
    this.#host.hold(held);
  }

  /** From the next check phase: a read of this turn ships without a copy. */
  credit(): void {
    this.#creditDue ??= setImmediate(() => {
      this.#creditDue = undefined;
      if (this.#deaf || !this.#host.outbox.ready) return;
      this.#intake.ship(false);
      if (this.#intake.notUtf8) this.#do(failed(this.#state, notUtf8()));
    });
  }

  stop(): void {
    this.#state = { name: 'done' };
    this.#host.frames.broken();
    this.#leaving.stop();
    clearTimeout(this.#timer);
    clearImmediate(this.#creditDue);
    this.#keepalive.stop();
    this.#intake.drop();
    this.#inflater?.close();
    this.#deflater?.close();
  }

  #control(opcode: number, payload: Uint8Array): void {
    this.#host.transport.write(controlFrame(opcode, payload));
    this.#host.frames.control(opcode, payload);
  }
}
