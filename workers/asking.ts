// asking — a question that may never be answered: to a hook of the user's beside the socket, or to the owner.
// Held by retrying.ts and renewing.ts while they wait.
// Invariant: it is answered once, whatever becomes of it: at the latest when its time is up.
// Source: Gun retry_fun; promise S1.

/** How long an owner may take, in milliseconds. */
export const OWNER_DEADLINE = 5_000;

let asked = 0;

/** An answer is undefined where there was none in time, or nobody to give it. */
export class Asking<A> {
  readonly id: number = ++asked;
  readonly answer: Promise<A | undefined>;
  readonly #timer: NodeJS.Timeout;
  #resolve: (answer: A | undefined) => void = () => {};

  /** @param deadline in milliseconds. */
  constructor(deadline: number) {
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timer = setTimeout(() => this.settle(undefined), deadline);
  }

  /** What comes later is no answer any more. */
  settle(answer: A | undefined): void {
    clearTimeout(this.#timer);
    this.#resolve(answer);
  }
}
