// ports — MessagePorts between threads that are none: what Node promises of them, and not more.
// Used by shims/worker-threads.ts, in place of node:worker_threads.
// Invariant: one port, one queue, which moves with it; first in, first out; a close stands behind what was posted; who
// gave a port away, or whose other end is gone, posts into nothing. Between two ports there is no order.
// Source: shared facts on worker threads, section 1 (verified on Node 20, 22 and 24).

import { EventEmitter } from 'node:events';
import { clone, replaced } from './clone.ts';
import { type ModelThread, type Source, world } from './world.ts';

const CLOSE: unique symbol = Symbol('close');

interface Item {
  readonly value: unknown;
  readonly carried: readonly Line[];
}

/** Called with each post that arrives in a queue. */
export type Spy = (port: FakePort, value: unknown) => void;

/** One end of a channel: what is moved when its port is. */
export class Line {
  readonly queue: (Item | typeof CLOSE)[] = [];
  peer: Line | undefined;
  /** Who holds it; undefined while it is on its way. */
  port: FakePort | undefined;
  closed = false;

  /** Nobody will ever hold it again: what it carries is lost, and its peer hears of the end. */
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    const { peer } = this;
    this.peer = undefined;
    for (const item of this.queue.splice(0))
      if (item !== CLOSE) for (const one of item.carried) one.destroy();
    if (!peer || peer.closed) return;
    peer.peer = undefined;
    peer.queue.push(CLOSE);
    peer.port?.look();
  }
}

export class FakePort extends EventEmitter {
  static readonly live: Set<Line> = new Set();
  /** Told of what is posted. */
  static spy: Spy | undefined;
  readonly thread: ModelThread;
  #line: Line | undefined;
  #ref = false;
  #closing = false;
  #delivering = false;
  readonly #source: Source;

  /** @internal */
  constructor(line: Line) {
    super();
    const thread = world.current;
    if (!thread) throw new Error('a port outside of all threads');
    this.thread = thread;
    this.#line = line;
    line.port = this;
    FakePort.live.add(line);
    thread.ports.add(this);
    this.#source = {
      thread,
      queued: false,
      isReady: () => this.#deliverable,
      run: () => thread.call(() => this.#deliver()),
    };
  }

  get isDetached(): boolean {
    return this.#line === undefined || this.#closing;
  }

  get #deliverable(): boolean {
    const line = this.#line;
    if (!line || this.#closing) return false;
    const [head] = line.queue;
    // A close is told to who does not listen to messages, too.
    return head !== undefined && (head === CLOSE || this.listenerCount('message') > 0);
  }

  /** Something may be there for it. */
  look(): void {
    if (this.#deliverable) world.ready(this.#source);
  }

  #deliver(): void {
    const line = this.#line;
    const head = line?.queue.shift();
    if (!line || head === undefined) return;
    if (head === CLOSE) return this.#ended();
    this.#delivering = true;
    this.emit('message', receive(head));
    this.#delivering = false;
    this.look();
    if (!this.#closing) return;
    // Closed within its handler: what is there is still delivered.
    for (let item = line.queue.shift(); item && item !== CLOSE; item = line.queue.shift()) {
      this.emit('message', receive(item));
    }
    this.#ended();
  }

  #ended(): void {
    const line = this.#line;
    this.#line = undefined;
    this.#closing = true;
    this.#ref = false;
    this.thread.ports.delete(this);
    if (line) FakePort.live.delete(line);
    line?.destroy();
    this.emit('close');
  }

  /** In place of receiveMessageOnPort(). */
  take(): { message: unknown } | undefined {
    const line = this.#line;
    const [head] = line?.queue ?? [];
    if (!line || head === undefined || head === CLOSE) return undefined;
    line.queue.shift();
    const message = receive(head);
    this.look();
    return { message };
  }

  postMessage(
    value: unknown,
    options?: readonly unknown[] | { readonly transfer?: readonly unknown[] },
  ): void {
    const list = Array.isArray(options) ? options : ((options as { transfer?: unknown[] })?.transfer ?? []);
    if (list.includes(this)) throw new DOMException('Transfer list contains source port', 'DataCloneError');
    if (!this.thread.posting()) return;
    const carried: Line[] = [];
    const copy = clone(value, list, carried);
    const peer = this.#closing ? undefined : this.#line?.peer;
    if (!peer || peer.closed) {
      for (const one of carried) one.destroy();
      return;
    }
    peer.queue.push({ value: copy, carried });
    FakePort.spy?.(this, value);
    peer.port?.look();
  }

  /** For a transfer: it is inert from now on, and hears of its own end. */
  leave(): Line {
    const line = this.#line;
    if (!line) throw new Error('a port cannot leave twice');
    this.#line = undefined;
    this.#ref = false;
    line.port = undefined;
    this.thread.ports.delete(this);
    FakePort.live.delete(line);
    this.#later(() => this.emit('close'));
    return line;
  }

  #later(run: () => void): void {
    const source: Source = {
      thread: this.thread,
      queued: false,
      isReady: () => true,
      run: () => this.thread.call(run),
    };
    world.ready(source);
  }

  override on(name: string | symbol, listener: (...args: never[]) => void): this {
    super.on(name, listener as (...args: unknown[]) => void);
    if (name === 'message') {
      if (this.#line && !this.#closing) this.#ref = true;
      this.look();
    }
    return this;
  }

  override once(name: string | symbol, listener: (...args: never[]) => void): this {
    super.once(name, listener as (...args: unknown[]) => void);
    if (name === 'message') this.look();
    return this;
  }

  close(): void {
    if (this.#closing || !this.#line) return;
    this.#closing = true;
    const { peer } = this.#line;
    if (peer && !peer.closed) {
      this.#line.peer = undefined;
      peer.peer = undefined;
      peer.queue.push(CLOSE);
      peer.port?.look();
    }
    if (!this.#delivering) this.#later(() => this.#ended());
  }

  /** Its thread is gone. What it holds of the code's own is cleared up, unheard by anybody. */
  die(): void {
    if (this.#line) this.#ended();
  }

  ref(): this {
    if (this.#line && !this.#closing) this.#ref = true;
    return this;
  }
  unref(): this {
    this.#ref = false;
    return this;
  }
  hasRef(): boolean {
    return this.#ref;
  }
  start(): void {
    this.look();
  }
}

/** What a message is made of on its arrival: ports are the receiver's from now on. */
function receive({ value, carried }: Item): unknown {
  if (carried.length === 0) return value;
  return replaced(value, new Map(carried.map((line) => [line, new FakePort(line)])));
}

/** Two ports of the thread that runs. */
export class FakeChannel {
  readonly port1: FakePort;
  readonly port2: FakePort;

  constructor() {
    const [one, other] = [new Line(), new Line()];
    one.peer = other;
    other.peer = one;
    this.port1 = new FakePort(one);
    this.port2 = new FakePort(other);
  }
}
