// feedserver — the WebSockets of the soak's server: feeds of stamped messages that end in bad ways, and echoes.
// Run by server.ts, in a process of its own. `/feed?name=7&size=64&rate=fast&text=1&life=900&ends=reset,politely`: of one
// name there is one WebSocket at a time; `/echo` sends back what it hears.
// Invariant: a WebSocket that ends politely has sent all that it has counted, and the next of its name says how much that
// was. Hushed, nobody sends and nobody ends.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { reset } from '../../support/reset.ts';
import { stamped } from './stamps.ts';

/** Sends so many at once, and again after so many ms. */
const RATES: Readonly<Record<string, readonly [burst: number, every: number]>> = {
  fast: [150, 15],
  steady: [10, 8],
  slow: [1, 20],
};
/** Bytes that may wait in the socket. */
const WAITING = 512 * 1024;
/** How long one that is stalled is kept, in ms: much longer than its client waits for a pong. */
const STALL = 10_000;

/** What feeds have in common. */
export interface FeedPlan {
  random(n: number): number;
  readonly hushed: boolean;
  /** A message is left out: a fault that must be found. */
  loses(): boolean;
}

/** How the WebSocket before this one ended. */
interface Before {
  readonly key: number;
  readonly count: number;
}

export class FeedServer {
  readonly #plan: FeedPlan;
  readonly #plain = new WebSocketServer({ noServer: true, autoPong: false, perMessageDeflate: false });
  readonly #deflating = new WebSocketServer({
    noServer: true,
    autoPong: false,
    perMessageDeflate: { threshold: 32, concurrencyLimit: 4 },
  });
  readonly #before = new Map<string, Before>();
  #keys = 0;
  drops = 0;

  constructor(plan: FeedPlan) {
    this.#plan = plan;
  }

  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => {}); // A client may leave.
    const url = new URL(request.url ?? '/', 'ws://soak');
    if (url.pathname === '/never') {
      socket.on('end', () => socket.end()).resume(); // Else its end would never be heard of.
      return;
    }
    if (url.pathname === '/refused') {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull');
      return;
    }
    const server = url.searchParams.has('deflate') ? this.#deflating : this.#plain;
    server.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => {}); // As above.
      // Not by itself: a pong behind the FIN would be an error, and the socket be destroyed with what is still on its way.
      ws.on('ping', (data) => socket.writableEnded || ws.pong(data, false, () => {}));
      if (url.pathname === '/echo') ws.on('message', (data, binary) => ws.send(data, { binary }));
      else this.#feed(ws, socket, url.searchParams);
    });
  }

  #feed(ws: WebSocket, socket: Socket, wanted: URLSearchParams): void {
    const name = wanted.get('name') ?? '';
    const key = ++this.#keys;
    const before = this.#before.get(name);
    this.#before.set(name, { key, count: -1 });
    const [burst, every] = RATES[wanted.get('rate') ?? ''] ?? [10, 10];
    const size = Number(wanted.get('size'));
    const text = wanted.has('text');
    const ends = wanted.get('ends')?.split(',') ?? [];
    let left = Math.ceil((this.#plan.random(2 * Number(wanted.get('life'))) + 20) / every);
    let number = 0;
    const tick = (): void => {
      if (ws.readyState !== ws.OPEN) return stop();
      if (this.#plan.hushed || ws.bufferedAmount > WAITING) return;
      for (let i = 0; i < burst; i++) {
        if (this.#plan.loses()) number++;
        // Most are of the size; some are larger.
        const length = this.#plan.random(400) === 0 ? size * 40 : size;
        const stamp = {
          key,
          number: number++,
          beforeKey: before?.key ?? 0,
          beforeCount: before?.count ?? -1,
        };
        ws.send(stamped(stamp, length, text));
      }
      if (ends.length > 0 && --left <= 0) end(ends[this.#plan.random(ends.length)]!);
    };
    const timer = setInterval(tick, every);
    const stop = (): void => clearInterval(timer);
    ws.on('close', stop);
    const end = (how: string): void => {
      stop();
      this.drops++;
      switch (how) {
        case 'politely':
          this.#before.set(name, { key, count: number });
          return ws.close(this.#plan.random(2) === 0 ? 1012 : 1013);
        case 'fin': {
          const last = { key, number, beforeKey: before?.key ?? 0, beforeCount: before?.count ?? -1 };
          this.#before.set(name, { key, count: number + 1 });
          // Behind the last one: what is compressed takes its time.
          return ws.send(stamped(last, 0, text), () => socket.end());
        }
        case 'cut':
          // A frame of which there is a part.
          socket.write(Buffer.from([0x82, 126, 1, 0, 1, 2, 3]));
          socket.destroy();
          return;
        case 'stall':
          // It hears nothing more, pings neither.
          socket.pause();
          setTimeout(() => socket.destroy(), STALL).unref();
          return;
        default:
          reset(socket);
      }
    };
  }
}
