// hooked-server — the server that test/support/hooked.ts speaks to: it answers logins, subscriptions and requests, says
// what a test has it say, and keeps what it has heard.
// Invariant: `until` is asked again after whatever happens on a socket, or is told by `changed`: nothing sleeps.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** One message of the client. */
export interface Heard {
  readonly type?: string;
  readonly [name: string]: unknown;
}

/** What it says to a login: an auth result. */
const RESULT = { ok: true, token: 'token-1', refreshToken: 'refresh-1' };

export class HookedServer {
  /** All that clients said, without the connection it came on. */
  readonly heard: Heard[] = [];
  /** `<code> <reason>` of each that has ended. */
  readonly closes: string[] = [];
  /** How many there were. */
  connections = 0;
  /** Milliseconds that a login is good for. */
  expiresIn: number | undefined;
  readonly #server: WebSocketServer;
  #socket: WebSocket | undefined;
  readonly #waiting = new Set<() => void>();

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.connections++;
      this.#socket = socket;
      socket.on('message', (data) => this.#hear(JSON.parse(String(data))));
      socket.on('close', (code, reason) => {
        this.closes.push(`${code} ${reason}`);
        this.changed();
      });
      socket.on('error', () => {}); // Reset by a client that drops it: 'close' follows.
      this.changed();
    });
  }

  static async start(): Promise<HookedServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return new HookedServer(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** To the client that came last: text as it is, all else as JSON. */
  say(message: unknown): void {
    this.#socket?.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The socket is lost, without a word. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** What was heard of a type. */
  of(type: string): Heard[] {
    return this.heard.filter((message) => message.type === type);
  }

  /** Something has happened elsewhere: what is waited for may be so now. */
  changed(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves once it is so. @throws after 4 s: what was waited for. */
  until(what: string, isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const look = (): void => {
        if (isSo()) end(resolve);
      };
      const timer = setTimeout(() => end(() => reject(new Error(`waited in vain: ${what}`))), 4_000);
      this.#waiting.add(look);
      look();
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #hear(message: Heard): void {
    this.heard.push(message);
    const { type, id, channel } = message;
    const result = { ...RESULT, expiresIn: this.expiresIn };
    switch (type) {
      case 'login':
      case 'refresh':
        this.say(id === undefined ? { type: 'loggedIn', result } : { type: 'reply', id, value: result });
        break;
      case 'subscribe':
      case 'unsubscribe': {
        const refused = String(channel).startsWith('no');
        const word = type === 'unsubscribe' ? 'unsubscribed' : refused ? 'refused' : 'subscribed';
        if (id === undefined) this.say({ type: word, channel, reason: 'no such channel' });
        else this.say({ type: 'reply', id, ...(refused ? { error: { message: 'no' } } : { value: word }) });
        break;
      }
      case 'ask':
        this.say({ type: 'reply', id, value: message['what'] });
        break;
      case 'askWrong':
        this.say({ type: 'reply', id, error: { code: 7, message: 'wrong' } });
        break;
      case undefined:
        break;
    }
    this.changed();
  }
}
