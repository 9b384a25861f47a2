// fetch — a request and its answer in the words of WHATWG fetch.
// Called by verbs.ts. Invariant: the body of the Response is pulled: what nobody reads stays at the server, and its
// cancel() cancels the request; what is sent waits until there is room; whatever fails, the request is cancelled and
// the source of its body is told.
// Source: WHATWG Fetch §5 and Streams §4.

import { own, parseUrl } from './checks.ts';
import { describe, type GunportError, OptionError, StreamError, TimeoutError } from './errors.ts';
import { type BodyKind, checkTrailers } from './httpsettings.ts';
import type { BodyPart, HeaderFields, RequestOptions } from './options.ts';
import type { Stream } from './stream.ts';
import type { ResponseNotice } from './types.ts';

/** What `fetch` takes. */
export type FetchInit = Omit<RequestOptions, 'headers' | 'body' | 'signal' | 'replyTo' | 'flow'> & {
  /** Default `'GET'`. DELETE, GET, HEAD, OPTIONS, POST and PUT may be in any case. */
  method?: string | undefined;
  headers?: HeaderFields | Headers | undefined;
  /** A stream, or any other async iterable of parts, is sent as it comes. Default none. */
  body?: FetchBody | null | undefined;
  signal?: AbortSignal | null | undefined;
  /** Redirects are not followed. */
  redirect?: 'manual' | undefined;
  /** As fetch asks for it beside a stream. */
  duplex?: 'half' | undefined;
};

/** What `fetch` takes as a body. */
export type FetchBody = BodyPart | Blob | URLSearchParams | FormData | AsyncIterable<BodyPart>;

/** Checks and sends a request. */
type Ask = (method: string, path: string, options: RequestOptions, kind: BodyKind) => Stream;

const NAMES: ReadonlySet<string> = new Set([
  ...['method', 'headers', 'body', 'trailers', 'signal', 'redirect', 'duplex'],
  ...['requestTimeout', 'headersTimeout', 'idleTimeout', 'continueTimeout'],
]);
/** WHATWG Fetch §2.2.1: "To normalize a method, if it is a byte-case-insensitive match for". PATCH is none of them. */
const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i;
/** WHATWG Fetch §2.2.3: a null body status. */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Sends it; resolves with the head of the answer. `origin`: where the connection goes. @internal */
export async function fetchOver(
  origin: string,
  ask: Ask,
  input: string | URL,
  init: FetchInit,
): Promise<Response> {
  const { path, method, headers, body, trailers, signal, rest } = check(origin, input, init);
  const found = contentOf(method, body);
  // Sent at once where it can be, as every other request.
  const { content, type } = found instanceof Promise ? await found : found;
  const pairs = withType(headers, type);
  if (signal?.aborted) {
    const text = `the request ${method} ${path} was aborted`;
    throw new TimeoutError('ERR_GUNPORT_ABORTED', text, { cause: signal.reason });
  }
  const options = { ...rest, headers: pairs, ...(signal && { signal }) } as RequestOptions;
  if (!isIterable(content)) {
    return answer(ask(method, path, { ...options, body: content, trailers }, 'whole'), undefined);
  }
  if (trailers !== undefined) checkTrailers(trailers);
  if (content instanceof ReadableStream && content.locked) {
    throw new OptionError('body must be a stream that nobody reads, got one that is locked');
  }
  const stream = ask(method, path, options, 'follows');
  return answer(stream, new Sending(stream, content, trailers));
}

// ── what was given ──────────────────────────────────────────────────────────────────────────────────────────

interface Checked {
  readonly path: string;
  readonly method: string;
  readonly headers: FetchInit['headers'];
  readonly body: FetchBody | undefined;
  readonly trailers: HeaderFields | undefined;
  readonly signal: AbortSignal | undefined;
  /** Timeouts. */
  readonly rest: object;
}

function check(origin: string, input: string | URL, init: FetchInit): Checked {
  const given = own(init, NAMES, '') as FetchInit; // Of unknown values: each is checked here or by what takes it.
  const { method = 'GET', headers, body, trailers, signal, redirect, duplex, ...rest } = given;
  if (redirect !== undefined && redirect !== 'manual') {
    throw new OptionError(`redirect must be "manual", got ${describe(redirect)}`);
  }
  if (duplex !== undefined && duplex !== 'half') {
    throw new OptionError(`duplex must be "half", got ${describe(duplex)}`);
  }
  const verb = typeof method === 'string' && NORMALIZED.test(method) ? method.toUpperCase() : method;
  if ((verb === 'GET' || verb === 'HEAD') && body !== undefined && body !== null) {
    throw new OptionError(`${verb} takes no body, got ${describe(body)}`);
  }
  const path = pathOf(origin, input);
  return {
    ...{ path, method: verb, headers, trailers, rest },
    ...{ body: body ?? undefined, signal: signal ?? undefined },
  };
}

/** A path, or a URL of the connection's own origin. */
function pathOf(origin: string, input: string | URL): string {
  const url = typeof input === 'string' ? parseUrl(input) : input;
  // What is neither is for who checks paths to say.
  if (!(url instanceof URL)) return input as string;
  const home = new URL(origin.replace(/^ws/, 'http'));
  if (url.protocol.replace(/^ws/, 'http') === home.protocol && url.host === home.host) {
    return url.pathname + url.search;
  }
  throw new OptionError(`path must be one of ${origin}, got a URL of ${describe(url.origin)}`);
}

/** What a body comes down to: its bytes, or the parts it comes in; and the type that it says of itself. */
interface Content {
  readonly content?: BodyPart | AsyncIterable<BodyPart> | undefined;
  readonly type?: string | undefined;
}

/** Source: Fetch §5.2. */
function contentOf(method: string, body: FetchBody | undefined): Content | Promise<Content> {
  // Fetch §4.6: without a body, "if httpRequest's method is `POST` or `PUT`, then set contentLength to 0".
  if (body === undefined) return method === 'POST' || method === 'PUT' ? { content: '' } : {};
  if (typeof body === 'string') return { content: body, type: 'text/plain;charset=UTF-8' };
  if (body instanceof URLSearchParams) {
    return { content: body.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  }
  if (body instanceof Blob || body instanceof FormData) return wholeOf(body);
  if (isIterable(body) || ArrayBuffer.isView(body)) return { content: body };
  if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer) return { content: body };
  throw new OptionError(`body must be text, bytes, a Blob, a form or a stream, got ${describe(body)}`);
}

async function wholeOf(body: Blob | FormData): Promise<Content> {
  const whole = new Response(body);
  return { content: await whole.arrayBuffer(), type: whole.headers.get('content-type') ?? undefined };
}

function isIterable(body: object | string | undefined): body is AsyncIterable<BodyPart> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

/** The headers, with a content-type if they name none. */
function withType(headers: FetchInit['headers'], type: string | undefined): FetchInit['headers'] {
  // What is no headers at all is for who checks them to say.
  if (type === undefined || (headers !== undefined && (typeof headers !== 'object' || headers === null))) {
    return headers;
  }
  const pairs: (readonly [string, unknown])[] =
    headers && Symbol.iterator in headers ? [...headers] : Object.entries(headers ?? {});
  const named = pairs.some((pair) => String(pair?.[0]).toLowerCase() === 'content-type');
  return (named ? pairs : [...pairs, ['content-type', type]]) as [string, string][]; // Checked when it is asked for.
}

// ── the request ─────────────────────────────────────────────────────────────────────────────────────────────

/** A body that comes in parts, on its way. Its source is left as soon as the stream has ended, however that was. */
class Sending {
  readonly #stream: Stream;
  readonly #trailers: HeaderFields | undefined;
  #source: Source | undefined;
  #over = false;
  /** What its source threw. */
  error: unknown;

  constructor(stream: Stream, parts: AsyncIterable<BodyPart>, trailers: HeaderFields | undefined) {
    this.#stream = stream;
    this.#trailers = trailers;
    stream.onEnd((error) => this.#leave(error));
    this.#run(parts).catch((error: unknown) => this.#failed(error));
  }

  async #run(parts: AsyncIterable<BodyPart>): Promise<void> {
    const stream = this.#stream;
    this.#source = sourceOf(parts);
    for (;;) {
      const { done, value } = await this.#source.next();
      await stream.settled();
      // Answered already, cancelled, or failed: who reads the answer hears of it.
      if (this.#over) return;
      if (done) {
        stream.data(true, undefined, { trailers: this.#trailers });
        this.#over = true;
        return;
      }
      if (!stream.data(false, value)) await stream.drained();
    }
  }

  /** What an end of the stream makes of it is no error of the source. */
  async #failed(error: unknown): Promise<void> {
    if (this.#over) return;
    this.error = error;
    this.#leave(error);
    await cancel(this.#stream);
  }

  #leave(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    // What it fails with now is nobody's business: the request is over.
    void (async () => this.#source?.leave(reason))().catch(() => {});
  }
}

interface Source {
  next(): Promise<IteratorResult<BodyPart>>;
  leave(reason: unknown): unknown;
}

function sourceOf(parts: AsyncIterable<BodyPart>): Source {
  if (parts instanceof ReadableStream) {
    // Its reader can be left while a read is pending; its iterator cannot.
    const reader: ReadableStreamDefaultReader<BodyPart> = parts.getReader();
    return {
      next: () => reader.read() as Promise<IteratorResult<BodyPart>>, // They differ in the type of the end.
      leave: (reason) => reader.cancel(reason),
    };
  }
  const iterator = parts[Symbol.asyncIterator]();
  return { next: () => iterator.next(), leave: () => iterator.return?.() };
}

async function cancel(stream: Stream): Promise<void> {
  await stream.settled();
  if (stream.state === 'ended') return;
  try {
    stream.cancel();
  } catch {
    // It is another's now, or its process is dead: there is nothing to cancel here.
  }
}

// ── the answer ──────────────────────────────────────────────────────────────────────────────────────────────

async function answer(stream: Stream, sending: Sending | undefined): Promise<Response> {
  try {
    const head = await stream.response({ timeout: Number.POSITIVE_INFINITY });
    await stream.settled();
    return await responseOf(head, stream, sending);
  } catch (error) {
    await cancel(stream);
    throw sending?.error ?? error;
  }
}

async function responseOf(
  head: ResponseNotice,
  stream: Stream,
  sending: Sending | undefined,
): Promise<Response> {
  // RFC 9110 §15: for a status outside of 100 to 599, "a client SHOULD process the response as if it had a 5xx".
  const status = head.status > 599 ? 500 : head.status;
  const headers = headersOf(head);
  if (NULL_BODY.has(status) || stream.method === 'HEAD') {
    const response = new Response(null, { status, headers });
    await cancel(stream);
    return response;
  }
  return new Response(bodyOf(stream, sending), { status, headers });
}

function headersOf({ rawHeaders }: ResponseNotice): Headers {
  const headers = new Headers();
  try {
    for (let i = 0; i < rawHeaders.length; i += 2)
      headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  } catch (error) {
    throw new StreamError('ERR_GUNPORT_PROTOCOL', 'the answer has a header that is none', { cause: error });
  }
  return headers;
}

/** Its parts share memory, so that it is no stream of type `bytes`: that would take it from its neighbours. */
function bodyOf(stream: Stream, sending: Sending | undefined): ReadableStream<Uint8Array> {
  const parts = stream[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          throw sending?.error ?? (error as GunportError); // parts throws nothing else.
        }
      },
      async cancel() {
        await cancel(stream);
        await parts.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
