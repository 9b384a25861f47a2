// answers — notices about an answer: as they cross, and as users are given them.
// Called by stream.ts. Pure. Source: Gun's gun_inform, gun_response, gun_data, gun_trailers, gun_push.

import type { HttpNotice } from './httpwire.ts';
import { headersOf } from './protocol/headers.ts';
import type { Headers, InformNotice, PushNotice, ResponseNotice, StreamNotice } from './types.ts';

/** Headers as a user is given them, beside the list they came in. @internal */
export function withHeaders({ rawHeaders }: { readonly rawHeaders: readonly string[] }): {
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

/** A notice as it crosses. Views of memory that a user may hold views of are copied, never moved. @internal */
export function recorded(notice: StreamNotice, stream: number, memory: ArrayBuffer[]): HttpNotice {
  if (notice.type === 'data') {
    const data = notice.data.slice();
    memory.push(data.buffer as ArrayBuffer); // slice() makes no other.
    return { ...notice, stream, data };
  }
  if (notice.type === 'push') {
    const { method, uri, rawHeaders, stream: pushed } = notice as PushNotice<{ id: number }>; // A stream of ours.
    return { type: 'push', stream, promised: pushed.id, method, uri, rawHeaders };
  }
  const { headers: _, ...plain } = notice as InformNotice; // What is left has headers, by which they are alike.
  return { ...plain, stream } as HttpNotice;
}
