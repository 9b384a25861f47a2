// requests — HTTP/1.1 and HTTP/2, in the clear and over TLS: bodies down and up, lost, cancelled, given up, handed over in
// their midst; and server-sent events over all losses.
// Acts of soak.ts. Invariant: every byte that comes is the right one, what is not lost comes whole, each promise settles;
// a request fails only where its loss was asked for, or its thread was struck.

import type { Connection, Stream } from '../../../lib/index.ts';
import { piece } from '../../support/counted.ts';
import { rejection, turns } from '../../support/tracker.ts';
import { type BodyBaton, readBody } from './body.ts';
import { excused, one, type Random, SPEAKS, type Speaks, type Stage, watched, way } from './stage.ts';

/** What one that is lost, or given up, may end with. */
const LOST: ReadonlySet<string> = new Set([
  ...['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_RESET', 'ERR_GUNPORT_PROTOCOL', 'ERR_GUNPORT_CANCELLED'],
  ...['ERR_GUNPORT_ABORTED', 'ERR_GUNPORT_TIMEOUT'],
]);

/** A connection, some requests on it, and its end. */
export async function requests(stage: Stage, random: Random): Promise<void> {
  const speaks = one(random, SPEAKS);
  const since = performance.now();
  const { origin, options } = way(stage, speaks);
  const connection = stage.pool.open(origin, { ...options, retryTimeout: 2 });
  const over = watched(stage, connection);
  try {
    await note(stage, 'awaitUp', connection.awaitUp());
    await Promise.all(Array.from({ length: 1 + random(6) }, () => exchange(stage, connection, random)));
    // Whoever loses one on HTTP/1.1 loses the connection, at once or a little later, and all that is behind.
    const many = speaks.startsWith('h2');
    const lossy = Array.from({ length: random(many ? 4 : 2) }, () => loss(stage, connection, random));
    await Promise.all(lossy);
    if (random(3) === 0 && (many || lossy.length === 0)) await handOver(stage, connection, random);
  } catch (error) {
    if (!excused(stage, error, since, connection)) throw named(speaks, error);
  }
  await note(
    stage,
    `close of ${connection.id}`,
    random(2) ? connection.close() : connection.shutdown(),
  ).catch((error) => {
    if (error.code !== 'ERR_GUNPORT_NOT_OWNER') throw error;
  });
  await note(stage, `Down of ${connection.id}`, over);
}

function named(speaks: Speaks, error: unknown): Error {
  return new Error(`${speaks}: ${(error as Error).message}`, { cause: error });
}

function note<T>(stage: Stage, name: string, promise: Promise<T>): Promise<T> {
  return stage.tracker.note(name, promise);
}

/** A request that must come to a good end. */
async function exchange(stage: Stage, connection: Connection, random: Random): Promise<void> {
  stage.ledger.count('requests');
  if (stage.plants.includes('bytes')) stage.kept.push(new Array<number>(2_048).fill(stage.kept.length));
  if (random(3) === 0) return upload(stage, connection, random);
  const size = sizeOf(random);
  const stream = connection.get(`/down?size=${size}`);
  const at = await note(stage, `down ${size}`, readBody(stream));
  if (at !== size) throw new Error(`a body ended at ${at} of ${size}`);
}

async function upload(stage: Stage, connection: Connection, random: Random): Promise<void> {
  const size = sizeOf(random);
  const stream = random(2) === 0 ? connection.post('/up', { body: piece(0, size) }) : inParts();
  const { status, headers } = await note(stage, `up ${size}`, (await stream).response({ timeout: 30_000 }));
  const verdict = `${status} ${headers['x-length']} ${headers['x-fault']}`;
  if (verdict !== `200 ${size} -1`) throw new Error(`an upload of ${size}: ${verdict}`);

  async function inParts(): Promise<Stream<Connection>> {
    const made = connection.headers('POST', '/up', random(2) ? {} : { headers: { 'content-length': size } });
    for (let at = 0; ; ) {
      const to = Math.min(size, at + 1 + random(40_000));
      const more = made.data(to === size, piece(at, to));
      if (to === size) return made;
      if (!more) await note(stage, 'drained', made.drained({ timeout: 30_000 }));
      at = to;
    }
  }
}

/** A request that is lost, or given up. */
async function loss(stage: Stage, connection: Connection, random: Random): Promise<void> {
  stage.ledger.count('cutRequests');
  const size = sizeOf(random);
  const controller = new AbortController();
  const ways: (() => Promise<unknown>)[] = [
    () => readBody(connection.get(`/down?size=${size}&drop=${random(size + 1)}`)),
    () => {
      const stream = connection.get(`/down?size=${size}`, { signal: controller.signal });
      void turns(random(20)).then(() => controller.abort());
      return readBody(stream);
    },
    async () => {
      const stream = connection.get(`/down?size=${size}`);
      await readBody(stream, 0, random(size + 1));
      stream.cancel();
    },
    async () => {
      const stream = connection.get('/never');
      await stream.response({ timeout: 1 + random(30) }).finally(() => stream.cancel());
    },
    () => readBody(connection.get('/never', { requestTimeout: 1 + random(30) })),
  ];
  const error = await rejection(
    note(
      stage,
      'a loss',
      one(random, ways)().then(() => {}),
    ),
  );
  if (error && !LOST.has((error as { code: string }).code)) throw error;
}

/** Its owner changes in the midst of a body. */
async function handOver(stage: Stage, connection: Connection, random: Random): Promise<void> {
  const size = 200_000 + random(2_000_000);
  const stream = connection.get(`/down?size=${size}`);
  stage.ledger.count('requests');
  const at = await note(stage, 'a part', readBody(stream, 0, random(size)));
  const data: BodyBaton = { type: 'body', size, at };
  const target = one(random, stage.crew.workers);
  const error = await rejection(note(stage, 'hand-over', stream.transferOwnership(target, { data })));
  const { code } = (error ?? {}) as { code?: string };
  if (!error) stage.ledger.count('handOvers');
  else if (code !== 'ERR_GUNPORT_TARGET_DEAD') throw error;
}

function sizeOf(random: Random): number {
  return random(3) === 0 ? random(400_000) : random(5_000);
}

/** A feed of events that is lost again and again: all of them come, in order. */
export async function serverSentEvents(stage: Stage, random: Random): Promise<void> {
  const since = performance.now();
  const { origin, options } = way(stage, one(random, SPEAKS));
  const to = 50 + random(200);
  const connection = stage.pool.open(origin, { ...options, retry: 1_000, retryTimeout: 2 });
  const over = watched(stage, connection);
  const read = async (): Promise<void> => {
    let last = 0;
    for await (const event of connection.sse(`/events?to=${to}`, { reconnect: true, retryDelay: 2 })) {
      if (Number(event.lastEventId) !== ++last || Number.parseInt(event.data, 10) !== last)
        throw new Error(`event ${event.lastEventId} came in place of ${last}`);
      stage.ledger.count('events');
    }
    if (last !== to) throw new Error(`events ended at ${last} of ${to}`);
  };
  try {
    await note(stage, `${to} events`, read());
  } catch (error) {
    if (!excused(stage, error, since, connection)) throw error;
  }
  await note(stage, `close of ${connection.id}`, connection.close());
  await note(stage, `Down of ${connection.id}`, over);
}
