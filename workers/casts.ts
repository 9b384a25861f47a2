// casts — what the owner asks of its connection, cast by cast.
// Held by process.ts, which owns the port. Invariant: a cast for what is not there (any more) has an answer or no effect,
// and never fails the process. Source: gun.erl's casts.

import { type GunportError, StreamError } from '../lib/errors.ts';
import { type SmallFrames, unpackCast } from '../lib/smallwire.ts';
import type { Cast, Closed, DownRecord, Notice, Parcel, WsSettings } from '../lib/wire.ts';
import type { Attempts } from './attempts.ts';
import { asRenewed, closeEntry, type Entry } from './entry.ts';
import type { Handlers } from './handlers.ts';
import type { Probe } from './probes/probe.ts';
import { StreamProbe } from './probes/streamprobe.ts';
import type { Requests } from './requests.ts';
import { giveSlab } from './slabs.ts';
import type { Streams } from './streams.ts';

/** What they ask of their process. */
export interface CastsHost {
  readonly streams: Streams;
  readonly requests: Requests;
  readonly attempts: Attempts;
  readonly handlers: Handlers;
  readonly probe: Probe;
  reply(notice: Exclude<Notice, Parcel>): void;
  /** There is a connection to speak of. */
  readonly isUp: boolean;
  /** It has ended: nothing is done any more. */
  readonly isOver: boolean;
  readonly lastError: GunportError | undefined;
  info(): (Notice & { type: 'info' })['info'];
  /** Its owner is there, after so many hand-overs. */
  owned(transfers: number): void;
  streamClosed(entry: Entry, closed: Closed): void;
  /** An error ends the connection, not its thread. */
  guard(run: () => unknown): void;
  shutdown(reason: DownRecord): void;
  end(reason: DownRecord): void;
}

/** As it comes from the owner's port. */
export type PostedCast = Cast | SmallFrames;

export class Casts {
  readonly #host: CastsHost;
  /** They wait for a module. */
  #held: Cast[] | undefined;

  constructor(host: CastsHost) {
    this.#host = host;
  }

  handle(posted: PostedCast): void {
    const cast = unpackCast(posted);
    if (this.#held) this.#held.push(cast);
    else if (cast.type === 'upgrade' && this.#host.handlers.lacks(this.#wsOf(cast))) this.#loadFor(cast);
    else this.#handle(cast);
  }

  /** What runs handlers is loaded with the first: threads without any start the sooner. Order is kept. */
  #loadFor(first: Cast): void {
    const { handlers } = this.#host;
    const held = [first];
    this.#held = held;
    const goOn = (): void => {
      if (this.#host.isOver) return;
      this.#held = undefined;
      for (const cast of held) this.handle(cast);
    };
    const load = async (): Promise<void> => {
      await handlers.loadRuntime();
      this.#host.guard(goOn);
    };
    this.#host.guard(load);
  }

  #handle(cast: Cast): void {
    const { streams, requests } = this.#host;
    switch (cast.type) {
      case 'casts':
        for (const one of cast.casts) requests.handle(one, this.#host.isUp);
        return requests.serve();
      case 'request':
      case 'data':
      case 'read':
      case 'streamInfo':
        requests.handle(cast, this.#host.isUp);
        return requests.serve();
      case 'send':
      case 'sendSecret':
        if (cast.read) streams.acked(cast.read);
        return streams.send(cast, this.#host.lastError);
      case 'ack':
        for (const slab of cast.slabs ?? []) giveSlab(slab);
        return streams.acked(cast.read);
      case 'askSent':
        return streams.webSocket(cast.stream)?.socket?.askSent();
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
        streams.owned(cast);
        return this.#host.owned(cast.transfers);
      case 'retry':
      case 'renewal':
        return this.#host.attempts.answered(cast);
      case 'remote': {
        const handling = streams.webSocket(cast.stream)?.handling;
        return handling ? handling.remotes.add(cast.port) : cast.port.close();
      }
      case 'reveal':
        return streams.webSocket(cast.stream)?.socket?.reveal();
      case 'drop':
        return this.#host.handlers.drop(cast.stream, cast.reason);
      default:
        cast satisfies never;
    }
  }

  #wsOf({ ws }: Cast & { type: 'upgrade' }): WsSettings {
    return ws ?? this.#host.attempts.given.ws;
  }

  #upgrade(cast: Cast & { type: 'upgrade' }): void {
    const { stream, tunnel, options, decides } = cast;
    const { streams } = this.#host;
    const ws = this.#wsOf(cast);
    const lane = streams.laneOf(tunnel);
    const entry = streams.addWebSocket(stream, ws, lane ?? streams.root);
    if (streams.over) return streams.failed(entry, streams.over);
    entry.decides = decides === true;
    entry.ws = asRenewed(ws, this.#host.attempts.settings.ws);
    if (lane && entry.handling) return this.#host.handlers.load(entry, options);
    if (lane && ws.handler && ws.spans) return this.#host.handlers.isThere();
    if (lane) return lane.server?.serve();
    const text = `the tunnel it was to go through, stream ${tunnel}, is not there (any more)`;
    streams.failed(entry, new StreamError('ERR_GUNPORT_BAD_STATE', text));
  }

  #closeStream({ stream, code, reason }: Cast & { type: 'closeStream' }): void {
    const { streams } = this.#host;
    const entry = streams.webSocket(stream);
    if (!entry) return streams.forgo(stream);
    closeEntry(entry, { code, reason, keep: false }, (...end) => this.#host.streamClosed(...end));
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
