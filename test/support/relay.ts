// relay — what every proxy of a test does once it has a way: bytes go through, both ways, and are counted.
// Used by the proxies and road servers here, and by the soak's server to end TLS.
// Invariant: a side that is slow holds up the other (back-pressure); a FIN passes as a FIN, and what breaks off on one
// side breaks off on the other; close() leaves nothing that was dialled.

import * as net from 'node:net';
import type { Duplex } from 'node:stream';

/** Bytes that went through, over all tunnels: from the clients, and to them. */
export interface Passed {
  up: number;
  down: number;
}

/** The tunnels of one proxy. */
export class Relays {
  readonly passed: Passed = { up: 0, down: 0 };
  readonly #far = new Set<net.Socket>();
  readonly #open = new Set<Duplex>();

  /** Tunnels that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** Dials for a client. Rejects as the dial fails. */
  async dial(host: string, port: number): Promise<net.Socket> {
    // Servers of tests listen on IPv4 only; the name has two addresses.
    const address = host === 'localhost' ? '127.0.0.1' : host;
    const far = net.connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    this.#far.add(far);
    // Whoever relays hears of an error by itself, and of one before by `once`.
    far.on('error', () => {}).on('close', () => this.#far.delete(far));
    await new Promise<void>((resolve, reject) => {
      far.once('connect', resolve).once('close', () => reject(new Error('nobody is there any more')));
    });
    return far;
  }

  /** Joins the two from now on. `broken`: how to break the client off, when the far end did. Default: destroy it. */
  join(client: Duplex, far: net.Socket, broken: () => void = () => client.destroy()): void {
    if (client.destroyed) return void far.destroy();
    this.#open.add(client);
    client.on('close', () => {
      this.#open.delete(client);
      // Else all it had to say is with `far`, which ends by itself once that has left.
      if (!client.readableEnded || !client.writableFinished) far.destroy();
    });
    far.on('error', broken);
    // No pipeline(): it destroys a stream of node:http2 before that has sent its RST_STREAM.
    client.pipe(far);
    far.pipe(client);
    client.on('data', (chunk: Buffer) => (this.passed.up += chunk.length));
    far.on('data', (chunk: Buffer) => (this.passed.down += chunk.length));
  }

  /** Breaks all tunnels off. */
  close(): void {
    for (const far of this.#far) far.destroy();
    for (const client of this.#open) client.destroy();
  }
}

/** The next so many bytes of a stream that is not flowing. Rejects when it ends before. */
export async function exactly(stream: Duplex, length: number): Promise<Buffer> {
  let taken: Buffer = Buffer.alloc(0);
  for (;;) {
    // Not all at once: `readable` would be told in every turn that there are some, and nothing else would have one.
    const missing = Math.min(length - taken.length, stream.readableLength);
    const bytes: Buffer | null = missing > 0 ? stream.read(missing) : null; // It has no encoding and no object mode.
    if (bytes) taken = Buffer.concat([taken, bytes]);
    if (taken.length === length) return taken;
    if (stream.readableEnded || stream.destroyed) throw new Error('the client has left');
    if (bytes) continue;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        stream.off('readable', wake).off('end', wake).off('close', wake);
        resolve();
      };
      stream.on('readable', wake).on('end', wake).on('close', wake);
    });
  }
}
