// client — an echo client written raw over net, for the tests of the kit itself: right, or with one fault.
// Invariant: it shares nothing with lib/ and workers/, and writes each frame by itself.
// Source: RFC 6455, RFC 7692.

import { randomBytes } from 'node:crypto';
import * as net from 'node:net';
import { type ClientOptions, type Message, OP } from '../case.ts';
import type { EchoClient } from '../client.ts';
import { type Agreement, Compressor } from '../deflate.ts';
import type { Outcome } from '../judge.ts';
import type { FaultName, Has } from './faults.ts';
import { requestOf, verdictOn } from './opening.ts';
import { Failure, Reader } from './reader.ts';

/** How long one stays that does not end TCP, in milliseconds: longer than the kit's patience with it. */
const STAYS = 2_000;

/** The right one, or one with this fault. */
export function rawClient(fault?: FaultName): EchoClient {
  return {
    name: fault ?? 'raw',
    echo: (url, options) =>
      new Promise((resolve) => new RawClient(new URL(url), options, (name) => name === fault, resolve)),
    close: () => Promise.resolve(),
  };
}

class RawClient {
  readonly #socket: net.Socket;
  readonly #options: ClientOptions;
  readonly #has: Has;
  readonly #key = randomBytes(16).toString('base64');
  #head = Buffer.alloc(0);
  #reader: Reader | undefined;
  #compressor: Compressor | undefined;
  /** Close was sent. */
  #closing = false;
  /** Nothing that comes matters. */
  #deaf = false;
  #echoes = 0;
  #held: Message[] = [];
  #end = 'it was not opened';

  constructor(url: URL, options: ClientOptions, has: Has, done: (outcome: Outcome) => void) {
    this.#options = options;
    this.#has = has;
    this.#socket = net.connect({
      port: Number(url.port),
      host: url.hostname,
      noDelay: true,
      allowHalfOpen: true,
    });
    this.#socket.write(requestOf(url, this.#key, options, has));
    this.#socket.on('data', (chunk) => this.#data(chunk));
    this.#socket.on('end', () => {
      if (!has('stays-connected')) this.#socket.end();
      else setTimeout(() => this.#socket.destroy(), STAYS);
    });
    this.#socket.on('error', () => {}); // 'close' follows.
    this.#socket.on('close', () => done({ opened: this.#reader !== undefined, end: this.#end }));
  }

  #data(chunk: Buffer): void {
    if (this.#deaf) return;
    try {
      if (this.#reader) this.#reader.feed(chunk);
      else this.#opening(chunk);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#end = error.message;
      this.#close(this.#has('wrong-code') ? 1000 : error.code);
      this.#deaf = true;
      this.#socket.end();
    }
  }

  #opening(chunk: Buffer): void {
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf('\r\n\r\n');
    const head = this.#head.toString('latin1', 0, end);
    const interim = /^HTTP\/1\.1 1(?!01)\d\d /.test(head);
    if (end === -1) {
      if (this.#head.length > 65_536 || !'HTTP/'.startsWith(this.#head.toString('latin1', 0, 5)))
        this.#refuse('no head');
      return;
    }
    const rest = this.#head.subarray(end + 4);
    this.#head = Buffer.alloc(0);
    if (interim) return this.#opening(rest);
    const agreed = verdictOn(head, this.#key, this.#options, this.#has);
    if (typeof agreed === 'string') return this.#refuse(agreed);
    this.#opened(agreed);
    if (!this.#has('drops-rest')) this.#reader?.feed(rest);
  }

  #refuse(why: string): void {
    this.#end = why;
    this.#deaf = true;
    this.#socket.destroy();
  }

  #opened(agreed: Agreement | undefined): void {
    const has = this.#has;
    this.#end = 'it ended';
    if (agreed) {
      const bits = has('wide-window') ? 15 : agreed.clientBits;
      this.#compressor = new Compressor({ bits, takeover: !agreed.clientNoContext || has('keeps-context') });
    }
    const { maxPayload = 2 ** 26 } = this.#options;
    this.#reader = new Reader(
      {
        message: (message) => this.#message(message),
        ping: (payload) => {
          if (this.#closing || has('no-pong')) return;
          this.#send(OP.pong, has('wrong-pong') ? Buffer.from('wrong') : payload);
        },
        pong: (payload) => {
          if (has('answers-pongs')) this.#send(OP.pong, payload);
        },
        closed: (code) => this.#closed(code),
      },
      has,
      maxPayload,
      agreed,
    );
  }

  #message(message: Message): void {
    if (this.#closing && !this.#has('hears-after-close')) return;
    if (!this.#has('reorders')) return this.#echo(message);
    // Back to front, whatever has come by the end of this turn.
    this.#held.unshift(message);
    if (this.#held.length > 1) return;
    setImmediate(() => {
      for (const one of this.#held.splice(0)) this.#echo(one);
    });
  }

  #echo({ text, bytes }: Message): void {
    const has = this.#has;
    if (bytes.length === 0 && has('drops-empty')) return;
    const cut = has('truncates') ? bytes.subarray(0, 65_535) : bytes;
    const opcode = text && !has('swaps-kinds') ? OP.text : OP.binary;
    for (let times = has('repeats') ? 2 : 1; times > 0; times--) {
      if (this.#compressor) this.#send(opcode, this.#compressor.compress(cut), 4);
      else this.#send(opcode, cut, has('sets-rsv') ? 2 : 0);
    }
    const { closes } = this.#options;
    if (++this.#echoes === closes?.after) this.#close(closes.code, closes.reason);
  }

  #closed(code: number | undefined): void {
    const has = this.#has;
    if (!has('no-close')) this.#close(has('answers-1000') ? 1000 : code);
    if (has('speaks-after-close')) this.#send(OP.ping, Buffer.alloc(0));
    this.#deaf = !has('hears-after-close');
  }

  #close(code: number | undefined, reason = ''): void {
    if (this.#closing) return;
    this.#closing = true;
    const payload =
      code === undefined
        ? Buffer.alloc(0)
        : Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)]);
    this.#send(OP.close, payload);
  }

  #send(opcode: number, payload: Buffer, rsv = 0): void {
    const has = this.#has;
    const { length } = payload;
    const bits = has('long-lengths') ? 64 : length < 126 ? 7 : length < 65_536 ? 16 : 64;
    const header = Buffer.alloc(2 + (bits === 7 ? 0 : bits / 8));
    const masked = !has('no-mask');
    header[0] = 0x80 | (rsv << 4) | opcode;
    header[1] = (masked ? 0x80 : 0) | (bits === 7 ? length : bits === 16 ? 126 : 127);
    if (bits === 16) header.writeUInt16BE(length, 2);
    if (bits === 64) header.writeBigUInt64BE(BigInt(length), 2);
    if (!masked) return void this.#socket.write(Buffer.concat([header, payload]));
    const key = has('one-key') ? Buffer.from('deadbeef', 'hex') : randomBytes(4);
    const body = Buffer.from(payload);
    for (let i = 0; i < length; i++) body[i] = body[i]! ^ key[i & 3]!;
    this.#socket.write(Buffer.concat([header, key, body]));
  }
}
