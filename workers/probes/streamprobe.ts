// streamprobe — the events of one request, or of one upgrade to a WebSocket: what was asked, and what came back.
// Held by exchange.ts, and by each upgrade on its way; told by drivers of what an exchange does not see.
// Invariant: each start has one end, whatever becomes of the stream: what is open when it ends, or is asked for anew, is
// ended with the reason. The state is kept whether somebody listens or not, so one may begin at any time.
// Source: gun_event(3): request_*, response_*, push_promise_*, ws_upgrade, cancel.

import type { OutgoingHttpHeaders } from 'node:http2';
import { type GunportError, StreamError } from '../../lib/errors.ts';
import type { AskedBy } from '../../lib/events/eventtypes.ts';
import { BIT } from '../../lib/events/eventwire.ts';
import type { WsSettings } from '../../lib/wire.ts';
import type { Probe } from './probe.ts';
import { errorRecord, redacted } from './redact.ts';

/** A stream, for this file. */
export interface Traced {
  readonly stream: number;
  /** Its answer goes to a port of its own. */
  readonly replied?: boolean;
  readonly lane?: { readonly tunnel: number | undefined } | undefined;
}

/** The head of a request as it goes out: the text of HTTP/1, or the fields that node:http2 is given. */
export type AskedHead = string | Uint8Array | OutgoingHttpHeaders;

/** What is shown for a path that may hold a secret. */
const HIDDEN_PATH = '/…';

const ASKING = BIT['gunport:request:start'] | BIT['gunport:request:headers'];
const REQUEST_END = BIT['gunport:request:end'];
const UPGRADE = BIT['gunport:ws:upgrade'];
const PROMISE = BIT['gunport:push-promise:start'] | BIT['gunport:push-promise:end'];
const START = BIT['gunport:response:start'];
const INFORM = BIT['gunport:response:inform'];
const HEADERS = BIT['gunport:response:headers'];
const TRAILERS = BIT['gunport:response:trailers'];
const RESPONSE_END = BIT['gunport:response:end'];
const CANCEL = BIT['gunport:cancel'];

interface Origin {
  readonly stream: number;
  readonly tunnel?: number;
  readonly replyTo: boolean;
}

/** What every event of a stream has. */
export function originOf({ stream, replied = false, lane }: Traced): Origin {
  const tunnel = lane?.tunnel;
  return { stream, ...(tunnel !== undefined && { tunnel }), replyTo: replied };
}

export class StreamProbe {
  readonly #probe: Probe;
  readonly #one: Traced;
  #request: 'none' | 'open' | 'ended' = 'none';
  #response: 'none' | 'open' | 'ended' = 'none';

  constructor(probe: Probe, one: Traced) {
    this.#probe = probe;
    this.#one = one;
  }

  // ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────

  /** A WebSocket is asked for: all of that request has gone out. */
  upgradeAsked(
    { path: asked, secretPath, subprotocols, compress, headers }: WsSettings,
    head: AskedHead,
  ): void {
    const path = secretPath ? HIDDEN_PATH : asked;
    if (this.#probe.wants(UPGRADE)) {
      const more = { path, subprotocols, compress: compress !== undefined, rawHeaders: redacted(headers) };
      this.#probe.tell('gunport:ws:upgrade', { ...originOf(this.#one), ...more });
    }
    this.asked('wsUpgrade', head, path);
    this.sent();
  }

  /** The head of a request goes out. It may have been asked for before, on a connection that was lost. */
  asked(by: AskedBy, head: AskedHead, path?: string | undefined): void {
    this.over(undefined);
    this.#request = 'open';
    this.#response = 'none';
    if (!this.#probe.wants(ASKING)) return;
    const fields = {
      ...originOf(this.#one),
      function: by,
      ...requestOf(head),
      ...(path !== undefined && { path }),
    };
    this.#probe.tell('gunport:request:start', fields);
    this.#probe.tell('gunport:request:headers', fields);
  }

  /** All of it has. */
  sent(): void {
    if (this.#request !== 'open') return;
    this.#request = 'ended';
    if (this.#probe.wants(REQUEST_END)) this.#probe.tell('gunport:request:end', originOf(this.#one));
  }

  // ── what comes back ───────────────────────────────────────────────────────────────────────────────────────

  #begun(): void {
    if (this.#response !== 'none') return;
    this.#response = 'open';
    if (this.#probe.wants(START)) this.#probe.tell('gunport:response:start', originOf(this.#one));
  }

  /** An interim answer. */
  informed(status: number, headers: readonly string[]): void {
    this.#begun();
    if (!this.#probe.wants(INFORM)) return;
    const rawHeaders = redacted(headers);
    this.#probe.tell('gunport:response:inform', { ...originOf(this.#one), status, rawHeaders });
  }

  /** The head of its answer; `fin`: that is all of it. */
  answered(status: number, headers: readonly string[], fin: boolean): void {
    this.#begun();
    if (this.#probe.wants(HEADERS)) {
      const rawHeaders = redacted(headers);
      this.#probe.tell('gunport:response:headers', { ...originOf(this.#one), status, rawHeaders });
    }
    if (fin) this.heard();
  }

  /** The last answer of HTTP: what follows is something else. */
  switched(status: number, headers: readonly string[]): void {
    this.informed(status, headers);
    this.heard();
  }

  trailed(headers: readonly string[]): void {
    if (this.#probe.wants(TRAILERS)) {
      const rawHeaders = redacted(headers);
      this.#probe.tell('gunport:response:trailers', { ...originOf(this.#one), rawHeaders });
    }
    this.heard();
  }

  /** All of the answer has come. */
  heard(): void {
    if (this.#response !== 'open') return;
    this.#response = 'ended';
    if (this.#probe.wants(RESPONSE_END)) this.#probe.tell('gunport:response:end', originOf(this.#one));
  }

  /** The answer to a request that nobody made will come: node:http2 tells of it once its head is all here. */
  promised(promised: number, method: string, uri: string, headers: readonly string[]): void {
    if (!this.#probe.wants(PROMISE)) return;
    this.#probe.tell('gunport:push-promise:start', originOf(this.#one));
    const promise = { promised, method, uri, rawHeaders: redacted(headers) };
    this.#probe.tell('gunport:push-promise:end', { ...originOf(this.#one), ...promise });
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Its owner gives it up, or a deadline of ours does. */
  cancelled(reason: string): void {
    this.#cancelled('local', reason);
  }

  #cancelled(endpoint: 'local' | 'remote', reason: string): void {
    if (!this.#probe.wants(CANCEL)) return;
    this.#probe.tell('gunport:cancel', { ...originOf(this.#one), endpoint, reason });
  }

  /** It ends badly; by a reset the peer gives it up. */
  failed(error: GunportError): void {
    if (error.code === 'ERR_GUNPORT_RESET') this.#cancelled('remote', String(error.reason));
    this.over(error);
  }

  /** It has ended: so has what is open of it, for `error` or because nobody wants the rest. */
  over(error: GunportError | undefined): void {
    const sending = this.#request === 'open';
    const hearing = this.#response === 'open';
    if (sending) this.#request = 'ended';
    if (hearing) this.#response = 'ended';
    const bits = (sending ? REQUEST_END : 0) | (hearing ? RESPONSE_END : 0);
    if (bits === 0 || !this.#probe.wants(bits)) return;
    const why = new StreamError('ERR_GUNPORT_CANCELLED', 'the rest of it was not wanted');
    const ended = { ...originOf(this.#one), error: errorRecord(error ?? why) };
    if (sending) this.#probe.tell('gunport:request:end', ended);
    if (hearing) this.#probe.tell('gunport:response:end', ended);
  }
}

/** Which verb asked for it. */
export function askedBy({
  tunnel,
  request,
}: {
  readonly tunnel: object | undefined;
  readonly request: { readonly streamed?: boolean | undefined };
}): AskedBy {
  return tunnel ? 'connect' : request.streamed ? 'headers' : 'request';
}

// ── heads ───────────────────────────────────────────────────────────────────────────────────────────────────

interface AskedRequest {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly rawHeaders: readonly string[];
}

function requestOf(head: AskedHead): AskedRequest {
  if (typeof head === 'string') return requestOfText(head);
  if (head instanceof Uint8Array) return requestOfText(Buffer.from(head).toString('latin1'));
  const authority = String(head[':authority'] ?? '');
  const [method, path] = [String(head[':method'] ?? 'GET'), String(head[':path'] ?? authority)];
  const plain = Object.entries(head).filter(([name]) => !name.startsWith(':'));
  const rawHeaders = plain.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((each) => [name, String(each)]),
  );
  return { method, path, authority, rawHeaders: redacted(rawHeaders) };
}

function requestOfText(text: string): AskedRequest {
  const [line = '', ...fields] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const rawHeaders = fields.flatMap((field) => {
    const at = field.indexOf(':');
    return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
  });
  const host = rawHeaders.findIndex((item, at) => at % 2 === 0 && item === 'host');
  const authority = host < 0 ? '' : (rawHeaders[host + 1] ?? '');
  return { method, path, authority, rawHeaders: redacted(rawHeaders) };
}
