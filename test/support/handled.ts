// handled — feeds with handlers of handling.ts before them, whose notices and faults are kept from the first moment on.
// Called in a describe, as feeds() is. Used by test/handlers.
// Invariant: after each test its connections are closed; a server is there for each attempt, in order.

import { once } from 'node:events';
import type { OpenOptions } from '../../lib/index.ts';
import { type Feed, type Feeds, feeds, frame, wordsOf } from './feeds.ts';
import { HANDLING } from './handling.ts';
import { type Conversation, type Peer, type WsPeerOptions, wsPeer } from './peers.ts';

export interface Handled {
  readonly feed: Feed;
  readonly peer: Peer;
  /** What its handler has told so far, and its faults in words. */
  readonly notices: unknown[];
  readonly faults: string[];
  /** Resolves with the first `count` once they were told. */
  told(count: number): Promise<unknown[]>;
  failed(count: number): Promise<string[]>;
  /** The server's end of the next attempt. */
  server(): Promise<Conversation>;
}

export interface HandledFeeds extends Feeds {
  /** A feed from before it is open: `name` is an export of handling.ts. */
  handle(name: string, options?: unknown, more?: OpenOptions, peerOptions?: WsPeerOptions): Promise<Handled>;
}

/** Called in a describe. */
export function handled(): HandledFeeds {
  const all = feeds();
  const made: Feed[] = [];
  afterEach(async () => {
    // One that was handed over is another's to close.
    await Promise.all(made.splice(0).map((feed) => feed.connection.close().catch(() => {})));
  });
  return {
    ...all,
    async handle(name, options, more = {}, peerOptions) {
      const waiting: Conversation[] = [];
      let wake = (): void => {};
      const script = (conversation: Conversation): void => {
        conversation.socket.setNoDelay(true);
        waiting.push(conversation);
        wake();
      };
      const peer = await all.keep(wsPeer(script, peerOptions));
      const feed = all.pool.feedOf(peer.url, handler(name, options, more));
      made.push(feed);
      const [notices, faults]: [unknown[], string[]] = [[], []];
      feed.on('notify', (value) => notices.push(value));
      feed.on('fault', ({ hook, error }) => faults.push(`${hook}: ${error.name}: ${error.message}`));
      const first = async <T>(list: T[], count: number, event: 'notify' | 'fault'): Promise<T[]> => {
        while (list.length < count) await once(feed, event);
        return list.slice(0, count);
      };
      return {
        ...{ feed, peer, notices, faults },
        told: (count) => first(notices, count, 'notify'),
        failed: (count) => first(faults, count, 'fault'),
        async server() {
          while (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve));
          return waiting.shift()!;
        },
      };
    },
  };
}

/** Options of connect() with a handler of handling.ts. */
export function handler(name: string, options?: unknown, more: OpenOptions = {}): OpenOptions {
  return { ...more, handler: { module: HANDLING, export: name, options } };
}

/** The client's frames up to its Close, which is answered with another of that code: `text Hello`, `close 1000 bye`. */
export async function closed(server: Conversation): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const heard = await server.read();
    said.push(wordsOf(heard));
    if (heard.opcode !== 8) continue;
    server.send(frame(0x88, heard.payload));
    server.end();
    return said;
  }
}

/** Text messages, in one write. */
export function say(server: Conversation, ...texts: (string | number)[]): void {
  server.send(Buffer.concat(texts.map((text) => frame(0x81, String(text)))));
}
