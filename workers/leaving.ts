// leaving — how much of what a WebSocket's owner has sent has left this process, and when the owner is told.
// Held by websocket.ts. A post of its own wakes the owner's thread; so what nobody waits for rides with the next parcel,
// or goes after LATE.
// Invariant: what has left is told, once, cumulative: at the latest after LATE, at once where the owner asked, has much
// under way, or the socket ends. Source: WHATWG bufferedAmount; promise F3.

import type { Outbox } from './outbox.ts';

/** How late the owner may hear of it, in milliseconds. */
const LATE = 5;

export class Leaving {
  readonly #stream: number;
  readonly #outbox: Outbox;
  #given: number;
  #gone: number;
  #told: number;
  /** The owner waits until so much has left. */
  #awaited = 0;
  #due: NodeJS.Immediate | undefined;
  #late: NodeJS.Timeout | undefined;

  /** `before`: bytes that left, or were dropped, in earlier attempts. */
  constructor(stream: number, outbox: Outbox, before: number) {
    this.#stream = stream;
    this.#outbox = outbox;
    this.#given = before;
    this.#gone = before;
    this.#told = before;
    outbox.carry(() => this.#ride());
  }

  /** They are on their way to the socket. */
  given(bytes: number): void {
    this.#given += bytes;
  }

  /** They have left. `unhurried`: the owner may hear of it late. */
  left(bytes: number, unhurried: boolean): void {
    this.#gone += bytes;
    if (!unhurried || this.#awaited >= this.#gone) this.#due ??= setImmediate(() => this.#tell());
    else this.#late ??= this.#tellLate();
  }

  /** The owner waits for what it has sent until now. */
  asked(): void {
    this.#awaited = this.#given;
    this.#tell();
  }

  /** Nothing leaves any more. */
  stop(): void {
    this.#tell();
    clearTimeout(this.#late);
    clearImmediate(this.#due);
  }

  #tellLate(): NodeJS.Timeout {
    const told = this.#told;
    const late = (): void => {
      // Something rode meanwhile, and what comes with it will ride as well.
      this.#late = this.#told === told || this.#told === this.#gone ? undefined : this.#tellLate();
      if (!this.#late) this.#tell();
    };
    return setTimeout(late, LATE).unref();
  }

  #tell(): void {
    clearTimeout(this.#late);
    clearImmediate(this.#due);
    this.#late = undefined;
    this.#due = undefined;
    const bytes = this.#ride();
    if (bytes !== undefined) this.#outbox.reply({ type: 'sent', stream: this.#stream, bytes });
  }

  /** For a parcel, which takes it along. Timers stay: to make one anew for each would cost more than one that finds
   *  nothing to tell. */
  #ride(): number | undefined {
    if (this.#told === this.#gone) return undefined;
    this.#told = this.#gone;
    return this.#gone;
  }
}
