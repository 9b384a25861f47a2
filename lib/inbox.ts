// inbox — where offers of connections arrive in this thread, and who waits for one.
// Used by receive.ts; fed by the ports that a user names and by postMessageToThread ('workerMessage').
// Invariant: one listener a port, there only while somebody waits, so an offer that nobody awaits stays in its port.
// (A Worker drops what comes while nobody listens: once somebody has waited on one, it is listened to until it ends.)
// What is not ours on a port is its user's: it is not touched. What comes is data from anywhere: it is checked.
// Source: promises O2 and O3; Erlang's selective receive.

import { MessagePort, Worker } from 'node:worker_threads';
import { isHello, isOffer } from './shapes.ts';
import type { Hello, Offer } from './wire.ts';

/** A port that offers come by. */
export type OfferSource = MessagePort | Worker;

/** Looks at an offer; true: it is taken (or refused) and nobody else shall see it. */
type OfferTaker = (offer: Offer) => boolean;

/** A place in the line of those who wait. */
export interface Place {
  /** Looks at the offers that nobody has taken yet: for a taker whose offer came to nothing. */
  look(): void;
  leave(): void;
}

class Inbox {
  readonly #source: OfferSource | undefined;
  readonly #takers: { readonly take: OfferTaker; readonly closed: () => void }[] = [];
  /** Offers by postMessageToThread that came while nobody waited: there is no port to leave them in. */
  readonly #early: Offer[] = [];
  #listening = false;
  readonly #onMessage = (message: unknown): void => {
    if (isOffer(message)) this.offer(message);
  };
  readonly #onClose = (): void => {
    for (const taker of this.#takers.splice(0)) taker.closed();
    this.#listen(false);
  };

  constructor(source: OfferSource | undefined) {
    this.#source = source;
  }

  offer(offer: Offer): void {
    if (this.#isTaken(offer)) return;
    // A port delivers nothing while nobody waits: this is the tail of one turn, or the thread's own inbox.
    this.#early.push(offer);
    offer.handshake.on('close', () => {
      const at = this.#early.indexOf(offer);
      if (at >= 0) this.#early.splice(at, 1);
    });
    offer.handshake.unref();
  }

  /** Waits in line. */
  join(take: OfferTaker, closed: () => void): Place {
    const taker = { take, closed };
    this.#takers.push(taker);
    this.#look();
    if (this.#source && hasEnded(this.#source)) this.#onClose();
    else this.#listen(true);
    const leave = (): void => {
      const at = this.#takers.indexOf(taker);
      if (at < 0) return;
      this.#takers.splice(at, 1);
      if (this.#takers.length === 0) this.#listen(false);
    };
    return { look: () => this.#look(), leave };
  }

  #isTaken(offer: Offer): boolean {
    return this.#takers.some(({ take }) => take(offer));
  }

  #look(): void {
    for (const early of [...this.#early]) {
      if (!this.#isTaken(early)) continue;
      const at = this.#early.indexOf(early);
      if (at >= 0) this.#early.splice(at, 1);
    }
  }

  #listen(on: boolean): void {
    const source = this.#source;
    if (!source || on === this.#listening) return;
    if (!on && source instanceof Worker && !hasEnded(source)) return;
    this.#listening = on;
    const end = source instanceof MessagePort ? 'close' : 'exit';
    if (on) {
      // The listener of the end first: a started port may deliver and close in one turn.
      source.on(end, this.#onClose);
      source.on('message', this.#onMessage);
    } else {
      source.off(end, this.#onClose);
      source.off('message', this.#onMessage);
    }
  }
}

/** It will never say so any more. A port that has closed cannot be ref'd, which is how Node shows it. @internal */
export function hasEnded(source: OfferSource): boolean {
  if (source instanceof Worker) return source.threadId < 0;
  const port = source as MessagePort & { hasRef(): boolean }; // In Node since 18.1; @types/node 20 leaves it out.
  if (port.hasRef()) return false;
  port.ref();
  const alive = port.hasRef();
  port.unref();
  return !alive;
}

// Per thread, as it must be: the thread's own inbox, and one for each port somebody has waited on.
const thread = new Inbox(undefined);
const inboxes = new WeakMap<OfferSource, Inbox>();
let onHello: ((hello: Hello) => void) | undefined;

/** The inbox of a port, or of this thread when none is named. */
export function inboxOf(source: OfferSource | undefined): Pick<Inbox, 'join'> {
  if (!source) return thread;
  let inbox = inboxes.get(source);
  if (!inbox) {
    inbox = new Inbox(source);
    inboxes.set(source, inbox);
  }
  return inbox;
}

/** Listens to what other threads post to this one; the listener keeps no thread alive. */
export function listenToThreads(): void {
  process.on('workerMessage', (message: unknown) => {
    if (isOffer(message)) thread.offer(message);
    else if (isHello(message)) onHello?.(message);
  });
}

/** This thread hosts connection processes: it answers first contacts. */
export function answerHellos(answer: (hello: Hello) => void): void {
  onHello = answer;
}
