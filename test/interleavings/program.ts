// program — the model's actor in a real thread: it does what it is ordered, and tells what it was given.
// Run in main by play.ts, and by thread.ts in others. Invariant: what is told stands in the order it happened, each with
// its turn: how often the connection had changed hands by then.
// Source: as actor.ts, whose checks these are.

import { type MessagePort, threadId } from 'node:worker_threads';
import { receiveOwnership } from '../../lib/index.ts';
import { Actor, type Records, type Transfer } from '../model/actor.ts';
import type { Step } from '../model/plan.ts';

/** What happened, as it is told. */
export interface Told {
  readonly turn: number;
  readonly by: string;
  readonly what: 'owns' | 'gives' | 'keeps' | 'gave' | 'got' | 'ended' | 'wrong';
  readonly number?: number;
  readonly text?: string;
}

/** What is ordered: of whoever owns it, steps of the model; the rest of whom it is sent to. */
export type Order =
  | (Step & { do: 'read' | 'stop' | 'send' | 'ask' | 'close' | 'watch' | 'unwatch' | 'abort' })
  | {
      readonly do: 'give';
      /** Undefined: by the id, or the Worker of the target. */
      readonly port: MessagePort | undefined;
      readonly threadId: number;
      readonly timeout: number;
      readonly inside: boolean;
    }
  // `port` undefined: what is sent to the thread by its id
  | {
      readonly do: 'wait';
      readonly port: MessagePort | undefined;
      readonly how: 'waits' | 'refuses' | 'throws';
    };

/** How long all that was promised may take in the end, in milliseconds: a busy machine is no fault. */
const PATIENCE = 30_000;

type Promised = Records['pending'] extends Set<infer One> ? One : never;

/** Promises that have not settled, and who waits for them. */
class Pending extends Set<Promised> {
  #changed: () => void = () => {};

  override delete(one: Promised): boolean {
    const was = super.delete(one);
    this.#changed();
    return was;
  }

  /** Resolves once it is so; looked at whenever one has settled. False: it was not in PATIENCE. */
  until(isSo: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), PATIENCE);
      this.#changed = () => {
        if (!isSo()) return;
        clearTimeout(late);
        resolve(true);
      };
      this.#changed();
    });
  }
}

export class Program {
  readonly actor: Actor;
  readonly #tell: (told: Told) => void;
  readonly #pending = new Pending();
  readonly #transfers: Transfer[] = [];
  readonly #ends = new AbortController();
  #turn = 0;

  constructor(name: string, tell: (told: Told) => void) {
    this.#tell = tell;
    const say =
      (what: Told['what']) =>
      (_: string, detail?: number | string): void =>
        tell({
          ...{ turn: this.#turn, by: name, what },
          ...(typeof detail === 'number' ? { number: detail } : detail !== undefined && { text: detail }),
        });
    const records: Records = {
      stream: {
        owns: say('owns'),
        gives: say('gives'),
        keeps: say('keeps'),
        gave: say('gave'),
        got: say('got'),
        ended: say('ended'),
        wrong: (text) => say('wrong')('', text),
      },
      pending: this.#pending,
      sent: 0,
      offered: () => {
        const data = this.#turn;
        const transfer: Transfer = {
          data,
          abort: new AbortController(),
          verdict: undefined,
          received: false,
        };
        this.#transfers.push(transfer);
        return transfer;
      },
      taken: (data) => {
        this.#turn = (data as number) + 1; // As offered() has it.
        return undefined;
      },
    };
    this.actor = new Actor({ name, isAlive: true, receiveOwnership, run: (callback) => callback() }, records);
  }

  obey(order: Order): void {
    const { actor } = this;
    if (order.do === 'wait') return actor.wait(order.port, order.how, this.#ends.signal);
    if (order.do === 'abort') return this.#transfers.at(-1)?.abort.abort();
    if (!actor.owns) {
      if (order.do === 'give') order.port?.close();
      return;
    }
    switch (order.do) {
      case 'read':
        return actor.read(order.way, order.count);
      case 'stop':
        return actor.stop();
      case 'send':
        return actor.send(order.count);
      case 'ask':
        return actor.ask(order.what);
      case 'close':
        return actor.close(order.how);
      case 'watch':
        return actor.monitor(order.keep);
      case 'unwatch':
        return actor.demonitor(order.flush);
      case 'give': {
        // To itself by id is as good a way as any.
        const target = order.port ?? { threadId: order.threadId };
        return actor.give(target, order.timeout, order.inside);
      }
      default:
        order satisfies never;
    }
  }

  /** Resolves once no hand-over is under way, by which all are taken back that are not decided; with whether it owns the
   *  connection then. */
  async settle(): Promise<boolean> {
    for (const { abort } of this.#transfers) abort.abort();
    await this.#pending.until(() => this.#transfers.every(({ verdict }) => verdict !== undefined));
    return this.actor.owns;
  }

  async readToEnd(): Promise<void> {
    this.actor.stop();
    await this.#pending.until(() => !this.actor.isReading);
    this.actor.read('iterator', Number.POSITIVE_INFINITY);
  }

  /** All is over: every promise settles, and each monitor has heard what it must. */
  async finish(): Promise<void> {
    this.#ends.abort();
    await this.#pending.until(() => this.#pending.size === 0);
    for (const { what } of this.#pending) this.#wrong(`${what} never settles`);
    this.actor.stop(true);
    this.actor.check();
  }

  #wrong(text: string): void {
    this.#tell({ turn: this.#turn, by: String(threadId), what: 'wrong', text });
  }
}
