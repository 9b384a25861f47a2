// gunportlinks — WebSockets by gunport: read in the way that was asked for, timed by echo or ping.
// Opened by probe.ts for a round.
// Invariant: no reconnecting: a connection that is lost is told, not hidden.

import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, Pool, type WsStream } from '../../lib/index.ts';
import type { BenchCommand, Reading } from './command.ts';
import type { Intake } from './intake.ts';
import { Answers, CLOSING, type Links, lastOf } from './link.ts';
import type { Lane } from './load.ts';

type Feed = WsStream<Connection>;

export async function openGunport(command: BenchCommand, intake: Intake): Promise<Links> {
  const pool = new Pool({ threads: command.threads });
  const { url, headers, subprotocols, compress, insecure, connections } = command;
  const options = {
    ...{ headers, subprotocols, compress },
    ...{ retry: 0, reconnectOn: [] },
    ...(insecure ? { tls: { rejectUnauthorized: false } } : {}),
  };
  try {
    const opening = Array.from({ length: connections }, () => pool.connect(url, options));
    const feeds = await allOpen(opening);
    const answers = feeds.map(() => new Answers(intake));
    const failures = feeds.map((feed, index) => read(feed, command.reading, answers[index]));
    return {
      lanes: feeds.map((feed, index) => laneOf(feed, command, answers[index])),
      say: (text) => {
        for (const feed of feeds) feed.send(text);
      },
      gone: lastOf(feeds.map((feed, index) => endOf(feed, failures[index]))),
      notes: () => [],
      close: () => close(pool, feeds),
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Waits for all before it fails, so that nothing opens later. */
async function allOpen(opening: readonly Promise<Feed>[]): Promise<Feed[]> {
  const settled = await Promise.allSettled(opening);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

function laneOf(feed: Feed, { kind, message }: BenchCommand, answers: Answers | undefined): Lane {
  if (kind === 'ping') return { exchange: (done) => void feed.ping().then(() => done(), done) };
  return {
    exchange: (done) => {
      feed.send(message);
      answers?.wait(done);
    },
  };
}

/** Resolves with what went wrong while reading; never, where nothing does. */
async function read(feed: Feed, reading: Reading, answers: Answers | undefined): Promise<string> {
  try {
    await reader(feed, reading, (size) => answers?.came(size));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return new Promise(() => {});
}

async function reader(feed: Feed, reading: Reading, came: (size: number) => void): Promise<void> {
  switch (reading) {
    case 'events':
      return void feed.on('message', (message) => came(lengthOf(message)));
    case 'for-await':
      for await (const message of feed) came(lengthOf(message));
      return;
    case 'batches':
    case 'borrowed':
      for await (const batch of feed.batches({ borrow: reading === 'borrowed' })) {
        for (let i = 0; i < batch.length; i++) came(batch.byteLength(i));
      }
      return;
    default:
      throw reading satisfies never;
  }
}

/** In bytes. */
function lengthOf(message: string | Uint8Array): number {
  return typeof message === 'string' ? Buffer.byteLength(message) : message.byteLength;
}

function endOf(feed: Feed, failure: Promise<string> | undefined): Promise<string> {
  const closed = feed.closed.then(({ code, reason, error }) => {
    if (error) return error.message;
    return `the server closed with ${code}${reason === '' ? '' : ` (${reason})`}`;
  });
  return failure ? Promise.race([closed, failure]) : closed;
}

async function close(pool: Pool, feeds: readonly Feed[]): Promise<void> {
  const late = new AbortController();
  const closing = Promise.all(feeds.map((feed) => feed.close().catch(() => {}))); // It may have ended already.
  await Promise.race([closing, delay(CLOSING, undefined, { signal: late.signal }).catch(() => {})]);
  late.abort();
  await Promise.all(feeds.map((feed) => feed.connection.close()));
  await pool.close();
}
