// fake-process — a connection process that is the test: what its owner casts is looked at, what it is told is posted.
// Used by the tests of what owners make of notices, without a socket or a thread.
// Invariant: casts and notices keep their order; what `settle()` was awaited for has been delivered; `end()` leaves no
// port open.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Connection } from '../../lib/connection.ts';
import type { HttpCast, HttpNotice } from '../../lib/httpwire.ts';
import { newId } from '../../lib/lifeline.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { receiveOwnership } from '../../lib/receive.ts';
import { checkOpen, type OpenTarget } from '../../lib/settings.ts';
import { type SmallFrames, unpackCast } from '../../lib/smallwire.ts';
import type { Stream } from '../../lib/stream.ts';
import type { StreamNotice } from '../../lib/types.ts';
import type { Cast, Notice } from '../../lib/wire.ts';

type Plain = Exclude<Cast, { type: 'casts' }>;

export class FakeProcess {
  readonly casts: Plain[] = [];
  readonly #port: MessagePort;
  #connection: Connection;

  constructor(target: OpenTarget = 'http://proxy.example:3128', options: OpenOptions = {}) {
    const { port1, port2 } = new MessageChannel();
    const { settings } = checkOpen(target, options, false);
    const fresh = { status: 'connecting', attempt: 0, nextStream: 1, transfers: 0, threadId: -1 } as const;
    const unknown = { protocol: undefined, lastError: undefined };
    const state = { id: newId(), host: 'none', settings, streams: [], ...fresh, ...unknown };
    this.#connection = new Connection(port1, state).begin();
    this.#port = port2;
    port2.on('message', (posted: Cast | SmallFrames) => {
      const cast = unpackCast(posted);
      if (cast.type === 'casts') this.casts.push(...cast.casts);
      else this.casts.push(cast);
    });
  }

  /** Its owner's handle. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Hands it over, within this thread. Resolves with what this stream is there. */
  async handOver(stream: Stream<Connection>): Promise<Stream<Connection>> {
    const { port1, port2 } = new MessageChannel();
    const taking = receiveOwnership({ source: port2 });
    await stream.transferOwnership(port1);
    const taken = await taking;
    port1.close();
    this.#connection = taken.connection;
    return taken.stream as Stream<Connection>; // It was named.
  }

  /** Posts notices, of streams in one bundle. Resolves when they have been dealt with. */
  async tell(...notices: (Notice | HttpNotice)[]): Promise<void> {
    for (const notice of notices) {
      const bundled = 'stream' in notice && !OF_STREAMS.has(notice.type);
      // What names a stream and is none of those is an HttpNotice.
      const whole = bundled ? { type: 'bundle', notices: [notice as HttpNotice] } : notice;
      this.#port.postMessage(whole);
    }
    await this.settle();
  }

  /** Resolves when all that was posted, either way, has been dealt with: the owner has the answer to a question. */
  async settle(): Promise<void> {
    const before = this.casts.length;
    const asked = this.connection.info({ timeout: 1_000 }).catch(() => undefined);
    for (;;) {
      const info = this.casts.findIndex(({ type }, at) => type === 'info' && at >= before);
      const cast = this.casts[info];
      if (cast?.type === 'info') {
        this.casts.splice(info, 1);
        this.#port.postMessage({ type: 'info', id: cast.id, info: {} });
        await asked;
        return;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Casts of a type, oldest first. */
  cast<T extends Plain['type']>(type: T): (Plain & { type: T })[] {
    return this.casts.filter((cast): cast is Plain & { type: T } => cast.type === type);
  }

  /** The request of a stream. */
  request(stream: number): HttpCast & { type: 'request' } {
    const found = this.cast('request').find((cast) => cast.stream === stream);
    if (!found) throw new Error(`nobody has asked for stream ${stream}`);
    return found;
  }

  /** Up, in the words of a process. */
  up(attempt = 1): Promise<void> {
    return this.tell({ type: 'up', protocol: 'http', attempt });
  }

  /** Lost, and it will be tried again. */
  lost(attempt = 1): Promise<void> {
    const error = { name: 'ConnectionError', message: 'gone', code: 'ERR_GUNPORT_CLOSED' };
    return this.tell({ type: 'down', protocol: 'http', attempt, error, killed: [] });
  }

  /** Its own end. */
  end(): void {
    this.#port.postMessage({ type: 'end', reason: { kind: 'normal', message: 'the test is over' } });
    this.#port.close();
  }
}

/** Notices that name a stream and come by themselves. */
const OF_STREAMS: ReadonlySet<string> = new Set([
  'parcel',
  'gap',
  'reopened',
  'over',
  'closed',
  'pong',
  'sent',
]);

/** What a proxy answers that makes a tunnel. */
export function made(stream: number, status = 200): HttpNotice {
  return { type: 'response', stream, fin: true, status, rawHeaders: ['via', 'proxy'], tunnel: true };
}

export function tunnelUp(stream: number, protocol: 'http' | 'raw' | 'socks', origin: string): HttpNotice {
  return { type: 'tunnelUp', stream, protocol, origin };
}

export function part(stream: number, text: string, fin = false): HttpNotice {
  return { type: 'data', stream, fin, data: new TextEncoder().encode(text) };
}

/** Where the tunnels of its tests lead: to HTTP, and to raw. */
export const FAR = 'http://example.com';
export const RAW = 'tcp://example.com:9';

/** The proxy does not make the tunnel. */
export function refusal(stream: number, fin = false): HttpNotice {
  return { type: 'response', stream, fin, status: 403, rawHeaders: ['x-why', 'no'] };
}

/** A notice in a word, or a part of a body as text. */
export function said(notice: StreamNotice): string {
  return notice.type === 'data' ? Buffer.from(notice.data).toString() : notice.type;
}
