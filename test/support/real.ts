// real — servers and proxies that others have written: nginx, haproxy, nghttpd; squid, tinyproxy, nghttpx, danted,
// microsocks, stunnel4; servers of Python's libraries; chromium; started by a test as the current user, each in a folder
// of its own under the system's, on free ports.
// `const nginx = real('nginx', (place) => …)` in a describe, whose title is `titled('nginx', '…')`: where the program is
// not installed its tests are skipped, and the title says so.
// Invariant: a server is ready when `start` resolves: each of its ports takes connections; after close() it has exited and
// its folder is gone, whatever became of the test. Time decides only about one that will not start, or not end.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { certificates } from './certificates.ts';
import { find, type Program } from './programs.ts';

/** Where a server is to run. */
export interface Place {
  /** Absolute; the server's working directory. Has `key.pem`, `cert.pem` and `both.pem`, for localhost. */
  readonly folder: string;
  /** A free port by name, the same for the same name. */
  port(name: string): number;
}

/** What to start. */
export interface Plan {
  readonly args: readonly string[];
  /** Content by name; folders are made. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** Variables of its environment, beside ours. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A server that runs. One without ports is ready at once: wait for what it says. */
export interface Real extends AsyncDisposable {
  readonly folder: string;
  /** PEM: `open(url, { tls: { ca } })`. */
  readonly ca: string;
  /** All that it has written to stdout and stderr. */
  readonly log: string;
  port(name: string): number;
  /** `http://127.0.0.1:port` */
  plain(name: string): string;
  /** `https://localhost:port` */
  secure(name: string): string;
  /** Resolves once this stands in what it has written from `since` on. */
  logged(text: string, since?: number): Promise<void>;
  /** Such as the HUP that makes nginx read its configuration again. */
  signal(signal: NodeJS.Signals): void;
  /** Its power is cut: it ends in the midst of whatever it does. Resolves when it is gone. */
  kill(): Promise<void>;
  /** After `kill`: starts it anew, on the same ports. */
  again(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds for a start, and for a polite end. */
const [LATEST, GRACE] = [4_000, 3_000];
/** It leaves nothing behind that is not in its folder, and takes more than a second to end politely. */
const KILLED: readonly Program[] = ['squid', 'chromium'];
/** Many processes, which end together. */
const GROUPS: readonly Program[] = ['chromium'];
/** Ports that the system gives to no client by itself. */
const [FIRST_PORT, PORTS] = [20_000, 10_000];

/** The title of a describe that needs it. */
export function titled(program: Program, title: string): string {
  return find(program) ? title : `${title} (skipped: ${program} is not installed)`;
}

/** Called in a describe: the server runs while its tests do. Returns what gives it. */
export function real(program: Program, plan: (place: Place) => Plan | Promise<Plan>): () => Real {
  let running: Real | undefined;
  before(async function () {
    if (!find(program)) return this.skip();
    running = await start(program, plan);
  });
  after(() => running?.close());
  return () => {
    if (!running) throw new Error(`${program} does not run`);
    return running;
  };
}

/** Starts it; the ports it names are taken anew when one of them was gone meanwhile. */
export async function start(program: Program, plan: (place: Place) => Plan | Promise<Plan>): Promise<Real> {
  for (let tries = 1; ; tries++) {
    const server = await Server.make(program, plan);
    if (await server.ready()) return server;
    await server.close();
    const taken = /in use|cannot bind/i.test(server.log);
    if (!taken || tries === 5) throw new Error(`${program} did not start:\n${server.log}`);
  }
}

class Server implements Real {
  readonly folder: string;
  readonly ca: string;
  readonly #program: Program;
  readonly #plan: Plan;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #wakes = new Set<() => void>();
  readonly #onExit = (): void => this.signal(this.#farewell);
  readonly #farewell: NodeJS.Signals;
  #child: ChildProcess;
  #gone: Promise<unknown>;
  #log = '';
  #ended = false;

  static async make(program: Program, plan: (place: Place) => Plan | Promise<Plan>): Promise<Server> {
    const { ca, localhost } = await certificates();
    const folder = await mkdtemp(join(tmpdir(), `gunport-${program}-`));
    // Squid started by root goes on as another user, whose helpers are in here.
    await chmod(folder, 0o755);
    const free = await freePorts(16);
    const ports = new Map<string, number>();
    const port = (name: string): number => {
      const known = ports.get(name) ?? free.pop();
      if (known === undefined) throw new Error('no port is left');
      ports.set(name, known);
      return known;
    };
    const planned = await plan({ folder, port });
    const pems = {
      'key.pem': localhost.key,
      'cert.pem': localhost.cert,
      'both.pem': `${localhost.cert}\n${localhost.key}`,
    };
    for (const [name, content] of Object.entries({ ...pems, ...planned.files })) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    return new Server(program, planned, { folder, ports, ca });
  }

  private constructor(
    program: Program,
    plan: Plan,
    { folder, ports, ca }: { folder: string; ports: ReadonlyMap<string, number>; ca: string },
  ) {
    this.folder = folder;
    this.ca = ca;
    this.#program = program;
    this.#farewell = KILLED.includes(program) ? 'SIGKILL' : 'SIGTERM';
    this.#plan = plan;
    this.#ports = ports;
    [this.#child, this.#gone] = this.#spawn();
    process.once('exit', this.#onExit);
  }

  #spawn(): [ChildProcess, Promise<void>] {
    const program = this.#program;
    const child = spawn(find(program) ?? program, this.#plan.args, {
      cwd: this.folder,
      env: { ...process.env, ...this.#plan.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that one signal reaches all of it.
      detached: GROUPS.includes(program),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#said(text));
    }
    this.#ended = false;
    const gone = new Promise<unknown>((resolve) => {
      child.once('error', (error) => this.#said(error.message)).once('close', resolve);
    }).then(() => {
      this.#ended = true;
      this.#said('');
    });
    return [child, gone];
  }

  get log(): string {
    return this.#log;
  }

  port(name: string): number {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`it has no port ${name}`);
    return port;
  }

  plain(name: string): string {
    return `http://127.0.0.1:${this.port(name)}`;
  }

  secure(name: string): string {
    return `https://localhost:${this.port(name)}`;
  }

  /** Whether it takes connections at each of its ports; not, when it has ended before, or will not. */
  async ready(): Promise<boolean> {
    const end = performance.now() + LATEST;
    for (const port of this.#ports.values()) {
      while (!(await takes(port))) if (this.#ended || performance.now() > end) return false;
    }
    return !this.#ended;
  }

  async logged(text: string, since = 0): Promise<void> {
    while (!this.#log.slice(since).includes(text)) {
      if (this.#ended) throw new Error(`it ended without saying ${text}:\n${this.#log}`);
      await new Promise<void>((resolve) => this.#wakes.add(resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (this.#ended || pid === undefined) return;
    if (!GROUPS.includes(this.#program)) return void this.#child.kill(signal);
    try {
      process.kill(-pid, signal);
    } catch {
      // The last of the group has ended, and nobody has told us yet.
    }
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#gone;
  }

  async again(): Promise<void> {
    [this.#child, this.#gone] = this.#spawn();
    if (!(await this.ready())) throw new Error(`${this.#program} did not start again:\n${this.#log}`);
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit);
    this.signal(this.#farewell);
    const kill = setTimeout(() => this.signal('SIGKILL'), GRACE);
    await this.#gone;
    clearTimeout(kill);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #said(text: string): void {
    this.#log += text;
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }
}

async function takes(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // Refused: it does not listen yet.
  } finally {
    socket.destroy();
  }
}

/** Ports where nobody listens at the moment. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) ports.add(port);
    else if (tries > 1_000) throw new Error('there are no free ports');
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer().listen({ port, host: '127.0.0.1' });
  try {
    await once(server, 'listening');
  } catch {
    return false; // Somebody has it.
  }
  server.close();
  await once(server, 'close');
  return true;
}
