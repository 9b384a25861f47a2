// slow-owner — what a slow owner of a fast feed costs, measured: memory, answered pings, and that nothing is lost.
// Used by flow.test.ts for a third of a second and by soak/flow.ts for ten.
// Invariant: a figure out of bounds is an error that names it.

import type { Connection } from '../../lib/connection.ts';
import type { Pool } from '../../lib/pool.ts';
import type { Message } from '../../lib/types.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { ENDLESS, type Flood, FRAME_BYTES } from './flood.ts';

/** What the process may grow by, beside maxBuffered. */
const SLACK = 64 * 1024 * 1024;

export interface SlowFigures {
  /** Bytes of resident memory above the start, at most. */
  readonly growth: number;
  readonly pings: number;
  readonly pongs: number;
  /** Messages that were read after reading went on. */
  readonly messages: number;
}

export interface SlowOptions {
  readonly maxBuffered: number;
  /** How long it is slow, in milliseconds. */
  readonly duration: number;
  /** `stopped` reads nothing; `slow` reads a message each `duration` / 10. */
  readonly reader: 'stopped' | 'slow';
  /** What the server's certificate is checked with, when it speaks TLS. */
  readonly ca?: string | undefined;
}

/** The number in a message. */
export function numberOf(message: Message | undefined): number {
  if (!(message instanceof Uint8Array)) throw new Error(`a message is ${String(message)}`);
  return new DataView(message.buffer, message.byteOffset).getUint32(0);
}

/** One slow owner, from a quiet feed to one that reads everything again. @throws what did not hold. */
export async function slowOwner(pool: Pool, server: Flood, options: SlowOptions): Promise<SlowFigures> {
  const { maxBuffered, duration, reader, ca } = options;
  const feed = await pool.connect(server.url, { maxBuffered, tls: ca === undefined ? undefined : { ca } });
  await warmUp(feed, server);
  const start = memory();
  let most = start;
  let expected = WARM;

  // Without any reader: as much as fits without a pause, and every ping is answered.
  const fits = WARM + Math.floor(maxBuffered / 4 / FRAME_BYTES);
  const sent = server.next('sent');
  server.tell({ type: 'send', upTo: fits });
  await sent;
  for (let i = 0; i < 10; i++) {
    const pong = server.next('pong');
    server.tell({ type: 'ping' });
    await pong;
  }

  // Without end: the socket pauses, and the sender comes to a halt.
  const stalled = server.next('stalled');
  server.tell({ type: 'send', upTo: ENDLESS });
  const { pings, pongs } = await stalled;
  const step = duration / 10;
  const messages = feed[Symbol.asyncIterator]();
  for (let i = 0; i < 10; i++) {
    await later(step);
    most = Math.max(most, memory());
    if (reader === 'slow') expected = check((await messages.next()).value, expected);
    // A call is answered whatever is held.
    await feed.connection.info({ timeout: 1_000 });
  }
  const growth = most - start;
  if (growth > maxBuffered + SLACK) {
    throw new Error(`memory grew by ${growth} bytes, ${maxBuffered + SLACK} are allowed`);
  }
  if (pongs !== pings) throw new Error(`${pings} pings were answered by ${pongs} pongs`);

  // Reading again: all is there, in order, and more than ever was held.
  const goal = expected + Math.ceil((2 * maxBuffered) / FRAME_BYTES) + 50_000;
  const from = expected;
  while (expected < goal) expected = check((await messages.next()).value, expected);
  const pong = server.next('pong');
  server.tell({ type: 'ping' });
  // The ping is behind what waits in the server's socket.
  const answered = pong.then(() => true);
  while (!(await Promise.race([answered, turn()]))) expected = check((await messages.next()).value, expected);
  await messages.return?.();
  await feed.connection.close();
  return { growth, pings, pongs, messages: expected - from };
}

/** So many messages are read first: threads, code and slabs are in place then. */
const WARM = 20_000;

async function warmUp(feed: WsStream<Connection>, server: Flood): Promise<void> {
  server.tell({ type: 'send', upTo: WARM });
  let expected = 0;
  for await (const message of feed) {
    expected = check(message, expected);
    if (expected === WARM) break;
  }
}

function check(message: Message | undefined, expected: number): number {
  const number = numberOf(message);
  if (number !== expected) throw new Error(`message ${number} came instead of ${expected}`);
  return expected + 1;
}

function memory(): number {
  return process.memoryUsage.rss();
}

function turn(): Promise<false> {
  return new Promise((resolve) => setImmediate(() => resolve(false)));
}

/** This is what is measured, not a wait for something to have happened. */
function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
