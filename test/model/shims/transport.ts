// transport — what a process of the model has in place of workers/transport.ts: sockets to the one server of network.ts.
// Put there by ../loader.ts. Invariant: as workers/socket.ts has it; `connected` or `failed` come in a turn of their own.

import { ConnectionError } from '../../../lib/errors.ts';
import type { Sink, Transport } from '../../../workers/socket.ts';
import type { DialCallbacks, Dialing } from '../../../workers/transport.ts';
import { network, type Peer } from '../network.ts';
import { type ModelThread, type Source, world } from '../world.ts';

export function dial(_settings: unknown, _hooks: unknown, sink: Sink, callbacks: DialCallbacks): Dialing {
  const thread = world.current as ModelThread; // Only threads dial.
  let over = false;
  thread.immediate(() => {
    if (over) return;
    over = true;
    const peer = network.accept();
    if (peer) return callbacks.connected(new FakeTransport(thread, sink, peer));
    callbacks.failed(new ConnectionError('ERR_GUNPORT_CONNECT', 'refused', { phase: 'connect' }));
  });
  return {
    cancel: () => {
      over = true;
    },
  };
}

type Done = (error?: Error | null) => void;

class FakeTransport implements Transport {
  readonly alpn = undefined;
  readonly #sink: Sink;
  readonly #peer: Peer;
  #state: 'open' | 'gone' = 'open';
  #paused = false;
  #finTold = false;
  #ending = false;
  #writes: { readonly bytes: Uint8Array; readonly done: Done | undefined }[] = [];
  readonly #reads: Source;
  readonly #leaves: Source;

  constructor(thread: ModelThread, sink: Sink, peer: Peer) {
    this.#sink = sink;
    this.#peer = peer;
    const source = (isReady: () => boolean, run: () => void): Source => {
      return { thread, queued: false, isReady, run: () => thread.call(run) };
    };
    this.#reads = source(
      () => this.#isReadable,
      () => this.#read(),
    );
    this.#leaves = source(
      () => this.#writes.length > 0 || this.#ending,
      () => this.#leave(),
    );
    peer.onWork = () => this.#look();
    thread.ports.add({ die: () => peer.dropped() });
  }

  get #isReadable(): boolean {
    const { available, fin, reset } = this.#peer;
    return this.#state === 'open' && (reset || (!this.#paused && (available > 0 || (fin && !this.#finTold))));
  }

  #look(): void {
    if (this.#isReadable) world.ready(this.#reads);
  }

  #read(): void {
    const peer = this.#peer;
    if (peer.reset) {
      this.#state = 'gone';
      for (const { done } of this.#writes.splice(0)) done?.(new Error('the socket was closed'));
      return this.#sink.lost(new ConnectionError('ERR_GUNPORT_CLOSED', 'connection was lost: ECONNRESET'));
    }
    if (peer.available > 0) this.#sink.received(peer.read(this.#sink.buffer()));
    else {
      this.#finTold = true;
      this.#sink.ended();
    }
    this.#look();
  }

  get pending(): number {
    return this.#writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(bytes: Uint8Array, done?: Done): void {
    if (this.#state === 'gone' || this.#ending)
      return void process.nextTick(() => done?.(new Error('the socket was closed')));
    this.#writes.push({ bytes: bytes.slice(), done });
    world.ready(this.#leaves);
  }

  /** All of a turn at once, as the kernel is given it. */
  #leave(): void {
    const writes = this.#writes.splice(0);
    for (const { bytes } of writes) this.#peer.heard(bytes);
    if (this.#ending) {
      this.#ending = false;
      this.#peer.ended();
    }
    const gone = this.#state === 'gone' ? new Error('the socket was closed') : undefined;
    for (const { done } of writes) done?.(gone);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#look();
  }

  unshift(): void {
    throw new Error('the model has no tunnels');
  }

  end(done?: () => void): void {
    this.#ending = true;
    world.ready(this.#leaves);
    if (done) process.nextTick(done);
  }

  destroy(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    // What was written before is with the kernel.
    this.#ending = true;
    world.ready(this.#leaves);
  }

  info(): ReturnType<Transport['info']> {
    const nothing = { localAddress: undefined, localPort: undefined };
    return { ...nothing, remoteAddress: undefined, remotePort: undefined, tls: undefined };
  }
}
