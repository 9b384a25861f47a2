// mouth — says the pieces of a conversation on a socket, and spoils the one that the plan is about.
// Made by peer.ts for each connection of a fuzzed peer; a conversation gives it [stage, bytes] after [stage, bytes].
// Invariant: all before the spoilt piece goes out as it is; nothing behind it does where the plan says that it is over.

import type { Duplex } from 'node:stream';
import { chance } from '../support/chance.ts';
import { turns } from '../support/tracker.ts';
import { mutated } from './mutations.ts';
import type { Plan } from './plan.ts';

/** What is said, and which stage of the conversation it is. */
export type Piece = readonly [stage: string, bytes: Uint8Array | string];

/** Most parts that a piece is cut into. */
const MOST_PARTS = 60;

export class Mouth {
  readonly #socket: Duplex;
  readonly #plan: Plan;
  readonly #reset: () => void;
  readonly #roll: (below: number) => number;
  #left: number;
  #corked = false;
  /** It has been spoilt. */
  hit = false;
  /** Nothing is said any more. */
  over = false;

  constructor(socket: Duplex, plan: Plan, reset: () => void) {
    this.#socket = socket;
    this.#plan = plan;
    this.#reset = reset;
    this.#left = plan.passes;
    this.#roll = chance(plan.peerSeed);
  }

  /** False: that was all. */
  async say([stage, piece]: Piece): Promise<boolean> {
    if (this.over) return false;
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece);
    if (this.hit || stage !== this.#plan.stage || this.#left-- > 0) {
      this.#write(bytes);
      return true;
    }
    this.hit = true;
    await this.#paced(mutated(bytes, this.#plan.mutations, this.#roll));
    this.over = this.#plan.after !== 'on';
    if (this.#plan.after === 'end') this.#socket.end();
    else if (this.#plan.after === 'reset') this.#reset();
    return !this.over;
  }

  async #paced(bytes: Buffer): Promise<void> {
    const { pace } = this.#plan;
    if (pace === 'whole') return this.#write(bytes);
    for (let at = 0, parts = 1; at < bytes.length; parts++) {
      const most = bytes.length - at;
      const size = parts === MOST_PARTS ? most : pace === 'bytes' ? 1 : 1 + this.#roll(most);
      this.#write(bytes.subarray(at, at + size));
      at += size;
      await turns(1);
    }
  }

  /** What is said in one go leaves in one segment. */
  #write(bytes: Buffer): void {
    if (bytes.length === 0 || this.#socket.destroyed || this.#socket.writableEnded) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }
}
