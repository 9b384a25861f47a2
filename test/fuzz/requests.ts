// requests — requests of every kind to a fuzzed peer, on a connection or through a tunnel of it.
// Used by asking.ts. Invariant: each settles by itself, since its connection has deadlines for it; a stream that has
// ended says nothing more.

import { MessageChannel } from 'node:worker_threads';
import {
  type Connection,
  type Monitor,
  receiveReply,
  type Stream,
  type StreamNotice,
  type ThroughTunnel,
} from '../../lib/index.ts';
import { turns } from '../support/tracker.ts';
import type { Verdict } from './verdict.ts';

type HttpStream = Stream<Connection>;

/** For single notices, in milliseconds. */
export const TIMEOUT = 150;

export class Requests {
  readonly #connection: Connection;
  readonly #roll: (below: number) => number;
  readonly #verdict: Verdict;
  readonly #monitor: Monitor<Connection> | undefined;

  constructor(
    connection: Connection,
    roll: (below: number) => number,
    verdict: Verdict,
    monitor: Monitor<Connection> | undefined,
  ) {
    this.#connection = connection;
    this.#roll = roll;
    this.#verdict = verdict;
    this.#monitor = monitor;
  }

  /** How long to wait for a single thing, and what ends it. */
  get waits(): { timeout: number; monitor?: Monitor<Connection> | undefined } {
    return { timeout: TIMEOUT * 4, monitor: this.#roll(2) === 0 ? this.#monitor : undefined };
  }

  /** Any one. `through`: the tunnel that it goes through. */
  async ask(path: string, through: ThroughTunnel = {}): Promise<void> {
    const connection = this.#connection;
    switch (this.#roll(11)) {
      case 0:
        return this.whole(connection.post(path, { ...through, body: Buffer.alloc(this.#roll(50_000), 'b') }));
      case 1:
        return this.#byNotices(connection.get(path, through));
      case 2: {
        const stream = connection.get(path, { ...through, flow: 1 });
        for await (const chunk of stream) stream.updateFlow(chunk.length > 0 ? 1 : 2);
        return this.over(stream);
      }
      case 3: {
        const stream = connection.get(path, through);
        this.#note('cancelled', () => stream.text());
        await turns(this.#roll(30));
        return stream.cancel();
      }
      case 4:
        return this.whole(connection.head(path, through));
      case 5: {
        const response = await connection.fetch(path, { ...through, signal: AbortSignal.timeout(TIMEOUT) });
        await response.text().catch((error: unknown) => this.#judgeFetch(error));
        return;
      }
      case 6:
        return this.#inParts(connection.post(path, through));
      case 7:
        return this.#elsewhere(path, through);
      case 8: {
        const trailers = { checksum: 'abc' };
        return this.whole(
          connection.put(path, { ...through, body: 'x'.repeat(this.#roll(300_000)), trailers }),
        );
      }
      default:
        return this.whole(connection.get(path, through));
    }
  }

  /** What fetch's own body says of a broken answer is a TypeError, as the standard has it; ours is beneath. */
  #judgeFetch(error: unknown): void {
    this.#verdict.judge('fetch', error instanceof TypeError ? error.cause : error);
  }

  /** All of its answer. */
  async whole(stream: HttpStream): Promise<void> {
    await stream.bytes().finally(() => this.over(stream));
  }

  /** After its end there is nothing more, and it fails as before or not at all. */
  async over(stream: HttpStream): Promise<void> {
    if (stream.state !== 'ended') return;
    for await (const _ of stream) this.#verdict.wrong('a stream has gone on after its end');
  }

  /** Its answer goes to a port. */
  async #elsewhere(path: string, through: ThroughTunnel): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const reply = receiveReply(port2);
    const stream = this.#verdict.attempt('get', () =>
      this.#connection.get(path, {
        ...through,
        replyTo: port1,
        flow: this.#roll(2) === 0 ? 1_000 : undefined,
      }),
    );
    if (!stream) return port1.close();
    if (this.#roll(4) === 0) setImmediate(() => reply.cancel());
    await reply.bytes();
  }

  async #inParts(stream: HttpStream): Promise<void> {
    for (let parts = this.#roll(5); parts > 0; parts--) {
      stream.data('nofin', Buffer.alloc(this.#roll(3_000), 'p'));
      await turns(this.#roll(3));
    }
    stream.data('fin', 'the end');
    if (this.#roll(2) === 0) this.#note('drained', () => stream.drained({ timeout: TIMEOUT * 4 }));
    await this.whole(stream);
  }

  async #byNotices(stream: HttpStream): Promise<void> {
    for (let fin = false; !fin; ) {
      const notice: StreamNotice = await this.#connection.await(stream, this.waits);
      fin = notice.type === 'trailers' || ('fin' in notice && notice.fin);
      if (notice.type === 'push') this.#note('pushed', () => this.whole(notice.stream as HttpStream));
    }
  }

  #note(name: string, act: () => Promise<unknown>): void {
    void this.#verdict.note(name, Promise.resolve().then(act));
  }
}
