// host — the thread that created the workers: it knows which processes live, and tells whoever watches of their end.
// Fed by pool.ts (its threads' events) and by life lines; answers over the life lines, its own thread's included.
// Invariant: a watch is answered exactly once, with the true reason while it is remembered, else `no-process`.
// Source: Erlang 'DOWN' with noproc for a late monitor.

import type { MessagePort } from 'node:worker_threads';
import { threadId } from 'node:worker_threads';
import { EventChannels, now } from './events/events.ts';
import type { EventFields } from './events/eventwire.ts';
import { hear, joinLocal, type Line } from './lifeline.ts';
import { isToHost, portsIn } from './shapes.ts';
import type { DownRecord, FromHost, ToHost } from './wire.ts';

/** How many deaths are remembered for late watches. */
const REMEMBERED = 4_096;

/** Where a watch is answered: the other end of a life line, or this thread itself. */
type Answer = (message: FromHost) => void;

/** Opens a connection for another thread. */
export type Opener = (message: ToHost & { type: 'open' }) => void;

/** @internal */
export class Host {
  /** No two hosts of a process have the same. */
  readonly id: string = `host-${threadId}`;
  readonly events: EventChannels = new EventChannels();
  readonly #alive = new Set<string>();
  readonly #dead = new Map<string, DownRecord>();
  readonly #watches = new Map<string, Set<Answer>>();
  readonly #opener: Opener;
  readonly #own: Answer = (message) => hear(message);

  constructor(opener: Opener) {
    this.#opener = opener;
    const line: Line = {
      post: (message) => this.#handle(message, this.#own),
      listens: new Int32Array(this.events.listens),
      // Its posts are calls: none is ever under way.
      events: { unread: 0, dropped: {}, posted() {}, read() {} },
    };
    joinLocal(this.id, line);
  }

  /** A process begins; `opener` watches it from its first moment: this thread unless given. */
  began(id: string, opener: Answer = this.#own): void {
    this.#alive.add(id);
    this.#watches.set(id, new Set([opener]));
  }

  /** Processes have ended, all for one reason. One post for each watching thread, however many there are.
   *  `deadThread`: the one that took them along, and cannot tell of it. */
  ended(ids: readonly string[], reason: DownRecord, deadThread?: number): void {
    const told = new Map<Answer, string[]>();
    const taken: string[] = [];
    for (const id of ids) {
      if (!this.#alive.delete(id)) continue;
      taken.push(id);
      this.#dead.set(id, reason);
      for (const answer of this.#watches.get(id) ?? []) {
        const list = told.get(answer);
        if (list) list.push(id);
        else told.set(answer, [id]);
      }
      this.#watches.delete(id);
    }
    for (const oldest of this.#dead.keys()) {
      if (this.#dead.size <= REMEMBERED) break;
      this.#dead.delete(oldest);
    }
    for (const [answer, list] of told) answer({ type: 'down', ids: list, reason });
    if (deadThread !== undefined) this.#tellTaken(taken, reason, deadThread);
  }

  #tellTaken(ids: readonly string[], { kind, message }: DownRecord, thread: number): void {
    const name = 'gunport:terminate';
    if (!this.events.wants(name)) return;
    const fields: EventFields<typeof name> = { state: 'dead', reason: { kind, message } };
    const time = now();
    const events = ids.map((connection) => ({ name, connection, time, fields }) as const);
    this.events.publish(thread, events);
  }

  /** A life line from another thread. */
  accept(port: MessagePort): void {
    const answer: Answer = (message) => port.postMessage(message);
    port.on('message', (message: unknown) => {
      if (isToHost(message)) return this.#handle(message, answer);
      for (const one of portsIn(message)) one.close();
    });
    port.on('close', () => {
      for (const answers of this.#watches.values()) answers.delete(answer);
    });
    port.unref();
    answer({ type: 'hello', host: this.id, listens: this.events.listens });
  }

  #handle(message: ToHost, answer: Answer): void {
    switch (message.type) {
      case 'open':
        // Ids are no secret: who asks for one that is taken shall have neither its watches nor its place.
        if (this.#alive.has(message.id) || this.#dead.has(message.id)) return message.port.close();
        this.began(message.id, answer);
        return this.#opener(message);
      case 'watch': {
        const { id } = message;
        if (this.#alive.has(id)) return void this.#watches.get(id)?.add(answer);
        const reason = this.#dead.get(id) ?? {
          kind: 'no-process',
          message: 'there is no such process (any more)',
        };
        return answer({ type: 'down', ids: [id], reason });
      }
      case 'unwatch':
        return void this.#watches.get(message.id)?.delete(answer);
      case 'lay':
        return this.accept(message.port);
      case 'event': {
        const { threadId: from, event, dropped } = message;
        const publish = (): void => this.events.publish(from, [event], dropped);
        // Of this very thread: those who listen must not run in the midst of what it tells of.
        if (answer === this.#own) return process.nextTick(publish);
        publish();
        return answer({ type: 'eventRead' });
      }
      default:
        message satisfies never;
    }
  }
}
