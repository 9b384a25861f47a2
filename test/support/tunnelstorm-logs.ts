// tunnelstorm-logs — what is read of each stream in a storm of tunnels, from its first owner here to its end.
// Used by tunnelstorm-journey.ts. `read()` goes on where it stopped, with the handle that its stream has now.
// Invariant: every byte and number is the next one, a stream ends once, and an error is one of gunport's; anything else
// is told as a fault. A WebSocket that spans reconnects begins anew no more often than its
// connection came back.

import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, GunportError, type Stream, type WsStream } from '../../lib/index.ts';
import { faultIn, piece } from './counted.ts';

export type Held = Stream<Connection>;
export type Feed = WsStream<Connection>;

export interface LogHost {
  dice(below: number): number;
  fault(what: string): void;
}

/** Of one stream. */
export abstract class Log {
  readonly id: number;
  readonly name: string;
  protected readonly host: LogHost;
  /** How it ended; undefined: it has not. */
  end: GunportError | 'well' | undefined;
  /** It was cancelled, here. */
  cancelled = false;

  constructor(id: number, name: string, host: LogHost) {
    this.id = id;
    this.name = name;
    this.host = host;
  }

  /** Reads on, to its end, or until it is another's. Never rejects. */
  async read(stream: Held | Feed): Promise<void> {
    if (this.end) return this.fault('is read behind its end');
    try {
      await this.follow(stream);
      this.end = 'well';
      this.check();
    } catch (error) {
      if (!(error instanceof GunportError)) return this.fault(`ends with ${String(error)}`);
      if (error.code !== 'ERR_GUNPORT_NOT_OWNER') this.end = error;
    }
  }

  /** To its good end. */
  protected abstract follow(stream: Held | Feed): Promise<void>;
  /** What is wrong with a good end here. */
  protected check(): void {}

  fault(what: string): void {
    this.host.fault(`${this.name} ${what}`);
  }

  /** Something of it is given. */
  protected came(): void {
    if (this.cancelled) this.fault('gives something behind its cancel');
  }

  /** Stops for a while, now and then. */
  protected async dawdle(): Promise<void> {
    if (this.host.dice(40) === 0) await pause(this.host.dice(60));
  }
}

/** An answer of so many digits, counted. */
export class AnswerLog extends Log {
  readonly #size: number;
  #at = 0;

  constructor(id: number, size: number, host: LogHost) {
    super(id, `stream ${id}, an answer of ${size},`, host);
    this.#size = size;
  }

  protected override async follow(stream: Held): Promise<void> {
    for await (const chunk of stream) {
      this.came();
      for (const byte of chunk)
        if (byte !== 48 + (this.#at++ % 10)) return this.fault(`is wrong at ${this.#at}`);
      await this.dawdle();
    }
  }

  protected override check(): void {
    if (this.#at !== this.#size) this.fault(`ends well after ${this.#at}`);
  }
}

/** Bytes to a server that sends them back. */
export class EchoLog extends Log {
  #sent = 0;
  #at = 0;

  constructor(id: number, host: LogHost) {
    super(id, `stream ${id}, raw,`, host);
  }

  /** Writes some more, if that is possible. */
  write(stream: Held): void {
    const to = this.#sent + 1 + this.host.dice(100_000);
    try {
      stream.data(false, piece(this.#sent, to));
      this.#sent = to;
    } catch (error) {
      if (!(error instanceof GunportError)) this.fault(`throws ${String(error)}`);
    }
  }

  protected override async follow(stream: Held): Promise<void> {
    for await (const chunk of stream) {
      this.came();
      if (this.#sent === 0) continue; // What a proxy says in place of the tunnel.
      if (faultIn(chunk, this.#at) >= 0) return this.fault(`is wrong at ${this.#at}`);
      this.#at += chunk.byteLength;
      if (this.#at > this.#sent) return this.fault(`gives ${this.#at} bytes of ${this.#sent}`);
      await this.dawdle();
    }
  }
}

/** Numbers on a WebSocket. */
export class FeedLog extends Log {
  #next = 0;
  /** How often it began anew. */
  #anew = 0;

  constructor(id: number, host: LogHost) {
    super(id, `stream ${id}, a WebSocket,`, host);
  }

  protected override async follow(feed: Feed): Promise<void> {
    for await (const message of feed) {
      this.came();
      const number = Number(message);
      // Its connection may have come back more often than was read here until now, and never less.
      if (number === 0 && this.#next > 0) {
        if (++this.#anew >= feed.connection.attempt) return this.fault(`begins anew after ${this.#next}`);
      } else if (number !== this.#next) return this.fault(`gives ${number} in place of ${this.#next}`);
      this.#next = number + 1;
      if (number % 64 === 0) await this.dawdle();
    }
  }
}

/** What a tunnel tells. */
export class TunnelLog extends Log {
  #told = '';

  constructor(id: number, host: LogHost) {
    super(id, `stream ${id}, a tunnel,`, host);
  }

  protected override async follow(tunnel: Held): Promise<void> {
    for (;;) {
      const notice = await tunnel.connection.await(tunnel, { timeout: 60_000 });
      const before = this.#told;
      if (notice.type === 'response') {
        if (before === 'refused') return this.fault('is answered behind a refusal');
        this.#told = notice.status === 200 ? 'made' : 'refused';
        if (this.#told === 'refused' && notice.fin) return;
      } else if (notice.type === 'tunnelUp') {
        if (before !== 'made' && before !== 'up') return this.fault(`is up when it is ${before}`);
        this.#told = 'up';
      } else if (notice.type === 'data') {
        if (before !== 'refused') return this.fault(`has bytes when it is ${before}`);
        if (notice.fin) return;
      }
    }
  }
}
