// numbers — a feed of numbers for ownership tests: 0, 1, 2 … as text messages, sent when the test says so.
// Invariant: all that one call sends leaves in one write, so that it arrives as one parcel or two, never one a message;
// a WebSocket's numbers start from 0 and go on after a reconnect.

import { once } from 'node:events';
import type { Connection, Message, WsStream } from '../../lib/index.ts';
import { type Conversation, type Peer, type WsPeerOptions, wsPeer } from './peers.ts';

export interface Numbers extends Peer {
  /** Sends the next `count` numbers. */
  send(count: number): void;
  /** The client's next text messages, or its close as `close <code>`, in order. */
  heard(count: number): Promise<string[]>;
  /** The next client is here. */
  connected(): Promise<void>;
  /** The socket is lost, without a word. */
  drop(): void;
  /** A close frame with 1000. */
  close1000(): void;
  /** Answers no close frame any more. */
  deaf: boolean;
  /** Answers no ping until `unmute()`, which answers them all; each counts as `ping <payload>` among what is heard. */
  mute: boolean;
  unmute(): void;
  /** Numbers sent so far. */
  readonly sent: number;
}

/** Serves one client at a time. */
export async function numbers(options: WsPeerOptions = {}): Promise<Numbers> {
  const said: string[] = [];
  const pongs: Buffer[] = [];
  let wake: () => void = () => {};
  let hello: () => void = () => {};
  let current: Conversation | undefined;
  let sent = 0;

  const peer = await wsPeer(async (conversation) => {
    current = conversation;
    hello();
    for (;;) {
      const { opcode, payload } = await conversation.read();
      if (opcode === 9) {
        const pong = Buffer.concat([Buffer.from([0x8a, payload.length]), payload]);
        if (!all.mute) conversation.send(pong);
        else {
          said.push(`ping ${payload}`);
          pongs.push(pong);
        }
      }
      if (opcode === 1) said.push(payload.toString());
      if (opcode === 8) {
        said.push(`close ${payload.readUInt16BE()}`);
        if (!all.deaf) {
          conversation.send(Buffer.concat([Buffer.from([0x88, payload.length]), payload]));
          conversation.end();
        }
      }
      wake();
    }
  }, options);

  const more = {
    send(count: number): void {
      const frames: Buffer[] = [];
      for (const last = sent + count; sent < last; sent++) {
        const payload = Buffer.from(String(sent));
        frames.push(Buffer.from([0x81, payload.length]), payload);
      }
      current?.send(Buffer.concat(frames));
    },
    async heard(count: number): Promise<string[]> {
      while (said.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return said.splice(0, count);
    },
    connected: () => new Promise<void>((resolve) => (hello = resolve)),
    drop: () => void current?.socket.destroy(),
    close1000: () => current?.send('88 02 03e8'),
    deaf: false,
    mute: false,
    unmute(): void {
      all.mute = false;
      for (const pong of pongs.splice(0)) current?.send(pong);
    },
  };
  const all = more as Numbers; // The rest follows.
  Object.defineProperties(all, Object.getOwnPropertyDescriptors(peer));
  return Object.defineProperty(all, 'sent', { get: () => sent });
}

/** The next `count` messages of a feed, as numbers. */
export async function readNumbers(feed: WsStream<Connection>, count: number): Promise<number[]> {
  const read: number[] = [];
  if (count === 0) return read;
  for await (const message of feed) {
    read.push(numberOf(message));
    if (read.length === count) break;
  }
  return read;
}

/** The same by events, from now on; resolves with them once there are `count`. */
export async function hearNumbers(feed: WsStream<Connection>, count: number): Promise<number[]> {
  const read: number[] = [];
  while (read.length < count) {
    const [message] = (await once(feed, 'message')) as [Message];
    read.push(numberOf(message));
  }
  return read;
}

/** `from`, `from + 1` … up to, and without, `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function numberOf(message: Message): number {
  return Number(message);
}
