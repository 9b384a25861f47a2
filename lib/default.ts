// default — connect() and open(), which need no pool: the default one of the main thread, started when first needed.
// In a worker thread they ask the main thread's, since threads belong to the host that hears of their death; where
// main has not loaded gunport, the thread hosts a default pool of its own.
// Invariant: known to be absent is not the same as slow: only a delivered and unanswered first contact says so.

import { isMainThread, MessageChannel, postMessageToThread, receiveMessageOnPort } from 'node:worker_threads';
import type { Connection } from './connection.ts';
import { portsOf } from './cookies/cookiewire.ts';
import { OptionError } from './errors.ts';
import type { WithHandler } from './handler.ts';
import { listenToThreads } from './inbox.ts';
import { join, lineTo } from './lifeline.ts';
import { connectWith, type Opener, Openings, openFeed, openWith, type Placing } from './open.ts';
import type { OpenOptions } from './options.ts';
import { hostHere, Pool } from './pool.ts';
import type { OpenTarget } from './settings.ts';
import type { Message } from './types.ts';
import type { FromHost, Hello } from './wire.ts';
import type { WsStream } from './wsstream.ts';

/** Options of `connect` and `open`. */
export interface PooledOptions extends OpenOptions {
  /** Whose threads to use. Default: the default pool of the main thread. */
  pool?: Pool | undefined;
}

/** The main thread's host has this name; see host.ts. */
const MAIN = 'host-0';

let pool: Pool | undefined;
function defaultPool(): Pool {
  pool ??= new Pool();
  return pool;
}

/** The default pool of this thread, if it has one. @internal */
export function poolHere(): Pool | undefined {
  return pool;
}

listenToThreads();
// What other threads open through this one goes to its default pool.
if (isMainThread) hostHere((placing) => defaultPool().place(placing));

/** Opens a WebSocket in a worker thread: `open` + `awaitUp` + `wsUpgrade`. Resolves with it when it is up; rejects
 *  with its first failure unless `retry` was given; once it has been up, the retries apply.
 *  (`connection.connect` is Gun's CONNECT, another thing.) `M`: what its handler delivers.
 *  @throws {OptionError} a bad option, named with its value. @throws {ConnectionError} with `phase` and `cause`.
 *  @throws {TimeoutError} ERR_GUNPORT_ABORTED.
 *  @example
 *  const feed = await connect('wss://feed.example/trades');
 *  for await (const message of feed) console.log(message); */
export async function connect<M = Message>(
  url: OpenTarget,
  options?: WithHandler<PooledOptions, M> | PooledOptions,
): Promise<WsStream<Connection, M>> {
  const { chosen, rest } = choose(options);
  if (chosen) return chosen.connect<M>(url, rest);
  return connectWith<M>(atMain, url, rest);
}

/** Opens a connection in a worker thread; returns at once, and retries as Gun does. Source: gun:open/3.
 *  @throws {OptionError} a bad option, named with its value.
 *  @example
 *  const connection = open('https://example.com');
 *  const { protocol } = await connection.awaitUp({ timeout: 5_000 }); */
export function open(target: OpenTarget, options?: PooledOptions): Connection {
  const { chosen, rest } = choose(options);
  if (chosen) return chosen.open(target, rest);
  return openWith(atMain, target, rest);
}

/** What `connect` resolves with, at once: it may never be open. Bad options throw. @internal */
export function feedOf(url: OpenTarget, options?: PooledOptions): WsStream<Connection> {
  const { chosen, rest } = choose(options);
  if (chosen) return chosen.feedOf(url, rest);
  return openFeed(atMain, url, rest);
}

function choose(options: PooledOptions | undefined): {
  chosen: Pool | undefined;
  rest: OpenOptions | undefined;
} {
  if (typeof options !== 'object' || options === null) return { chosen: usual(), rest: options };
  const { pool: given, ...rest } = options;
  if (given !== undefined && !(given instanceof Pool)) throw new OptionError('pool must be a Pool');
  return { chosen: given ?? usual(), rest };
}

/** This thread's own default pool, if it is a host. */
function usual(): Pool | undefined {
  return isMainThread || pool ? defaultPool() : undefined;
}

/** From a thread that hosts nothing. What main's pool has left of a connection is not told here. */
const atMain: Opener = {
  hostId: MAIN,
  openings: new Openings(),
  place: (placing) => {
    placeAtMain(placing);
    return -1;
  },
  keep: () => {},
  gone: () => Promise.resolve(),
};

let contact: Promise<boolean> | undefined;

/** A worker's way: by the life line to main's host; its own default pool when main has none. */
function placeAtMain(placing: Placing): void {
  const line = lineTo(MAIN);
  if (line) return line.post({ type: 'open', ...placing }, [placing.port, ...portsOf(placing.cookies)]);
  contact ??= dialMain();
  void contact.then((answered) => {
    contact = undefined;
    if (answered) placeAtMain(placing);
    else {
      hostHere((other) => defaultPool().place(other));
      defaultPool().place(placing);
    }
  });
}

/** First contact. The answer is posted by main before delivery is confirmed: it is here, or nobody answers. */
async function dialMain(): Promise<boolean> {
  const { port1, port2 } = new MessageChannel();
  try {
    await postMessageToThread(0, { 'gunport:hello': 1, lifeline: port2 } satisfies Hello, [port2]);
  } catch {
    port1.close(); // Nobody listens there: main has not loaded gunport.
    return false;
  }
  const hello = receiveMessageOnPort(port1)?.message as FromHost | undefined;
  if (hello?.type !== 'hello') {
    port1.close();
    return false;
  }
  join(hello.host, port1, hello.listens);
  return true;
}
