// weblinks — GET requests by gunport: through a pool of as many connections as were asked for.
// Opened by probe.ts for a round.
// Invariant: an answer is counted when its body has come; the server may close a connection after any answer, as HTTP
// lets it, and the pool opens another.

import { open, Pool, type PooledRequest } from '../../lib/index.ts';
import type { BenchCommand } from './command.ts';
import type { Intake } from './intake.ts';
import type { Links } from './link.ts';
import type { Lane } from './load.ts';

/** For the first answer of all, in ms. */
const OPENING = 10_000;
/** A request waits for its turn as long as it takes: that is what is measured. */
const PATIENCE = 3_600_000;

export async function openWeb(command: BenchCommand, intake: Intake): Promise<Links> {
  const { url, connections, concurrency, insecure, threads } = command;
  const connection = insecure ? { tls: { rejectUnauthorized: false } } : {};
  // Once by itself: a pool would try again and again.
  const first = open(url, { ...connection, retry: 0 });
  try {
    await first.awaitUp({ timeout: OPENING });
  } finally {
    await first.close();
  }
  const under = connections * concurrency;
  const pool = new Pool({
    threads,
    authority: {
      ...{ minConnections: connections, maxConnections: connections, maxQueue: Math.max(10_000, under) },
      ...{ queueTimeout: PATIENCE, connection },
    },
  });
  pool.configure(url, { minConnections: connections });
  await pool.awaitUp(url, { timeout: OPENING });
  const statuses = new Map<number, number>();
  const ending = new AbortController();
  return {
    lanes: Array.from({ length: connections }, () =>
      laneOf(() => get(pool, command, ending.signal), intake, statuses),
    ),
    say: () => {},
    gone: new Promise(() => {}),
    notes: () => [`answers by status, with those of the warm-up: ${listOf(statuses)}`],
    close: () => {
      // What still waits for an answer would be waited for.
      ending.abort();
      return pool.close();
    },
  };
}

function listOf(statuses: ReadonlyMap<number, number>): string {
  const sorted = [...statuses].sort(([a], [b]) => a - b);
  return sorted.map(([status, count]) => `${status}: ${count}`).join(', ');
}

function get(pool: Pool, { url, headers }: BenchCommand, signal: AbortSignal): PooledRequest {
  return pool.get(url, { headers, headersTimeout: PATIENCE, signal });
}

function laneOf(ask: () => PooledRequest, intake: Intake, statuses: Map<number, number>): Lane {
  const exchange = async (): Promise<void> => {
    const stream = await ask();
    let size = 0;
    for await (const chunk of stream) size += chunk.byteLength;
    intake.take(size);
    const status = stream.status ?? 0;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  return { exchange: (done) => void exchange().then(() => done(), done) };
}
