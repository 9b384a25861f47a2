// feed — the server processes as the run holds them: forked once, the same for all peers and rounds.
// Started by run.ts; server.ts and http-server.ts are the processes themselves.
// Invariant: one is killed with its scope, and a server that dies early is an error, not an endless wait.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PayloadName } from './payloads.ts';

/** A server process, of which is known what it said once it could be connected to. */
export class ServerProcess<Ready> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly ready: Ready;

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.ready = ready;
  }

  /** `name`: of a file in this folder. Resolves when it listens. */
  static async start<Ready>(name: string, args: readonly string[]): Promise<ServerProcess<Ready>> {
    const child = fork(siblingPath(name), args);
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`the server process exited with ${code} before it listened`);
    });
    const ready = once(child, 'message').then(([message]) => message as Ready); // It says nothing else.
    return new ServerProcess(child, await Promise.race([ready, died]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** What the server of the feeds says. */
export interface FeedReady {
  readonly port: number;
  /** Mean size of a message's frame on the wire, in bytes. */
  readonly frameBytes: Partial<Record<PayloadName, number>>;
}

/** What the server of the answers says. */
export interface HttpReady {
  /** HTTP/1.1: for small answers; and for a large one to every request but the first of a connection. */
  readonly http: { readonly small: number; readonly large: number };
  /** HTTP/2 with prior knowledge: the same. */
  readonly http2: { readonly small: number; readonly large: number };
}

/** A file of this folder by its name, built or not. */
export function siblingPath(name: string): string {
  return fileURLToPath(
    new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  );
}
