// transport — one socket: dialled in phases that each have a deadline, then read straight into the sink's memory.
// Called by process.ts; the contracts are in driver.ts.
// Invariant: `connected` or `failed` is called once, never within dial(), and neither after cancel(); a dial that did
// not come about leaves no socket, timer or listener. The sink hears nothing while paused, FIN after all bytes, and
// `lost` last. Half-open is allowed: the peer's FIN ends nothing by itself, so what is being written still goes out;
// whoever holds the transport ends or destroys it.
// Source: Node net.connect and tls.connect with `onread`.

import * as net from 'node:net';
import * as tls from 'node:tls';
import { ConnectionError, type Phase } from '../lib/errors.ts';
import { hostAndPort } from '../lib/httpwire.ts';
import type { UserFunction } from '../lib/modules.ts';
import type { Settings } from '../lib/wire.ts';
import { codeOf, infoOf, SocketTransport } from './connected.ts';
import { type Address, resolveHost } from './lookup.ts';
import { DialProbe } from './probes/dialprobe.ts';
import type { Probe } from './probes/probe.ts';
import { Reading } from './reading.ts';
import { resumedFault, secureOptions } from './roads/secureoptions.ts';
import type { Sink, Transport } from './socket.ts';

/** The user's functions, loaded. */
export interface Hooks {
  readonly lookup?: UserFunction | undefined;
  readonly checkServerIdentity?: UserFunction | undefined;
  /** Who is told of the way. */
  readonly probe?: Probe | undefined;
  /** The stream of the tunnel whose far end is reached. */
  readonly tunnel?: number | undefined;
}

/** How a dial ends, unless it is cancelled. */
export interface DialCallbacks {
  connected(transport: Transport): void;
  failed(error: ConnectionError): void;
}

/** A dial under way. */
export interface Dialing {
  /** Now; nothing is called any more. Without effect once it is connected or has failed. */
  cancel(): void;
}

/** The socket settings of a dial. @internal */
export type DialSettings = Pick<
  Settings,
  | 'transport'
  | 'host'
  | 'port'
  | 'socketPath'
  | 'localAddress'
  | 'family'
  | 'noDelay'
  | 'tls'
  | 'lookupTimeout'
  | 'connectTimeout'
  | 'tlsTimeout'
> & { readonly protocols: readonly string[] };

/** Dials: lookup, connect, TLS. Each phase fails with a code and phase of its own and Node's error as cause. */
export function dial(settings: DialSettings, hooks: Hooks, sink: Sink, callbacks: DialCallbacks): Dialing {
  return new Dial(settings, hooks, sink, callbacks);
}

/** Longest time that one of several addresses is given before the next is tried, in milliseconds. */
const ATTEMPT_TIMEOUT = 500;

type DialState =
  | { readonly name: 'lookup'; readonly silence: () => void }
  | { readonly name: 'connect' | 'tls'; readonly socket: net.Socket }
  | { readonly name: 'done' };

class Dial implements Dialing {
  readonly #settings: DialSettings;
  readonly #hooks: Hooks;
  readonly #reading: Reading;
  readonly #callbacks: DialCallbacks;
  readonly #probe: DialProbe;
  #state: DialState = { name: 'done' };
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: DialSettings, hooks: Hooks, sink: Sink, callbacks: DialCallbacks) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#reading = new Reading(sink);
    this.#callbacks = callbacks;
    this.#probe = new DialProbe(hooks.probe, settings);
    const { host, family, socketPath } = settings;
    const literal = net.isIP(host);
    if (socketPath !== undefined) this.#connect([]);
    else if (literal === 4 || literal === 6) this.#connect([{ address: host, family: literal }]);
    else {
      this.#probe.lookup();
      this.#deadline(settings.lookupTimeout, 'ERR_GUNPORT_LOOKUP_TIMEOUT', 'dns', `lookup of ${host}`);
      const silence = resolveHost(host, family, hooks.lookup, (error, addresses) => {
        if (error)
          this.#fail('ERR_GUNPORT_LOOKUP', `lookup of ${host} failed: ${codeOf(error)}`, 'dns', error);
        else this.#connect(addresses);
      });
      this.#state = { name: 'lookup', silence };
    }
  }

  cancel(): void {
    this.#leave();
  }

  #connect(addresses: readonly Address[]): void {
    const { connectTimeout } = this.#settings;
    const what = `connect to ${this.#where()}`;
    let socket: net.Socket;
    this.#probe.connect(addresses);
    try {
      socket = this.#open(addresses);
    } catch (error) {
      // Thrown by Node's own checks: options that TLS or net does not take. Told in a later turn, as all is.
      const [code, phase] = this.#settings.tls
        ? (['ERR_GUNPORT_TLS', 'tls'] as const)
        : (['ERR_GUNPORT_CONNECT', 'connect'] as const);
      const later = setImmediate(() =>
        this.#fail(code, `${what} failed: ${codeOf(error)}`, phase, error, 'options'),
      );
      this.#state = { name: 'lookup', silence: () => clearImmediate(later) };
      return;
    }
    this.#state = { name: 'connect', socket };
    this.#deadline(connectTimeout, 'ERR_GUNPORT_CONNECT_TIMEOUT', 'connect', what);
    socket.on('error', this.#broke);
    socket.on('close', this.#closed);
    socket.once('connect', () => this.#reached(socket));
    if (this.#settings.tls) socket.once('secureConnect', () => this.#up(socket));
  }

  #open(addresses: readonly Address[]): net.Socket {
    const { host, port, socketPath, localAddress, connectTimeout } = this.#settings;
    // Written out: a literal with `...` in it has a hidden class of its own, each time.
    const road = {
      host,
      port: socketPath === undefined ? port : undefined,
      path: socketPath,
      localAddress,
      allowHalfOpen: true,
      // The addresses are known; Node asks for all of them, or for one where a local address is bound.
      lookup: givenLookup(addresses, localAddress),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Math.max(
        10,
        Math.min(ATTEMPT_TIMEOUT, Math.floor(connectTimeout / Math.max(1, addresses.length))),
      ),
      onread: this.#reading.onread,
    };
    if (!this.#settings.tls) return net.connect(road as net.NetConnectOpts);
    return tls.connect({ ...secureOptions(this.#settings, this.#hooks), ...road } as tls.ConnectionOptions);
  }

  /** TCP is there. */
  #reached(socket: net.Socket): void {
    if (this.#state.name !== 'connect') return;
    if (!this.#settings.tls) return this.#up(socket);
    this.#state = { name: 'tls', socket };
    this.#probe.secure(infoOf(socket));
    this.#deadline(
      this.#settings.tlsTimeout,
      'ERR_GUNPORT_TLS_TIMEOUT',
      'tls',
      `TLS handshake with ${this.#where()}`,
    );
  }

  #up(socket: net.Socket): void {
    if (this.#state.name === 'done') return;
    const fault = resumedFault(socket, this.#settings, this.#hooks);
    if (fault) return this.#broke(fault);
    this.#state = { name: 'done' };
    clearTimeout(this.#timer);
    if (this.#settings.socketPath === undefined) socket.setNoDelay(this.#settings.noDelay);
    const transport = new SocketTransport(socket, this.#reading);
    this.#probe.done(transport);
    socket.off('error', this.#broke);
    socket.off('close', this.#closed);
    this.#callbacks.connected(transport);
  }

  readonly #closed = (): void => this.#broke(new Error('the socket was closed'));

  readonly #broke = (error: Error): void => {
    const state = this.#state;
    if (state.name === 'tls') {
      return this.#fail(
        'ERR_GUNPORT_TLS',
        `TLS handshake with ${this.#where()} failed: ${codeOf(error)}`,
        'tls',
        error,
      );
    }
    if (state.name !== 'connect') return; // Failed or cancelled.
    const { cause, text } = flatten(error);
    this.#fail('ERR_GUNPORT_CONNECT', `connect to ${this.#where()} failed: ${text}`, 'connect', cause);
  };

  #deadline(ms: number, code: FailureCode, phase: Phase, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(code, `${what} took longer than ${ms} ms`, phase), ms);
  }

  #fail(code: FailureCode, message: string, phase: Phase, cause?: unknown, reason?: string): void {
    const error = new ConnectionError(code, message, { phase, cause, reason });
    if (this.#leave(error)) this.#callbacks.failed(error);
  }

  /** Clears up; false when there was nothing any more. */
  #leave(error?: ConnectionError): boolean {
    const state = this.#state;
    if (state.name === 'done') return false;
    this.#probe.failed(error);
    this.#state = { name: 'done' };
    clearTimeout(this.#timer);
    if (state.name === 'lookup') state.silence();
    // Its 'error' listener stays: a socket that is being torn down may still have something to say.
    else state.socket.destroy();
    return true;
  }

  #where(): string {
    return this.#settings.socketPath ?? hostAndPort(this.#settings);
  }
}

type FailureCode = Extract<
  ConnectionError['code'],
  | 'ERR_GUNPORT_LOOKUP'
  | 'ERR_GUNPORT_LOOKUP_TIMEOUT'
  | 'ERR_GUNPORT_CONNECT'
  | 'ERR_GUNPORT_CONNECT_TIMEOUT'
  | 'ERR_GUNPORT_TLS'
  | 'ERR_GUNPORT_TLS_TIMEOUT'
>;

/** A lookup function for net.connect that knows the answer. */
function givenLookup(addresses: readonly Address[], localAddress: string | undefined): net.LookupFunction {
  return (_host, options, callback) => {
    if (options.all)
      return callback(
        null,
        addresses.map((one) => ({ ...one })),
      );
    const family = localAddress === undefined ? 0 : net.isIP(localAddress);
    const chosen = addresses.find((one) => one.family === family) ?? addresses[0];
    callback(null, chosen?.address ?? '', chosen?.family);
  };
}

/** Node joins the errors of several addresses in an AggregateError, whose message is empty. The cause is the one that
 *  says most: a machine that answered "no" rather than one that was not reached. */
function flatten(error: Error): { readonly cause: Error; readonly text: string } {
  if (!(error instanceof AggregateError)) return { cause: error, text: codeOf(error) };
  const errors: Error[] = error.errors.filter((one) => one instanceof Error);
  const telling = errors.find(
    (one) => !['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT'].includes(codeOf(one)),
  );
  const text = errors
    .map((one) => `${codeOf(one)} ${(one as { address?: string }).address ?? ''}`.trim())
    .join(', ');
  return { cause: telling ?? errors[0] ?? error, text: text || codeOf(error) };
}
