// frameprobe — the events of single frames of one WebSocket, in and out.
// Held by websocket.ts, which asks once a read, and once a send, whether somebody listens: only then it leaves its fast
// path, and every frame passes here.
// Invariant: a frame that has begun ends once, in full or with an error; payloads are copies.
// Source: gun_event(3): ws_recv_frame_*, ws_send_frame_*.

import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import type { FrameType } from '../../lib/events/eventtypes.ts';
import { BIT } from '../../lib/events/eventwire.ts';
import { type Header, OPCODE, readHeader } from '../../lib/protocol/frames.ts';
import type { Probe } from './probe.ts';
import { errorRecord } from './redact.ts';
import { originOf, type Traced } from './streamprobe.ts';

/** A WebSocket, for this file. */
export interface TracedSocket extends Traced {
  readonly upgraded: { readonly extensions: string } | undefined;
}

const RECEIVED_START = BIT['gunport:ws:recv-frame:start'];
const RECEIVED_HEADER = BIT['gunport:ws:recv-frame:header'];
const RECEIVED_END = BIT['gunport:ws:recv-frame:end'];
const RECEIVED = RECEIVED_START | RECEIVED_HEADER | RECEIVED_END;
const SENT = BIT['gunport:ws:send-frame:start'] | BIT['gunport:ws:send-frame:end'];
const NOTHING = new Uint8Array(0);

const TYPES: ReadonlyMap<number, FrameType> = new Map([
  [OPCODE.continuation, 'continuation'],
  [OPCODE.text, 'text'],
  [OPCODE.binary, 'binary'],
  [OPCODE.close, 'close'],
  [OPCODE.ping, 'ping'],
  [OPCODE.pong, 'pong'],
]);

type FrameOrigin = ReturnType<typeof originOf> & { readonly extensions: string };

/** A frame that goes out. */
interface Laid {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

export class FrameProbe {
  readonly #probe: Probe;
  readonly #socket: TracedSocket;
  /** A frame has begun to come. */
  #open = false;
  #made: FrameOrigin | undefined;
  /** A secret was sent, and its answer may hold another. */
  #hides = false;

  constructor(probe: Probe, socket: TracedSocket) {
    this.#probe = probe;
    this.#socket = socket;
  }

  /** Made once: nothing of it changes while frames come and go. */
  get #origin(): FrameOrigin {
    this.#made ??= { ...originOf(this.#socket), extensions: this.#socket.upgraded?.extensions ?? '' };
    return this.#made;
  }

  // ── in ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody listens to what comes. */
  get receiving(): boolean {
    const receiving = this.#probe.wants(RECEIVED);
    // What has begun is passed by unseen.
    if (!receiving) this.#open = false;
    return receiving;
  }

  /** The header of the next frame is here, maybe for the second time. `fragments`: parts of its message before it. */
  header({ opcode, fin, rsv, length }: Header, fragments: number): void {
    if (this.#open) return;
    this.#open = true;
    const probe = this.#probe;
    if (probe.wants(RECEIVED_START))
      probe.tell('gunport:ws:recv-frame:start', { ...this.#origin, fragments });
    if (!probe.wants(RECEIVED_HEADER)) return;
    const more = { type: typeOf(opcode), fin, rsv, length, maskKey: undefined };
    probe.tell('gunport:ws:recv-frame:header', { ...this.#origin, ...more });
  }

  /** All of it is. */
  whole({ opcode }: Header, bytes: Uint8Array): void {
    this.#open = false;
    if (!this.#probe.wants(RECEIVED_END)) return;
    const payload = this.#hides && opcode < OPCODE.close ? NOTHING : bytes.slice();
    const coded = opcode === OPCODE.close && payload.length >= 2;
    const code = coded && { closeCode: ((payload[0] ?? 0) << 8) | (payload[1] ?? 0) };
    this.#probe.tell('gunport:ws:recv-frame:end', { ...this.#origin, ...code, payload });
  }

  /** The rest of what has begun will not come. */
  broken(error?: GunportError): void {
    if (!this.#open) return;
    this.#open = false;
    const why = error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the WebSocket ended in the midst of it');
    const more = { payload: NOTHING, error: errorRecord(why) };
    this.#probe.tell('gunport:ws:recv-frame:end', { ...this.#origin, ...more });
  }

  // ── out ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What comes is shown again. */
  reveal(): void {
    this.#hides = false;
  }

  /** The frames of a wire image, which is not masked yet; undefined: nobody listens. `secret`: what they say is not shown,
   *  nor what comes until `reveal()`. */
  laid(image: Uint8Array, secret = false): readonly Laid[] | undefined {
    if (secret) this.#hides = true;
    if (!this.#probe.wants(SENT)) return undefined;
    const frames: Laid[] = [];
    for (let at = 0; at < image.length; ) {
      const header = readHeader(image, at, image.length);
      if (!header) break; // The owner lays whole frames: it ends with one.
      at = header.start + header.length;
      frames.push({ type: typeOf(header.opcode), payload: secret ? NOTHING : image.slice(header.start, at) });
    }
    return frames;
  }

  /** They were handed to the socket. */
  sent(frames: readonly Laid[]): void {
    for (const frame of frames) {
      const fields = { ...this.#origin, frame };
      this.#probe.tell('gunport:ws:send-frame:start', fields);
      this.#probe.tell('gunport:ws:send-frame:end', fields);
    }
  }

  /** One of our own was. */
  control(opcode: number, payload: Uint8Array): void {
    if (this.#probe.wants(SENT)) this.sent([{ type: typeOf(opcode), payload: payload.slice() }]);
  }
}

function typeOf(opcode: number): FrameType {
  return TYPES.get(opcode) ?? 'reserved';
}
