// http1/driver — HTTP/1.1 on a connected socket: requests go out in order, pipelined, and answers come back in that order.
// Made by link.ts when the first request is served; hands the socket on to takeover.ts when a server agrees to an upgrade.
// Invariant: the first of `#turns` is the one being answered, and only the last may be incomplete on its way out; what
// the events of a read lead to beyond their own stream is done after them; a connection that ends by agreement ends with
// the reason 'normal'. Source: gun_http; RFC 9112 §9.

import { ConnectionError, GunportError, StreamError } from '../../lib/errors.ts';
import { layoutHead, type RequestHead } from '../../lib/protocol/http1.ts';
import { type Driver, type DriverHost, type Http1Begin, noPing, notRaw } from '../driver.ts';
import { closingError, type Entry, handshakeCut } from '../entry.ts';
import type { Exchange, Server } from '../exchange.ts';
import { Answers, type Outcome } from './answers.ts';
import type { ParsedHead } from './parser.ts';
import { Outgoing, Sending } from './sending.ts';
import {
  closed,
  isWanted,
  type RequestTurn,
  requestTurn,
  type Turn,
  turnOf,
  type UpgradeTurn,
  upgradeTurn,
} from './turns.ts';
import { Upgrading } from './upgrade.ts';

/** What is read past of answers that nobody wants, before their connection is closed instead: bytes and ms. */
const DRAIN = { bytes: 64 * 1024, ms: 1_000 };

export class Http1Driver implements Driver, Server {
  readonly protocol = 'http';
  readonly #host: DriverHost;
  readonly #answers: Answers;
  readonly #out: Outgoing;
  readonly #keepalive: NodeJS.Timeout | undefined;
  readonly #turns: Turn[] = [];
  #begin: Uint8Array | undefined;
  /** `last`: nothing more is asked, the connection ends with an answer under way. `goodbye`: shutdown() was called. */
  #state: 'serving' | 'last' | 'goodbye' | 'stopped' = 'serving';
  /** All that is under way was cancelled. */
  #draining: { bytes: number; readonly timer: NodeJS.Timeout } | undefined;
  #continuing: NodeJS.Timeout | undefined;
  #paused = false;

  constructor(host: DriverHost, begin: Http1Begin) {
    this.#host = host;
    const { transport, counters, settings } = host;
    const driver = this;
    this.#out = new Outgoing(transport, counters);
    this.#answers = new Answers(
      {
        turns: this.#turns,
        get leaving() {
          return driver.#state === 'goodbye';
        },
        unwanted: (bytes) => {
          if (this.#draining) this.#draining.bytes += bytes;
        },
        last: () => this.#last(),
        refused: (turn) => this.#refuse(turn),
      },
      host,
    );
    this.#begin = begin.bytes;
    if (begin.upgrading) this.#turns.push(this.#upgradeTurn(begin.upgrading.entry, begin.upgrading.key));
    const { keepalive } = settings.http;
    if (keepalive !== undefined)
      this.#keepalive = setInterval(() => host.guard(() => this.#stayAlive()), keepalive);
  }

  // ── asking ────────────────────────────────────────────────────────────────────────────────────────────────

  serve(): void {
    const begin = this.#begin;
    this.#begin = undefined;
    if (begin && begin.length > 0) return this.#follow(this.#answers.given(begin));
    if (this.#closesUnwanted()) return;
    while (this.#ready) {
      const { next } = this.#host.streams;
      if (next?.kind === 'http') {
        if (!this.#send(next)) break;
      } else if (next && this.#turns.length === 0) this.#upgrade(next);
      else break;
    }
    this.#turnAway();
    this.#awaitContinue();
    this.#out.flush();
  }

  /** Another request may be sent. */
  get #ready(): boolean {
    if (this.#state !== 'serving' || this.#draining) return false;
    const last = this.#turns.at(-1);
    if (!last) return true;
    const { pipelining } = this.#host.settings.http;
    if (last.kind !== 'http' || last.alone) return false;
    return last.sending.state === 'done' && this.#turns.length < pipelining;
  }

  /** False: not beside what is under way. */
  #send(exchange: Exchange): boolean {
    const { settings, streams, counters, transformHeaderName: transform, cookies } = this.#host;
    let sending: Sending;
    let head: RequestHead;
    try {
      if (exchange.request.method === 'RAW') throw notRaw();
      const { request } = exchange;
      head = layoutHead(cookies ? cookies.request(request) : request, settings, transform);
      if (head.alone && this.#turns.length > 0) return false;
      sending = new Sending(exchange, head, this.#out, transform);
    } catch (error) {
      if (!(error instanceof GunportError)) throw error;
      streams.failed(exchange, error);
      return true;
    }
    streams.take(exchange);
    exchange.server = this;
    counters.messagesSent++;
    const turn = requestTurn(exchange, sending, head);
    this.#turns.push(turn);
    if (head.closes) this.#state = 'last';
    this.#drainUpload(turn);
    return true;
  }

  #upgrade(entry: Entry): void {
    const { settings, streams, transport, cookies } = this.#host;
    if (settings.http.version === '1.0') {
      const text = 'a WebSocket cannot be opened by HTTP/1.0';
      // connect()'s ends with its connection.
      if (entry.ws.spans) return this.#fail(new ConnectionError('ERR_GUNPORT_BAD_STATE', text));
      return streams.failed(entry, new StreamError('ERR_GUNPORT_BAD_STATE', text));
    }
    streams.take(entry);
    const turn = this.#upgradeTurn(entry);
    this.#turns.push(turn);
    transport.write(turn.upgrade.request(settings, cookies));
  }

  #upgradeTurn(entry: Entry, key?: string): UpgradeTurn {
    const late = (error: ConnectionError): void => this.#host.guard(() => this.#upgradeLate(turn, error));
    const { probe } = this.#host;
    const turn = upgradeTurn(
      new Upgrading(entry, { probe, late, cancelled: (error) => this.#fail(error) }, key),
    );
    return turn;
  }

  /** Its body goes on, if the server does not want it asked for first. */
  #drainUpload(turn: RequestTurn): void {
    const error = turn.sending.drain();
    if (!error) return;
    this.#host.streams.failed(turn.exchange, error);
    turn.sending.giveUp();
    this.#settle();
  }

  upload(exchange: Exchange): void {
    const turn = turnOf(this.#turns, exchange);
    if (!turn) return;
    this.#drainUpload(turn);
    this.#out.flush();
    this.serve();
  }

  // RFC 9110 §10.1.1: a client "is not required to wait for any specific length of time"; it waits from when the
  // answers before are complete.
  #awaitContinue(): void {
    const [front] = this.#turns;
    if (front?.kind !== 'http' || front.sending.state !== 'asking' || this.#continuing) return;
    const { continueTimeout } = front.exchange;
    if (continueTimeout > 0) this.#continuing = this.#timer(() => this.#continue(front), continueTimeout);
  }

  #continue(turn: RequestTurn): void {
    clearTimeout(this.#continuing);
    this.#continuing = undefined;
    turn.sending.go();
    this.upload(turn.exchange);
  }

  /** What waits, where no connection will come for it. */
  #turnAway(): void {
    const { settings, streams } = this.#host;
    if (this.#state !== 'last' || settings.retry > 0) return;
    streams.failWaiting((one) => (one.kind === 'ws' && one.ws.spans ? undefined : closingError('close')));
  }

  #stayAlive(): void {
    if (this.#turns.length === 0) this.#host.transport.write(Buffer.from('\r\n'));
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return this.#answers.buffer();
  }

  received(length: number): void {
    this.#follow(this.#answers.filled(length));
  }

  /** Does what a read has led to. */
  #follow(outcome: Outcome | undefined): void {
    switch (outcome?.name) {
      case 'failed':
        return this.#fail(outcome.error);
      case 'ended':
        if (this.#state === 'goodbye') return this.#host.over();
        return this.#fail(closed('the connection ended with an answer', 'normal'));
      case 'switched':
        return this.#switch(outcome.turn, outcome.head, outcome.rest);
      case 'refused':
        this.#refuse(outcome.turn);
        break;
      case 'taken':
        return this.#taken(outcome.turn, outcome.rest);
      case 'continue':
        this.#continue(outcome.turn);
        break;
      case undefined:
        break;
      default:
        outcome satisfies never;
    }
    this.serve();
    this.#settle();
  }

  ended(): void {
    const [front] = this.#turns;
    if (!front) return this.#fail(closed('the server closed the connection'));
    const outcome = this.#answers.ended();
    if (outcome) return this.#follow(outcome);
    if (front.kind === 'ws') return front.answered ? this.#refuse(front, true) : this.#fail(handshakeCut());
    this.#fail(closed('the server closed the connection before its answer was complete'));
  }

  lost(error: GunportError | undefined): void {
    const [front] = this.#turns;
    if (front?.kind === 'ws')
      return front.answered ? this.#refuse(front, true) : this.#fail(handshakeCut(error));
    this.#fail(error ?? closed('the connection was closed'));
  }

  /** The connection ends with the answer under way: what is behind it will have none. */
  #last(): void {
    if (this.#state === 'serving') this.#state = 'last';
    this.#dropBehind('close');
    this.#turnAway();
  }

  #dropBehind(reason: string): void {
    const { streams } = this.#host;
    for (const turn of this.#turns.splice(1)) {
      if (turn.kind === 'ws') continue; // It never stands behind another.
      if (turn.exchange.cancelled) streams.forget(turn.exchange);
      // RFC 9112 §9.6: a server that closes "MUST NOT process any further requests received on that connection".
      else streams.failed(turn.exchange, closingError(reason, reason === 'close'));
    }
  }

  // ── upgrades ──────────────────────────────────────────────────────────────────────────────────────────────

  #switch({ upgrade }: UpgradeTurn, head: ParsedHead, rest: Uint8Array): void {
    const agreed = upgrade.judge(head);
    if (agreed instanceof ConnectionError) return this.#fail(agreed);
    this.stop();
    // A copy: its memory is shared by all sockets.
    this.#host.takeOver(upgrade.entry, agreed, rest.slice());
  }

  /** The connection is for one request only from now on. */
  #taken({ exchange }: RequestTurn, rest: Uint8Array): void {
    // Cancelled meanwhile: what is behind it is nobody's.
    if (exchange.ended) return this.#closeUnwanted();
    this.stop();
    if (exchange.tunnel) this.#host.tunnelled(exchange, rest);
    else this.#host.switched(exchange, rest);
  }

  /** Answered otherwise; `closes`: and the connection ends with that. */
  #refuse({ upgrade, closes }: UpgradeTurn, cut = closes): void {
    const { refusal } = upgrade;
    if (!refusal) return;
    upgrade.stop();
    this.#turns.length = 0;
    this.#host.refused(upgrade.entry, refusal);
    if (this.#state === 'goodbye') this.#host.over();
    else if (cut) this.#fail(closed('the connection ended with the answer to an upgrade', 'normal'));
  }

  #upgradeLate(turn: UpgradeTurn, error: ConnectionError): void {
    // Its status says enough; what is left of the body is not waited for.
    if (turn.answered) this.#refuse(turn, true);
    else this.#fail(error);
  }

  // ── flow ──────────────────────────────────────────────────────────────────────────────────────────────────

  resume(exchange: Exchange): void {
    const [front] = this.#turns;
    if (front?.kind === 'http' && front.exchange === exchange) this.#settle();
  }

  cancel(exchange: Exchange): void {
    const turn = turnOf(this.#turns, exchange);
    if (!turn) return void this.#host.streams.forget(exchange);
    // What comes may be no answer, but another protocol's.
    if (turn.alone) return this.#closeUnwanted();
    turn.sending.giveUp();
    this.#settle();
  }

  /** After each change: reads on or pauses, and ends what only cancelled requests keep. */
  #settle(): void {
    if (this.#closesUnwanted()) return;
    const [front] = this.#turns;
    const { transport } = this.#host;
    if (front?.kind === 'http' && !front.exchange.wanted) {
      this.#paused = true;
      transport.pause();
    } else if (this.#paused) {
      this.#paused = false;
      // Last: what was held is read at once.
      transport.resume();
    }
  }

  /** Closes the connection when all that is under way was cancelled, and is too long to be read past. */
  #closesUnwanted(): boolean {
    if (this.#state === 'stopped') return true;
    const [front] = this.#turns;
    const last = this.#turns.at(-1);
    const wanted = front?.kind !== 'http' || last?.kind !== 'http' || this.#turns.some(isWanted);
    if (wanted) {
      clearTimeout(this.#draining?.timer);
      this.#draining = undefined;
      return false;
    }
    if (this.#state === 'goodbye') {
      this.#host.over();
      return true;
    }
    this.#draining ??= { bytes: 0, timer: this.#timer(() => this.#closeUnwanted(), DRAIN.ms) };
    const { bytes } = this.#draining;
    const left = Math.max(bytes + (front.left ?? 0), this.#host.transport.pending);
    if (last.sending.state !== 'given-up' && left <= DRAIN.bytes) return false;
    this.#closeUnwanted();
    return true;
  }

  #closeUnwanted(): void {
    this.#fail(closed('the connection was closed, since what was under way was cancelled', 'normal'));
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'HTTP/1 has no pings'));
  }

  shutdown(reason: string): void {
    if (this.#state === 'stopped') return;
    this.#state = 'goodbye';
    const [front] = this.#turns;
    this.#dropBehind(reason);
    // A tunnel that is only asked for has nothing to finish.
    const asked = front?.kind === 'http' && front.exchange.tunnel && !front.exchange.answered;
    if (front?.kind !== 'http' || front.exchange.ended || asked) this.#host.over();
  }

  stop(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    clearTimeout(this.#continuing);
    clearTimeout(this.#draining?.timer);
    clearInterval(this.#keepalive);
    for (const turn of this.#turns) if (turn.kind === 'ws') turn.upgrade.stop();
    this.#turns.length = 0;
    this.#answers.stop();
  }

  #timer(run: () => void, ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#host.guard(run), ms);
  }

  #fail(error: GunportError): void {
    if (this.#state === 'stopped') return;
    this.stop();
    this.#host.lost(error);
  }
}
