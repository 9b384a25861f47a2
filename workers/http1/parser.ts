// http1/parser — bytes of answers in, events out: what a head says, where a body stands, when an answer is complete.
// Held by http1/answers.ts; parsing is llhttp's, limits and places are kept here.
// Invariant: events come in the order of the bytes, and what stands before a fault is told before it; what is kept, or
// means nothing, is bounded, whether its end has been seen or not; a parser that is freed in the midst of its own events
// is freed after them. Source: RFC 9112 §4–7; Gun's max_header_block_size and max_trailer_block_size.

import { ConnectionError, describe } from '../../lib/errors.ts';
import { trimmed } from '../../lib/whitespace.ts';
import {
  type Api,
  GO_ON,
  type Hooks,
  llhttp,
  memoryOf,
  newParser,
  OK,
  PAUSED,
  PAUSED_UPGRADE,
  SKIP_BODY,
  STOP,
  SWITCH,
  WINDOW,
  withHooks,
} from './llhttp.ts';

/** The head of an answer, 1xx or final. */
export interface ParsedHead {
  readonly status: number;
  readonly minor: 0 | 1;
  readonly reason: string;
  /** Name, value, name, value … as they came. */
  readonly rawHeaders: string[];
  /** Whether the connection may go on, if the answer has a body. */
  readonly keepAlive: boolean;
  /** Both Transfer-Encoding and Content-Length: somebody on the way may read it differently. */
  readonly ambiguous: boolean;
  /** Bytes of body, if it has one; undefined: it is chunked, or goes on until the connection ends. */
  readonly length: number | undefined;
}

/** What comes after a head. `switch`: another protocol; execute() stops there. */
export type After = 'body' | 'none' | 'switch';

/** Who is told. To throw is to end the parser's connection. */
export interface ParserEvents {
  /** The first byte of an answer; false: nobody asked for one, and nothing more is told. */
  begin(): boolean;
  /** undefined: nothing more is told. */
  head(head: ParsedHead): After | undefined;
  /** Bytes of a body, at [from … to) of what execute() was given. */
  body(from: number, to: number): void;
  /** An answer is complete; false: nothing more is told, and execute() stops there. */
  complete(trailers: readonly string[] | undefined): boolean;
}

export interface ParserLimits {
  /** Bytes, over all heads that one request is answered with. */
  readonly maxHeaderSize: number;
  readonly maxTrailerSize: number;
}

/** Most bytes that mean nothing, in a row. Source: Node's limit for extensions of a chunk (CVE-2024-22019). */
const MOST_SLACK = 16 * 1024;
/** Most fields of a head, or of trailers. */
const MOST_FIELDS = 2_000;
/** No place in llhttp's memory. */
const UNKNOWN = -1;
const CR = 0x0d;
const LF = 0x0a;
const LETTER_H = 0x48;

/** Reads the answers of one connection. */
export class AnswerParser implements Hooks {
  readonly #llhttp = llhttp();
  readonly #events: ParserEvents;
  readonly #limits: ParserLimits;
  readonly #parser: number;
  #running = false;
  /** Freed, or to be freed after the events under way. */
  #gone = false;
  /** An event wants nothing more told. */
  #refused = false;
  #stopped = false;
  #switched = false;
  #error: ConnectionError | undefined;
  /** What is added to a place in llhttp's memory to get the one in what execute() was given. */
  #shift = 0;
  /** Bytes of a body of known length that have not come: they need no look at. */
  #plain = 0;

  #part: 'outside' | 'head' | 'body' | 'trailers' = 'outside';
  #status = 0;
  #reason = '';
  /** Name, value … of a head, then of trailers; odd: a name is not complete. */
  #fields: string[] = [];
  /** Bytes of the heads of this answer, or of its trailers, before `#sizedTo`: a place in llhttp's memory, or UNKNOWN. */
  #size = 0;
  #sizedTo = UNKNOWN;
  /** Where the last name, value or part of a body ended. */
  #end = 0;
  /** Bytes since the last one that meant something: empty lines, sizes and extensions of chunks. */
  #slack = 0;

  constructor(events: ParserEvents, limits: ParserLimits) {
    this.#events = events;
    this.#limits = limits;
    this.#parser = newParser(this.#llhttp);
  }

  /** Parses bytes. A number: it stopped there, as an event asked it to. */
  execute(bytes: Uint8Array): undefined | number | ConnectionError {
    const { api, window } = this.#llhttp;
    let at = 0;
    // Where what was copied ends.
    let copied = 0;
    while (at < bytes.length) {
      if (this.#gone || this.#refused) return at;
      if (this.#part === 'outside') {
        at = this.#begins(bytes, at);
        if (this.#error) return this.#error;
        if (this.#refused || at === bytes.length) continue;
      }
      let length = copied - at;
      if (length <= 0) {
        length = Math.min(WINDOW, bytes.length - at);
        // A body of known length is counted and told by where it stands; its bytes are not looked at.
        if (this.#plain > 0) length = Math.min(length, this.#plain);
        else {
          memoryOf(this.#llhttp).set(bytes.subarray(at, at + length), window);
          copied = at + length;
        }
        this.#shift = at - window;
      }
      const from = at - this.#shift;
      this.#end = from;
      this.#sizedTo = this.#sized ? from : UNKNOWN;
      const outcome = this.#run(api.llhttp_execute, from, length);
      if (this.#error) return this.#error;
      if (this.#gone || this.#refused) return at;
      at = this.#shift + (outcome === OK ? from + length : api.llhttp_get_error_pos(this.#parser));
      if (outcome === PAUSED_UPGRADE || (outcome === PAUSED && this.#stopped)) return at;
      if (outcome === PAUSED) api.llhttp_resume(this.#parser);
      else if (outcome !== OK) return this.#fault();
      // What has no end is bounded too.
      else if (!this.#measure(from + length) || !this.#framing(from + length)) return this.#error;
    }
    return this.#error;
  }

  /** The peer will send no more. False: in the midst of an answer. */
  finish(): boolean {
    const { api } = this.#llhttp;
    if (this.#gone || this.#part === 'outside') return true;
    const outcome = this.#run(api.llhttp_finish, 0, 0);
    return outcome === OK || outcome === PAUSED;
  }

  /** Its memory goes back; nothing is told any more. */
  free(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (!this.#running) this.#llhttp.api.llhttp_free(this.#parser);
  }

  #run(call: Api['llhttp_execute'], at: number, length: number): number {
    this.#running = true;
    try {
      return withHooks(this, call, this.#parser, at, length);
    } finally {
      this.#running = false;
      if (this.#gone) this.#llhttp.api.llhttp_free(this.#parser);
    }
  }

  // ── from llhttp ───────────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  onBegin(): number {
    if (!this.#events.begin()) return this.#refuse();
    this.#part = 'head';
    this.#slack = 0;
    this.#reason = '';
    this.#sizedTo = UNKNOWN;
    return GO_ON;
  }

  /** @internal */
  onStatus(at: number, length: number): number {
    this.#reason += this.#text(at, length);
    return GO_ON;
  }

  /** @internal */
  onField(at: number, length: number): number {
    const fields = this.#fields;
    if (this.#part === 'body') {
      this.#part = 'trailers';
      this.#size = 0;
      this.#sizedTo = UNKNOWN;
    }
    const text = this.#text(at, length);
    const last = fields.length - 1;
    if (last % 2 === 0) fields[last] += text;
    else if (fields.push(text) > 2 * MOST_FIELDS) {
      return this.#tooBig(`answer has more than ${MOST_FIELDS} header fields`);
    }
    return GO_ON;
  }

  /** @internal */
  onValue(at: number, length: number): number {
    const fields = this.#fields;
    const text = this.#text(at, length);
    const last = fields.length - 1;
    if (last % 2 === 0) fields.push(text);
    else fields[last] += text;
    return GO_ON;
  }

  /** @internal */
  onHead(status: number, keepAlive: boolean): number {
    if (!this.#measure(this.#end)) return STOP;
    const { api } = this.#llhttp;
    const [major, minor] = [api.llhttp_get_http_major(this.#parser), api.llhttp_get_http_minor(this.#parser)];
    if (major !== 1 || (minor !== 0 && minor !== 1))
      return this.#broken(`answer is in HTTP/${major}.${minor}`);
    if (status < 100) return this.#broken(`answer has the status ${status}`);
    const rawHeaders = this.#takeFields();
    const { length, ambiguous } = lengthOf(rawHeaders);
    this.#slack = 0;
    const head = { status, minor, reason: this.#reason, rawHeaders, keepAlive, ambiguous, length } as const;
    this.#status = status;
    this.#part = 'body';
    const after = this.#events.head(head);
    if (after === undefined) return this.#refuse();
    if (after === 'body') {
      this.#plain = length !== undefined && Number.isSafeInteger(length) ? length : 0;
      return GO_ON;
    }
    this.#switched = after === 'switch';
    return this.#switched ? SWITCH : SKIP_BODY;
  }

  /** @internal */
  onBody(at: number, length: number): number {
    if (this.#plain > 0) this.#plain -= length;
    if (!this.#framing(at)) return STOP;
    this.#slack = 0;
    this.#end = at + length;
    const from = at + this.#shift;
    this.#events.body(from, from + length);
    return this.#gone ? STOP : GO_ON;
  }

  /** @internal */
  onComplete(): number {
    let trailers: readonly string[] | undefined;
    if (this.#part === 'trailers') {
      if (!this.#measure(this.#end)) return STOP;
      trailers = this.#takeFields();
    }
    this.#part = 'outside';
    // Interim answers count with the final one.
    if (this.#status >= 200) this.#size = 0;
    this.#stopped = !this.#events.complete(trailers);
    // To know where the next one begins; another protocol is paused for anyway.
    return this.#switched ? GO_ON : PAUSED;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  get #sized(): boolean {
    return this.#part === 'head' || this.#part === 'trailers';
  }

  /** Where the next answer begins, between two. */
  #begins(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && (bytes[at] === CR || bytes[at] === LF)) at++;
    this.#slack += at - from;
    if (this.#slack > MOST_SLACK) this.#tooBig(`answer has more than ${MOST_SLACK} bytes of empty lines`);
    // llhttp would take RTSP and ICE for HTTP.
    else if (at < bytes.length && bytes[at] !== LETTER_H) {
      const beginning = Buffer.from(bytes.subarray(at, at + 20)).toString('latin1');
      if (!this.#events.begin()) this.#refuse();
      else this.#broken(`answer is not HTTP/1: it begins with ${describe(beginning)}`);
    }
    return at;
  }

  /** Counts what frames a body up to `end`; false when that is too much. */
  #framing(end: number): boolean {
    if (this.#part !== 'body') return true;
    this.#slack += end - this.#end;
    this.#end = end;
    if (this.#slack <= MOST_SLACK) return true;
    this.#tooBig(`a chunk of the answer has more than ${MOST_SLACK} bytes beside its data`);
    return false;
  }

  #text(at: number, length: number): string {
    if (this.#sizedTo === UNKNOWN) this.#sizedTo = at;
    this.#end = at + length;
    return length === 0 ? '' : this.#llhttp.memory.toString('latin1', at, at + length);
  }

  /** Counts up to `end`; false when that is too much. */
  #measure(end: number): boolean {
    if (this.#sizedTo === UNKNOWN || !this.#sized) return true;
    this.#size += end - this.#sizedTo;
    this.#sizedTo = end;
    const { maxHeaderSize, maxTrailerSize } = this.#limits;
    const trailers = this.#part === 'trailers';
    if (this.#size <= (trailers ? maxTrailerSize : maxHeaderSize)) return true;
    this.#tooBig(
      trailers
        ? `answer's trailers exceed maxTrailerSize (${maxTrailerSize})`
        : `answer's headers exceed maxHeaderSize (${maxHeaderSize})`,
    );
    return false;
  }

  #takeFields(): string[] {
    const fields = this.#fields;
    this.#fields = [];
    // RFC 9112 §5.1: a value "does not include that leading or trailing whitespace"; llhttp leaves the trailing one.
    for (let i = 1; i < fields.length; i += 2) fields[i] = trimmed(fields[i] ?? '');
    return fields;
  }

  #refuse(): number {
    this.#refused = true;
    return STOP;
  }

  #tooBig(what: string): number {
    this.#error = new ConnectionError('ERR_GUNPORT_TOO_BIG', what, { phase: 'protocol' });
    return STOP;
  }

  #broken(what: string): number {
    this.#error = new ConnectionError('ERR_GUNPORT_PROTOCOL', what, { phase: 'protocol' });
    return STOP;
  }

  #fault(): ConnectionError {
    const { api } = this.#llhttp;
    const memory = memoryOf(this.#llhttp);
    const at = api.llhttp_get_error_reason(this.#parser);
    const reason = at === 0 ? 'unknown' : memory.toString('latin1', at, memory.indexOf(0, at));
    return new ConnectionError('ERR_GUNPORT_PROTOCOL', `answer is not HTTP/1: ${reason}`, {
      phase: 'protocol',
    });
  }
}

function lengthOf(rawHeaders: readonly string[]): Pick<ParsedHead, 'length' | 'ambiguous'> {
  let length: number | undefined;
  let coded = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 14 && name.toLowerCase() === 'content-length') length = Number(rawHeaders[i + 1]);
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') coded = true;
  }
  return { length: coded ? undefined : length, ambiguous: coded && length !== undefined };
}
