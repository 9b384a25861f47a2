// servers — starts server.ts in a process of its own, and talks to it.
// Called by soak.ts. Invariant: close() resolves once that process has ended.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromServer, Ports, ToServer } from './server.ts';

export class Servers {
  readonly ports: Ports;
  /** PEM: what to trust. */
  readonly ca: string;
  readonly #child: ChildProcess;
  #ending = false;

  static async start(seed: number, fail: (what: string) => void): Promise<Servers> {
    const child = fork(new URL('./server.js', import.meta.url), [String(seed)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    const [message] = (await once(child, 'message')) as [FromServer];
    if (message.type !== 'ready') throw new Error('the server began with something else');
    const servers = new Servers(child, message.ports, message.ca);
    child.on('exit', () => servers.#ending || fail('the server has died'));
    child.on('message', (told: FromServer) => {
      if (told.type === 'fault') fail(`the server: ${told.message}`);
    });
    return servers;
  }

  private constructor(child: ChildProcess, ports: Ports, ca: string) {
    this.#child = child;
    this.ports = ports;
    this.ca = ca;
  }

  tell(what: ToServer): void {
    if (this.#child.connected) this.#child.send(what);
  }

  /** How many WebSockets it has ended badly. */
  async drops(): Promise<number> {
    this.tell('tell');
    const [message] = (await once(this.#child, 'message')) as [FromServer];
    return message.type === 'told' ? message.drops : 0;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#ending = true;
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
