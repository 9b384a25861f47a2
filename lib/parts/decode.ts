// decode — parts that make values of messages: JSON, JSON by the line, MessagePack.
// Put first in a pipe.
// Invariant: a message that is none of the kind costs itself, no other; it is counted as `bad`, and dropped.
// What is decoded holds no view of the message's memory, which is used again.
// Source: RFC 8259; NDJSON; the MessagePack specification.

import { createRequire } from 'node:module';
import { StringDecoder } from 'node:string_decoder';
import type * as MessagePack from '@msgpack/msgpack';
import { flag, integer, oneOf } from '../checks.ts';
import type { Message } from '../types.ts';
import {
  type Counting,
  keep,
  optionalFunction,
  optionsOf,
  type Part,
  type PartContext,
  part,
} from './part.ts';

/** What becomes of a message that cannot be decoded, beside that it is counted and dropped: `fault` it is reported,
 *  `drop` it is not. At most one a second is reported. Default `fault`. */
export type OnBad = 'fault' | 'drop';

/** Options of `json()`. */
export interface JsonOptions {
  /** As JSON.parse's. */
  reviver?: ((this: unknown, key: string, value: unknown) => unknown) | undefined;
  bad?: OnBad | undefined;
}

/** Options of `jsonLines()`. */
export interface JsonLinesOptions extends JsonOptions {
  /** A line may be cut by the end of a message, and goes on in the next. Default false: the end of a message is the end
   *  of its line. */
  continued?: boolean | undefined;
  /** The longest line that is waited for, in characters; a longer one is bad. Default 1 048 576. */
  maxLine?: number | undefined;
}

/** Options of `msgpack()`. */
export interface MsgpackOptions {
  /** 64-bit integers as bigints. Default false: as numbers, which above 2 ** 53 are not exact. */
  useBigInt64?: boolean | undefined;
  /** For extension types: an ExtensionCodec of @msgpack/msgpack. */
  extensionCodec?: MessagePack.ExtensionCodecType<undefined> | undefined;
  bad?: OnBad | undefined;
}

type Parse = (text: string) => unknown;

const BAD = ['fault', 'drop'] as const;
const JSON_NAMES = ['reviver', 'bad'];
const LONGEST_LINE = 1_048_576;

/** Values out of messages that are one JSON text each, in text or UTF-8 bytes. @throws {OptionError} */
export function json<T = unknown>(options?: JsonOptions | undefined): Part<Message, T> {
  const { parse, bad } = jsonOptions(options, JSON_NAMES, 'json');
  return part('json', { bad: 0 }, (context, next, counting) => {
    const refuse = refusing(context, counting, bad, 'json');
    return {
      take: (data) => {
        let value: unknown;
        try {
          value = parse(textOf(data));
        } catch (error) {
          refuse(error);
          return;
        }
        next(value as T); // What it is, the caller says.
      },
    };
  });
}

/** Values out of messages that hold JSON texts by the line; lines of nothing but blanks are passed over.
 *  @throws {OptionError} */
export function jsonLines<T = unknown>(options?: JsonLinesOptions | undefined): Part<Message, T> {
  const names = [...JSON_NAMES, 'continued', 'maxLine'];
  const { parse, bad, given } = jsonOptions(options, names, 'jsonLines');
  const continued = flag(given, 'jsonLines.continued', false);
  const maxLine = integer(given, 'jsonLines.maxLine', LONGEST_LINE, [1, 2 ** 29]);
  return part('jsonLines', { bad: 0 }, (context, next, counting) => {
    const refuse = refusing(context, counting, bad, 'jsonLines');
    const lines = new Lines(maxLine, refuse);
    const line = (text: string): void => {
      if (text.trim() === '') return;
      let value: unknown;
      try {
        value = parse(text);
      } catch (error) {
        refuse(error);
        return;
      }
      next(value as T); // As above.
    };
    return {
      take: (data) => {
        lines.add(data, line);
        if (!continued) lines.end(line);
      },
      // Of what was cut off by the loss of a socket, nothing more comes.
      down: () => lines.clear(),
      close: () => lines.end(line),
    };
  });
}

/** Values out of binary messages in MessagePack. Texts are bad. @throws {OptionError} */
export function msgpack<T = unknown>(options?: MsgpackOptions | undefined): Part<Message, T> {
  const given = optionsOf(options, ['useBigInt64', 'extensionCodec', 'bad'], 'msgpack');
  const bad = oneOf<OnBad>(given, 'msgpack.bad', BAD);
  const useBigInt64 = flag(given, 'msgpack.useBigInt64', false);
  const decoder = new (library().Decoder)({
    useBigInt64,
    // Only where given: exact optional types.
    ...(options?.extensionCodec && { extensionCodec: options.extensionCodec }),
  });
  return part('msgpack', { bad: 0 }, (context, next, counting) => {
    const refuse = refusing(context, counting, bad, 'msgpack');
    return {
      take: (data) => {
        let value: unknown;
        try {
          if (typeof data === 'string') throw new TypeError('a text is no MessagePack');
          // It leaves binary fields as views of what it is given.
          value = decoder.decode(keep(data));
        } catch (error) {
          refuse(error);
          return;
        }
        next(value as T); // What it is, the caller says.
      },
    };
  });
}

/** Loaded when it is first asked for: 11 ms, which those who speak JSON need not pay. */
function library(): typeof MessagePack {
  return createRequire(import.meta.url)('@msgpack/msgpack');
}

function jsonOptions(options: JsonOptions | undefined, names: readonly string[], prefix: string) {
  const given = optionsOf(options, names, prefix);
  const reviver = optionalFunction(options?.reviver, `${prefix}.reviver`);
  const parse: Parse = reviver ? (text) => JSON.parse(text, reviver) : (text) => JSON.parse(text);
  return { given, parse, bad: oneOf<OnBad>(given, `${prefix}.bad`, BAD) };
}

const FAULT_INTERVAL = 1_000;

function refusing(context: PartContext, counting: Counting, bad: OnBad, name: string) {
  let last = Number.NEGATIVE_INFINITY;
  return (error: unknown): void => {
    counting['bad'] = (counting['bad'] ?? 0) + 1;
    counting.dropped++;
    if (bad === 'drop') return;
    const now = context.now();
    if (now - last < FAULT_INTERVAL) return;
    last = now;
    context.fault(error, name);
  };
}

function textOf(data: Message): string {
  return typeof data === 'string'
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
}

/** What came of a line so far. */
class Lines {
  readonly #most: number;
  readonly #tooLong: (error: Error) => void;
  /** A character may be cut, too, where lines come as bytes. */
  #decoder = new StringDecoder('utf8');
  #rest = '';
  /** The rest of a line that was too long is passed over. */
  #skipping = false;

  constructor(most: number, tooLong: (error: Error) => void) {
    this.#most = most;
    this.#tooLong = tooLong;
  }

  add(data: Message, line: (text: string) => void): void {
    const text =
      typeof data === 'string'
        ? data
        : this.#decoder.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#piece(text.slice(start, end));
      start = end + 1;
      this.#whole(line);
    }
    this.#piece(text.slice(start));
  }

  /** What has come is a line. */
  end(line: (text: string) => void): void {
    this.#piece(this.#decoder.end());
    this.#whole(line);
  }

  clear(): void {
    this.#decoder = new StringDecoder('utf8');
    this.#rest = '';
    this.#skipping = false;
  }

  #piece(text: string): void {
    if (this.#skipping || text === '') return;
    if (this.#rest.length + text.length <= this.#most) {
      this.#rest += text;
      return;
    }
    this.#skipping = true;
    this.#rest = '';
    this.#tooLong(new RangeError(`a line has more than ${this.#most} characters`));
  }

  #whole(line: (text: string) => void): void {
    const text = this.#rest;
    const skipped = this.#skipping;
    this.#rest = '';
    this.#skipping = false;
    if (!skipped) line(text);
  }
}
