// serverprocess — a server in a process of its own: forked once, the same for all peers and rounds of its works.
// Started by the works.ts of each folder; the server.ts beside it is the process itself.
// Invariant: one is killed with its scope, and a server that dies early is an error, not an endless wait.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Running, Work } from './work.ts';

/** A server process, of which is known what it said once it could be connected to. */
export class ServerProcess<Ready> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly ready: Ready;

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.ready = ready;
  }

  /** Resolves when it has said that it listens, with what it said. `path`: as `fileBeside` gives it. */
  static async start<Ready>(path: string, args: readonly string[] = []): Promise<ServerProcess<Ready>> {
    const child = fork(path, args);
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`the server process exited with ${code} before it listened`);
    });
    const ready = once(child, 'message').then(([message]) => message as Ready); // It says nothing before.
    return new ServerProcess(child, await Promise.race([ready, died]));
  }

  /** What it answers when it is asked; one question at a time. */
  async ask<Answer>(): Promise<Answer> {
    const answered = once(this.#child, 'message');
    this.#child.send('?');
    const [answer] = await answered;
    return answer as Answer; // As its server.ts says.
  }

  /** What it serves: it lives as long as these. */
  serving(works: readonly Work[]): Running {
    return { works, [Symbol.asyncDispose]: () => this[Symbol.asyncDispose]() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** A file by its name beside the module whose `import.meta.url` is given, built or not. */
export function fileBeside(url: string, name: string): string {
  return fileURLToPath(new URL(`./${name}${url.endsWith('.ts') ? '.ts' : '.js'}`, url));
}
