// casts — what the owner asks of its connection, cast by cast.
// Held by process.ts, which owns the port. Invariant: a cast for what is not there (any more) has an answer or no effect,
// and never fails the process. Source: gun.erl's casts.

import { type GunportError, StreamError } from '../lib/errors.ts';
import type { Cast, Closed, DownRecord, Notice, Parcel } from '../lib/wire.ts';
import { type Entry, NO_CLOSE } from './entry.ts';
import type { Probe } from './probes/probe.ts';
import { StreamProbe } from './probes/streamprobe.ts';
import type { Requests } from './requests.ts';
import type { Retrying } from './retrying.ts';
import { giveSlab } from './slabs.ts';
import type { Streams } from './streams.ts';

/** What they ask of their process. */
export interface CastsHost {
  readonly streams: Streams;
  readonly requests: Requests;
  readonly retrying: Retrying;
  readonly probe: Probe;
  reply(notice: Exclude<Notice, Parcel>): void;
  isUp(): boolean;
  lastError(): GunportError | undefined;
  info(): (Notice & { type: 'info' })['info'];
  /** Its owner is there, after so many hand-overs. */
  owned(transfers: number): void;
  streamClosed(entry: Entry, closed: Closed): void;
  shutdown(reason: DownRecord): void;
  end(reason: DownRecord): void;
}

export class Casts {
  readonly #host: CastsHost;

  constructor(host: CastsHost) {
    this.#host = host;
  }

  handle(cast: Cast): void {
    const { streams, requests } = this.#host;
    switch (cast.type) {
      case 'casts':
        for (const one of cast.casts) requests.handle(one, this.#host.isUp());
        return requests.serve();
      case 'request':
      case 'data':
      case 'read':
      case 'streamInfo':
        requests.handle(cast, this.#host.isUp());
        return requests.serve();
      case 'send':
        return streams.send(cast, this.#host.lastError());
      case 'ack':
        for (const slab of cast.slabs ?? []) giveSlab(slab);
        return streams.acked(cast.read);
      case 'flow':
        return streams.topUp(cast.stream, cast.add);
      case 'upgrade':
        return this.#upgrade(cast);
      case 'ping':
        return streams.webSocket(cast.stream)?.socket?.ping(cast.id, cast.payload);
      case 'pingConnection':
        if (streams.laneOf(cast.tunnel)?.server?.ping(cast.id)) return undefined;
        return requests.notUp('ping()', cast.id);
      case 'closeStream':
        return this.#closeStream(cast);
      case 'cancel':
        return this.#cancel(cast.stream);
      case 'shutdown':
        return this.#host.shutdown({ kind: 'shutdown', message: 'its owner shut it down' });
      case 'close':
        streams.drop(false);
        return this.#host.end({ kind: 'shutdown', message: 'its owner closed it' });
      case 'info':
        return this.#host.reply({ type: 'info', id: cast.id, info: this.#host.info() });
      case 'owner':
        return this.#host.owned(cast.transfers);
      case 'retry':
        return this.#host.retrying.answer(cast.id, cast.decision);
      default:
        cast satisfies never;
    }
  }

  #upgrade({ stream, ws, tunnel }: Cast & { type: 'upgrade' }): void {
    const { streams } = this.#host;
    const lane = streams.laneOf(tunnel);
    const entry = streams.addWebSocket(stream, ws, lane ?? streams.root);
    if (lane) return lane.server?.serve();
    const text = `the tunnel it was to go through, stream ${tunnel}, is not there (any more)`;
    streams.failed(entry, new StreamError('ERR_GUNPORT_BAD_STATE', text));
  }

  #closeStream({ stream, code, reason }: Cast & { type: 'closeStream' }): void {
    const { streams } = this.#host;
    const entry = streams.webSocket(stream);
    if (!entry) return;
    const { socket } = entry;
    entry.state = 'closing';
    if (socket?.close(code, reason)) return;
    // Never opened, or between two attempts: there is nobody to say goodbye to.
    this.#host.streamClosed(entry, NO_CLOSE);
    socket?.cancel();
  }

  #cancel(stream: number): void {
    const { streams } = this.#host;
    streams.exchange(stream)?.cancel();
    const entry = streams.webSocket(stream);
    if (!entry) return;
    new StreamProbe(this.#host.probe, entry).cancelled('cancel');
    streams.cancelled(entry);
    if (entry.ws.spans) return this.#host.end({ kind: 'normal', message: 'its stream was cancelled' });
    entry.socket?.cancel();
  }
}
