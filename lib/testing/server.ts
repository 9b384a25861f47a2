// server — a WebSocket server that does what a test says: plays scripts, remembers what it heard, and fails in every way
// that servers fail.
// Called by tests, of gunport's users and of gunport.
// Invariant: stop() leaves nothing behind: no socket, timer or promise; what it remembers is bounded.
// Source: WebsockexNova's MockWebSockServer; the package ws; RFC 6455 §4.2.2 for refusals.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { type Settle, wait } from '../await.ts';
import { headerList, integer, own } from '../checks.ts';
import { describe, OptionError, StreamError } from '../errors.ts';
import { type Expected, fits } from './matching.ts';
import { Served } from './served.ts';
import type {
  Patience,
  ReceivedMessage,
  RefuseOptions,
  Script,
  ScriptedServer,
  ServedConnection,
  ServeOptions,
  UpgradeRequest,
} from './servertypes.ts';
import { play } from './steps.ts';

/** Starts a server that plays `script` on each connection; options, where there is more to say.
 *  @throws {OptionError} rejects: an option that is none. @throws the system's error where it cannot listen.
 *  @example
 *  await using server = await serve([{ expect: 'hello' }, { send: 'welcome' }, { drop: true }]);
 *  const feed = await connect(server.url, { retry: 5 });
 *  feed.send('hello');
 *  await server.waitFor('hello', { timeout: 1_000 });
 *  const second = await server.connection(2);            // it came back */
export async function serve(script: Script | ServeOptions = {}): Promise<ScriptedServer> {
  const given = typeof script === 'function' || Array.isArray(script) ? { script } : script;
  // Array.isArray does not see read-only arrays.
  const server = new Scripted(given as ServeOptions);
  await server.listen();
  return server;
}

interface Upgrade extends UpgradeRequest {
  status: number;
}

interface Refusal {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
  left: number;
}

const OPTION_NAMES: ReadonlySet<string> = new Set([
  ...['script', 'port', 'tls', 'subprotocols', 'compress', 'headers', 'pongs', 'log'],
]);
const REFUSE_NAMES: ReadonlySet<string> = new Set(['headers', 'body', 'times']);
/** In milliseconds. */
const PATIENCE = 5_000;

class Scripted implements ScriptedServer {
  readonly connections: ServedConnection[] = [];
  readonly upgrades: Upgrade[] = [];
  readonly received: ReceivedMessage[] = [];
  readonly failures: Error[] = [];
  readonly #most: number;
  readonly #secure: boolean;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #sockets = new Set<Socket>();
  readonly #open = new Set<Served>();
  readonly #waiting = new Set<() => void>();
  readonly #start = performance.now();
  readonly #headers: readonly string[];
  /** Upgrades that came while it was stalled. */
  readonly #held: (() => void)[] = [];
  #script: Script;
  #port: number;
  #asked = 0;
  #came = 0;
  #refusal: Refusal | undefined;
  #stalled = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ServeOptions) {
    const given = own(options, OPTION_NAMES, '');
    const { tls, subprotocols = [], compress = false, pongs = true } = options;
    this.#script = checkScript(options.script ?? (() => {}));
    this.#port = integer(given, 'port', 0, [0, 65_535]);
    this.#most = integer(given, 'log', 10_000, [1, Number.MAX_SAFE_INTEGER]);
    this.#headers = headerList(options.headers);
    this.#secure = tls !== undefined;
    this.#http = tls ? createSecureServer({ cert: tls.cert, key: tls.key }) : createServer();
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: compress,
      autoPong: pongs,
      handleProtocols: (asked) => [...asked].find((name) => subprotocols.includes(name)) ?? false,
    });
    this.#ws.on('headers', (lines) => {
      for (let i = 0; i < this.#headers.length; i += 2) {
        lines.push(`${this.#headers[i]}: ${this.#headers[i + 1]}`);
      }
    });
    this.#http.on('connection', (socket) => this.#took(socket));
    this.#http.on('tlsClientError', () => {}); // A client that does not trust it is what a test may be about.
    this.#http.on('request', (_, answer) => answer.writeHead(426).end());
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get port(): number {
    return this.#port;
  }
  get url(): string {
    return this.#secure ? `wss://localhost:${this.#port}` : `ws://127.0.0.1:${this.#port}`;
  }

  /** @internal */
  async listen(): Promise<void> {
    this.#http.listen(this.#port, '127.0.0.1');
    await once(this.#http, 'listening');
    // It listens at a port.
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  script(script: Script): void {
    this.#script = checkScript(script);
  }

  waitFor(expected: Expected, patience: Patience = {}): Promise<ReceivedMessage> {
    let seen: ReceivedMessage | undefined;
    return this.#until('waitFor()', patience, () => {
      // Each is looked at once.
      const from = seen === undefined ? 0 : this.received.indexOf(seen) + 1;
      seen = this.received.at(-1) ?? seen;
      return this.received.slice(from).find(({ data }) => fits(data, expected));
    });
  }

  connection(number: number, patience: Patience = {}): Promise<ServedConnection> {
    return this.#until(`connection(${number})`, patience, () =>
      this.connections.find((one) => one.number === number),
    );
  }

  broadcast(data: unknown): number {
    return [...this.#open].filter((connection) => connection.send(data)).length;
  }

  async close(code?: number, reason?: string): Promise<void> {
    await Promise.all([...this.#open].map((connection) => connection.close(code, reason)));
  }

  drop(options?: { readonly reset?: boolean | undefined }): void {
    for (const connection of this.#open) connection.drop(options);
  }

  stall(): void {
    this.#stalled = true;
    for (const connection of this.#open) connection.stall();
  }

  resume(): void {
    this.#stalled = false;
    for (const connection of this.#open) connection.resume();
    for (const go of this.#held.splice(0)) go();
  }

  refuse(status: number | false, options: RefuseOptions = {}): void {
    if (status === false) this.#refusal = undefined;
    else this.#refusal = refusalOf(status, options);
  }

  garbage(bytes: Uint8Array): void {
    for (const connection of this.#open) connection.garbage(bytes);
  }

  rudeClose(code?: number, reason?: string): void {
    for (const connection of this.#open) connection.rudeClose(code, reason);
  }

  async restart(meanwhile?: () => unknown): Promise<void> {
    this.#assertRunning();
    await this.#silence();
    try {
      await meanwhile?.();
    } finally {
      if (!this.#stopping) await this.listen();
    }
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#silence();
    for (const look of [...this.#waiting]) look();
    await this.#stopping;
    const [failure] = this.failures;
    if (failure) throw failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** No socket is left, and it does not listen. */
  async #silence(): Promise<void> {
    const ends = [...this.#open].map(({ closed }) => closed);
    this.#held.length = 0;
    this.drop();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#http.listening) {
      const closed = once(this.#http, 'close');
      this.#http.close();
      await closed;
    }
    await Promise.all(ends);
  }

  #took(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // A server does not mind being left.
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Node's HTTP server has taken its own listener off.
    socket.on('error', () => {});
    const upgrade: Upgrade = {
      number: ++this.#asked,
      url: request.url ?? '/',
      headers: request.headers,
      status: 0,
    };
    keep(this.upgrades, upgrade, this.#most);
    const go = (): void => this.#answer(upgrade, request, socket, head);
    if (this.#stalled) this.#held.push(go);
    else go();
  }

  #answer(upgrade: Upgrade, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal;
    if (refusal) {
      if (--refusal.left === 0) this.#refusal = undefined;
      upgrade.status = refusal.status;
      socket.end(Buffer.concat([Buffer.from(refusal.head), refusal.body]));
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => {
      upgrade.status = 101;
      const connection: Served = new Served(ws, request, ++this.#came, {
        most: this.#most,
        received: ({ number }, data) => {
          keep(this.received, { connection: number, data, at: performance.now() - this.#start }, this.#most);
          for (const look of [...this.#waiting]) look();
        },
        remembered: (number) =>
          this.received.filter((one) => one.connection === number).map(({ data }) => data),
        failed: (error) => this.#failed(error),
      });
      keep<ServedConnection>(this.connections, connection, this.#most);
      this.#open.add(connection);
      void connection.closed.then(() => this.#open.delete(connection));
      for (const look of [...this.#waiting]) look();
      play(this.#script, connection).catch((error: unknown) => this.#failed(error));
    });
  }

  #failed(error: unknown): void {
    const failure = error instanceof Error ? error : new Error(`a script threw ${describe(error)}`);
    keep(this.failures, failure, this.#most);
  }

  /** Resolves with what `find` finds, now or after anything has come. */
  #until<T>(what: string, { timeout = PATIENCE, signal }: Patience, find: () => T | undefined): Promise<T> {
    return wait<T>(what, { timeout, signal }, (settle: Settle<T>) => {
      const look = (): void => {
        const found = find();
        if (found !== undefined) settle(undefined, found);
        else if (this.#stopping) settle(stopped());
      };
      this.#waiting.add(look);
      look();
      return () => void this.#waiting.delete(look);
    });
  }

  #assertRunning(): void {
    if (this.#stopping) throw stopped();
  }
}

function stopped(): StreamError {
  return new StreamError('ERR_GUNPORT_CLOSED', 'the server was stopped', { phase: 'closed' });
}

function keep<T>(list: T[], item: T, most: number): void {
  if (list.push(item) > most) list.shift();
}

function checkScript(script: unknown): Script {
  // What its functions and steps do is for the test to know.
  if (typeof script === 'function' || Array.isArray(script)) return script as Script;
  throw new OptionError(`script must be a function or an array of steps, got ${describe(script)}`);
}

function refusalOf(status: number, options: RefuseOptions): Refusal {
  const given = own(options, REFUSE_NAMES, 'refuse');
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new OptionError(`status must be an integer from 200 to 599, or false, got ${describe(status)}`);
  }
  const body = Buffer.from(options.body ?? '');
  const headers = headerList(options.headers);
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'Connection: close'];
  lines.push(`Content-Length: ${body.length}`);
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  const left = integer(given, 'times', Number.MAX_SAFE_INTEGER, [1, Number.MAX_SAFE_INTEGER]);
  return { status, head: `${lines.join('\r\n')}\r\n\r\n`, body, left };
}
