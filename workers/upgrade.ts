// upgrade — an HTTP/1 socket that nothing has been asked of yet: it sends one upgrade and reads its answer.
// Made by link.ts when the socket is up, which replaces it by a takeover.ts, or by http1/driver.ts once there are requests:
// so a thread that holds WebSockets only loads no parser for the rest of HTTP.
// Invariant: one upgrade, with one outcome; bytes that nobody asked for end the connection.
// Source: RFC 6455 §4.1; gun_http's upgrade. Judging is lib/protocol/handshake.ts.

import { randomFillSync } from 'node:crypto';
import { ConnectionError, type GunportError } from '../lib/errors.ts';
import { BodyReader } from '../lib/protocol/body.ts';
import { offerExtensions } from '../lib/protocol/extensions.ts';
import {
  checkUpgrade,
  type Head,
  type HeadScan,
  keyOf,
  NEED_DATA,
  newScan,
  parseHead,
  refusal,
  requestHead,
} from '../lib/protocol/handshake.ts';
import { type Driver, type DriverHost, noPing } from './driver.ts';
import { type Entry, handshakeCut, standIn, upgradeLate } from './entry.ts';
import { StreamProbe } from './probes/streamprobe.ts';
import { sharedBuffer } from './slabs.ts';

type State =
  | { readonly name: 'idle' }
  | {
      readonly name: 'head';
      readonly entry: Entry;
      readonly key: string;
      readonly scan: HeadScan;
    }
  | {
      readonly name: 'body';
      readonly entry: Entry;
      readonly head: Head;
      readonly body: BodyReader;
    }
  | { readonly name: 'stopped' };

/** First size of the memory for an answer that comes in parts; most fit. */
const FIRST_SIZE = 4_096;
const KEY_SIZE = 16;

export class UpgradeDriver implements Driver {
  readonly protocol = 'http';
  readonly #host: DriverHost;
  #probe: StreamProbe | undefined;
  #state: State = { name: 'idle' };
  /** Where the answer stands: an answer that comes at once is read in the lobby and never leaves it. */
  #memory: Uint8Array = sharedBuffer();
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: DriverHost) {
    this.#host = host;
  }

  serve(): void {
    if (this.#state.name !== 'idle') return;
    const { streams, settings } = this.#host;
    const next = streams.next;
    // HTTP/1.0 has no upgrade: http1/driver.ts says so.
    const other = next?.kind === 'http' || settings.http.version === '1.0';
    if (next && other) this.#host.needHttp1({ bytes: this.#memory.slice(0, this.#length) });
    else if (next?.kind === 'ws') {
      streams.take(next);
      this.#ask(next);
    }
  }

  #ask(entry: Entry): void {
    const { settings, transport, cookies } = this.#host;
    const ws = cookies ? cookies.upgrade(entry.ws) : entry.ws;
    const key = newKey();
    entry.socket = standIn(() => {
      this.#fail(new ConnectionError('ERR_GUNPORT_CANCELLED', 'the upgrade was given up'));
    });
    this.#state = { name: 'head', entry, key, scan: newScan() };
    entry.handling?.connected();
    this.#timer = setTimeout(() => this.#late(entry), ws.upgradeTimeout);
    const head = requestHead(settings, ws, key, offerExtensions(ws.compress));
    this.#probe = new StreamProbe(this.#host.probe, entry);
    this.#probe.upgradeAsked(ws, head);
    transport.write(head);
  }

  buffer(): Uint8Array {
    // Nothing in the lobby outlives its turn.
    if (this.#length === 0) this.#memory = sharedBuffer();
    else if (this.#memory === sharedBuffer()) this.#move(Math.max(FIRST_SIZE, this.#length * 2));
    else if (this.#length === this.#memory.length) this.#move(this.#length * 2);
    return this.#memory.subarray(this.#length);
  }

  #move(size: number): void {
    const memory = new Uint8Array(size);
    memory.set(this.#memory.subarray(0, this.#length));
    this.#memory = memory;
  }

  received(length: number): void {
    const from = this.#length;
    this.#length += length;
    const state = this.#state;
    if (state.name === 'head') this.#head(state);
    else if (state.name === 'body') this.#body(state, from);
    else if (state.name === 'idle') {
      this.#fail(
        new ConnectionError('ERR_GUNPORT_PROTOCOL', 'the server sent bytes that nobody asked for', {
          phase: 'protocol',
        }),
      );
    }
  }

  ended(): void {
    const state = this.#state;
    if (state.name === 'body') return this.#refuse(state);
    if (state.name === 'head') return this.#fail(handshakeCut());
    this.#fail(new ConnectionError('ERR_GUNPORT_CLOSED', 'the server closed the connection'));
  }

  lost(error: GunportError | undefined): void {
    const state = this.#state;
    if (state.name === 'body') return this.#refuse(state);
    if (state.name === 'head') return this.#fail(handshakeCut(error));
    this.#fail(error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the connection was closed'));
  }

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'HTTP/1 has no pings'));
  }

  shutdown(): void {
    this.stop();
    this.#host.over();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#probe?.over(undefined);
    this.#state = { name: 'stopped' };
  }

  #head(state: State & { name: 'head' }): void {
    const { entry, key, scan } = state;
    const head = parseHead(this.#memory, 0, this.#length, this.#host.settings.maxHeaderSize, scan);
    if (head === NEED_DATA) return;
    if ('error' in head) return this.#fail(head.error);
    for (const interim of scan.informed) this.#host.cookies?.upgraded(entry.ws, 103, interim);
    this.#host.cookies?.upgraded(entry.ws, head.status, head.rawHeaders);
    const agreed = checkUpgrade(head, entry.ws, key);
    if (!(agreed instanceof ConnectionError)) {
      const rest = this.#length > head.end ? this.#memory.slice(head.end, this.#length) : NOTHING;
      this.#probe?.switched(head.status, head.rawHeaders);
      this.stop();
      const { protocol, extensions, negotiated } = agreed;
      const { rawHeaders } = head;
      return this.#host.takeOver(entry, { protocol, extensions, negotiated, rawHeaders }, rest);
    }
    if (agreed.code !== 'ERR_GUNPORT_UPGRADE_REFUSED') return this.#fail(agreed);
    if (!entry.ws.spans) {
      // The answer to one of several things that may be asked on it: its connection goes on.
      this.stop();
      return this.#host.needHttp1({ upgrading: { entry, key }, bytes: this.#memory.slice(0, this.#length) });
    }
    this.#probe?.answered(head.status, head.rawHeaders, false);
    const next: State = { name: 'body', entry, head, body: new BodyReader(head) };
    this.#state = next;
    this.#body(next, head.end);
  }

  #body(state: State & { name: 'body' }, from: number): void {
    const done = state.body.feed(this.#memory, from, this.#length);
    // The body is kept by its reader: its memory here is free again.
    this.#length = 0;
    if (!done) return;
    this.#probe?.heard();
    this.#refuse(state);
  }

  #refuse({ entry, head, body }: State & { name: 'body' }): void {
    this.stop();
    this.#host.refused(entry, refusal(head, body.bytes));
  }

  #late({ ws }: Entry): void {
    const state = this.#state;
    if (state.name === 'body') return this.#refuse(state); // Its status says enough.
    this.#fail(upgradeLate(ws));
  }

  #fail(error: GunportError): void {
    if (this.#state.name === 'stopped') return;
    this.stop();
    this.#host.lost(error);
  }
}

const NOTHING = new Uint8Array(0);

// Per thread: random bytes, drawn in bulk.
const random = new Uint8Array(256 * KEY_SIZE);
let nextRandom = random.length;
function newKey(): string {
  if (nextRandom === random.length) {
    randomFillSync(random);
    nextRandom = 0;
  }
  const at = nextRandom;
  nextRandom += KEY_SIZE;
  return keyOf(random.subarray(at, nextRandom));
}
