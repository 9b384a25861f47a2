// spawn — one worker thread that hosts connection processes, from its boot to its death.
// Made by pool.ts; the only room that starts, watches and terminates threads.
// Each thread is a piscina of one: its only task installs the host and returns, and the thread lives on; so an
// idle thread holds no process alive (a task that never returned would), and a kill takes one thread.
// Invariant: `onDown` is called exactly once for each thread that began, with a reason told apart from the rest.
// Source: node-threads facts on piscina ('atomics: disabled', no signal) and on exit codes.

import {
  MessageChannel,
  type MessagePort,
  type ResourceLimits,
  receiveMessageOnPort,
  type Worker,
} from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type Boot, EXIT } from './bootwire.ts';
import { portsOf } from './cookies/cookiewire.ts';
import { ConnectionError, GunportError, toRecord } from './errors.ts';
import { ToldSettings } from './shared.ts';
import type { ConnectionState, DownRecord, HostToThread, Settings, ThreadToHost } from './wire.ts';

/** What a thread tells its pool. */
export interface ThreadHost {
  ended(id: string, reason: DownRecord): void;
  /** A process has left nothing in it. */
  released(thread: Thread, id: string): void;
  orphan(port: MessagePort, state: ConnectionState): void;
  down(thread: Thread, reason: DownRecord): void;
  /** Who listens to events: the host's word. */
  readonly listens: SharedArrayBuffer;
  events(thread: Thread, told: ThreadToHost & { type: 'events' }): void;
}

/** A connection process to be. */
export interface Placed
  extends Pick<HostToThread & { type: 'open' }, 'id' | 'ownerThreadId' | 'port' | 'cookies'> {
  readonly settings: Settings;
}

export interface ThreadOptions {
  readonly isolated: boolean;
  readonly resourceLimits: ResourceLimits;
  /** Milliseconds between two beats of its pulse; 0: none. */
  readonly beatEvery: number;
}

/** After this many ms a terminated thread counts as dead whatever it does. */
const TERMINATE_DEADLINE = 2_000;

// This file is lib/spawn.ts or dist/lib/spawn.js; the thread's entry stands beside lib with the ending that goes with it.
const entry = new URL(`../workers/door${import.meta.url.endsWith('.ts') ? '.cts' : '.cjs'}`, import.meta.url)
  .href;

/** @internal */
export class Thread {
  readonly isolated: boolean;
  /** Connection processes placed here that have not ended, or hold data for their owner still. */
  readonly connections: Set<string> = new Set();
  /** Settles when the thread is gone. */
  readonly gone: Promise<void>;
  readonly #host: ThreadHost;
  readonly #piscina: Piscina;
  readonly #worker: Worker | undefined;
  readonly #control: MessagePort;
  /** The thread's end of it. */
  readonly #farControl: MessagePort;
  readonly #exitWords = new SharedArrayBuffer(4 * EXIT.words);
  readonly #pulse = new SharedArrayBuffer(4);
  readonly #told = new ToldSettings();
  #threadId = -1;
  #leaving = false;
  #terminating = false;
  /** It was terminated for having said nothing for so many ms. */
  #silent: number | undefined;
  #error: { readonly value: unknown } | undefined;
  #dead = false;
  #resolveGone: () => void = () => {};

  constructor(host: ThreadHost, { isolated, resourceLimits, beatEvery }: ThreadOptions) {
    this.#host = host;
    this.isolated = isolated;
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    const { port1, port2 } = new MessageChannel();
    this.#control = port1;
    this.#farControl = port2;
    port1.on('message', (message: ThreadToHost) => this.#hear(message));
    port1.unref();
    this.#piscina = new Piscina({
      filename: entry,
      minThreads: 0,
      maxThreads: 1,
      resourceLimits,
      idleTimeout: Number.POSITIVE_INFINITY,
      // The default waits in Atomics.wait whenever no task runs: sockets would freeze.
      atomics: 'disabled',
      // Else two histograms of 352 KiB for its only task.
      recordTiming: false,
    });
    // What went wrong is told by the worker's own events; without a listener here it would be thrown in this thread.
    this.#piscina.on('error', () => {});
    const { listens } = host;
    const boot: Boot = { control: port2, exitWords: this.#exitWords, listens, pulse: this.#pulse, beatEvery };
    // Both ends of the promise are told by 'error' and 'exit' as well.
    this.#piscina.run(boot, { transferList: [port2] }).catch(() => {});
    this.#worker = this.#piscina.threads[0];
    if (!this.#worker) throw new Error('piscina started no thread');
    this.#threadId = this.#worker.threadId;
    this.#worker.on('error', (value) => {
      this.#error ??= { value };
    });
    this.#worker.on('exit', (code) => this.#died(code));
  }

  get threadId(): number {
    return this.#threadId;
  }

  /** New connections may be placed here. */
  get open(): boolean {
    return !this.#dead && !this.#leaving && !this.#terminating;
  }

  /** How often its event loop was seen to go round; 0 while it is being started. */
  get beats(): number {
    // Written by the thread alone; only a change means something.
    return Atomics.load(new Int32Array(this.#pulse), 0);
  }

  /** `silent`: its opener knows where it is. */
  place(host: string, placed: Placed, silent: boolean): void {
    const { id, ownerThreadId, port, cookies } = placed;
    this.connections.add(id);
    const { known, told } = this.#told.place(placed.settings);
    const settings = told ? undefined : placed.settings;
    const message: HostToThread = {
      type: 'open',
      id,
      host,
      settings,
      known,
      ownerThreadId,
      silent,
      port,
      cookies,
    };
    this.#control.postMessage(message, [port, ...portsOf(cookies)]);
  }

  /** Its processes end politely and it leaves by itself; after `deadline` ms it is terminated. */
  leave(deadline: number): Promise<void> {
    if (!this.#leaving && !this.#dead) {
      this.#leaving = true;
      this.#control.postMessage({ type: 'exit' } satisfies HostToThread);
      const late = setTimeout(() => void this.terminate(), deadline);
      void this.gone.then(() => clearTimeout(late));
    }
    return this.gone;
  }

  /** Kills the thread and all in it. Resolves when it is gone, or has not gone in time (Node 24 has such loops). */
  terminate(): Promise<void> {
    if (!this.#terminating && !this.#dead) {
      this.#terminating = true;
      void this.#worker?.terminate();
      const late = setTimeout(() => this.#giveUp(), TERMINATE_DEADLINE);
      void this.gone.then(() => clearTimeout(late));
    }
    return this.gone;
  }

  /** The same, since it has not answered for so many ms. */
  terminateSilent(silent: number): Promise<void> {
    if (!this.#terminating) this.#silent = silent;
    return this.terminate();
  }

  /** It goes on in spite of terminate(): nobody uses it any more, nor waits for it. What it holds is free when it ends. */
  #giveUp(): void {
    this.#died(1);
    // terminate() has had this process wait for it.
    this.#worker?.unref();
  }

  #hear(message: ThreadToHost): void {
    switch (message.type) {
      case 'ended':
        return this.#host.ended(message.id, message.reason);
      case 'released':
        this.connections.delete(message.id);
        return this.#host.released(this, message.id);
      case 'orphan':
        return this.#host.orphan(message.port, message.state);
      case 'events':
        this.#host.events(this, message);
        // Behind those who listen: a thread is told to go on when they have done with it.
        this.#control.postMessage({ type: 'eventsRead', weight: message.weight } satisfies HostToThread);
        return;
      default:
        message satisfies never;
    }
  }

  #died(exitCode: number): void {
    if (this.#dead) return;
    this.#dead = true;
    // There is no order between a port and 'exit': what the thread still said of its processes comes first.
    for (let last = receiveMessageOnPort(this.#control); last; last = receiveMessageOnPort(this.#control)) {
      this.#hear(last.message);
    }
    this.#control.close();
    // Still here where the thread died before it was ready; elsewhere this does nothing.
    this.#farControl.close();
    void this.#piscina.destroy();
    this.#resolveGone();
    this.#host.down(this, this.#reason(exitCode));
  }

  /** process.exit(1) and terminate() look alike from outside; the thread's own 'exit' event, which only the first
   *  one runs, sets the words. Nobody else writes them, and the thread is gone when they are read. */
  #reason(exitCode: number): DownRecord {
    if (this.#error) {
      const { value } = this.#error;
      const cause = toRecord(value);
      // No thread came of it: what its loop needs could not be had (EMFILE), which the constructor does not tell.
      if (cause.code === 'ERR_WORKER_INIT_FAILED') return noThread(value);
      const outOfMemory = cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
      return outOfMemory
        ? {
            kind: 'out-of-memory',
            message: `its thread ran out of memory: ${cause.message}`,
            exitCode,
            cause,
          }
        : { kind: 'uncaught', message: `uncaught in its thread: ${cause.message}`, exitCode, cause };
    }
    const [how, used, limit] = new Int32Array(this.#exitWords);
    if (how === EXIT.full) {
      const message = `its thread ended itself: ${used} of at most ${limit} MiB of heap were in use`;
      return { kind: 'out-of-memory', message, exitCode };
    }
    if (this.#leaving && !this.#terminating)
      return { kind: 'shutdown', message: 'its pool was closed', exitCode };
    if (how === EXIT.called) {
      return { kind: 'exit', message: `its thread called process.exit(${exitCode})`, exitCode };
    }
    if (this.#silent !== undefined) {
      const message = `its thread did not answer for ${Math.round(this.#silent)} ms, and was terminated`;
      return { kind: 'unresponsive', message, exitCode };
    }
    return { kind: 'terminated', message: 'its thread was terminated', exitCode };
  }
}

/** Why a process has no thread to be in. @internal */
export function noThread(error: unknown): DownRecord {
  const cause =
    error instanceof GunportError
      ? error
      : new ConnectionError('ERR_GUNPORT_THREAD', 'no thread could be started', {
          phase: 'connect',
          cause: error,
        });
  return { kind: 'gave-up', message: cause.message, cause: toRecord(cause) };
}
