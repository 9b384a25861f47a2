// server — the fuzzing server: plays a case to whoever connects to its path, and keeps what the client did.
// Made by run.ts and the tests; a WebSocket is spoken by hand, byte by byte.
// Invariant: the server goes on by events: by what has come of the client. Only where a client does not do what it must
// time decides (`patience`), so that a client that does it never waits for a clock.
// Source: the case runner of the Autobahn test suite.

import { once } from 'node:events';
import * as net from 'node:net';
import { type Case, closing, type Step } from './case.ts';
import { answerOf } from './deflate.ts';
import { Heard } from './heard.ts';
import { faultsOf, parseRequest, type Request, rightAnswer } from './request.ts';

/** All that a client did in one case. */
export interface Transcript {
  /** It has connected, and asked for the WebSocket. */
  readonly asked: boolean;
  /** Rules that it broke, whatever the case is about. */
  readonly faults: readonly string[];
  readonly heard: Heard;
  /** How its side of TCP ended. */
  readonly ended: 'fin' | 'reset' | 'not';
  /** Before the server had ended its own. */
  readonly endedFirst: boolean;
  /** It failed the connection where it was to be told at once; undefined: the case does not ask. */
  readonly failedFast: boolean | undefined;
  /** What the server waited for in vain. */
  readonly vain: string | undefined;
}

/** Milliseconds. */
export interface Patience {
  /** For what a client must do. */
  readonly must: number;
  /** For a failure at once, that may come later. */
  readonly fast: number;
}

const NO_KEY = 'GET without a head';

export class FuzzingServer implements AsyncDisposable {
  readonly #server: net.Server = net.createServer({ allowHalfOpen: true, noDelay: true });
  readonly #sockets = new Set<net.Socket>();
  readonly #waiting = new Map<string, (play: Play) => void>();
  #next = 0;

  static async listen(): Promise<FuzzingServer> {
    const made = new FuzzingServer();
    made.#server.on('connection', (socket) => made.#taken(socket));
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  /** Plays it to the client that `visit` has connect to the URL. Resolves when both are done. */
  async play(one: Case, patience: Patience, visit: (url: string) => Promise<void>): Promise<Transcript> {
    const path = `/${++this.#next}/${one.id}`;
    const host = `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`; // It listens on TCP.
    const played = new Promise<Play>((resolve) => this.#waiting.set(path, resolve));
    const visited = visit(`ws://${host}${path}`);
    const first = await Promise.race([played, visited.then(() => undefined)]);
    this.#waiting.delete(path);
    const transcript = await first?.run(one, patience, host);
    await visited;
    return transcript ?? NOBODY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await once(this.#server.close(), 'close');
  }

  #taken(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    const play = new Play(socket);
    void play.asked.then((path) => {
      const waiting = this.#waiting.get(path);
      this.#waiting.delete(path);
      // Nobody waits for a second attempt.
      if (waiting) waiting(play);
      else socket.destroy();
    });
  }
}

const NOBODY: Transcript = {
  asked: false,
  faults: [],
  heard: new Heard(undefined),
  ended: 'not',
  endedFirst: false,
  failedFast: undefined,
  vain: 'a connection',
};

/** One connection. */
class Play {
  readonly #socket: net.Socket;
  /** The path, once the head of the request is here. */
  readonly asked: Promise<string>;
  #told: (path: string) => void = () => {};
  #head = '';
  #request: Request | undefined;
  #heard = new Heard(undefined);
  #ended: Transcript['ended'] = 'not';
  #endedFirst = false;
  #finished = false;
  #wake: () => void = () => {};

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.asked = new Promise((resolve) => {
      this.#told = resolve;
    });
    socket.on('data', (chunk) => {
      if (this.#request) this.#heard.feed(chunk);
      else this.#readHead(chunk);
      this.#wake();
    });
    socket.on('end', () => this.#end('fin'));
    socket.on('error', () => this.#end('reset'));
    socket.on('close', () => this.#end('reset'));
  }

  #readHead(chunk: Buffer): void {
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) return;
    this.#request = parseRequest(this.#head.slice(0, end));
    this.#told(this.#request.line.split(' ')[1] ?? '');
  }

  #end(how: 'fin' | 'reset'): void {
    if (this.#ended === 'not') {
      this.#ended = how;
      this.#endedFirst = !this.#finished;
    }
    this.#wake();
  }

  async run(one: Case, { must, fast }: Patience, host: string): Promise<Transcript> {
    const request = this.#request ?? { line: NO_KEY, headers: new Map() };
    const faults = faultsOf(request, { host, offers: one.client.compress !== undefined });
    const early = this.#head.length - this.#head.indexOf('\r\n\r\n') - 4;
    if (early > 0) faults.push('sent bytes before the handshake was answered');
    this.#heard = new Heard(one.agreed);
    const steps = one.steps();
    this.#answer(one, request);
    let vain: string | undefined;
    let failedFast: boolean | undefined;
    for (const step of steps) {
      if (this.#over) break;
      if (step.type === 'write') await this.#write(step.bytes, step.size);
      else if (step.type === 'end') this.#fin();
      else if (step.type === 'failed') failedFast = await this.#until(() => this.#failed, fast);
      else if (!(await this.#until(() => this.#failed || this.#count(step) >= step.count, must))) {
        vain = `${step.count} ${step.what}`;
        break;
      }
    }
    if (failedFast === undefined && steps.some(({ type }) => type === 'failed')) failedFast = true;
    vain ??= await this.#last(one, must);
    this.#heard.finish();
    faults.push(...this.#heard.faults);
    this.#socket.destroy();
    const [heard, ended, endedFirst] = [this.#heard, this.#ended, this.#endedFirst];
    return { asked: true, faults, heard, ended, endedFirst, failedFast, vain };
  }

  #answer({ answer, agreed }: Case, request: Request): void {
    const extensions = agreed ? [`Sec-WebSocket-Extensions: ${answerOf(agreed)}`] : [];
    this.#socket.write(answer?.(request) ?? rightAnswer(request, ...extensions));
  }

  /** The end that the case expects; what was waited for in vain. */
  async #last({ expected }: Case, must: number): Promise<string | undefined> {
    const heard = this.#heard;
    const { end, messages, perhaps = [], pongs = [] } = expected;
    const most = messages.length + perhaps.length;
    const normal = (): boolean => heard.close !== undefined && (heard.close.code ?? 1000) === 1000;
    // What is judged already need not be waited for.
    const judged = (): boolean =>
      this.#over ||
      heard.faults.length > 0 ||
      heard.messages.length > most ||
      (end.type === 'fail' && normal());
    if (end.type === 'close') {
      const all = (): boolean =>
        heard.messages.length >= messages.length && heard.pongs.length >= pongs.length;
      if (!(await this.#until(() => this.#failed || all() || judged(), must))) return 'its echoes and pongs';
      if (judged()) return undefined;
      // What is sent twice comes before the answer to this.
      if (!this.#failed && !end.said) this.#socket.write(closing(end.code));
      if (!(await this.#until(() => this.#failed, must))) return 'its Close frame';
      this.#fin();
      return (await this.#until(() => this.#over, must)) ? undefined : 'the end of TCP';
    }
    if (end.type === 'lost') this.#fin();
    if (await this.#until(judged, must)) return undefined;
    if (!heard.close) return end.type === 'fail' ? 'its failure' : 'the end of TCP';
    this.#fin();
    return (await this.#until(() => this.#over, must)) ? undefined : 'the end of TCP';
  }

  async #write(bytes: Buffer, size: number = bytes.length): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#over; at += size) {
      this.#socket.write(bytes.subarray(at, at + size));
      if (size < bytes.length) await turn();
    }
  }

  #fin(): void {
    if (this.#finished || this.#over) return;
    this.#finished = true;
    this.#socket.end();
  }

  get #over(): boolean {
    return this.#ended !== 'not';
  }

  /** It has said Close, or has left. */
  get #failed(): boolean {
    return this.#over || this.#heard.close !== undefined;
  }

  #count({ what }: Step & { type: 'await' }): number {
    if (what === 'close') return this.#heard.close ? 1 : 0;
    return this.#heard[what].length;
  }

  /** Resolves with whether it came about. */
  #until(holds: () => boolean, patience: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (came: boolean): void => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve(came);
      };
      const timer = setTimeout(() => done(holds()), patience);
      this.#wake = () => {
        if (holds()) done(true);
      };
    });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
