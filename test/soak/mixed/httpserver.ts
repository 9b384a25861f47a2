// httpserver — the requests of the soak's server, HTTP/1.1 and HTTP/2: bodies that are counted, uploads, events.
// Run by server.ts, in a process of its own. `/down?size=…` a body, `&drop=…` lost after so many bytes; `/up` tells the
// length of what came, and where it was wrong; `/events?to=…` numbered events, lost now and then; `/never` no answer.
// Invariant: a body is that of support/counted.ts, so that each piece of it tells where it stood.

import type { IncomingMessage, ServerResponse } from 'node:http';
import * as http2 from 'node:http2';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { faultIn, piece } from '../../support/counted.ts';
import { reset } from '../../support/reset.ts';

export type Chance = (n: number) => number;

/** Answers one request; of HTTP/2, through Node's own compatibility. */
export function answer(request: IncomingMessage, response: ServerResponse, random: Chance): void {
  for (const one of [request, response]) one.on('error', () => {}); // A client may leave.
  const url = new URL(request.url ?? '/', 'http://soak');
  const asked = (name: string): number => Number(url.searchParams.get(name) ?? -1);
  switch (url.pathname) {
    case '/down':
      request.resume();
      void down(response, { size: asked('size'), drop: asked('drop') }, random);
      return;
    case '/up':
      return up(request, response);
    case '/events':
      request.resume();
      return events(response, Number(request.headers['last-event-id'] ?? 0), asked('to'), random);
    case '/never':
      request.resume();
      return;
    default:
      request.resume();
      response.writeHead(404).end();
  }
}

async function down(
  response: ServerResponse,
  { size, drop }: { size: number; drop: number },
  random: Chance,
): Promise<void> {
  response.writeHead(200, size % 2 === 0 ? { 'content-length': size } : {});
  for (let at = 0; at < size; ) {
    if (drop >= 0 && at >= drop) return lose(response);
    const to = Math.min(size, at + 1 + random(30_000));
    if (!response.write(piece(at, to))) await drained(response);
    else if (random(3) === 0) await turnOfLoop();
    if (response.destroyed) return;
    at = to;
  }
  if (drop >= 0) lose(response);
  else response.end();
}

function up(request: IncomingMessage, response: ServerResponse): void {
  let at = 0;
  let fault = -1;
  request.on('data', (part: Buffer) => {
    const found = fault < 0 ? faultIn(part, at) : -1;
    if (found >= 0) fault = found;
    at += part.length;
  });
  request.on('end', () =>
    response.writeHead(200, { 'x-length': at, 'x-fault': fault, 'content-length': 0 }).end(),
  );
}

/** From behind `from`; lost before the end, as a rule. */
function events(response: ServerResponse, from: number, to: number, random: Chance): void {
  if (from >= to) {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 2\n\n');
  const last = Math.min(to, from + 1 + random(60));
  for (let id = from + 1; id <= last; id++)
    response.write(`id: ${id}\ndata: ${id}\n${id % 3 === 0 ? 'data: more\n' : ''}\n`);
  // A part of one, which is none.
  response.write(`id: ${last + 1}\ndata: never`);
  if (random(2) === 0) response.end();
  else setTimeout(() => lose(response), 5);
}

function lose(response: ServerResponse): void {
  const { stream } = response as ServerResponse & { readonly stream?: http2.ServerHttp2Stream };
  if (stream) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  else if (response.socket) reset(response.socket);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      response.off('drain', end).off('close', end);
      resolve();
    };
    response.on('drain', end).on('close', end);
  });
}
