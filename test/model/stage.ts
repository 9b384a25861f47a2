// stage — one run of the model: a plan is played, then everything is let come to its end, and what happened is checked.
// Called by run.ts for each plan. Invariant: what a run begins with does not depend on the runs before it; nothing of it is
// left behind: no port, no promise, no process. Source: promises O1 to O8, S1 to S4, M1, M2, F1.

import type { Connection, WsStream } from '../../lib/index.ts';
import { OneStream } from '../support/onestream.ts';
import { Actor, type Records, type Transfer } from './actor.ts';
import { hosts } from './hosts.ts';
import type { Land, Lands } from './lands.ts';
import { network } from './network.ts';
import type { Plan, Step, Who } from './plan.ts';
import { FakeChannel, FakePort } from './ports.ts';
import { world } from './world.ts';

/** Parcels that may be posted and unread. */
const IN_FLIGHT = 8;

/** Where offers come by, and nobody waits. */
interface Deaf {
  readonly actor: Actor;
  readonly port: FakePort;
}

interface Handed extends Transfer {
  readonly from: Actor;
  readonly to: Actor | undefined;
}

class Run {
  readonly #plan: Plan;
  readonly #pool: Lands['pool'];
  readonly #lands = new Map<Actor, Land>();
  readonly #stream = new OneStream(network.arrived);
  readonly #transfers: Handed[] = [];
  readonly #records: Records = {
    stream: this.#stream,
    pending: new Set(),
    sent: 0,
    offered: (from, target) => this.#offered(from, target),
    taken: (data) => this.#taken(data as number),
  };
  /** Whom a target stands for. */
  readonly #targets = new WeakMap<object, Actor>();
  readonly #actors: readonly Actor[];
  readonly #ends = new AbortController();
  readonly #ports: FakePort[] = [];
  readonly #deaf: Deaf[] = [];
  /** Messages in parcels that were posted. */
  #posted: number[] = [];
  /** Not all that comes has to be given: its owner was ended in the midst, or has ended it. */
  #isCut = false;
  /** All that was posted has: its process was ended. */
  #isEnded = false;
  #postedInAll = 0;
  /** Not all that is sent has to be heard. */
  #isLossy = false;
  #credited = true;

  constructor(plan: Plan, lands: Lands) {
    this.#plan = plan;
    this.#pool = lands.pool;
    this.#actors = lands.begin().map((land) => {
      const actor = new Actor(land, this.#records);
      this.#lands.set(actor, land);
      return actor;
    });
  }

  get violations(): readonly string[] {
    return this.#stream.violations;
  }

  get #main(): Actor {
    return this.#actors[0] as Actor; // There are three.
  }
  get #owner(): Actor | undefined {
    return this.#actors.find((actor) => actor.owns);
  }

  // ── from the beginning to the end ─────────────────────────────────────────────────────────────────────────

  play(): void {
    const { rehome, flow, rude, steps } = this.#plan;
    const pool = this.#pool;
    network.isRude = rude;
    this.#main.run(() => {
      const options = { flow, onOwnerDown: rehome ? 'rehome' : 'shutdown' } as const;
      pool.on('orphan', this.#orphan);
      const opened = pool.connect('ws://model.test/', options).then((feed) => {
        this.#main.takes(feed as WsStream<Connection>, feed.connection as Connection);
      });
      void this.#main.watch('connect()', opened);
    });
    world.settle();
    FakePort.spy = (port, value) => this.#spy(port, value);
    for (const step of steps) this.#step(step);
    this.#finish();
    FakePort.spy = undefined;
    pool.off('orphan', this.#orphan);
  }

  readonly #orphan = (connection: Connection): void => {
    const [feed] = connection.streams.values();
    this.#stream.died();
    this.#posted = [];
    this.#main.takes(feed as WsStream<Connection>, connection);
  };

  /** Everything comes to its end. */
  #finish(): void {
    const { end, reads } = this.#plan;
    network.refusing = 0;
    // Who was to die later, and has not, lives.
    if (hosts.worker) hosts.worker.thread.posts = Number.POSITIVE_INFINITY;
    world.settle();
    for (const actor of this.#actors) actor.run(() => actor.stop(true));
    world.settle(world.now + 6_000);
    const owner = this.#owner;
    if (owner && reads) {
      // Who closes it need not wait for what has no credit.
      if (end !== 'close' && end !== 'connection') owner.run(() => owner.credit(1_000_000));
      owner.run(() => owner.read('iterator', Number.POSITIVE_INFINITY));
    }
    world.settle(world.now + 40_000);
    if (end === 'goodbye') network.peer?.close(1000);
    else if (end === 'process') this.#killProcess(0);
    else if (end === 'owner' && owner && owner !== this.#main) this.#killActor(owner, 0);
    else this.#close(end === 'connection' ? 'connection' : 'stream');
    world.settle(world.now + 60_000);
    // With the last reader gone, or none: whoever has it still lets it go.
    const last = this.#owner;
    last?.run(() => last.close('connection'));
    this.#main.run(() => this.#ends.abort());
    for (const actor of this.#actors) actor.run(() => this.#ends.signal.aborted);
    for (const port of this.#ports) port.thread.call(() => port.close());
    world.settle(world.now + 60_000);
    this.#check();
  }

  #check(): void {
    const stream = this.#stream;
    const { pending, sent } = this.#records;
    for (const { what, actor } of pending) {
      if (actor.place.isAlive) stream.wrong(`${what} never settles`);
    }
    for (const [id, { verdict, received, to }] of this.#transfers.entries()) {
      if (verdict === 'given' && !received && to?.place.isAlive)
        stream.wrong(`transfer ${id} was given to nobody`);
    }
    for (const actor of this.#actors) if (actor.place.isAlive) actor.check();
    const { connections } = this.#pool.info();
    if (connections > 0) stream.wrong('its process does not end');
    if (this.#plan.reads && !this.#isCut) {
      if (!this.#isEnded) stream.complete();
      else if (stream.read < this.#postedInAll)
        stream.wrong(`of ${this.#postedInAll} posted, ${stream.read} were given`);
    }
    this.#checkSent(sent);
    for (const error of world.uncaught.splice(0)) stream.wrong(`uncaught in ${error}`);
  }

  #checkSent(sent: number): void {
    let last = -1;
    for (const text of network.heard) {
      const number = Number(text.slice(3));
      if (!(number > last)) this.#stream.wrong(`the server heard ${text} after ${last}`);
      last = number;
    }
    const isWhole = network.heard.length === sent;
    if (!this.#isLossy && !isWhole) this.#stream.wrong(`of ${sent} sent, ${network.heard.length} were heard`);
  }

  /** The process has posted something: parcels in flight are bounded, whoever owns it. */
  #spy(port: FakePort, value: unknown): void {
    if (port.thread !== hosts.worker?.thread) return;
    const count = Array.isArray(value)
      ? (value.length - 5) / 2
      : (value as { type?: string }).type === 'parcel'
        ? (value as { count: number }).count
        : 0;
    if (count === 0) return;
    this.#postedInAll += count;
    let total = this.#stream.read;
    const before = this.#posted.reduce((sum, one) => sum + one, 0);
    this.#posted.push(count);
    let unread = this.#posted.length;
    for (const one of this.#posted) {
      total -= one;
      if (total < 0) break;
      unread--;
    }
    if (this.#credited && unread > IN_FLIGHT) {
      this.#stream.wrong(`${unread} parcels are posted and unread (${before + count} messages)`);
    }
  }

  // ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────

  #step(step: Step): void {
    const owner = this.#owner;
    switch (step.do) {
      case 'turns':
        for (const pick of step.picks) if (!world.turn(pick)) return;
        return;
      case 'pass':
        return world.advance(step.ms);
      case 'serve':
        return network.serve(step.count, step.size);
      case 'drop':
        this.#isLossy = true;
        return step.how === 'reset' ? network.peer?.cut() : network.peer?.finish();
      case 'refuse':
        network.refusing = step.dials;
        return;
      case 'goodbye':
        this.#isLossy = true;
        return network.peer?.close(step.code);
      case 'read':
        return owner?.run(() => owner.read(step.way, step.count));
      case 'stop':
        return owner?.run(() => owner.stop());
      case 'send':
        return owner?.run(() => owner.send(step.count));
      case 'ask':
        return owner?.run(() => owner.ask(step.what));
      case 'credit':
        return owner?.run(() => owner.credit(step.messages));
      case 'give':
        return owner && this.#give(owner, step);
      case 'abort':
        return this.#transfers.at(-1)?.from.run(() => this.#transfers.at(-1)?.abort.abort());
      case 'close':
        return this.#close(step.how);
      case 'watch':
        return owner?.run(() => owner.monitor(step.keep));
      case 'unwatch':
        return owner?.run(() => owner.demonitor(step.flush));
      case 'wait':
        return this.#wait(step.who);
      case 'kill': {
        if (step.who === 'process') return this.#killProcess(step.posts);
        const actor = step.who === 'owner' ? owner : this.#actors[step.who];
        return actor && actor !== this.#main ? this.#killActor(actor, step.posts) : undefined;
      }
      default:
        step satisfies never;
    }
  }

  #give(owner: Actor, { to, road, taker, timeout, inside }: Step & { do: 'give' }): void {
    const target = this.#actors[to];
    if (!target) return;
    const { source, post } = this.#way(owner, target, road);
    this.#targets.set(post, target);
    if (taker === 'closed' && road === 'port' && source instanceof FakePort) target.run(() => source.close());
    else if (taker === 'deaf') {
      if (source instanceof FakePort) this.#deaf.push({ actor: target, port: source });
    } else if (taker !== 'closed') target.run(() => target.wait(source, taker, this.#ends.signal));
    owner.run(() => owner.give(post as never, timeout, inside));
  }

  /** How an offer gets from one to the other. */
  #way(from: Actor, to: Actor, road: 'port' | 'thread' | 'worker'): { source: unknown; post: object } {
    const [near, far] = [from, to].map((actor) => this.#lands.get(actor) as Land); // Each has one.
    const { thread, worker } = far as Land;
    if (road === 'thread') return { source: undefined, post: { threadId: thread.id } };
    if (road === 'worker' && from === this.#main && worker) {
      return { source: worker.parentPort, post: worker };
    }
    const [port, other] = this.#channel(near as Land, far as Land);
    return { source: other, post: port };
  }

  #offered(from: Actor, target: object): Transfer {
    const nothing = { verdict: undefined, received: false };
    const data = this.#transfers.length;
    const to = this.#targets.get(target);
    const handed: Handed = { from, to, data, abort: new AbortController(), ...nothing };
    this.#transfers.push(handed);
    return handed;
  }

  #taken(data: number): Transfer | undefined {
    const handed = this.#transfers[data];
    if (handed?.from.place.isAlive === false) this.#stream.died();
    return handed;
  }

  #channel(from: Land, to: Land): [FakePort, FakePort] {
    let near: FakePort | undefined;
    let far: FakePort | undefined;
    world.within(from.thread, () => {
      const { port1, port2 } = new FakeChannel();
      near = port1;
      const line = port2.leave();
      world.within(to.thread, () => {
        far = new FakePort(line);
      });
    });
    const both = [near, far] as unknown as [FakePort, FakePort]; // Made just now.
    this.#ports.push(...both);
    return both;
  }

  #wait(who: Who): void {
    const at = this.#deaf.findIndex(({ actor }) => actor === this.#actors[who]);
    const [deaf] = at < 0 ? [] : this.#deaf.splice(at, 1);
    deaf?.actor.run(() => deaf.actor.wait(deaf.port, 'waits', this.#ends.signal));
  }

  #close(how: 'stream' | 'connection' | 'shutdown' | 'cancel'): void {
    const owner = this.#owner;
    if (!owner) return;
    this.#isCut = true;
    this.#isLossy = true;
    // What comes late counts as read.
    this.#credited = false;
    owner.run(() => owner.close(how));
  }

  #killProcess(posts: number): void {
    const thread = hosts.worker?.thread;
    if (!thread) return;
    this.#isEnded = true;
    this.#isLossy = true;
    if (posts > 0) thread.posts = posts;
    else world.kill(thread, 1);
  }

  #killActor(actor: Actor, posts: number): void {
    const thread = this.#lands.get(actor)?.thread;
    if (!thread?.alive) return;
    this.#isCut = true;
    this.#isLossy = true;
    this.#credited = false;
    const end = thread.onEnd;
    thread.onEnd = (...how) => {
      if (this.#stream.owner === actor.name) this.#stream.died();
      end(...how);
    };
    if (posts > 0) thread.posts = posts;
    else world.kill(thread, 1);
  }
}

/** Plays a plan. @returns what went wrong. */
export function play(plan: Plan, lands: Lands): readonly string[] {
  network.reset(plan.cuts);
  world.begin(plan.seed);
  const run = new Run(plan, lands);
  run.play();
  const left = world.begin(plan.seed);
  return left === 0 ? run.violations : [...run.violations, `${left} timers are left`];
}
