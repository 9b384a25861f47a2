// roads — the same scene on HTTP/1.1 and on HTTP/2, for what must hold on both: a connection whose server gives an answer
// part by part, or the server's end of a WebSocket, as the test says.
// Used by the tests of flow, deadlines and shutdown. Invariant: nothing is answered by itself.

import { expect } from 'chai';
import type { Connection, OpenOptions, WsStream } from '../../lib/index.ts';
import type { Feeds } from './feeds.ts';
import { origin, type Talk } from './origin.ts';
import { type Conversation, framesOf, type Peer, unhex, wsPeer } from './peers.ts';
import { rejects } from './rejects.ts';
import { type Asked, type Sessions, sessions } from './sessions.ts';

export type Road = 'HTTP/1.1' | 'HTTP/2';
export const ROADS: readonly Road[] = ['HTTP/1.1', 'HTTP/2'];

/** One request at its server, to be answered in chunks. On HTTP/1.1 those are answered in order. */
export interface Answering {
  readonly path: string;
  /** The head: 200. */
  begin(): void;
  /** A part of the body; resolves when it has left the server, or cannot. */
  write(bytes: string | Uint8Array): Promise<void>;
  end(trailers?: Readonly<Record<string, string>>): void;
  /** The client takes no more: its connection, or its stream, is gone. */
  readonly gone: boolean;
  /** On HTTP/2: the code of its RST_STREAM. */
  readonly reset: Promise<number>;
}

export interface Stage {
  readonly connection: Connection;
  readonly server: Peer;
  /** Of HTTP/2: says GOAWAY, up to this stream. */
  goaway(last: number): void;
  /** The next request. */
  next(): Promise<Answering>;
}

/** A connection, up. */
export async function stageOn(road: Road, { keep, open }: Feeds, options: OpenOptions = {}): Promise<Stage> {
  if (road === 'HTTP/2') {
    const server = await keep(sessions());
    const connection = open(server.url, { ...server.trust, ...options });
    await connection.awaitUp();
    const goaway = (last: number): void => server.all[0]?.goaway(0, last);
    return { connection, server, goaway, next: async () => overHttp2(await server.next()) };
  }
  const server = await keep(origin());
  const connection = open(server.url, options);
  await connection.awaitUp();
  const talk = await server.next();
  return {
    connection,
    server,
    goaway: () => {},
    next: async () => overHttp1(talk, (await talk.request()).path),
  };
}

function overHttp1(talk: Talk, path: string): Answering {
  return {
    path,
    begin: () => void talk.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
    write: (bytes) => {
      const body = Buffer.from(bytes);
      return talk.write(Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, CRLF]));
    },
    end: (trailers = {}) => {
      const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
      void talk.write(`0\r\n${lines.join('')}\r\n`);
    },
    get gone() {
      return talk.socket.destroyed;
    },
    reset: new Promise(() => {}),
  };
}
const CRLF = Buffer.from('\r\n');

function overHttp2({ path, stream, closed }: Asked): Answering {
  let last: Readonly<Record<string, string>> = {};
  return {
    path,
    begin: () => stream.respond({ ':status': 200 }, { waitForTrailers: true }),
    write: (bytes) => new Promise((resolve) => stream.write(bytes, () => resolve())),
    end: (trailers = {}) => {
      last = trailers;
      stream.once('wantTrailers', () => {
        if (Object.keys(last).length > 0) stream.sendTrailers(last);
        else stream.close();
      });
      stream.end();
    },
    get gone() {
      return stream.destroyed;
    },
    reset: closed,
  };
}

// ── what is at rest ─────────────────────────────────────────────────────────────────────────────────────────

/** A figure of a server in this thread, or of a stream, once nothing moves it any more: for 50 turns, and at `least` so many
 *  milliseconds. */
export async function atRest(connection: Connection, figure: () => number, least = 0): Promise<number> {
  let last = figure();
  let since = performance.now();
  for (let quiet = 0; quiet < 50 || performance.now() - since < least; ) {
    await connection.info();
    await new Promise((resolve) => setImmediate(resolve));
    const now = figure();
    if (now !== last) since = performance.now();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
  return last;
}

/** Nothing has come for a stream, and nothing is on its way. */
export async function nothingMore(
  connection: Connection,
  stream: Parameters<Connection['await']>[0],
): Promise<void> {
  for (let i = 0; i < 3; i++) await connection.info();
  await rejects(connection.await(stream, { timeout: 0 }), 'ERR_GUNPORT_TIMEOUT');
}

// ── a WebSocket ─────────────────────────────────────────────────────────────────────────────────────────────

/** The server's end of a WebSocket. */
export type Side = Pick<Conversation, 'read' | 'send' | 'end'>;

export interface WsStage {
  readonly server: Peer;
  readonly connection: Connection;
  readonly feed: WsStream<Connection>;
  readonly side: Side;
}

/** A WebSocket that is open. */
export function wsOn(road: Road, kit: Feeds, options?: OpenOptions): Promise<WsStage> {
  return road === 'HTTP/2' ? wsOnHttp2(kit, options) : wsOnHttp1(kit, options);
}

export async function wsOnHttp1({ keep, open }: Feeds, options?: OpenOptions): Promise<WsStage> {
  let begin: (side: Conversation) => void = () => {};
  const begun = new Promise<Conversation>((resolve) => {
    begin = resolve;
  });
  const server = await keep(wsPeer((side) => begin(side)));
  const connection = open(server.url.replace('ws', 'http'), options);
  const feed = connection.wsUpgrade('/');
  await connection.await(feed);
  return { server, connection, feed, side: await begun };
}

export async function wsOnHttp2(
  { keep, open }: Feeds,
  options?: OpenOptions,
): Promise<WsStage & { readonly server: Sessions }> {
  const server = await keep(sessions({ settings: { enableConnectProtocol: true } }));
  const connection = open(server.url, { ...server.trust, ...options });
  const feed = connection.wsUpgrade('/');
  const { stream } = await server.next();
  stream.respond({ ':status': 200 });
  await connection.await(feed);
  const send = (bytes: string | Uint8Array): void =>
    void stream.write(typeof bytes === 'string' ? unhex(bytes) : bytes);
  return { server, connection, feed, side: { read: framesOf(stream), send, end: () => void stream.end() } };
}

/** The client's next frame, a Close: its code. */
export async function closeOf(side: Side): Promise<number> {
  const { opcode, payload } = await side.read();
  expect(opcode).to.equal(8);
  return payload.readUInt16BE();
}
