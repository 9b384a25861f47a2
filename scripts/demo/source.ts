// source — main's handle on the process that feeds the demo.
// Made by show.ts. Invariant: main talks to it over the process channel only, and opens no socket to it; after
// stop() the process is gone, politely or not.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from './clock.ts';
import type { FromServer, Report, ToServer } from './server.ts';

/** How long the process may take to begin, to report and to end, in milliseconds. */
const DEADLINE = 5_000;

export class Source {
  /** Where the feed is. */
  readonly url: string;
  readonly processId: number;
  /** The number of its first message. */
  readonly first: number;
  readonly #child: ChildProcess;

  /** Forks the server. @throws {Error} it does not listen in time. */
  static async start(): Promise<Source> {
    const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), { serialization: 'advanced' });
    try {
      const listening = await hear(child, 'listening');
      return new Source(child, listening.port, listening.first);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(child: ChildProcess, port: number, first: number) {
    this.#child = child;
    child.on('error', () => {}); // What was told to a process that had just ended; 'exit' follows.
    this.url = `ws://127.0.0.1:${port}/trades`;
    this.processId = child.pid ?? 0;
    this.first = first;
  }

  /** What it has seen; waits a moment for connections that are about to close. @throws {Error} no answer in time. */
  async report(): Promise<Report> {
    if (!this.#child.connected) throw new Error('the server process has ended');
    const report = hear(this.#child, 'report');
    this.#child.send({ type: 'report' } satisfies ToServer);
    return report;
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    if (child.connected) child.disconnect();
    await within(exit, DEADLINE, 'the end of the server').catch(() => child.kill('SIGKILL'));
  }
}

/** The next message of a type; rejects when the process ends first. */
function hear<T extends FromServer['type']>(
  child: ChildProcess,
  type: T,
): Promise<Extract<FromServer, { type: T }>> {
  const heard = new Promise<Extract<FromServer, { type: T }>>((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      // All that the server posts is FromServer.
      const told = message as FromServer;
      if (told.type !== type) return;
      leave();
      resolve(told as Extract<FromServer, { type: T }>);
    };
    const onExit = (code: number | null): void => {
      leave();
      reject(new Error(`the server process ended (${code ?? 'by a signal'})`));
    };
    const leave = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
  return within(heard, DEADLINE, `'${type}' of the server`);
}
