// client-server — the server that test/support/client-adapter.ts speaks to: logins, subscriptions, requests and numbered
// messages, and what each connection has heard, in order.
// Used by test/client and the client's storms. Invariant: `until` is asked again after whatever happens on a socket, or is
// told by `changed`: nothing sleeps; numbers are the server's own, the same for all its connections.

import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** One message of the client. */
interface Asked {
  readonly method?: string;
  readonly id?: string | number;
  readonly params?: unknown;
}

/** What became of one connection. */
export interface Served {
  readonly number: number;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly protocol: string;
  /** What it heard, as `<method> <what>`. */
  readonly log: string[];
  /** How often each channel was asked for. */
  readonly asked: Map<string, number>;
  readonly channels: Set<string>;
  /** What each login has given. */
  readonly logins: unknown[];
  readonly socket: WebSocket;
  /** Its close code, once it has ended. */
  code: number | undefined;
}

export class ClientServer {
  /** All that came, ended or not. */
  readonly connections: Served[] = [];
  /** What a login is good for, in milliseconds. */
  expiresIn: number | undefined;
  /** Nobody may log in. */
  refuses = false;
  /** Upgrades are answered with 503. */
  isDown = false;
  /** Logins and subscriptions get no answer. */
  mute = false;
  /** Each connection is cut after so many milliseconds; 0: never. */
  lifetime = 0;
  /** How many numbers there were. */
  count = 0;
  /** When each note came, by performance.now(). */
  readonly times: number[] = [];
  readonly #server: WebSocketServer;
  readonly #held: { readonly socket: WebSocket; readonly id: unknown; readonly params: unknown }[] = [];
  readonly #waiting = new Set<() => void>();
  #flow: NodeJS.Immediate | undefined;

  private constructor() {
    this.#server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      perMessageDeflate: false,
      verifyClient: (_info, answer) => answer(!this.isDown, 503, 'down'),
    });
    this.#server.on('connection', (socket, { url = '', headers }) => {
      const served: Served = {
        ...{ number: this.connections.length + 1, url, headers, protocol: socket.protocol, log: [] },
        ...{ asked: new Map(), channels: new Set(), logins: [], socket, code: undefined },
      };
      this.connections.push(served);
      socket.on('message', (data) => this.#hear(served, JSON.parse(String(data))));
      const end = this.lifetime > 0 ? setTimeout(() => socket.terminate(), this.lifetime) : undefined;
      socket.on('close', (code) => {
        clearTimeout(end);
        served.code = code;
        this.changed();
      });
      socket.on('error', () => {}); // Reset by a client that drops it: 'close' follows.
      this.changed();
    });
  }

  static async start(): Promise<ClientServer> {
    const made = new ClientServer();
    await once(made.#server, 'listening');
    return made;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Those that are open. */
  get open(): Served[] {
    return this.connections.filter(({ code }) => code === undefined);
  }
  get last(): Served {
    const last = this.connections.at(-1);
    if (!last) throw new Error('there was no connection');
    return last;
  }
  /** Requests that are held. */
  get held(): number {
    return this.#held.length;
  }

  /** Something has happened elsewhere: what is waited for may be so now. */
  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves once it is so. @throws after 4 s: what was waited for. */
  until(what: string, isSo: () => boolean, patience = 4_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const look = (): void => {
        if (isSo()) end(resolve);
      };
      const timer = setTimeout(() => end(() => reject(new Error(`waited in vain: ${what}`))), patience);
      this.#waiting.add(look);
      look();
    });
  }

  /** The sockets of all are lost, without a word. */
  drop(): void {
    for (const { socket } of this.open) socket.terminate();
  }

  /** To all that are open. */
  say(message: unknown): void {
    for (const { socket } of this.open) socket.send(JSON.stringify(message));
  }

  /** The next numbers, to all that have the channel. */
  number(channel: string, count = 1): void {
    for (let i = 0; i < count; i++) {
      const text = JSON.stringify({ channel, n: this.count++ });
      for (const { channels, socket } of this.open) {
        if (channels.has(channel) && socket.readyState === socket.OPEN) socket.send(text);
      }
    }
  }

  /** A few numbers each turn, until `stopFlow()`. */
  flow(channel: string, each = 5): void {
    const next = (): void => {
      this.number(channel, each);
      this.#flow = setImmediate(next);
    };
    next();
  }
  stopFlow(): void {
    clearImmediate(this.#flow);
    this.#flow = undefined;
  }

  /** Answers what is held, in this order of it. */
  release(order: (n: number) => number[]): void {
    const held = this.#held.splice(0);
    for (const i of order(held.length)) {
      const { socket, id, params } = held[i]!;
      socket.send(JSON.stringify({ id, result: params }));
    }
  }

  async close(): Promise<void> {
    this.stopFlow();
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #hear(served: Served, { method, id, params }: Asked): void {
    const { socket, log, asked, channels } = served;
    const reply = (answer: object): void => socket.send(JSON.stringify({ id, ...answer }));
    const what = method === 'auth' ? '' : ` ${typeof params === 'object' ? JSON.stringify(params) : params}`;
    log.push(`${method}${what}`);
    const channel = String(params);
    switch (method) {
      case 'auth':
        served.logins.push(params);
        if (this.mute) break;
        // It shows what it was given, as some do.
        if (this.refuses)
          reply({ error: { code: 13, message: `wrong: ${JSON.stringify(params)}`, data: params } });
        else
          reply({
            result: { token: `token-${this.connections.length}-${log.length}`, expires: this.expiresIn },
          });
        break;
      case 'subscribe':
        asked.set(channel, (asked.get(channel) ?? 0) + 1);
        if (this.mute || channel.startsWith('mute')) break;
        if (channel.startsWith('no')) reply({ error: { code: 4, message: 'no such channel' } });
        else {
          channels.add(channel);
          reply({ result: 'ok' });
        }
        break;
      case 'unsubscribe':
        channels.delete(channel);
        reply({ result: 'ok' });
        break;
      case 'echo':
        reply({ result: params });
        break;
      case 'wrong':
        reply({ error: { code: 7, message: 'wrong', data: params } });
        break;
      case 'hold':
        this.#held.push({ socket, id, params });
        break;
      case 'note':
        this.times.push(performance.now());
        break;
      default: // Heard, and not answered.
    }
    this.changed();
  }
}
