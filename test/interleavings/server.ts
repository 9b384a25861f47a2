// server — the peer of a run of real threads: a ws server that sends numbers, and loses its clients when it is told to.
// Made by play.ts. Invariant: numbers go on from connection to connection; what was sent on each is kept.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { payloadOf } from '../model/network.ts';
import type { Sent } from './history.ts';

export class NumberServer {
  readonly #server: WebSocketServer;
  #sockets: { readonly socket: WebSocket; readonly sent: Sent }[] = [];
  #next = 0;
  #leaves = false;
  #heard: string[] = [];

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket) => {
      const sent: Sent = { first: this.#next, end: this.#next, isWhole: true };
      this.#sockets.push({ socket, sent });
      socket.on('error', () => {}); // 'close' follows.
      socket.on('message', (data) => this.#heard.push(String(data)));
      if (this.#leaves) socket.close(1000);
    });
  }

  static async listen(): Promise<NumberServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new NumberServer(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`; // It listens by TCP.
  }
  get sent(): readonly Sent[] {
    return this.#sockets.map(({ sent }) => sent);
  }
  /** What was sent to it, in order. */
  get heard(): readonly string[] {
    return this.#heard;
  }

  /** A new run. */
  begin(): void {
    for (const { socket } of this.#sockets) socket.terminate();
    this.#sockets = [];
    this.#next = 0;
    this.#leaves = false;
    this.#heard = [];
  }

  send(count: number, size: number): void {
    const last = this.#sockets.at(-1);
    if (!last || last.socket.readyState !== last.socket.OPEN) return;
    for (let left = count; left > 0; left--) {
      const number = this.#next++;
      last.socket.send(payloadOf(number, size), { binary: number % 3 === 0 });
    }
    last.sent.end = this.#next;
  }

  /** The socket goes, whatever is on its way. */
  drop(): void {
    const last = this.#sockets.at(-1);
    if (!last || last.socket.readyState !== last.socket.OPEN) return;
    last.sent.isWhole = false;
    last.socket.terminate();
  }

  /** Says goodbye, to who comes later too. */
  leave(): void {
    this.#leaves = true;
    this.#sockets.at(-1)?.socket.close(1000);
  }

  async close(): Promise<void> {
    for (const { socket } of this.#sockets) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
