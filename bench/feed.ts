// feed — the server process as the run holds it: forked once, the same for all peers and rounds.
// Started by run.ts; server.ts is the process itself.
// Invariant: it is killed with its scope, and a server that dies early is an error, not an endless wait.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PayloadName } from './payloads.ts';

/** What the server says once it can be connected to. */
export interface FeedReady {
  readonly port: number;
  /** Mean size of a message's frame on the wire, in bytes. */
  readonly frameBytes: Partial<Record<PayloadName, number>>;
}

export class Feed implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ready: FeedReady;

  private constructor(child: ChildProcess, ready: FeedReady) {
    this.#child = child;
    this.#ready = ready;
  }

  /** Resolves when all blocks are built and it listens. */
  static async start(payloads: readonly PayloadName[]): Promise<Feed> {
    const child = fork(siblingPath('server'), payloads);
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`the server process exited with ${code} before it listened`);
    });
    const ready = once(child, 'message').then(([message]) => message as FeedReady); // It says nothing else.
    return new Feed(child, await Promise.race([ready, died]));
  }

  url(payload: PayloadName): string {
    return `ws://127.0.0.1:${this.#ready.port}/${payload}`;
  }

  /** Mean size of a message's frame on the wire, in bytes. */
  frameBytes(payload: PayloadName): number {
    return this.#ready.frameBytes[payload] ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** A file of this folder by its name, built or not. */
export function siblingPath(name: string): string {
  return fileURLToPath(
    new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  );
}
