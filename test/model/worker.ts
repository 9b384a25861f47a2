// worker — Workers of the model: threads that come, are found by their id, and go.
// Used by shims/worker-threads.ts (as Worker) and shims/piscina.ts; main's slots are made by stage.ts.
// Invariant: one slot, one copy of the code, and one life at a time; 'error' and 'exit' are told to the thread that made it,
// with no order to anything that comes through ports; an ended one has threadId -1 and swallows posts.
// Source: shared facts on worker threads, 1.3 and 1.4.

import { EventEmitter } from 'node:events';
import { FakeChannel, FakePort, type Line } from './ports.ts';
import { type ModelThread, world } from './world.ts';

/** Code that was loaded for threads of one name. */
export interface Code {
  become(id: number, port: FakePort | null): void;
}

let nextId = 1;
/** Listeners that a thread's code has put on its `process` when it was loaded: they serve all its lives. */
export type Inbox = ModelThread['inbox'];

export class FakeWorker extends EventEmitter {
  static readonly #live: Map<number, FakeWorker | ModelThread> = new Map();
  readonly thread: ModelThread;
  /** What its code's `parentPort` is. */
  readonly parentPort: FakePort;
  readonly #port: FakePort;
  #id: number;

  constructor(name: string, code: Code, inbox: Inbox) {
    super();
    const maker = world.current;
    if (!maker) throw new Error('a worker outside of all threads');
    const thread = world.thread(name);
    this.#id = nextId++;
    thread.id = this.#id;
    thread.inbox.push(...inbox);
    this.thread = thread;
    const { port1, port2 } = new FakeChannel();
    this.#port = port1;
    let parentPort: FakePort | undefined;
    const line = port2.leave();
    world.within(thread, () => {
      parentPort = new FakePort(line);
      code.become(thread.id, parentPort);
    });
    this.parentPort = parentPort as unknown as FakePort; // Made just now.
    FakeWorker.#live.set(this.#id, this);
    thread.onEnd = (exitCode, error) => {
      FakeWorker.#live.delete(thread.id);
      maker.immediate(() => {
        this.#id = -1;
        this.#port.close();
        if (error) this.emit('error', error);
        this.emit('exit', exitCode);
      });
    };
  }

  get threadId(): number {
    return this.#id;
  }

  /** A live one; the main thread has id 0. */
  static find(id: number): ModelThread | undefined {
    const found = FakeWorker.#live.get(id);
    return found instanceof FakeWorker ? found.thread : found;
  }

  static isMain(thread: ModelThread): void {
    FakeWorker.#live.set(0, thread);
  }

  override on(name: string, listener: (...args: never[]) => void): this {
    if (name === 'message') this.#port.on('message', listener);
    else super.on(name, listener as (...args: unknown[]) => void);
    return this;
  }

  override off(name: string, listener: (...args: never[]) => void): this {
    if (name === 'message') this.#port.off('message', listener as never);
    else super.off(name, listener as (...args: unknown[]) => void);
    return this;
  }

  postMessage(value: unknown, list: readonly unknown[] = []): void {
    // What is posted to an ended one is not even moved.
    if (this.thread.alive) this.#port.postMessage(value, list);
  }

  terminate(): Promise<number> {
    world.kill(this.thread, 1);
    return Promise.resolve(1);
  }

  ref(): void {}
  unref(): void {}
}

/** Has another thread take one message from a line, and close it. */
export function adopt(
  thread: ModelThread,
  line: Line,
  told: (port: FakePort, message: unknown) => void,
): void {
  world.within(thread, () => {
    const port = new FakePort(line);
    port.on('message', (message: unknown) => {
      told(port, message);
      port.close();
    });
  });
}
