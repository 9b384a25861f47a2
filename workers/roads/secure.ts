// secure — TLS on a transport that is no socket of its own: what is behind a tunnel, TLS inside TLS included.
// Made by branch.ts; what it makes is a transport like any other.
// Invariant: `connected` or `failed` is called once, never within the constructor, and neither after stop(); until then
// the transport below is not ended, afterwards the one above ends it. Source: Node tls.connect with `socket`.

import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import type { Leg } from '../../lib/httpwire.ts';
import { codeOf, SocketTransport } from '../connected.ts';
import { DialProbe } from '../probes/dialprobe.ts';
import { Reading } from '../reading.ts';
import { giveSlab, sharedBuffer, takeSlab } from '../slabs.ts';
import type { Sink, Transport } from '../socket.ts';
import type { DialCallbacks, Hooks } from '../transport.ts';
import { resumedFault, secureOptions } from './secureoptions.ts';

/** Bytes of one read for which new memory costs more than that of a slab which comes back. */
const WORTH_BORROWING = 16 * 1024;

/** A handshake under way, and what comes from below. */
export class Secure {
  readonly sink: Sink;
  readonly #leg: Leg;
  readonly #callbacks: DialCallbacks;
  readonly #pipe: Pipe;
  readonly #probe: DialProbe;
  readonly #timer: NodeJS.Timeout;
  #socket: tls.TLSSocket | undefined;
  #state: 'shaking' | 'connected' | 'over' = 'shaking';

  /** `above`: where what was deciphered goes. */
  constructor(below: Transport, leg: Leg, hooks: Hooks, above: Sink, callbacks: DialCallbacks) {
    this.#leg = leg;
    this.#callbacks = callbacks;
    this.#pipe = new Pipe(below);
    this.#probe = new DialProbe(hooks.probe, leg, hooks.tunnel);
    this.#probe.secure();
    this.sink = this.#pipe;
    const { tlsTimeout } = leg;
    const late = (): void => this.#fail('ERR_GUNPORT_TLS_TIMEOUT', `took longer than ${tlsTimeout} ms`);
    this.#timer = setTimeout(late, tlsTimeout);
    try {
      this.#socket = this.#connect(below, hooks, above);
    } catch (error) {
      // Thrown by Node's own checks: options that TLS does not take. Told in a later turn, as all is.
      setImmediate(() => this.#fail('ERR_GUNPORT_TLS', `failed: ${codeOf(error)}`, error, 'options'));
    }
  }

  #connect(below: Transport, hooks: Hooks, above: Sink): tls.TLSSocket {
    const socket = tls.connect({ ...secureOptions(this.#leg, hooks), socket: this.#pipe });
    const broke = (error: Error): void => this.#fail('ERR_GUNPORT_TLS', `failed: ${codeOf(error)}`, error);
    const closed = (): void => broke(this.#pipe.why ?? new Error('the connection was closed'));
    socket.on('error', broke);
    socket.on('close', closed);
    socket.once('secureConnect', () => {
      if (this.#state !== 'shaking') return;
      const fault = resumedFault(socket, this.#leg, hooks);
      if (fault) return broke(fault);
      this.#state = 'connected';
      clearTimeout(this.#timer);
      const reading = new Reading(above);
      const transport = new SocketTransport(socket, reading, below);
      this.#probe.done(transport);
      socket.off('error', broke);
      socket.off('close', closed);
      this.#callbacks.connected(transport);
      socket.on('data', (bytes: Uint8Array) => reading.given(bytes));
    });
    return socket;
  }

  #fail(
    code: 'ERR_GUNPORT_TLS' | 'ERR_GUNPORT_TLS_TIMEOUT',
    what: string,
    cause?: unknown,
    reason?: string,
  ): void {
    if (this.#state !== 'shaking') return;
    const { host, port } = this.#leg;
    const text = `TLS handshake with ${host}:${port} ${what}`;
    const error = new ConnectionError(code, text, { phase: 'tls', cause, reason });
    this.#probe.failed(error);
    this.stop();
    this.#callbacks.failed(error);
  }

  /** Now; nothing is called any more. */
  stop(): void {
    const shaking = this.#state === 'shaking';
    this.#state = 'over';
    this.#probe.failed();
    clearTimeout(this.#timer);
    if (shaking) this.#socket?.destroy();
    this.#pipe.destroy();
  }
}

/** What TLS takes for its socket. */
class Pipe extends Duplex implements Sink {
  readonly #below: Transport;
  #held = false;
  #ended = false;
  /** What the transport below was lost with. */
  why: GunportError | undefined;

  constructor(below: Transport) {
    // TLS closes it, when it has done with it: its close is the end of TLS, with all that is not read of that.
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#below = below;
  }

  // ── from below ────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return sharedBuffer();
  }

  received(length: number): void {
    if (this.destroyed) return;
    // A copy: TLS may not take it at once, and what it makes of it goes to the same memory, which all sockets share.
    const bytes = sharedBuffer().subarray(0, length);
    const room = length < WORTH_BORROWING ? this.push(Buffer.from(bytes)) : this.#lend(bytes);
    if (room || this.#held) return;
    this.#held = true;
    this.#below.pause();
  }

  /** TLS takes what is pushed at once, as a rule, and then the memory of the copy is free again. */
  #lend(bytes: Uint8Array): boolean {
    const slab = takeSlab();
    slab.set(bytes);
    const room = this.push(Buffer.from(slab.buffer, 0, bytes.length));
    if (this.readableLength === 0) giveSlab(slab);
    return room;
  }

  ended(): void {
    this.#ended = true;
    if (!this.destroyed) this.push(null);
  }

  lost(error: GunportError | undefined): void {
    this.why = error;
    // Where all has come, TLS may not have read it yet: its reader has paused. It ends with that.
    if (error || !this.#ended) this.destroy(error);
  }

  // ── from TLS ──────────────────────────────────────────────────────────────────────────────────────────────

  override _read(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#below.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#below.write(chunk, (error) => this.#left(error, done));
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#below.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), (error) => this.#left(error, done));
  }

  #left(error: Error | null | undefined, done: () => void): void {
    if (error) this.destroy(error);
    else done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#below.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#below.destroy();
    done(error);
  }
}
