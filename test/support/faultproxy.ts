// faultproxy — a TCP proxy that breaks what goes through it, at the byte that a test names.
// Used by faultproxy.test.ts, faults/*.test.ts, and whoever needs a bad line between a client and any server.
// Invariant: up to the byte of a fault each byte goes through, in order, and has left this process before the fault
// strikes; a FIN passes as a FIN, a slow side holds up the other; close() leaves no socket and no timer.
// Catch: what a fault is set for holds for connections from then on; each has the faults of its own number.

import { once } from 'node:events';
import * as net from 'node:net';
import { Pump, type WayFaults } from './faultpump.ts';
import { reset } from './reset.ts';

/** From the client; to the client. */
export type Way = 'up' | 'down';

export type Faults = { readonly [W in Way]?: WayFaults | undefined };

/** A bad line to `port` of this machine. Set `faults` for connections from then on: the same for each, or by number (from
 *  0, in the order of arrival). */
export async function faultProxy(
  port: number,
  faults: Faults | ((connection: number) => Faults) = {},
): Promise<FaultProxy> {
  const proxy = new FaultProxy(port, faults);
  await proxy.accept();
  return proxy;
}

export class FaultProxy implements AsyncDisposable {
  faults: Faults | ((connection: number) => Faults);
  readonly #target: number;
  readonly #server: net.Server;
  readonly #lines: Line[] = [];
  readonly #waits = new Set<() => void>();
  #port = 0;

  constructor(target: number, faults: Faults | ((connection: number) => Faults)) {
    this.#target = target;
    this.faults = faults;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const { faults: given } = this;
      const mine = typeof given === 'function' ? given(this.#lines.length) : given;
      this.#lines.push(new Line(client, this.#target, mine, () => this.#moved()));
      this.#moved();
    });
  }

  get port(): number {
    return this.#port;
  }

  /** The same URL, by this proxy. */
  url(of: string): string {
    const url = new URL(of);
    url.port = String(this.#port);
    return url.pathname === '/' && !of.endsWith('/') ? url.href.slice(0, -1) : url.href;
  }

  /** Connections so far. */
  get connections(): number {
    return this.#lines.length;
  }

  /** Connections with a side that is open. */
  get open(): number {
    return this.#lines.filter(({ open }) => open).length;
  }

  /** Bytes that went through; of one connection, or of all. */
  passed(way: Way, connection?: number): number {
    const lines = connection === undefined ? this.#lines : this.#lines.slice(connection, connection + 1);
    return lines.reduce((sum, line) => sum + line[way].passed, 0);
  }

  /** Resolves when so many bytes have gone through to the client (or the other way), in one connection or in all. */
  reached(bytes: number, way: Way = 'down', connection?: number): Promise<void> {
    return this.#until(() => this.passed(way, connection) >= bytes);
  }

  /** Resolves when so many connections have come. */
  connected(count: number): Promise<void> {
    return this.#until(() => this.#lines.length >= count);
  }

  /** Reads nothing more that way, as of now. */
  stall(way: Way): void {
    for (const line of this.#lines) line[way].stall();
  }

  /** Goes on, where it was stalled. */
  resume(way: Way): void {
    for (const line of this.#lines) line[way].resume();
  }

  /** Lets so many writes of a trickle go. */
  step(way: Way, writes = 1): void {
    for (const line of this.#lines) line[way].step(writes);
  }

  /** Ends what is open: both ends get a FIN, or an RST. */
  drop(how: 'fin' | 'rst' = 'rst'): void {
    for (const line of this.#lines) line.end(how);
  }

  /** New connections are refused; those that are open go on. */
  refuse(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** New connections are taken, at the same port as before. */
  async accept(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as net.AddressInfo).port; // It listens on TCP.
  }

  async close(): Promise<void> {
    this.refuse();
    await Promise.all(this.#lines.map((line) => line.destroy()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #until(met: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!met()) return;
        this.#waits.delete(look);
        resolve();
      };
      this.#waits.add(look);
      look();
    });
  }

  #moved(): void {
    for (const look of [...this.#waits]) look();
  }
}

/** One connection: two sockets, two ways. */
class Line {
  readonly up: Pump;
  readonly down: Pump;
  readonly #sockets: readonly [net.Socket, net.Socket];

  constructor(client: net.Socket, target: number, faults: Faults, moved: () => void) {
    const server = net.connect({ host: '127.0.0.1', port: target, allowHalfOpen: true, noDelay: true });
    this.#sockets = [client, server];
    for (const [one, other] of [this.#sockets, [server, client]] as const) {
      one.on('error', () => {}); // 'close' tells.
      // What breaks off on one side breaks off on the other; a polite end has passed by then.
      one.on('close', (broken) => {
        if (broken) reset(other);
        else if (!one.readableEnded) other.destroy();
        moved();
      });
    }
    const end = (how: 'fin' | 'rst'): void => this.end(how);
    this.up = new Pump([client, server], faults.up ?? {}, end, moved);
    this.down = new Pump([server, client], faults.down ?? {}, end, moved);
  }

  get open(): boolean {
    return this.#sockets.some(({ destroyed }) => !destroyed);
  }

  end(how: 'fin' | 'rst'): void {
    this.up.stop();
    this.down.stop();
    for (const socket of this.#sockets) {
      if (how === 'rst') reset(socket);
      // Its pump reads to the end: what lies unread when a socket is closed makes its FIN an RST.
      else socket.end();
    }
  }

  async destroy(): Promise<void> {
    this.up.stop();
    this.down.stop();
    const closes = this.#sockets.filter(({ closed }) => !closed).map((socket) => once(socket, 'close'));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closes);
  }
}
