// replay — the bytes of a case, given to the rooms of a connection process that read them, in this thread and without a
// socket: in any pieces.
// Used by cuts.test.ts. Invariant: what comes out is all that an owner and a peer would see, as text: messages, frames
// written (unmasked), and the end.

import type { MessagePort } from 'node:worker_threads';
import { fromRecord, type GunportError } from '../../lib/errors.ts';
import { checkOpen, checkWs } from '../../lib/settings.ts';
import { LENGTH_MASK, type Notice, type Parcel } from '../../lib/wire.ts';
import type { Driver, DriverHost } from '../../workers/driver.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Counters, type Transport } from '../../workers/socket.ts';
import { Streams } from '../../workers/streams.ts';
import { Takeover } from '../../workers/takeover.ts';
import { UpgradeDriver } from '../../workers/upgrade.ts';
import { quiet } from '../support/quiet.ts';
import { type Case, closing } from './case.ts';
import { answerOf } from './deflate.ts';
import { Heard } from './heard.ts';
import { parseRequest, rightAnswer } from './request.ts';

/** The server's bytes behind its answer, its last Close included. */
export function framesOf({ steps, expected: { end } }: Case): Buffer {
  const written = steps().flatMap((step) => (step.type === 'write' ? [step.bytes] : []));
  const last = end.type === 'close' && !end.said ? [closing(end.code)] : [];
  return Buffer.concat([...written, ...last]);
}

/** What comes out when `pieces` cuts the answer and what follows it. */
export function replay(
  one: Case,
  frames: Buffer,
  cut: (answer: Buffer, frames: Buffer) => Buffer[],
): string[] {
  const process = new Process(one);
  try {
    for (const piece of cut(process.answer(), frames)) process.read(piece);
    return process.told();
  } finally {
    process.stop();
  }
}

class Process {
  readonly #case: Case;
  readonly #streams: Streams;
  readonly #host: DriverHost;
  readonly #outbox: Outbox;
  readonly #heard: Heard;
  readonly #messages: string[] = [];
  readonly #ends: string[] = [];
  #request = Buffer.alloc(0);
  #opened = false;
  #fin = false;
  #driver: Driver;

  constructor(one: Case) {
    this.#case = one;
    this.#heard = new Heard(one.agreed);
    const { compress, subprotocols = [], maxPayload } = one.client;
    const options = {
      compress: compress ?? false,
      subprotocols: [...subprotocols],
      maxPayload,
      keepalive: 0,
    };
    const { settings } = checkOpen('ws://127.0.0.1:1', options, false);
    const idle = { maxBuffered: 1e9, pause: () => {}, resume: () => {}, credit: () => {} };
    this.#outbox = new Outbox((notice, transfer) => this.#posted(notice, transfer), idle);
    this.#streams = new Streams({ outbox: () => this.#outbox });
    const none = (): never => {
      throw new Error('not of a WebSocket');
    };
    this.#host = {
      settings,
      transport: this.#transport(),
      streams: this.#streams.root,
      outbox: this.#outbox,
      ...{ probe: quiet(), counters: new Counters(), transformHeaderName: undefined },
      ...{ guard: (run) => run(), up: () => {}, over: () => {}, needHttp1: none, opened: none },
      ...{ tunnelled: none, branched: none, switched: none, promised: none },
      lost: (error) => this.#ends.push(`lost: ${error.code}`),
      refused: (_entry, error) => this.#ends.push(`refused: ${error.code}`),
      finished: (_entry, { code, reason, error }) => {
        const why = error && (fromRecord(error) as GunportError).code; // The driver has no other errors.
        this.#ends.push(`finished: ${code} ${reason} ${why ?? ''}`);
      },
      takeOver: (entry, agreed, rest) => {
        const driver = new Takeover(entry, agreed, this.#host);
        this.#driver = driver;
        this.#opened = true;
        driver.begin(rest);
      },
    };
    const { ws } = checkWs('/', undefined, settings);
    this.#streams.addWebSocket(1, { ...ws, spans: true }, this.#streams.root);
    this.#driver = new UpgradeDriver(this.#host);
    this.#driver.serve();
  }

  answer(): Buffer {
    const request = parseRequest(this.#request.toString('latin1'));
    const { answer, agreed } = this.#case;
    const extensions = agreed ? [`Sec-WebSocket-Extensions: ${answerOf(agreed)}`] : [];
    return answer?.(request) ?? rightAnswer(request, ...extensions);
  }

  /** One read of the kernel, or as many as the memory that is given for it takes. */
  read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#over; ) {
      const free = this.#driver.buffer();
      const part = bytes.subarray(at, at + free.length);
      free.set(part);
      this.#driver.received(part.length);
      at += part.length;
      this.#readAll();
    }
    // As Node does, right after each.
    if (!this.#over) this.#driver.buffer();
  }

  /** The server ends TCP; all that has come of it. */
  told(): string[] {
    if (!this.#over) this.#driver.ended();
    this.#readAll();
    const { pongs, close, faults } = this.#heard;
    return [
      this.#opened ? 'opened' : 'not opened',
      ...this.#messages,
      ...pongs.map((pong) => `pong ${pong.toString('hex')}`),
      ...(close ? [`close ${close.code} ${close.reason}`] : []),
      ...(this.#fin ? ['FIN'] : []),
      ...faults,
      ...this.#ends,
    ];
  }

  /** The owner reads what it was posted, until nothing is held back. */
  #readAll(): void {
    do this.#outbox.acked(this.#outbox.posted);
    while (!this.#outbox.empty);
  }

  stop(): void {
    this.#driver.stop();
  }

  get #over(): boolean {
    return this.#ends.length > 0;
  }

  #posted(notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void {
    if (notice.type !== 'parcel') return;
    this.#messages.push(...messagesOf(notice));
    // Gone, as to another thread: what it was read into cannot be used here any more.
    structuredClone(null, { transfer: transfer as ArrayBuffer[] }); // Without a handler nothing else moves.
  }

  #transport(): Transport {
    return {
      ...{
        pending: 0,
        alpn: undefined,
        pause: () => {},
        resume: () => {},
        unshift: () => {},
        destroy: () => {},
      },
      write: (bytes, done) => {
        if (this.#opened) this.#heard.feed(Buffer.from(bytes));
        else this.#request = Buffer.from(bytes);
        done?.();
      },
      end: () => {
        this.#fin = true;
      },
      info: () => ({ localAddress: '', localPort: 0, remoteAddress: '', remotePort: 0, tls: undefined }),
    };
  }
}

function messagesOf({ slab, index, count }: Parcel): string[] {
  return Array.from({ length: count }, (_, i) => {
    const start = index[2 * i] ?? 0;
    const word = index[2 * i + 1] ?? 0;
    const payload = Buffer.from(slab.subarray(start, start + (word & LENGTH_MASK)));
    return `${word < 0 ? 'text' : 'binary'} ${payload.toString('hex')}`;
  });
}

/** How what comes out must begin, as far as the case says. */
export function expectedOf({ expected }: Case): string[] {
  const { messages, perhaps = [], pongs = [], end } = expected;
  if (end.type === 'refuse') return ['not opened'];
  const all = [...messages, ...perhaps].map(
    ({ text, bytes }) => `${text ? 'text' : 'binary'} ${bytes.toString('hex')}`,
  );
  return ['opened', ...all, ...pongs.map((pong) => `pong ${pong.toString('hex')}`)];
}
