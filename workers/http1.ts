// http1 — a connected socket before, or without, a WebSocket on it: sends one upgrade and reads its answer.
// Made by process.ts when the socket is up, which replaces it by a websocket driver.
// Invariant: one upgrade at a time, with one outcome; bytes that nobody asked for end the connection.
// Source: RFC 6455 §4.1; gun_http's upgrade. Judging is lib/protocol/handshake.ts.

import { randomFillSync } from 'node:crypto';
import { ConnectionError, type GunportError } from '../lib/errors.ts';
import { BodyReader } from '../lib/protocol/body.ts';
import { type Negotiated, offerExtensions } from '../lib/protocol/extensions.ts';
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
import type { Settings, WsSettings } from '../lib/wire.ts';
import type { Driver, Transport } from './driver.ts';

/** An upgrade that the server agreed to. */
export interface Upgrade {
  readonly head: Head;
  readonly protocol: string;
  readonly extensions: string;
  readonly negotiated: Negotiated | undefined;
  /** Bytes right behind the answer: the first frames, in memory of their own. */
  readonly rest: Uint8Array;
}

/** How an upgrade ends; one of them, once. */
export interface UpgradeOutcome {
  upgraded(upgrade: Upgrade): void;
  /** Answered, but not with 101: status, headers and body are in the error. The socket is of no use after it. */
  refused(error: ConnectionError): void;
}

type State =
  | { readonly name: 'idle' }
  | {
      readonly name: 'head';
      readonly ws: WsSettings;
      readonly key: string;
      readonly scan: HeadScan;
      readonly outcome: UpgradeOutcome;
    }
  | {
      readonly name: 'body';
      readonly head: Head;
      readonly body: BodyReader;
      readonly outcome: UpgradeOutcome;
    }
  | { readonly name: 'stopped' };

/** First size of the memory for an answer; most fit. */
const FIRST_SIZE = 4_096;

export class Http1Driver implements Driver {
  readonly #transport: Transport;
  readonly #settings: Settings;
  readonly #lost: (error: GunportError) => void;
  #state: State = { name: 'idle' };
  #memory = new Uint8Array(FIRST_SIZE);
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `lost`: the socket is of no use any more, whatever was under way. */
  constructor(transport: Transport, settings: Settings, lost: (error: GunportError) => void) {
    this.#transport = transport;
    this.#settings = settings;
    this.#lost = lost;
  }

  /** Asks for a WebSocket. */
  upgrade(ws: WsSettings, outcome: UpgradeOutcome): void {
    const key = keyOf(randomFillSync(new Uint8Array(16)));
    this.#state = { name: 'head', ws, key, scan: newScan(), outcome };
    this.#timer = setTimeout(() => this.#late(ws.upgradeTimeout), ws.upgradeTimeout);
    this.#transport.write(requestHead(this.#settings, ws, key, offerExtensions(ws.compress)));
  }

  buffer(): Uint8Array {
    if (this.#length === this.#memory.length) {
      const larger = new Uint8Array(this.#memory.length * 2);
      larger.set(this.#memory);
      this.#memory = larger;
    }
    return this.#memory.subarray(this.#length);
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

  // There is no WebSocket to do these with: the owner's stream says so before it asks.
  send(): void {}
  ping(): void {}
  credit(): void {}

  close(): void {
    this.#fail(new ConnectionError('ERR_GUNPORT_CLOSED', 'the upgrade was given up'));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#state = { name: 'stopped' };
  }

  #head(state: State & { name: 'head' }): void {
    const { ws, key, scan, outcome } = state;
    const head = parseHead(this.#memory, 0, this.#length, this.#settings.maxHeaderSize, scan);
    if (head === NEED_DATA) return;
    if ('error' in head) return this.#fail(head.error);
    const agreed = checkUpgrade(head, ws, key);
    if (!(agreed instanceof ConnectionError)) {
      const rest = this.#memory.slice(head.end, this.#length);
      this.stop();
      return outcome.upgraded({ head, ...agreed, rest });
    }
    if (agreed.code !== 'ERR_GUNPORT_UPGRADE_REFUSED') return this.#fail(agreed);
    const next: State = { name: 'body', head, body: new BodyReader(head), outcome };
    this.#state = next;
    this.#body(next, head.end);
  }

  #body(state: State & { name: 'body' }, from: number): void {
    const done = state.body.feed(this.#memory, from, this.#length);
    // The body is kept by its reader: its memory here is free again.
    this.#length = 0;
    if (done) this.#refuse(state);
  }

  #refuse({ head, body, outcome }: State & { name: 'body' }): void {
    this.stop();
    outcome.refused(refusal(head, body.bytes));
  }

  #late(ms: number): void {
    const state = this.#state;
    if (state.name === 'body') return this.#refuse(state); // Its status says enough.
    this.#fail(
      new ConnectionError('ERR_GUNPORT_UPGRADE_TIMEOUT', `the upgrade took longer than ${ms} ms`, {
        phase: 'upgrade',
      }),
    );
  }

  #fail(error: GunportError): void {
    if (this.#state.name === 'stopped') return;
    this.stop();
    this.#lost(error);
  }
}

function handshakeCut(cause?: GunportError): ConnectionError {
  return new ConnectionError(
    'ERR_GUNPORT_HANDSHAKE',
    'the server closed the connection before it answered the upgrade',
    {
      phase: 'upgrade',
      cause,
    },
  );
}
