// others — what else goes on in the soak: echoes, connects that fail, pools that come and go with their authorities, and
// the storms of other suites in small: clients with adapters, hand-overs of requests, tunnels.
// Acts of soak.ts. Invariant: each ends with what it must, and leaves nothing.

import { type Message, Pool } from '../../../lib/index.ts';
import { clientStorm } from '../../support/client-storm.ts';
import { piece } from '../../support/counted.ts';
import { httpStorm } from '../../support/httpstorm.ts';
import { rejection } from '../../support/tracker.ts';
import { tunnelStorm } from '../../support/tunnelstorm.ts';
import { readBody } from './body.ts';
import { doings } from './measure.ts';
import { BOUND, excused, one, type Random, SPEAKS, type Stage, way } from './stage.ts';

/** What is sent comes back. */
export async function echo(stage: Stage, random: Random): Promise<void> {
  const since = performance.now();
  const { origin, options } = way(stage, one(random, ['http', 'https']), 'ws');
  const compress = random(2) === 0;
  const noted = <T>(name: string, promise: Promise<T>): Promise<T> =>
    stage.tracker.note(`echo: ${name}`, promise);
  let connection: Parameters<typeof excused>[3];
  try {
    const feed = await noted(
      'connect',
      stage.pool.connect(`${origin}/echo${compress ? '?deflate' : ''}`, { ...options, compress }),
    );
    connection = feed.connection;
    const sent: Message[] = Array.from({ length: 1 + random(60) }, () =>
      random(2) ? piece(0, random(20_000)) : 'ä'.repeat(random(500)),
    );
    feed.send(sent);
    await noted('drained', feed.drained());
    let at = 0;
    const read = async (): Promise<void> => {
      for await (const message of feed) {
        const expected = sent[at++]!;
        const same =
          typeof message === 'string'
            ? message === expected
            : Buffer.from(message).equals(Buffer.from(expected));
        if (!same) throw new Error(`echo ${at - 1} of ${sent.length} is another`);
        stage.ledger.count('echoes');
        if (at === sent.length) break;
      }
    };
    await noted('all of it', read());
    await noted('ping', feed.ping());
    const { code, wasClean } = await noted('close', feed.close(1000));
    if ((code !== 1000 || !wasClean) && !stage.ledger.isStruck(connection.threadId))
      throw new Error(`an echo was closed with ${code}, ${wasClean}`);
  } catch (error) {
    if (!excused(stage, error, since, connection)) throw error;
  }
}

/** Each fails with the code that it must. */
export async function failures(stage: Stage, random: Random): Promise<void> {
  const since = performance.now();
  const plain = way(stage, 'http', 'ws');
  const { lookup, tls } = way(stage, 'https', 'ws').options;
  const { ports } = stage.servers;
  const controller = new AbortController();
  const ways: readonly (readonly [code: string, () => Promise<unknown>])[] = [
    ['ERR_GUNPORT_UPGRADE_REFUSED', () => stage.pool.connect(`${plain.origin}/refused`, plain.options)],
    ['ERR_GUNPORT_CONNECT', () => stage.pool.connect('ws://127.0.0.1:1/')],
    ['ERR_GUNPORT_TLS', () => stage.pool.connect(`wss://localhost:${ports.https}/echo`, { lookup })],
    ['ERR_GUNPORT_TLS', () => stage.pool.connect(`wss://localhost:${ports.h2c}/echo`, { lookup, tls })],
    [
      'ERR_GUNPORT_ABORTED',
      () => {
        setImmediate(() => controller.abort());
        return stage.pool.connect(`${plain.origin}/never`, { ...plain.options, signal: controller.signal });
      },
    ],
  ];
  const [code, fail] = one(random, ways);
  const error = await rejection(
    stage.tracker.note(
      `a connect that fails with ${code}`,
      fail().then(() => {}),
    ),
  );
  stage.ledger.count('refusals');
  if ((error as { code?: string } | undefined)?.code === code || excused(stage, error, since)) return;
  throw error ?? new Error(`it did not fail with ${code}`);
}

/** A pool of its own for some requests by authority, and its end. */
export async function pools(stage: Stage, random: Random): Promise<void> {
  const { origin, options } = way(stage, one(random, SPEAKS));
  const pool = new Pool({
    threads: 1,
    authority: {
      connection: options,
      maxConnections: 2,
      minConnections: random(2),
      // A machine that has more to do than it can takes seconds to start a thread.
      queueTimeout: BOUND / 2,
      retry: 'idempotent',
      retries: 20,
    },
  });
  const ask = async (): Promise<void> => {
    const size = random(20_000);
    stage.ledger.count('requests');
    const at = await readBody(pool.get(`${origin}/down?size=${size}`));
    if (at !== size) throw new Error(`by authority: a body ended at ${at} of ${size}`);
  };
  await stage.tracker.note('by authority', Promise.all(Array.from({ length: 1 + random(20) }, ask)));
  await stage.tracker.note('end of a pool', pool.close());
  stage.ledger.count('pools');
}

/** The pool that all use, by authority: its threads are struck. */
export async function authorities(stage: Stage, random: Random): Promise<void> {
  const since = performance.now();
  const { origin, options } = way(stage, one(random, SPEAKS));
  const scope = String(random(3));
  // Where threads start slowly, and are killed as soon as they have, it may be long until a connection is up.
  const patience = { queueTimeout: BOUND / 2, reopenDelay: 5, maxReopenDelay: 500 };
  stage.pool.configure(origin, { scope, connection: options, maxConnections: 3, ...patience });
  const ask = async (): Promise<void> => {
    const size = random(50_000);
    stage.ledger.count('requests');
    const at = await readBody(
      stage.pool.get(`${origin}/down?size=${size}`, { scope, retry: 'idempotent', retries: 5 }),
    );
    if (at !== size) throw new Error(`by authority: a body ended at ${at} of ${size}`);
  };
  const all = Array.from({ length: 1 + random(12) }, async () => {
    const error = await rejection(ask());
    if (error && !excused(stage, error, since)) {
      const [authorities, threads] = [stage.pool.authorities(), stage.pool.info().threads];
      throw new Error(`${String(error)}; ${JSON.stringify({ authorities, threads })}\n${doings()}`, {
        cause: error,
      });
    }
  });
  await stage.tracker.note('by authority of all', Promise.all(all));
  await stage.tracker.note('drain', stage.pool.drain(origin, { scope }));
}

/** One of the storms of other suites, in small; one at a time, since they share the default pool. */
export async function storms(stage: Stage, random: Random): Promise<void> {
  const seed = random(0x7fffffff);
  const plan = { seed, streams: 12, open: 4, size: 300_000, transfers: 6, replied: 1, faults: 1 };
  const all: Record<string, () => Promise<unknown>> = {
    'a storm of clients': () => clientStorm(seed, { drops: 4, kills: 1, transfers: 3 }),
    'a storm of requests': () => httpStorm(one(random, ['http', 'h2c']), plan),
    'a storm of tunnels': () => tunnelStorm({ seed, duration: 1_500, atOnce: 3 }),
  };
  const name = one(random, Object.keys(all));
  try {
    await stage.tracker.note(`${name} with seed ${seed}`, all[name]!());
  } catch (error) {
    throw new Error(`${name} with seed ${seed}`, { cause: error });
  }
  stage.ledger.count('storms');
}
