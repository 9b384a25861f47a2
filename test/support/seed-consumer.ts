// seed-consumer — a thread that takes connections over, for seed.test.ts: the guide's "new owner process".
// It tells its parent all that happens to it, and does with each connection what the giver's data asks for.
// Invariant: a report is posted after what it tells has happened; it ends when its parent terminates it.

import { parentPort, threadId } from 'node:worker_threads';
import { type ConnectionInfo, type Down, receiveOwnership } from '../../lib/index.ts';

/** What the giver asks for, in `data`. */
export interface Errand {
  /** Read so many messages. */
  readonly take: number;
  /** Then hand the connection on to the first of these threads, and so on; the last one keeps it. */
  readonly route: readonly number[];
  /** What has been read so far, by all owners. */
  readonly seen: readonly string[];
}

export type Report =
  | { readonly type: 'ready' }
  | {
      readonly type: 'owner';
      readonly threadId: number;
      readonly info: Pick<
        ConnectionInfo,
        'id' | 'origin' | 'status' | 'attempt' | 'protocol' | 'ownerThreadId' | 'counters'
      >;
      readonly feed: {
        readonly id: number;
        readonly url: string;
        readonly state: string;
        readonly protocol: string;
        readonly headers: Record<string, unknown>;
      };
      readonly data: Errand;
      readonly monitorRef: number;
    }
  | { readonly type: 'seen'; readonly seen: readonly string[] }
  | {
      readonly type: 'down';
      readonly ref: number;
      readonly id: string;
      readonly kind: Down['reason']['kind'];
    };

function report(message: Report): void {
  parentPort?.postMessage(message);
}

const taking = receiveOwnership.all<Errand>();
// A call to next() is what makes it wait; only then is it ready.
let next = taking.next();
report({ type: 'ready' });
for (;;) {
  const taken = await next;
  if (taken.done) break;
  const { connection, feed, data } = taken.value;
  const monitor = connection.monitor((down) =>
    report({ type: 'down', ref: down.ref, id: down.connection.id, kind: down.reason.kind }),
  );
  const { id, origin, status, attempt, protocol, ownerThreadId, counters } = await connection.info();
  report({
    type: 'owner',
    threadId,
    info: { id, origin, status, attempt, protocol, ownerThreadId, counters },
    feed: {
      id: feed.id,
      url: feed.url,
      state: feed.state,
      protocol: feed.protocol,
      headers: { ...feed.headers },
    },
    data,
    monitorRef: monitor.ref,
  });
  const seen = [...data.seen];
  const enough = seen.length + data.take;
  if (data.take > 0) {
    for await (const message of feed) {
      seen.push(String(message));
      if (seen.length === enough) break;
    }
  }
  report({ type: 'seen', seen });
  const [to, ...route] = data.route;
  // Waits before it gives, so that what is handed on can come back at once.
  next = taking.next();
  if (to !== undefined) await feed.transferOwnership({ threadId: to }, { data: { ...data, route, seen } });
}
