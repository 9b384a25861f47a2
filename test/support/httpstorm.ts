// httpstorm — downloads and uploads at full speed on a connection that is moved among threads: exact.
// Run by ownership/http-storm.test.ts; the twin of storm.ts, which does the same with a WebSocket.
// Invariant: it resolves with what happened, or rejects with the first thing that should not have; either way no thread,
// port or timer of it is left. Source: promises O1 to O3 and O7.

import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Connection, open, receiveReply } from '../../lib/index.ts';
import { type Asked, type Counted, counted, faultIn } from './counted.ts';
import { Actor, type Plan, type Report, type Setup, WORDS } from './httpstorm-actor.ts';

/** No turn may take longer, in milliseconds. */
const STUCK = 20_000;
const THREADS = 4;

export interface HttpStormResult {
  /** Hand-overs that came about, and those that failed. */
  readonly transfers: number;
  readonly failed: number;
  /** Chunks that were given. */
  readonly chunks: number;
}

/** Runs one. Its first owner is main. */
export async function httpStorm(speaks: 'http' | 'h2c', plan: Plan): Promise<HttpStormResult> {
  const server = await counted(speaks);
  void serve(server);
  const shared = new SharedArrayBuffer(4 * (WORDS.first + WORDS.each * plan.streams));
  // Their other ends: a channel that nobody holds is closed.
  const deaf = Array.from({ length: THREADS }, () => new MessageChannel());
  const setups = setupsOf(plan, shared, deaf);
  const [setup] = setups as [Setup];
  const crew = new Set<Member>();
  const replies: Promise<void>[] = [];
  let hear: (report: Report) => void = () => {};
  const actor = new Actor(setup, (report) => hear(report));
  try {
    await new Promise<void>((resolve, reject) => {
      const words = new Int32Array(shared);
      const stuck = setTimeout(() => reject(new Error(`it is stuck at ${words.join(' ')}`)), STUCK);
      hear = (report) => {
        stuck.refresh();
        if (report.type === 'turn') return;
        clearTimeout(stuck);
        if (report.type === 'done') resolve();
        else reject(new Error(report.message));
      };
      for (const other of setups.slice(1)) crew.add(spawn(other, hear));
      actor.start();
      const connection = open(server.url, { ...server.trust, retry: 0 });
      connection.awaitUp().then(() => {
        for (let i = 0; i < plan.replied; i++) replies.push(elsewhere(connection, plan.size));
        for (const reply of replies) reply.catch(reject);
        actor.begin(connection);
      }, reject);
    });
    await Promise.all(replies);
    const words = new Int32Array(shared);
    const [, turns = 0, failed = 0, chunks = 0] = words;
    return { transfers: turns - 1, failed, chunks };
  } finally {
    actor.stop();
    for (const { orders } of crew) orders.postMessage('stop');
    // Who owns a connection still does not end by himself.
    const late = setTimeout(() => [...crew].map(({ worker }) => worker.terminate()), 3_000);
    await Promise.all([...crew].map(({ gone }) => gone));
    clearTimeout(late);
    for (const { port2 } of deaf) port2.close();
    await server.close();
  }
}

/** An answer that goes to a port of its own, whoever owns the connection. */
async function elsewhere(connection: Connection, size: number): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  connection.get(`/down?${size}`, { replyTo: port1 });
  let at = 0;
  for await (const chunk of receiveReply(port2)) {
    if (faultIn(chunk, at) >= 0) throw new Error(`a reply: not the next bytes after ${at}`);
    at += chunk.byteLength;
  }
  if (at !== size) throw new Error(`a reply ended at ${at} of ${size}`);
}

interface Member {
  readonly worker: Worker;
  readonly orders: MessagePort;
  readonly gone: Promise<unknown>;
}

function spawn(setup: Setup, hear: (report: Report) => void): Member {
  const { port1: orders, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./httpstorm-worker.js', import.meta.url), {
    workerData: { orders: port2 },
    transferList: [port2],
  });
  orders.on('message', hear);
  worker.on('error', (error) => hear({ type: 'broken', message: `thread ${setup.me}: ${error.stack}` }));
  const { give, take, refused, refuse, deaf } = setup;
  const ports = [...give, ...take, refused, refuse, deaf].filter((port) => port !== undefined);
  orders.postMessage({ setup }, ports);
  const gone = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      orders.close();
      resolve();
    });
  });
  return { worker, orders, gone };
}

function setupsOf(plan: Plan, shared: SharedArrayBuffer, deaf: readonly MessageChannel[]): Setup[] {
  const places = Array.from({ length: THREADS }, (_, place) => place);
  // None to itself: a channel that nobody closes stays.
  const roads = places.map((from) => places.map((to) => (from === to ? undefined : new MessageChannel())));
  const refusing = places.map(() => new MessageChannel());
  return places.map((me) => ({
    ...{ plan, me, shared },
    give: places.map((to) => roads[me]![to]?.port1),
    take: places.map((from) => roads[from]![me]?.port2),
    refused: refusing[me]!.port1,
    refuse: refusing[(me + 1) % THREADS]!.port2,
    deaf: deaf[me]!.port1,
  }));
}

async function serve(server: Counted): Promise<void> {
  for (;;) {
    const asked = await server.next();
    // A client that has left is no fault of the server's.
    void (asked.method === 'GET' ? down(asked) : up(asked)).catch(() => {});
  }
}

async function down(asked: Asked): Promise<void> {
  const size = Number(asked.path.split('?')[1]);
  asked.head(size % 2 === 0 ? { 'content-length': size } : {});
  for (let at = 0, step = 1_000; at < size; step = (step * 7 + 1) % 16_000) {
    const to = Math.min(size, at + step);
    await asked.send(at, to);
    // Else the whole of it is one chunk.
    await turnOfLoop();
    at = to;
  }
  asked.end();
}

async function up(asked: Asked): Promise<void> {
  const body = await asked.body;
  asked.head({ 'x-length': body.length, 'x-fault': faultIn(body, 0), 'content-length': 0 });
  asked.end();
}
