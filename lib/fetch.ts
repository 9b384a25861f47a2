// fetch — a request and its answer in the words of WHATWG fetch.
// Called by verbs.ts and authorities.ts. Invariant: the body of the Response is pulled: what nobody reads stays at the server, and its
// cancel() cancels the request; what is sent waits until there is room; whatever fails, the request is cancelled and
// the source of its body is told.
// Source: WHATWG Fetch §5 and Streams §4.

import { cancelQuietly, checkUnread, isParts, Sending } from './bodysending.ts';
import { type Given, own, parseUrl } from './checks.ts';
import { describe, type GunportError, OptionError, StreamError, TimeoutError } from './errors.ts';
import { type BodyKind, checkTrailers } from './httpsettings.ts';
import type { BodyPart, HeaderFields, RequestOptions } from './options.ts';
import type { Stream } from './stream.ts';
import type { ResponseNotice } from './types.ts';

/** What `fetch` takes. */
export type FetchInit = Omit<
  RequestOptions,
  'headers' | 'body' | 'signal' | 'replyTo' | 'flow' | 'contentHandlers' | 'maxEventSize'
> & {
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
  ...['method', 'headers', 'body', 'trailers', 'signal', 'redirect', 'duplex', 'tunnel'],
  ...['requestTimeout', 'headersTimeout', 'idleTimeout', 'continueTimeout'],
]);
/** WHATWG Fetch §2.2.1: "To normalize a method, if it is a byte-case-insensitive match for". PATCH is none of them. */
const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i;
/** WHATWG Fetch §2.2.3: a null body status. */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Sends it; resolves with the head of the answer. `origin`: where the connection goes, or the tunnel. @internal */
export async function fetchOver(
  origin: string,
  ask: Ask,
  input: string | URL,
  init: FetchInit,
): Promise<Response> {
  const request = check(own(init, NAMES, ''));
  const path = pathOf(origin, input);
  return fetchWith(request, path, (options, parts) => {
    if (!parts) return answerOf(ask(request.method, path, options, 'whole'), undefined);
    const { trailers, ...rest } = options;
    if (trailers !== undefined) checkTrailers(trailers);
    const stream = ask(request.method, path, rest, 'follows');
    const sending = new Sending(stream, trailers);
    stream.onEnd((error) => sending.ended(error));
    sending.begin(parts);
    return answerOf(stream, sending);
  });
}

/** The same through whatever sends it. `url`: for messages; `extra`: names of options that are none of ours, and are passed on. @internal */
export async function fetchBy(
  send: (
    method: string,
    options: RequestOptions,
    parts: AsyncIterable<BodyPart> | undefined,
  ) => Promise<Fetched>,
  url: string,
  init: FetchInit,
  extra: readonly string[],
): Promise<Response> {
  const request = check(own(init, new Set([...NAMES, ...extra]), ''));
  return fetchWith(request, url, (options, parts) => send(request.method, options, parts));
}

async function fetchWith(
  { method, headers, body, trailers, signal, rest }: Checked,
  path: string,
  send: (options: RequestOptions, parts: AsyncIterable<BodyPart> | undefined) => Promise<Fetched>,
): Promise<Response> {
  const found = contentOf(method, body);
  // Sent at once where it can be, as every other request.
  const { content, type } = found instanceof Promise ? await found : found;
  const pairs = withType(headers, type);
  if (signal?.aborted) {
    const text = `the request ${method} ${path} was aborted`;
    throw new TimeoutError('ERR_GUNPORT_ABORTED', text, { cause: signal.reason });
  }
  // A Response has the body as it came, whatever the connection has for other requests.
  const raw = { contentHandlers: [] };
  const given = { ...rest, ...raw, headers: pairs, trailers };
  const options = { ...given, ...(signal && { signal }) } as RequestOptions;
  if (!isParts(content)) return responseOf(await send({ ...options, body: content }, undefined));
  checkUnread(content);
  return responseOf(await send(options, content));
}

// ── what was given ──────────────────────────────────────────────────────────────────────────────────────────

interface Checked {
  readonly method: string;
  readonly headers: FetchInit['headers'];
  readonly body: FetchBody | undefined;
  readonly trailers: HeaderFields | undefined;
  readonly signal: AbortSignal | undefined;
  /** Timeouts, tunnel. */
  readonly rest: object;
}

function check(init: Given): Checked {
  // Of unknown values: each is checked here or by what takes it.
  const { method = 'GET', headers, body, trailers, signal, redirect, duplex, ...rest } = init as FetchInit;
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
  const given = { body: body ?? undefined, signal: signal ?? undefined };
  return { method: verb, headers, trailers, rest, ...given };
}

/** A path, or a URL of the origin that it goes to. */
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
  if (isParts(body) || ArrayBuffer.isView(body)) return { content: body };
  if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer) return { content: body };
  throw new OptionError(`body must be text, bytes, a Blob, a form or a stream, got ${describe(body)}`);
}

async function wholeOf(body: Blob | FormData): Promise<Content> {
  const whole = new Response(body);
  return { content: await whole.arrayBuffer(), type: whole.headers.get('content-type') ?? undefined };
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

// ── the answer ──────────────────────────────────────────────────────────────────────────────────────────────

/** A request whose answer has begun. @internal */
export interface Fetched {
  readonly stream: Stream;
  readonly head: ResponseNotice;
  /** What the source of its body threw. */
  failure(): unknown;
}

async function answerOf(stream: Stream, sending: Sending | undefined): Promise<Fetched> {
  try {
    const head = await stream.response({ timeout: Number.POSITIVE_INFINITY });
    await stream.settled();
    return { stream, head, failure: () => sending?.error };
  } catch (error) {
    await cancelQuietly(stream);
    throw sending?.error ?? error;
  }
}

async function responseOf(fetched: Fetched): Promise<Response> {
  const { head, stream } = fetched;
  try {
    if (head.status === 101) {
      const text = 'the answer switches protocols: fetch has no words for that';
      throw new StreamError('ERR_GUNPORT_UNSUPPORTED', text, { status: 101 });
    }
    // RFC 9110 §15: for a status outside of 100 to 599, "a client SHOULD process the response as if it had a 5xx".
    const status = head.status > 599 ? 500 : head.status;
    const headers = headersOf(head);
    if (!NULL_BODY.has(status) && stream.method !== 'HEAD') {
      return new Response(bodyOf(fetched), { status, headers });
    }
    const response = new Response(null, { status, headers });
    await cancelQuietly(stream);
    return response;
  } catch (error) {
    await cancelQuietly(stream);
    throw fetched.failure() ?? error;
  }
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
function bodyOf({ stream, failure }: Fetched): ReadableStream<Uint8Array> {
  const parts = stream[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          throw failure() ?? (error as GunportError); // parts throws nothing else.
        }
      },
      async cancel() {
        await cancelQuietly(stream);
        await parts.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
