// http1/answers — what comes back on an HTTP/1 connection: bytes become answers, and answers go to their requests.
// Held by http1/driver.ts, which shares its turns and does what a read has led to beyond them.
// Invariant: the first turn is the one being answered; all that was valid is told before what was not; the memory of a read
// stays where it is until all of it was parsed. Source: gun_http's handle_head, handle_response and stream_trailers.

import { ConnectionError } from '../../lib/errors.ts';
import { closesAfter, switchedTo } from '../../lib/protocol/http1.ts';
import type { DriverHost } from '../driver.ts';
import type { Exchange } from '../exchange.ts';
import { reading } from '../slabs.ts';
import { ReadMemory } from './memory.ts';
import { type After, AnswerParser, type ParsedHead } from './parser.ts';
import { broken, type RequestTurn, type Turn, type UpgradeTurn } from './turns.ts';

/** What a read has led to. */
export type Outcome =
  | { readonly name: 'failed'; readonly error: ConnectionError }
  // the answer that the connection ends with is complete
  | { readonly name: 'ended' }
  // the server wants the body that was held back
  | { readonly name: 'continue'; readonly turn: RequestTurn }
  // `rest`: what stands behind the head, valid during the read
  | { readonly name: 'switched'; readonly turn: UpgradeTurn; readonly head: ParsedHead; rest: Uint8Array }
  | { readonly name: 'refused'; readonly turn: UpgradeTurn }
  // the connection is a tunnel now, or has switched to what a request asked for
  | { readonly name: 'taken'; readonly turn: RequestTurn; rest: Uint8Array };

/** What the driver knows and does. */
export interface AnswersHost {
  /** Oldest first; those that are complete leave. */
  readonly turns: Turn[];
  /** The connection ends with the answer under way, whatever that says. */
  readonly leaving: boolean;
  /** So many bytes came that nobody wants. */
  unwanted(bytes: number): void;
  /** The connection ends with the answer under way, as the server said. */
  last(): void;
  /** An upgrade was answered otherwise. */
  refused(turn: UpgradeTurn): void;
}

/** Interim answers that one request may have. */
const MOST_INTERIM = 100;
const NOTHING = new Uint8Array(0);

export class Answers {
  readonly #host: AnswersHost;
  readonly #turns: Turn[];
  readonly #process: Pick<DriverHost, 'streams' | 'counters' | 'settings' | 'cookies'>;
  readonly #parser: AnswerParser;
  readonly #memory = new ReadMemory();
  #outcome: Outcome | undefined;

  constructor(host: AnswersHost, process: Pick<DriverHost, 'streams' | 'counters' | 'settings' | 'cookies'>) {
    this.#host = host;
    this.#turns = host.turns;
    this.#process = process;
    const { maxHeaderSize, http } = process.settings;
    this.#parser = new AnswerParser(
      {
        begin: () => this.#begin(),
        head: (head) => this.#head(head),
        body: (from, to) => this.#body(from, to),
        complete: (trailers) => this.#complete(trailers),
      },
      { maxHeaderSize, maxTrailerSize: http.maxTrailerSize },
    );
  }

  /** Free memory for the next read. */
  buffer(): Uint8Array {
    return this.#memory.buffer();
  }

  /** So many bytes now stand where `buffer()` pointed to. */
  filled(length: number): Outcome | undefined {
    return this.#read(this.#memory.filled(length));
  }

  /** Bytes that stand elsewhere. */
  given(bytes: Uint8Array): Outcome | undefined {
    return this.#read(this.#memory.given(bytes));
  }

  /** The peer will send no more: a body may go on until here. */
  ended(): Outcome | undefined {
    this.#parser.finish();
    return this.#takeOutcome();
  }

  stop(): void {
    this.#parser.free();
  }

  /** What its answers lead to may be posted at once: the memory stays until all of it is parsed. */
  #read(bytes: Uint8Array): Outcome | undefined {
    return reading(this.#memory, () => this.#parse(bytes));
  }

  #parse(bytes: Uint8Array): Outcome | undefined {
    const result = this.#parser.execute(bytes);
    this.#tellPart(false);
    const outcome = this.#takeOutcome();
    const taken = outcome?.name === 'switched' || outcome?.name === 'taken';
    if (taken && typeof result === 'number') outcome.rest = bytes.subarray(result);
    if (outcome && outcome.name !== 'continue') return outcome;
    return result instanceof ConnectionError ? { name: 'failed', error: result } : outcome;
  }

  #takeOutcome(): Outcome | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    return outcome;
  }

  // ── from the parser ───────────────────────────────────────────────────────────────────────────────────────

  #begin(): boolean {
    if (this.#turns.length > 0) return true;
    return this.#fail(broken('the server sent bytes that nobody asked for'));
  }

  #head(head: ParsedHead): After | undefined {
    const [turn] = this.#turns;
    if (!turn) return undefined;
    if (this.#process.cookies) this.#keepCookies(turn, head);
    if (head.status < 200) return this.#interim(turn, head);
    // RFC 9110 §9.3.6: "any 2xx (Successful) response indicates that the sender … will switch to tunnel mode", and
    // §8.6, RFC 9112 §6.1: what such an answer says of a body is ignored.
    if (turn.kind === 'http' && turn.exchange.tunnel && head.status < 300) return this.#tunnelled(turn, head);
    turn.answered = true;
    // RFC 9112 §6.3: these have no body, whatever their head says.
    const bodiless = head.status === 204 || head.status === 304;
    const skipped = bodiless || (turn.kind === 'http' && turn.exchange.request.method === 'HEAD');
    // RFC 9112 §6.1: with both framings, a sender "MUST close the connection after responding".
    if (closesAfter(head, skipped) || (head.ambiguous && !skipped)) turn.closes = true;
    if (turn.kind === 'ws') turn.upgrade.answered(head);
    else this.#answer(turn, head, skipped);
    if (turn.closes) this.#host.last();
    return skipped ? 'none' : 'body';
  }

  #keepCookies(turn: Turn, { status, rawHeaders }: ParsedHead): void {
    const { cookies } = this.#process;
    if (turn.kind === 'ws') cookies?.upgraded(turn.upgrade.entry.ws, status, rawHeaders);
    else cookies?.answered(turn.exchange.request, status, rawHeaders);
  }

  #answer(turn: RequestTurn, { status, rawHeaders, length }: ParsedHead, skipped: boolean): void {
    const { exchange, sending } = turn;
    this.#process.counters.messagesReceived++;
    // RFC 9112 §9.3: on "a response that indicates the server does not wish to receive the message body" it ceases. A
    // good one may come while the body still goes out, as from a server that sends it back.
    if ((sending.state === 'asking' || status >= 300) && sending.giveUp()) turn.closes = true;
    turn.left = skipped ? 0 : length;
    turn.fin = turn.left === 0;
    exchange.response(status, rawHeaders, turn.fin);
  }

  #tunnelled(turn: RequestTurn, { status, rawHeaders }: ParsedHead): After {
    this.#process.counters.messagesReceived++;
    turn.exchange.established(status, rawHeaders);
    this.#outcome = { name: 'taken', turn, rest: NOTHING };
    return 'switch';
  }

  /** 101 to a request that asked for it. */
  #switched(turn: RequestTurn, { rawHeaders }: ParsedHead): After | undefined {
    const protocols = switchedTo(rawHeaders);
    if (!protocols) {
      this.#fail(broken('server switched protocols (101), and does not say to what'));
      return undefined;
    }
    this.#process.counters.messagesReceived++;
    turn.exchange.switched(protocols, rawHeaders);
    this.#outcome = { name: 'taken', turn, rest: NOTHING };
    return 'switch';
  }

  #interim(turn: Turn, head: ParsedHead): After | undefined {
    const { status, rawHeaders } = head;
    if (++turn.interim > MOST_INTERIM) {
      const text = `server sent more than ${MOST_INTERIM} interim answers to one request`;
      this.#fail(new ConnectionError('ERR_GUNPORT_FLOOD', text, { phase: 'protocol' }));
      return undefined;
    }
    if (status === 101 && turn.kind === 'ws') {
      this.#outcome = { name: 'switched', turn, head, rest: NOTHING };
      return 'switch';
    }
    if (status === 101 && turn.kind === 'http' && turn.alone && !turn.exchange.tunnel)
      return this.#switched(turn, head);
    if (status === 101) {
      this.#fail(broken('server switched protocols (101), which nobody asked for'));
      return undefined;
    }
    if (turn.kind === 'ws') return 'none';
    turn.exchange.inform(status, rawHeaders);
    if (status === 100 && turn.sending.go()) this.#outcome = { name: 'continue', turn };
    return 'none';
  }

  #body(from: number, to: number): void {
    const [turn] = this.#turns;
    if (!turn) return;
    if (turn.kind === 'ws') {
      turn.upgrade.keep(this.#memory.bytes(from, to));
      // connect()'s connection is of no use any more.
      if (turn.upgrade.entry.ws.spans && turn.upgrade.full) this.#outcome = { name: 'refused', turn };
      return;
    }
    const { exchange } = turn;
    this.#process.counters.bytesReceived += to - from;
    if (turn.left !== undefined) turn.left -= to - from;
    if (exchange.ended) return this.#host.unwanted(to - from);
    const part = this.#memory.add(from, to, this.#held(exchange));
    if (part) exchange.data(part, false);
  }

  #complete(trailers: readonly string[] | undefined): boolean {
    const [turn] = this.#turns;
    // An interim one.
    if (!turn?.answered) return true;
    if (turn.kind === 'ws') {
      turn.upgrade.probe.heard();
      return this.#refused(turn);
    }
    const { exchange, sending } = turn;
    if (trailers && trailers.length > 0) {
      this.#tellPart(false);
      exchange.trailers(trailers);
    } else if (!turn.fin) this.#tellPart(true);
    this.#turns.shift();
    if (exchange.cancelled) this.#process.streams.forget(exchange);
    // What is not sent yet of its body would be read as the next request.
    if (!sending.giveUp() && !turn.closes && !this.#host.leaving) return true;
    this.#outcome = { name: 'ended' };
    return false;
  }

  /** The connection goes on, if it was not there for the upgrade alone. */
  #refused(turn: UpgradeTurn): boolean {
    if (turn.closes || turn.upgrade.entry.ws.spans) {
      this.#outcome = { name: 'refused', turn };
      return false;
    }
    this.#host.refused(turn);
    return true;
  }

  /** Tells what was read of the body under way; `fin`: that was all of it. */
  #tellPart(fin: boolean): void {
    const [turn] = this.#turns;
    if (turn?.kind !== 'http' || turn.exchange.ended) return;
    const part = this.#memory.take(this.#held(turn.exchange));
    if (part || fin) turn.exchange.data(part ?? NOTHING, fin);
  }

  /** Its parts may be held where they are told, beyond this turn: each is to be memory of its own. */
  #held({ request }: Exchange): boolean {
    return request.flow !== undefined || this.#process.settings.http.flow !== undefined;
  }

  #fail(error: ConnectionError): false {
    this.#outcome = { name: 'failed', error };
    return false;
  }
}
