// kills-consumer — a thread that takes connections while their threads are being killed, uses them, and gives some back.
// Started by kills.ts. Invariant: it reports what it saw and whether all that it had started has settled.

import { parentPort } from 'node:worker_threads';
import type { Connection } from '../../lib/connection.ts';
import { receiveOwnership } from '../../lib/receive.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { chance } from './chance.ts';
import { Tracker, turns } from './tracker.ts';

/** What travels with a connection. */
export interface Plan {
  readonly seed: number;
}

export type ToConsumer = 'finish' | 'report';

export interface Report {
  readonly type: 'finished' | 'report';
  /** Each connection that was taken: its id, and the kinds of Down its monitor has heard. */
  readonly downs: readonly (readonly [id: string, kinds: readonly string[]])[];
  readonly started: number;
  readonly pending: readonly string[];
  readonly resources: readonly string[];
}

const port = parentPort;
if (!port) throw new Error('kills-consumer must be a thread');
const tracker = new Tracker();
/** What comes now is closed at once: a commit may arrive behind the word to finish. */
let ending = false;
let first: number | undefined;
let taken: { readonly connection: Connection; readonly kinds: string[] }[] = [];

port.on('message', (message: unknown) => {
  if (message === 'finish') void finish();
  if (message === 'report') void report();
});

for await (const { connection, feed, data } of receiveOwnership.all<Plan>(port))
  take(connection, feed, data.seed);

function take(connection: Connection, feed: WsStream<Connection>, seed: number): void {
  const kinds: string[] = [];
  taken.push({ connection, kinds });
  const monitor = connection.monitor(({ reason }) => kinds.push(reason.kind), { keep: true });
  const plain = connection.monitor();
  void tracker.note(`${connection.id} monitor`, monitor.down);
  void tracker.note(`${connection.id} plain monitor`, plain.down);
  if (ending) void close(connection);
  else void use(connection, feed, chance(seed));
}

async function use(
  connection: Connection,
  feed: WsStream<Connection>,
  next: (n: number) => number,
): Promise<void> {
  const { id } = connection;
  try {
    for (let step = 0; step < 6; step++) {
      await turns(next(6));
      switch (next(6)) {
        case 0:
          void tracker.note(`${id} ping`, feed.ping()).catch(() => {});
          break;
        case 1:
          void tracker.note(`${id} info`, connection.info()).catch(() => {});
          break;
        case 2:
          feed.send(['a', 'b', new Uint8Array(1_000)]);
          void tracker.note(`${id} drained`, feed.drained()).catch(() => {});
          break;
        case 3:
          await tracker.note(`${id} await`, connection.await(feed, { timeout: 50 })).catch(() => {});
          break;
        case 4:
          await tracker.note(`${id} give back`, feed.transferOwnership(port!, { timeout: 1_000 }));
          return;
        default:
      }
    }
  } catch {
    // Its Down ends its use: the monitor tells of it.
  }
}

async function finish(): Promise<void> {
  ending = true;
  await Promise.all(taken.map(({ connection }) => close(connection)));
  tell('finished');
}

/** Resolves when it has ended, or was given back before. */
async function close(connection: Connection): Promise<void> {
  await tracker.note(`${connection.id} close`, connection.close()).catch(() => {});
}

async function report(): Promise<void> {
  await tracker.settled(5_000).catch(() => {}); // What is pending is in the report.
  first ??= alive();
  const end = performance.now() + 2_000;
  while (alive() > first && performance.now() < end) await turns(1);
  tell('report');
  taken = [];
  ending = false;
  tracker.started = 0;
}

/** What keeps this thread alive, counted. */
function alive(): number {
  return process.getActiveResourcesInfo().length;
}

function tell(type: Report['type']): void {
  const downs = taken.map(({ connection, kinds }) => [connection.id, kinds] as const);
  const { started, pending } = tracker;
  port!.postMessage({
    type,
    downs,
    started,
    pending,
    resources: process.getActiveResourcesInfo(),
  } satisfies Report);
}
