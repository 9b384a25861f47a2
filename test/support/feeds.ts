// feeds — connections for the tests of one describe, opened through a pool of one thread, and gone after each test.
// Used by most tests: `const { talk } = feeds()`; `const { feed, server } = await talk()`.
// Invariant: after each test its connections are closed and its peers are gone, whatever became of the test; after each
// describe the pool has none left. The pool is one for all describes of all files, since each start of a thread takes a
// fourteenth of a second; a thread that a test has killed, or that has not let go of something, is followed by another.

import type { Batch, Connection, Message, OpenOptions, OpenTarget, WsStream } from '../../lib/index.ts';
import { Pool } from '../../lib/index.ts';
import { emptied } from './emptied.ts';
import { type Conversation, type Frame, type Peer, type WsPeerOptions, wsPeer } from './peers.ts';

export type Feed = WsStream<Connection>;

export interface Talk {
  readonly feed: Feed;
  /** The server's end. */
  readonly server: Conversation;
  readonly peer: Peer;
}

export interface Feeds {
  readonly pool: Pool;
  /** A WebSocket to this URL. */
  connect(url: string, options?: OpenOptions): Promise<Feed>;
  /** A connection to this URL. */
  open(target: OpenTarget, options?: OpenOptions): Connection;
  /** A WebSocket to a server that is spoken by hand. */
  talk(options?: OpenOptions, peerOptions?: WsPeerOptions): Promise<Talk>;
  /** Closes the peer after the test. */
  keep<P extends Peer>(peer: Promise<P>): Promise<P>;
}

/** Its thread stays, idle, and keeps no process alive: see hooks.ts. */
const pool: Pool = new Pool({ threads: 1 });

/** Called in a describe. */
export function feeds(): Feeds {
  const connections: Connection[] = [];
  const peers: Peer[] = [];

  const track = (connection: Connection): Connection => {
    connections.push(connection);
    return connection;
  };
  const keep = async <P extends Peer>(peer: Promise<P>): Promise<P> => {
    const made = await peer;
    peers.push(made);
    return made;
  };
  const connect = async (url: string, options?: OpenOptions): Promise<Feed> => {
    const feed = await pool.connect(url, options);
    track(feed.connection);
    return feed;
  };

  afterEach(async () => {
    // One that was handed over is another's to close.
    await Promise.all(connections.splice(0).map((one) => one.close().catch(() => {})));
    await Promise.all(peers.splice(0).map((one) => one.close()));
  });
  after(async () => {
    try {
      await emptied(pool);
    } catch (error) {
      // Else every later describe would be blamed for it.
      await Promise.all(pool.info().threads.map(({ threadId }) => pool.terminate(threadId)));
      throw error;
    }
  });

  return {
    pool,
    connect,
    keep,
    open: (target, options) => track(pool.open(target, options)),
    talk: async (options, peerOptions) => {
      let begin: (server: Conversation) => void = () => {};
      const begun = new Promise<Conversation>((resolve) => {
        begin = resolve;
      });
      const script = (server: Conversation): void => {
        // Else a write waits for the client's delayed acknowledgement of the one before.
        server.socket.setNoDelay(true);
        begin(server);
      };
      const peer = await keep(wsPeer(script, peerOptions));
      const feed = await connect(peer.url, options);
      return { feed, server: await begun, peer };
    },
  };
}

/** The next `count` messages of a feed. */
export async function take(feed: Feed, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  if (count === 0) return taken;
  for await (const message of feed) {
    taken.push(message);
    if (taken.length === count) break;
  }
  return taken;
}

/** All messages to the end of a feed, and the error that ended it, if it was one. */
export async function drain(feed: Feed): Promise<{ messages: Message[]; error: Error | undefined }> {
  const messages: Message[] = [];
  try {
    for await (const message of feed) messages.push(message);
  } catch (error) {
    return { messages, error: error as Error }; // What is thrown here is an error.
  }
  return { messages, error: undefined };
}

/** A message in words: `Hello`, `<0102>`. */
export function plain(message: Message): string {
  return typeof message === 'string' ? message : `<${Buffer.from(message).toString('hex')}>`;
}

/** The client's frames up to its Close, then the server's FIN: `text Hello`, `pong 01`, `close 1000 bye`. */
export async function untilClose(server: Conversation): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const words = wordsOf(await server.read());
    said.push(words);
    if (!words.startsWith('close')) continue;
    server.end();
    return said;
  }
}

const NAMES: Record<number, string> = {
  0: 'more',
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};

export function wordsOf({ opcode, payload }: Frame): string {
  if (opcode !== 8) return `${NAMES[opcode]} ${payload}`.trim();
  if (payload.length === 0) return 'close';
  return `close ${payload.readUInt16BE()} ${payload.subarray(2)}`.trim();
}

/** A frame of the server, unmasked; `first` is its first byte. */
export function frame(first: number, payload: string | Uint8Array = ''): Buffer {
  const body = Buffer.from(payload);
  const { length } = body;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = first;
  if (length < 126) header[1] = length;
  else if (length < 65_536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, body]);
}

/** The thread has read so many messages, over all. */
export async function arrived(feed: Feed, messages: number): Promise<void> {
  while ((await feed.connection.info()).counters.messagesReceived < messages);
}

/** Lets the thread read what the server wrote before, as a rule: for where a read ends, never for what is in it. */
export async function pause(feed: Feed): Promise<void> {
  // One round trip may overtake a read of the same turn.
  await feed.connection.info();
  await feed.connection.info();
}

/** Text messages `from`, `from + 1` … in one piece. */
export function numbers(from: number, count: number): Buffer {
  return Buffer.concat(range(from, count).map((text) => frame(0x81, text)));
}

/** What they read as. */
export function range(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

/** The next batch of a feed. */
export async function firstBatch(feed: Feed): Promise<Batch> {
  for await (const batch of feed.batches()) return batch;
  throw new Error('there is none');
}
