// answers — notices about an answer: as they cross, and as users are given them.
// Called by answer.ts. Pure. Source: Gun's gun_inform, gun_response, gun_data, gun_sse, gun_trailers, gun_push,
// gun_tunnel_up and gun_upgrade.

import type { MessagePort } from 'node:worker_threads';
import { describe, StreamError } from './errors.ts';
import type { HttpNotice } from './httpwire.ts';
import { headersOf } from './protocol/headers.ts';
import { EventCursor, packed } from './sentevents.ts';
import type {
  Headers,
  InformNotice,
  PushNotice,
  ResponseNotice,
  StreamNotice,
  SwitchedNotice,
} from './types.ts';

const SWITCHING = 101;

/** Headers as a user is given them, beside the list they came in. @internal */
function withHeaders({ rawHeaders }: { readonly rawHeaders: readonly string[] }): {
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
} {
  return { headers: headersOf(rawHeaders), rawHeaders };
}

/** The head of an answer. @internal */
export function responseOf(notice: {
  readonly status: number;
  readonly fin: boolean;
  readonly rawHeaders: readonly string[];
}): ResponseNotice {
  const { status, fin, rawHeaders } = notice;
  return { type: 'response', fin, status, headers: headersOf(rawHeaders), rawHeaders };
}

/** The head in a notice that has one: RFC 9110 §15.2.2, a switch of protocols is the last answer of HTTP. @internal */
export function headOf(notice: ResponseNotice | SwitchedNotice): ResponseNotice {
  if (notice.type === 'response') return notice;
  const { headers, rawHeaders } = notice;
  return { type: 'response', fin: false, status: SWITCHING, headers, rawHeaders };
}

/** A notice as users are given it; `streamOf` finds what was pushed. None: of what nobody knows, or the end. @internal */
export function noticeOf(notice: HttpNotice, streamOf: (id: number) => unknown): StreamNotice | undefined {
  switch (notice.type) {
    case 'data':
      return { type: 'data', fin: notice.fin, data: notice.data };
    case 'response':
      return responseOf(notice);
    case 'inform':
      return { type: 'inform', status: notice.status, ...withHeaders(notice) };
    case 'trailers':
      return { type: 'trailers', ...withHeaders(notice) };
    case 'push': {
      const { method, uri, promised } = notice;
      const stream = streamOf(promised);
      return stream ? { type: 'push', stream, method, uri, ...withHeaders(notice) } : undefined;
    }
    case 'tunnelUp':
      return { type: 'tunnelUp', protocol: notice.protocol, origin: notice.origin };
    case 'upgrade':
      return { type: 'upgrade', protocols: notice.protocols, ...withHeaders(notice) };
    case 'error':
    case 'sse': // Several: they stay together.
      return undefined;
    default:
      return notice satisfies never;
  }
}

/** What a loop over events ends with where there are none: it may be no event stream. @internal */
export function noEvents(head: ResponseNotice | undefined): StreamError {
  const { status, headers } = head ?? {};
  const type = headers?.['content-type'];
  const text = `the answer has no events: status ${status}, content-type ${describe(type)}`;
  return new StreamError('ERR_GUNPORT_NO_EVENTS', text, { status, headers });
}

/** Nothing of the answer comes behind it. @internal */
export function isLast(notice: HttpNotice): boolean {
  if (notice.type === 'response') return notice.fin && !notice.tunnel;
  return notice.type === 'trailers' || ((notice.type === 'data' || notice.type === 'sse') && notice.fin);
}

/** A notice as it crosses. Views of memory that a user may hold views of are copied, never moved. @internal */
export function recorded(
  notice: StreamNotice | EventCursor,
  stream: number,
  memory: (ArrayBuffer | MessagePort)[],
): HttpNotice {
  if (notice instanceof EventCursor) return { type: 'sse', stream, fin: false, events: notice.rest() };
  if (notice.type === 'data') {
    const data = notice.data.slice();
    memory.push(data.buffer as ArrayBuffer); // slice() makes no other.
    return { ...notice, stream, data };
  }
  if (notice.type === 'push') {
    const { method, uri, rawHeaders, stream: pushed } = notice as PushNotice<{ id: number }>; // A stream of ours.
    return { type: 'push', stream, promised: pushed.id, method, uri, rawHeaders };
  }
  if (notice.type === 'sse') {
    return { type: 'sse', stream, fin: notice.fin, events: packed(notice.event ? [notice.event] : []) };
  }
  const { headers: _, ...plain } = notice as InformNotice; // What is left is alike by its headers, or has none.
  return { ...plain, stream } as HttpNotice;
}
