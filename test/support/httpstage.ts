// httpstage — what each ownership test of requests has: a counted server, a connection to it owned by main, two threads.
// Called inside a `describe`, where it adds its hooks. The twin of stage.ts, which does the same for a WebSocket.
// Invariant: after each test everything that main or a thread owns is closed; the threads end with the describe.

import { expect } from 'chai';
import {
  type Connection,
  type OpenOptions,
  open,
  type Received,
  type ReceiveOptions,
  type RequestOptions,
  receiveOwnership,
  type Stream,
} from '../../lib/index.ts';
import { type Asked, type Counted, counted, faultIn } from './counted.ts';
import { TestThread } from './thread.ts';

/** The two that a connection may speak. */
export const BOTH = ['http', 'h2c'] as const;

export type Answered = Stream<Connection>;

export interface HttpStage {
  readonly server: Counted;
  /** Owned by main, up, new for each test. */
  readonly connection: Connection;
  readonly a: TestThread;
  readonly b: TestThread;
  /** A GET, and its server's end. */
  get(path?: string, options?: Omit<RequestOptions, 'body'>): Promise<{ stream: Answered; asked: Asked }>;
  /** The same, with the head of an answer of so many bytes on its way. */
  download(size: number, options?: Omit<RequestOptions, 'body'>): Promise<{ stream: Answered; asked: Asked }>;
  /** A POST whose body follows; `size`: it is declared. */
  upload(size?: number): Promise<{ stream: Answered; asked: Asked }>;
  /** receiveOwnership in main; closed after the test. */
  take<D = unknown>(options?: ReceiveOptions): Promise<Received<D>>;
  /** Gives the connection, this stream named, to a thread, and waits until it is there. */
  giveTo(thread: TestThread, stream: Pick<Answered, 'transferOwnership'>): Promise<void>;
  /** Gives it from thread to thread, the stream named that was named before. */
  pass(from: TestThread, to: TestThread): Promise<void>;
  /** Gives it to main itself; resolves with the stream that is named there. */
  loop(stream: Answered): Promise<Answered>;
}

/** @param options of the connection. */
export function httpStage(speaks: 'http' | 'h2c', options: OpenOptions = {}): HttpStage {
  let server: Counted;
  let connection: Connection;
  let threads: TestThread[];
  const mine = new Set<Connection>();

  before(() => {
    threads = [new TestThread(), new TestThread()];
  });
  after(() => Promise.all(threads.map((thread) => thread.end())));
  beforeEach(async () => {
    server = await counted(speaks);
    connection = open(server.url, { ...server.trust, retry: 0, ...options });
    mine.add(connection);
    await connection.awaitUp();
  });
  afterEach(async () => {
    for (const thread of threads) await thread.closeOwned();
    // NOT_OWNER: somebody else had it, and has closed it.
    for (const one of mine) await one.close().catch(() => {});
    mine.clear();
    await server.close();
  });

  const set: HttpStage = {
    get server() {
      return server;
    },
    get connection() {
      return connection;
    },
    get a() {
      return threads[0]!;
    },
    get b() {
      return threads[1]!;
    },
    async get(path = '/', options) {
      const stream = connection.get(path, options);
      return { stream, asked: await server.next() };
    },
    async download(size, options) {
      const begun = await set.get('/', options);
      begun.asked.head({ 'content-length': size });
      return begun;
    },
    async upload(size) {
      const headers = size === undefined ? {} : { 'content-length': size };
      const stream = connection.post('/', { headers });
      return { stream, asked: await server.next() };
    },
    async take<D>(receiveOptions?: ReceiveOptions) {
      const received = await receiveOwnership<D>(receiveOptions);
      mine.add(received.connection);
      return received;
    },
    async giveTo(thread, stream) {
      await Promise.all([
        thread.run((here) => here.take().then(() => {})),
        stream.transferOwnership(thread.worker),
      ]);
    },
    async pass(from, to) {
      const { threadId } = to;
      await Promise.all([
        to.run((here) => here.take().then(() => {})),
        from.run((here, threadId) => here.stream.transferOwnership({ threadId }), threadId),
      ]);
    },
    async loop(stream) {
      const [received] = await Promise.all([set.take(), stream.transferOwnership({ threadId: 0 })]);
      return received.stream as Answered; // It was named.
    },
  };
  return set;
}

/** What was read in turn is all of it from `from` on, in order. Returns how much it is. */
export function expectCounted(parts: readonly Uint8Array[], from = 0): number {
  let at = from;
  for (const part of parts) {
    expect(faultIn(part, at), `a part of ${part.byteLength} at ${at}`).to.equal(-1);
    at += part.byteLength;
  }
  return at;
}
