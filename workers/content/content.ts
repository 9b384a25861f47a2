// content — what is made of the body of one answer beside the socket: its content handlers, in their order.
// Held by requests.ts, which loads the modules of a connection and of its requests; run by exchange.ts.
// Invariant: a user's code is called from here only, and what it throws or returns amiss is one typed error of its one
// request; each handler is told of the end once; what leaves is memory of its own.
// Source: gun_content_handler; promises M1 and S2.

import { asError, describe, type GunportError, StreamError } from '../../lib/errors.ts';
import type { ContentSettings, HandlerSettings } from '../../lib/httpwire.ts';
import { load, type UserFunction } from '../../lib/modules.ts';
import { countOfEvents, type SentEvents } from '../../lib/sentevents.ts';
import type { ContentAnswer } from '../../lib/types.ts';
import { SseDecoder } from './sse.ts';

/** What came of a part. */
export type Made =
  | { readonly type: 'data'; readonly fin: boolean; readonly data: Uint8Array }
  | { readonly type: 'sse'; readonly fin: boolean; readonly events: SentEvents };

type Stage = (fin: boolean, data: Uint8Array) => readonly Uint8Array[];

const NOTHING: readonly Uint8Array[] = [];
/** Of a type, whatever its parameters. */
const EVENT_STREAM = /^\s*text\/event-stream\s*(?:;|$)/i;

/** The handlers of one answer. */
export class Content {
  readonly #stages: readonly Stage[];
  readonly #decoder: SseDecoder | undefined;

  constructor(stages: readonly Stage[], decoder: SseDecoder | undefined) {
    this.#stages = stages;
    this.#decoder = decoder;
  }

  /** A part of the body; `fin` once, with the last. `ends`: and it is the end of the answer.
   *  @throws {StreamError} ERR_GUNPORT_HANDLER, ERR_GUNPORT_TOO_BIG. */
  notices(data: Uint8Array, fin: boolean, ends: boolean): readonly Made[] {
    let parts: readonly Uint8Array[] = [data];
    for (const stage of this.#stages) {
      // Each is told of the end, though nothing may have come of the one before.
      if (fin && parts.length === 0) parts = [new Uint8Array(0)];
      const last = parts.length - 1;
      parts = parts.flatMap((part, i) => stage(fin && i === last, part)).filter(isFull);
    }
    if (this.#decoder) {
      for (const part of parts) this.#decoder.add(part);
      const events = this.#decoder.take();
      return countOfEvents(events) > 0 || ends ? [{ type: 'sse', fin: ends, events }] : [];
    }
    // The end is a part, if an empty one.
    if (ends && parts.length === 0) parts = [new Uint8Array(0)];
    return parts.map((part, i) => ({ type: 'data', fin: ends && i === parts.length - 1, data: part }));
  }
}

/** The modules of one connection and its requests. */
export class ContentModules {
  readonly #loaded = new Map<string, UserFunction>();

  /** Undefined: all of them are here. @throws {OptionError} rejects: one cannot be loaded. */
  load(settings: ContentSettings | undefined): Promise<void> | undefined {
    if (!settings) return undefined;
    const missing = settings.handlers.filter((one) => one !== 'sse' && !this.#loaded.has(keyOf(one)));
    return missing.length === 0 ? undefined : this.#load(missing);
  }

  async #load(missing: readonly HandlerSettings[]): Promise<void> {
    for (const one of missing) if (one !== 'sse') this.#loaded.set(keyOf(one), await load(one.reference));
  }

  /** The handlers of an answer with a body; undefined: none is for it. `lastEventId`: what its request began with.
   *  @throws {StreamError} ERR_GUNPORT_HANDLER. */
  begin(settings: ContentSettings, answer: ContentAnswer, lastEventId: string): Content | undefined {
    const stages: Stage[] = [];
    for (const one of settings.handlers) {
      if (one === 'sse') {
        const { 'content-type': type } = answer.headers;
        if (typeof type !== 'string' || !EVENT_STREAM.test(type)) continue;
        return new Content(stages, new SseDecoder(settings.maxEventSize, lastEventId));
      }
      const made = this.#loaded.get(keyOf(one));
      const stage = made && stageOf(made, one.options, answer);
      if (stage) stages.push(stage);
    }
    return stages.length > 0 ? new Content(stages, undefined) : undefined;
  }
}

function isFull({ byteLength }: Uint8Array): boolean {
  return byteLength > 0;
}

function keyOf(one: HandlerSettings): string {
  return one === 'sse' ? one : JSON.stringify([String(one.reference.module), one.reference.export]);
}

function stageOf(made: UserFunction, options: unknown, answer: ContentAnswer): Stage | undefined {
  const handler = guarded('a content handler', () => made(answer, structuredClone(options)));
  if (handler === undefined) return undefined;
  const { handle } = (typeof handler === 'object' && handler !== null ? handler : {}) as { handle?: unknown };
  if (typeof handle !== 'function') {
    throw failed(`a content handler must be an object with handle(), or undefined, got ${shown(handler)}`);
  }
  return (fin, data) => {
    // The memory of a part is moved, or shared with others that are: his own is his to keep.
    const result = guarded('handle()', () => handle.call(handler, fin, data.slice()) as unknown);
    if (result === undefined) return NOTHING;
    const parts: readonly unknown[] = Array.isArray(result) ? result : [result];
    const bytes = parts.filter((part) => part instanceof Uint8Array);
    if (bytes.length === parts.length) return bytes.map((part) => new Uint8Array(part));
    throw failed(`handle() must return a Uint8Array, an array of them or undefined, got ${shown(result)}`);
  };
}

function guarded(what: string, run: () => unknown): unknown {
  try {
    return run();
  } catch (cause) {
    throw failed(`${what} threw: ${asError(cause).message}`, cause);
  }
}

/** A value that is not taken; a promise is that too, and what it rejects with has been told so. */
function shown(value: unknown): string {
  if (!(value instanceof Promise)) return describe(value);
  value.catch(() => {}); // The request has failed already.
  return 'a promise: it must not be async';
}

function failed(text: string, cause?: unknown): GunportError {
  return new StreamError('ERR_GUNPORT_HANDLER', text, { cause });
}
