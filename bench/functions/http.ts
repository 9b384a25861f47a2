// http — what one request, or its answer, costs in each of the hot functions of HTTP/1.1.
// Run by functions.ts beside those of WebSocket; like it, it looks behind the public face.

import { ById } from '../../lib/byid.ts';
import { headersOf } from '../../lib/protocol/headers.ts';
import { type HeadSettings, layoutHead } from '../../lib/protocol/http1.ts';
import { AnswerParser } from '../../workers/http1/parser.ts';
import { fieldsOf, SMALL, SMALL_ANSWER } from '../http/answers.ts';

/** One function, as functions.ts times it. */
export interface Case {
  readonly name: string;
  /** Messages that one call deals with. */
  readonly messages: number;
  readonly call: () => unknown;
  /** Before each call, not timed. */
  readonly prepare?: () => void;
}

const MANY = 1_000;
/** Requests that are under way at once. */
const AT_ONCE = 10;

export function httpCases(): Case[] {
  const settings: HeadSettings = { authority: 'example.com', http: { headers: [], version: '1.1' } };
  const request = { method: 'GET', path: '/', headers: ['accept', 'application/json'] };
  const raw = fieldsOf(SMALL.length).flat();
  const answers = Buffer.concat(Array.from({ length: 100 }, () => SMALL_ANSWER));
  const parser = new AnswerParser(
    { begin: () => true, head: () => 'body', body: () => {}, complete: () => true },
    { maxHeaderSize: 100_000, maxTrailerSize: 10_000 },
  );
  return [
    times('layoutHead, a GET', () => layoutHead(request, settings)),
    {
      name: `AnswerParser.execute, ${SMALL_ANSWER.length} B`,
      messages: 100,
      call: () => {
        const stopped = parser.execute(answers);
        if (stopped !== undefined) throw new Error('an answer was not parsed');
      },
    },
    times(`headersOf, ${raw.length / 2} fields`, () => headersOf(raw)),
    passing('ById.set and delete, 10 at once', new ById<object>()),
    passing('for comparison: Map.set and delete', new Map<number, object>()),
  ];
}

function times(name: string, one: () => unknown): Case {
  const call = (): unknown => {
    let last: unknown;
    for (let i = 0; i < MANY; i++) last = one();
    return last;
  };
  return { name, messages: MANY, call };
}

/** Each goes when ten more have come. */
function passing(
  name: string,
  map: Pick<Map<number, object>, 'delete'> & { set(id: number, one: object): unknown },
): Case {
  let id = 0;
  return times(name, () => {
    map.set(++id, { id });
    map.delete(id - AT_ONCE);
  });
}
