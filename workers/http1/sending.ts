// http1/sending — one request on its way out, and the bytes of many gathered into one write.
// Held by http1/driver.ts, which says when. Layout is lib/protocol/http1.ts.
// Invariant: a body leaves in order and in the framing its head has promised, or its request fails; an upload hears of
// its bytes when they have left the process. Source: gun_http's data/7; RFC 9112 §6, §7.

import { type GunportError, StreamError } from '../../lib/errors.ts';
import { chunkHead, lastChunk, type NameTransform, type RequestHead } from '../../lib/protocol/http1.ts';
import type { Exchange } from '../exchange.ts';
import { askedBy } from '../probes/streamprobe.ts';
import type { Counters, Transport } from '../socket.ts';
import type { Upload } from '../upload.ts';

/** What is gathered up to this size is copied into one write. */
const GATHER = 256 * 1024;

/** What is to be written. */
export class Outgoing {
  readonly #transport: Transport;
  readonly #counters: Counters;
  #pieces: (string | Uint8Array)[] = [];
  #size = 0;
  #bodies: { readonly upload: Upload; readonly bytes: number }[] = [];

  constructor(transport: Transport, counters: Counters) {
    this.#transport = transport;
    this.#counters = counters;
  }

  /** Latin1. */
  text(text: string): void {
    this.#pieces.push(text);
    this.#size += text.length;
  }

  /** A part of a body. */
  body(bytes: Uint8Array, upload: Upload): void {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
    this.#bodies.push({ upload, bytes: bytes.length });
    this.#counters.bytesSent += bytes.length;
    if (this.#size > GATHER) this.flush();
  }

  /** Writes it. */
  flush(): void {
    if (this.#size === 0) return;
    const pieces = this.#pieces;
    const bodies = this.#bodies;
    const size = this.#size;
    this.#pieces = [];
    this.#bodies = [];
    this.#size = 0;
    const done = bodies.length === 0 ? undefined : (error?: Error | null) => error || left(bodies);
    if (bodies.length === 0) return this.#transport.write(Buffer.from(pieces.join(''), 'latin1'));
    if (size <= GATHER) return this.#transport.write(joined(pieces, size), done);
    const last = pieces.length - 1;
    for (let i = 0; i <= last; i++) {
      const piece = pieces[i] ?? '';
      const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
      this.#transport.write(bytes, i === last ? done : undefined);
    }
  }
}

function left(bodies: readonly { readonly upload: Upload; readonly bytes: number }[]): void {
  for (const { upload, bytes } of bodies) upload.left(bytes);
}

function joined(pieces: readonly (string | Uint8Array)[], size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') at += bytes.write(piece, at, 'latin1');
    else {
      bytes.set(piece, at);
      at += piece.length;
    }
  }
  return bytes;
}

/** One request, from its head on. */
export class Sending {
  readonly #exchange: Exchange;
  readonly #out: Outgoing;
  readonly #head: RequestHead;
  readonly #transform: NameTransform | undefined;
  /** `asking`: the body waits for 100 (Continue). `given-up`: the rest is not sent. */
  #state: 'asking' | 'body' | 'done' | 'given-up';
  #left: number;

  constructor(exchange: Exchange, head: RequestHead, out: Outgoing, transform: NameTransform | undefined) {
    this.#exchange = exchange;
    this.#head = head;
    this.#out = out;
    this.#transform = transform;
    this.#left = head.length;
    this.#state = head.expects && !exchange.upload.done ? 'asking' : 'body';
    exchange.probe.asked(askedBy(exchange), head.text);
    out.text(head.text);
  }

  get state(): 'asking' | 'body' | 'done' | 'given-up' {
    return this.#state;
  }

  /** The server wants the body; false when that was not asked. */
  go(): boolean {
    if (this.#state !== 'asking') return false;
    this.#state = 'body';
    return true;
  }

  /** Nothing more of it is sent. True when that cuts it off. */
  giveUp(): boolean {
    if (this.#state === 'done') return false;
    this.#state = 'given-up';
    this.drain();
    return true;
  }

  /** Writes what is there of the body. Returns what is wrong with it: the request cannot be completed then. */
  drain(): GunportError | undefined {
    const { upload } = this.#exchange;
    if (this.#state === 'given-up') {
      // Its owner is not to wait for what nobody will send.
      for (let part = upload.take(); part; part = upload.take()) upload.left(part.length);
    }
    if (this.#state !== 'body') return undefined;
    for (let part = upload.take(); part; part = upload.take()) {
      if (this.#head.framing !== 'chunked') {
        this.#left -= part.length;
        if (this.#left < 0) return this.#mismatch('more');
        this.#out.body(part, upload);
      } else {
        this.#out.text(chunkHead(part.length));
        this.#out.body(part, upload);
        this.#out.text('\r\n');
      }
    }
    return upload.done ? this.#finish(upload.trailers) : undefined;
  }

  #finish(trailers: readonly string[] | undefined): GunportError | undefined {
    if (this.#head.framing === 'chunked') {
      try {
        this.#out.text(lastChunk(trailers, this.#transform));
      } catch (error) {
        // What lastChunk throws; anything else is a bug of ours.
        return error as GunportError;
      }
    } else if (this.#left > 0) return this.#mismatch('less');
    else if (trailers && trailers.length > 0) {
      return new StreamError(
        'ERR_GUNPORT_BAD_STATE',
        'trailers cannot follow a body that has a content-length',
      );
    }
    this.#state = 'done';
    this.#exchange.probe.sent();
    return undefined;
  }

  #mismatch(what: 'more' | 'less'): StreamError {
    const text = `the body has ${what} bytes than its content-length of ${this.#head.length}`;
    return new StreamError('ERR_GUNPORT_BAD_STATE', text);
  }
}
