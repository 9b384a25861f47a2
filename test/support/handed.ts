// handed — what moves from thread to thread in the tests of tunnels, and whom its bytes are for.
// Used by test/tunnels/ownership.test.ts and raw-storm.test.ts, and by journey.ts: `const on = movers()` inside a describe.
// Invariant: after each test everything that main or a thread owns is closed; the threads end with the describe; a byte
// that came to the server in the wrong place is never forgotten.

import type * as net from 'node:net';
import { type Connection, receiveOwnership, type Stream } from '../../lib/index.ts';
import { faultIn, piece } from './counted.ts';
import { type Peer, peer } from './peers.ts';
import { TestThread } from './thread.ts';

export type Held = Stream<Connection>;

/** A server of raw bytes: it counts what comes, and sends what it is told to. */
export interface Bytes extends Peer {
  /** The next connection. */
  next(): Promise<net.Socket>;
  /** Bytes of a connection, all of them in their place. */
  readonly received: number;
  readonly fault: number;
  /** Its client has ended its side. */
  readonly ended: Promise<void>;
}

export async function bytesServer(): Promise<Bytes> {
  const sockets: net.Socket[] = [];
  const waiting: ((socket: net.Socket) => void)[] = [];
  const seen = { received: 0, fault: -1 };
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const served = await peer(
    (socket) => {
      socket.setNoDelay(true);
      socket.on('data', (part: Buffer) => {
        if (seen.fault < 0) seen.fault = faultIn(part, seen.received);
        seen.received += part.length;
      });
      socket.on('end', end);
      const waiter = waiting.shift();
      if (waiter) waiter(socket);
      else sockets.push(socket);
    },
    { halfOpen: true },
  );
  const more = {
    next: () => {
      const socket = sockets.shift();
      return socket ? Promise.resolve(socket) : new Promise<net.Socket>((resolve) => waiting.push(resolve));
    },
    ended,
    get received() {
      return seen.received;
    },
    get fault() {
      return seen.fault;
    },
  };
  return Object.defineProperties({} as Bytes, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** Two threads, and what moves there. */
export interface Movers {
  readonly a: TestThread;
  readonly b: TestThread;
  /** From main. */
  giveTo(thread: TestThread, stream: Pick<Held, 'transferOwnership'>): Promise<void>;
  pass(from: TestThread, to: TestThread): Promise<void>;
  /** … to main. */
  back(from: TestThread): Promise<Held>;
}

export function movers(): Movers {
  let all: TestThread[];
  const mine: Connection[] = [];
  before(() => {
    all = [new TestThread(), new TestThread()];
  });
  after(() => Promise.all(all.map((thread) => thread.end())));
  afterEach(async () => {
    for (const thread of all) await thread.closeOwned();
    // NOT_OWNER: it was given on.
    for (const one of mine.splice(0)) await one.close().catch(() => {});
  });
  const taken = (thread: TestThread): Promise<void> => thread.run((here) => here.take().then(() => {}));
  return {
    get a() {
      return all[0]!;
    },
    get b() {
      return all[1]!;
    },
    async giveTo(thread, stream) {
      await Promise.all([taken(thread), stream.transferOwnership(thread.worker)]);
    },
    async pass(from, to) {
      const { threadId } = to;
      const give = from.run((here, threadId) => here.stream.transferOwnership({ threadId }), threadId);
      await Promise.all([taken(to), give]);
    },
    async back(from) {
      const give = from.run((here) => here.stream.transferOwnership({ threadId: 0 }));
      const [{ connection, stream }] = await Promise.all([receiveOwnership(), give]);
      mine.push(connection);
      return stream as Held; // It was named.
    },
  };
}

/** What one owner does. */
export interface Share {
  /** Reads to here at least, where there is more than it has. */
  readonly until: number;
  /** Writes these meanwhile. */
  readonly write: readonly [from: number, to: number];
}

/** Reads on there, from `at`, and writes meanwhile. Resolves with where it got to, which may be beyond. */
export const swap = (thread: TestThread, at: number, { until, write }: Share): Promise<number> =>
  thread.run(
    async (here, at, part, count) => {
      for (let i = 0; i < part.length; i += 10_000) {
        if (!here.stream.data(false, part.subarray(i, i + 10_000))) await here.stream.drained();
        await new Promise((resolve) => setImmediate(resolve));
      }
      const bytes = count > 0 ? await here.bytes(count) : new Uint8Array(0);
      here.notes['bytes'] = bytes;
      return at + bytes.byteLength;
    },
    at,
    piece(...write),
    until - at,
  );

/** What that read. */
export const notes = (thread: TestThread): Promise<Uint8Array> =>
  thread.run((here) => here.notes['bytes'] as Uint8Array); // As `swap` has put it there.
