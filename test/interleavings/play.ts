// play — a plan of the model, played by real threads over real sockets: what happens between two steps is chance.
// Called by interleavings.test.ts. Invariant: the same checks as in the model: OneStream, and what each actor sees; when a
// plan is over, nothing of it is left but idle threads. Source: promises O1 to O8, S1, S2, M1, M2.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Connection, type Monitor, Pool, type WsStream } from '../../lib/index.ts';
import type { Plan, Step } from '../model/plan.ts';
import { turns } from '../support/tracker.ts';
import { judge } from './history.ts';
import { type Order, Program, type Told } from './program.ts';
import { NumberServer } from './server.ts';
import type { FromThread, ToThread } from './thread.ts';

/** Of steps that are for whoever owns it. */
const FOR_OWNERS: ReadonlySet<Step['do']> = new Set([
  ...(['read', 'stop', 'send', 'ask', 'close', 'watch', 'unwatch', 'abort'] as const),
]);

/** Another thread that may own. */
class Other {
  readonly worker: Worker;
  /** It has ended, and all that it told has come: it may have been a while ago. */
  readonly #closed: Promise<void>;
  readonly #orders: MessagePort;
  #answered: (message: FromThread | undefined) => void = () => {};
  tell: (told: Told) => void = () => {};

  constructor() {
    const { port1, port2 } = new MessageChannel();
    const data = { workerData: { orders: port2 }, transferList: [port2] };
    this.worker = new Worker(new URL('./thread.js', import.meta.url), data);
    this.worker.on('error', () => {}); // Told by 'exit' as well.
    this.#orders = port1;
    port1.on('message', (message: FromThread) => {
      if (message.type === 'told') this.tell(message.told);
      else this.#answered(message);
    });
    // Behind all that it has told.
    this.#closed = new Promise((resolve) => {
      port1.on('close', () => {
        this.#answered(undefined);
        resolve();
      });
    });
  }

  /** As it signs what it tells. */
  readonly name = (): string => `${this.threadId}`;

  get threadId(): number {
    return this.worker.threadId;
  }

  post(message: ToThread, transfer: readonly MessagePort[] = []): void {
    this.#orders.postMessage(message, transfer);
  }

  /** undefined: it has ended. */
  ask(message: ToThread): Promise<FromThread | undefined> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      if (this.threadId < 0) resolve(undefined);
      else this.post(message);
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
    await this.#closed;
  }
}

/** All that a run needs, for many. */
export class Company {
  readonly #server: NumberServer;
  #pool = new Pool({ threads: 1 });
  #others: Other[] = [];

  private constructor(server: NumberServer) {
    this.#server = server;
  }

  static async gather(): Promise<Company> {
    return new Company(await NumberServer.listen());
  }

  async leave(): Promise<void> {
    await Promise.all(this.#others.map((other) => other.end()));
    await this.#pool.close();
    await this.#server.close();
  }

  /** Plays a plan. @returns what went wrong. */
  async play(plan: Plan): Promise<readonly string[]> {
    this.#server.begin();
    this.#others = this.#others.filter(({ threadId }) => threadId >= 0);
    while (this.#others.length < 2) this.#others.push(new Other());
    return new Run(plan, this.#server, this.#pool, this.#others).play();
  }
}

class Run {
  readonly #plan: Plan;
  readonly #server: NumberServer;
  readonly #pool: Pool;
  readonly #others: readonly Other[];
  readonly #told: Told[] = [];
  readonly #main = new Program('main', (told) => this.#told.push(told));
  readonly #ports: MessagePort[] = [];
  readonly #deaf: { readonly who: number; readonly port: MessagePort }[] = [];
  readonly #dead = new Set<string>();
  #isCut = false;

  constructor(plan: Plan, server: NumberServer, pool: Pool, others: readonly Other[]) {
    this.#plan = plan;
    this.#server = server;
    this.#pool = pool;
    this.#others = others;
  }

  async play(): Promise<readonly string[]> {
    for (const other of this.#others) {
      other.tell = (told) => this.#told.push(told);
      other.post({ type: 'begin' });
    }
    const feed = (await this.#pool.connect(this.#server.url, {
      flow: this.#plan.flow,
    })) as WsStream<Connection>;
    const monitor = feed.connection.monitor({ keep: true });
    this.#main.actor.takes(feed, feed.connection);
    for (const step of this.#plan.steps) await this.#step(step);
    await this.#finish(monitor);
    const sent = this.#server.sent;
    const wrong = judge({ told: this.#told, sent, dead: this.#dead, isCut: this.#isCut });
    const heard = this.#server.heard.map((text) => Number(text.slice(3)));
    return heard.every((number, i) => i === 0 || number > (heard[i - 1] ?? 0) || number === 0)
      ? wrong
      : [...wrong, `the server heard ${heard}`];
  }

  // ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'turns':
        await turns(step.picks.length);
        return;
      case 'serve':
        return this.#server.send(step.count, step.size);
      case 'drop':
        return this.#server.drop();
      case 'give':
        this.#give(step);
        break;
      case 'wait': {
        const at = this.#deaf.findIndex(({ who }) => who === step.who);
        const [deaf] = at < 0 ? [] : this.#deaf.splice(at, 1);
        return deaf && this.#wait(deaf);
      }
      case 'kill':
        return this.#kill(step);
      case 'close':
        this.#isCut = true;
        this.#orderAll(step);
        break;
      default:
        // What is left is for the owner, or makes no sense where time passes by itself.
        if (FOR_OWNERS.has(step.do)) this.#orderAll(step as Order);
    }
    // As between two messages: main sees what it was given before it does anything else.
    await turns(1);
  }

  /** Takes what it was deaf to. The giver's end may have closed, and this one with it: then there is nothing to wait at. */
  #wait({ who, port }: { readonly who: number; readonly port: MessagePort }): void {
    try {
      this.#order(who, { do: 'wait', port, how: 'waits' });
    } catch (error) {
      if ((error as Error).name !== 'DataCloneError') throw error;
    }
  }

  /** Who that is, nobody knows here: whoever gets the order and owns it. */
  #orderAll(order: Order): void {
    for (let who = 0; who < 3; who++) this.#order(who, order);
  }

  #order(who: number, order: Order): void {
    if (who === 0) return this.#main.obey(order);
    const port = 'port' in order ? order.port : undefined;
    this.#others[who - 1]?.post({ type: 'order', order }, port ? [port] : []);
  }

  #give({ to, road, taker, timeout, inside }: Step & { do: 'give' }): void {
    const threadId = to === 0 ? 0 : (this.#others[to - 1]?.threadId ?? 0);
    const how = taker === 'refuses' || taker === 'throws' ? taker : 'waits';
    const waits = taker !== 'deaf' && taker !== 'closed';
    if (road === 'thread') {
      if (waits) this.#order(to, { do: 'wait', port: undefined, how });
      return this.#orderAll({ do: 'give', port: undefined, threadId, timeout, inside });
    }
    for (let who = 0; who < 3; who++) {
      const { port1, port2 } = new MessageChannel();
      this.#order(who, { do: 'give', port: port1, threadId, timeout, inside });
      if (taker === 'closed') port2.close();
      else if (waits) this.#order(to, { do: 'wait', port: port2, how });
      else {
        this.#ports.push(port2);
        this.#deaf.push({ who: to, port: port2 });
      }
    }
  }

  async #kill({ who }: Step & { do: 'kill' }): Promise<void> {
    this.#isCut = true;
    const [thread] = this.#pool.info().threads;
    if (who === 'process') return void (thread && this.#pool.terminate(thread.threadId));
    const other = this.#others[who === 2 ? 1 : 0];
    if (!other || other.threadId < 0) return;
    this.#dead.add(other.name());
    await other.end();
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────

  async #finish(monitor: Monitor<Connection>): Promise<void> {
    const { end, reads } = this.#plan;
    let isDown = false;
    const down = monitor.down.then(() => {
      isDown = true;
    });
    const owner = await this.#findOwner(() => isDown);
    if (owner === 0 && reads) await this.#main.readToEnd();
    else if (owner !== undefined && reads) this.#others[owner - 1]?.post({ type: 'read' });
    // Without credit, and without a reader, what has come never ends.
    if (!reads || end === 'close' || end === 'connection' || this.#plan.flow !== undefined) {
      this.#isCut = true;
      if (owner !== undefined)
        this.#order(owner, { do: 'close', how: end === 'connection' ? end : 'stream' });
    } else if (end === 'process') await this.#kill({ do: 'kill', who: 'process', posts: 0 });
    else this.#server.leave();
    await down;
    await this.#main.finish();
    for (const other of this.#others) await other.ask({ type: 'finish' });
    for (const { port } of this.#deaf) port.close();
    for (const port of this.#ports) port.close();
  }

  /** Once all hand-overs are decided. undefined: it is dead, or its owner was. */
  async #findOwner(isDown: () => boolean): Promise<number | undefined> {
    while (!isDown()) {
      if (await this.#main.settle()) return 0;
      for (const [at, other] of this.#others.entries()) {
        const answer = await other.ask({ type: 'settle' });
        if (answer?.type === 'settled' && answer.owns) return at + 1;
      }
      // Where both others are dead nothing above waits, and the Down would never be heard.
      await turns(1);
    }
    return undefined;
  }
}
