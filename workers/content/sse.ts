// sse — an event stream, from bytes as they come to events: the built-in content handler `'sse'`.
// Made by content.ts for an answer that is text/event-stream. Fields are read by eventsource-parser, which is given one
// whole block at a time; what is not whole yet waits here, since there it would have no bound.
// Invariant: however the bytes are cut, the events are the same; what waits is no more than `maxEventSize`, without
// comments and fields that the standard does not know.
// Source: HTML §9.2.5 and §9.2.6 (WHATWG); gun_sse_h, whose events for a lone `id` these have.

import { createRequire } from 'node:module';
import { StringDecoder } from 'node:string_decoder';
import type { EventSourceParser } from 'eventsource-parser';
import { StreamError } from '../../lib/errors.ts';
import { type AnyEvent, EventPacker, type SentEvents } from '../../lib/sentevents.ts';

const require = createRequire(import.meta.url);

/** Loaded with the first event stream of a thread. */
function parsing(): typeof import('eventsource-parser') {
  return require('eventsource-parser');
}

/** Pieces of a line that are joined at the latest: each costs some 32 bytes beside its text. */
const MOST_PIECES = 512;
const [CR, LF, COLON, LETTER_R, BOM] = [13, 10, 58, 114, 0xfeff];
/** Characters in which a field shows which it is: `event:`. */
const LONGEST_NAME = 6;
const FIELD = /^(?:data|event|id|retry)(?::|$)/;
const RETRY = /^retry: ?\d+$/;
/** Above so many characters a block is looked through before it is parsed. */
const SMALL_BLOCK = 1024;
/** Longest wait that timers keep, in milliseconds. */
const LONGEST_RETRY: number = 2 ** 31 - 1;

export class SseDecoder {
  readonly #maxEventSize: number;
  /** Characters up to which a block is parsed as it is. */
  readonly #small: number;
  readonly #decoder = new StringDecoder('utf8');
  readonly #parser: EventSourceParser;
  #begun = false;
  /** The last character was a CR, which has ended its line: a LF behind it is part of that. */
  #afterCr = false;
  /** Lines of the block that is not over, without comments. */
  #lines = '';
  /** The line behind them that is not over, in pieces. */
  #pieces: string[] = [];
  #pieceLength = 0;
  /** The rest of this line is for nobody. */
  #skipping = false;
  #hasJunk = false;
  #lastEventId: string;
  #retry: number | undefined;
  readonly #events = new EventPacker();

  /** `lastEventId`: what the server was told is the last one. */
  constructor(maxEventSize: number, lastEventId = '') {
    this.#lastEventId = lastEventId;
    this.#maxEventSize = maxEventSize;
    // A character is three bytes at most.
    this.#small = Math.min(SMALL_BLOCK, Math.floor(maxEventSize / 3));
    this.#parser = parsing().createParser({
      onEvent: ({ id, event = 'message', data }) => this.#event(event, data, id),
      onRetry: (delay) => {
        this.#retry = Math.min(delay, LONGEST_RETRY);
      },
      // It makes an error of each line that it does not know, which takes it microseconds: from now on it gets none.
      onError: () => {
        this.#hasJunk = true;
      },
    });
    // It would take three letters of latin1 for a byte order mark, in its first text only.
    this.#parser.feed('');
  }

  /** More bytes. What is not whole at the end of the answer is dropped, as the standard has it.
   *  @throws {StreamError} ERR_GUNPORT_TOO_BIG an event is larger than `maxEventSize`. */
  add(bytes: Uint8Array): void {
    this.#text(this.#decoder.write(bytes as Buffer)); // It takes any view; its types know of Buffer only.
  }

  /** The events that are whole since the last time. */
  take(): SentEvents {
    return this.#events.take();
  }

  /** Ends each line with one LF, whatever ended it. */
  #text(decoded: string): void {
    if (decoded === '') return;
    // HTML §9.2.6: "one leading U+FEFF BYTE ORDER MARK character must be ignored if any are present".
    let text = !this.#begun && decoded.charCodeAt(0) === BOM ? decoded.slice(1) : decoded;
    this.#begun = true;
    if (this.#afterCr && text.charCodeAt(0) === LF) text = text.slice(1);
    this.#afterCr = text.charCodeAt(text.length - 1) === CR;
    if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
    if (text.includes('\n')) this.#blocks(this.#line(text));
    else this.#piece(text);
    const waiting = this.#lines.length + this.#pieceLength;
    // In characters: there are at least as many bytes.
    if (waiting > this.#maxEventSize) throw this.#tooBig();
  }

  /** What there is of a line, up to and with this. */
  #line(text: string): string {
    const line = this.#skipping
      ? `:${text}`
      : this.#pieces.length > 0
        ? [...this.#pieces, text].join('')
        : text;
    this.#skipping = false;
    this.#pieces = [];
    this.#pieceLength = 0;
    return line;
  }

  #piece(text: string): void {
    if (text === '' || this.#skipping) return;
    const telling = this.#pieceLength < LONGEST_NAME;
    this.#pieces.push(text);
    this.#pieceLength += text.length;
    if (telling || this.#pieces.length > MOST_PIECES) this.#pieces = [this.#pieces.join('')];
    if (!telling || !isForNobody(this.#pieces[0] ?? '')) return;
    this.#skipping = true;
    this.#pieces = [];
    this.#pieceLength = 0;
  }

  /** From the beginning of a line on: blocks that are over, and one that is not. */
  #blocks(text: string): void {
    let from = 0;
    for (let end = endOfBlock(text, from); end >= 0; end = endOfBlock(text, from)) {
      const lines = this.#lines;
      this.#lines = '';
      this.#block(lines + text.slice(from, end));
      from = end;
    }
    const lineEnd = text.lastIndexOf('\n') + 1;
    if (lineEnd > from) this.#lines += ownFields(text.slice(from, lineEnd));
    this.#piece(lineEnd > from ? text.slice(lineEnd) : text.slice(from));
  }

  /** Lines, and the empty one that ends them. */
  #block(block: string): void {
    if (block === '\n') return;
    const { count } = this.#events;
    this.#parser.feed(this.#hasJunk || block.length > this.#small ? this.#checked(block) : block);
    // HTML §9.2.6: without data there is no event. An id is remembered all the same, and Gun tells it.
    if (this.#events.count === count && block.length > 2) this.#lone(block);
    this.#retry = undefined;
  }

  #checked(block: string): string {
    const own = ownFields(block);
    if (Buffer.byteLength(own) > this.#maxEventSize) throw this.#tooBig();
    return own;
  }

  #event(type: string, data: string, id: string | undefined): void {
    if (id !== undefined) this.#lastEventId = id;
    this.#events.add(this.#withRetry({ type, data, lastEventId: this.#lastEventId }));
  }

  #lone(block: string): void {
    const id = block.includes('id') ? idOf(block) : undefined;
    if (id !== undefined) this.#lastEventId = id;
    if (id === undefined && this.#retry === undefined) return;
    this.#events.add(this.#withRetry({ lastEventId: this.#lastEventId }));
  }

  #withRetry(event: AnyEvent): AnyEvent {
    return this.#retry === undefined ? event : { ...event, retry: this.#retry };
  }

  #tooBig(): StreamError {
    const text = `an event exceeds maxEventSize (${this.#maxEventSize})`;
    return new StreamError('ERR_GUNPORT_TOO_BIG', text, { reason: this.#maxEventSize });
  }
}

/** Behind the empty line that ends the block; -1: it is not here yet. */
function endOfBlock(text: string, from: number): number {
  if (text.charCodeAt(from) === LF) return from + 1;
  const at = text.indexOf('\n\n', from);
  return at < 0 ? -1 : at + 2;
}

/** Of whole lines those that say something, in a text of their own: a part of a text keeps all of it in memory. */
function ownFields(lines: string): string {
  return lines.split('\n').filter(isField).join('\n');
}

function isField(line: string): boolean {
  return line === '' || (FIELD.test(line) && (line.charCodeAt(0) !== LETTER_R || RETRY.test(line)));
}

/** A comment, or a field that the standard does not know, as soon as that can be told. */
function isForNobody(line: string): boolean {
  return line.charCodeAt(0) === COLON || (line.length >= LONGEST_NAME && !FIELD.test(line));
}

/** The last id of a block without data. Not by `.` and `$`, to which U+2028 ends a line. */
function idOf(block: string): string | undefined {
  let id: string | undefined;
  for (const [, value = ''] of block.matchAll(/(?:^|\n)id(?:: ?([^\n]*))?(?=\n)/g)) {
    // HTML §9.2.6: "If the field value does not contain U+0000 NULL".
    if (!value.includes('\0')) id = value;
  }
  return id;
}
