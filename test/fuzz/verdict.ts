// verdict — what must hold of everything that a client does with a fuzzed peer, and what did not.
// Made by fuzz.ts, one for each peer; filled by visit.ts.
// Invariant: every promise that is noted is waited for; every error is judged: one of ours, that a peer can be blamed for,
// with no fault of our own code beneath it. Source: promises S1, S2, M1.

import { type Code, GunportError } from '../../lib/index.ts';
import { Tracker } from '../support/tracker.ts';

/** All codes, and whether a bad peer (or a client with short deadlines, that hands over and cancels) may lead to it. */
const BLAMED: Readonly<Record<Code, boolean>> = {
  ERR_GUNPORT_OPTION: false,
  ERR_GUNPORT_READING: false,
  ERR_GUNPORT_OVERLOADED: true,
  ERR_GUNPORT_NOT_CONNECTED: true,
  ERR_GUNPORT_CLOSING: true,
  ERR_GUNPORT_BAD_STATE: true,
  ERR_GUNPORT_UNSUPPORTED: true,
  ERR_GUNPORT_NOT_OWNER: true,
  ERR_GUNPORT_TRANSFERRING: true,
  ERR_GUNPORT_POOL_CLOSED: false,
  ERR_GUNPORT_TARGET_DEAD: true,
  ERR_GUNPORT_TRANSFER_TIMEOUT: true,
  ERR_GUNPORT_REFUSED: false,
  ERR_GUNPORT_OWN_FAR_END: false,
  ERR_GUNPORT_NOT_UP: true,
  ERR_GUNPORT_NOT_CLONEABLE: false,
  ERR_GUNPORT_HANDLER: false,
  ERR_GUNPORT_DUPLICATE_ID: false,
  ERR_GUNPORT_REPLY: false,
  ERR_GUNPORT_AUTH: false,
  ERR_GUNPORT_SUBSCRIPTION: false,
  ERR_GUNPORT_RATE_LIMITED: false,
  ERR_GUNPORT_LOOKUP: false,
  ERR_GUNPORT_LOOKUP_TIMEOUT: false,
  ERR_GUNPORT_CONNECT: true,
  ERR_GUNPORT_CONNECT_TIMEOUT: true,
  ERR_GUNPORT_TLS: true,
  ERR_GUNPORT_TLS_TIMEOUT: true,
  ERR_GUNPORT_UPGRADE_REFUSED: true,
  ERR_GUNPORT_HANDSHAKE: true,
  ERR_GUNPORT_UPGRADE_TIMEOUT: true,
  ERR_GUNPORT_THREAD: false,
  ERR_GUNPORT_PROXY: true,
  ERR_GUNPORT_PROTOCOL: true,
  ERR_GUNPORT_UTF8: true,
  ERR_GUNPORT_TOO_BIG: true,
  ERR_GUNPORT_FLOOD: true,
  ERR_GUNPORT_NO_EVENTS: true,
  ERR_GUNPORT_PONG_TIMEOUT: true,
  ERR_GUNPORT_SETTINGS_TIMEOUT: true,
  ERR_GUNPORT_RESET: true,
  ERR_GUNPORT_GOAWAY: true,
  ERR_GUNPORT_CLOSED: true,
  ERR_GUNPORT_CANCELLED: true,
  ERR_GUNPORT_DOWN: true,
  ERR_GUNPORT_GAVE_UP: true,
  ERR_GUNPORT_TIMEOUT: true,
  ERR_GUNPORT_ABORTED: true,
};

export class Verdict {
  readonly #tracker = new Tracker();
  readonly #noted: Promise<unknown>[] = [];
  /** What did not hold, in words. */
  readonly faults: string[] = [];
  /** Codes that were seen. */
  readonly codes: string[] = [];

  get settled(): number {
    return this.#noted.length;
  }

  /** Resolves with what the promise does, or with undefined once its error was judged. */
  note<T>(name: string, promise: Promise<T>): Promise<T | undefined> {
    const judged = promise.catch((error: unknown) => {
      this.judge(name, error);
      return undefined;
    });
    this.#noted.push(judged);
    return this.#tracker.note(name, judged);
  }

  /** What this returns, or undefined once what it threw was judged. */
  attempt<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.judge(name, error);
      return undefined;
    }
  }

  wrong(what: string): void {
    this.faults.push(what);
  }

  judge(name: string, error: unknown): void {
    if (!(error instanceof GunportError))
      return this.wrong(`${name}: not an error of ours: ${stackOf(error)}`);
    this.codes.push(error.code);
    if (BLAMED[error.code] !== true) this.wrong(`${name}: no fault of a peer: ${stackOf(error)}`);
    const beneath = ownFault(error.cause);
    if (beneath !== undefined) this.wrong(`${name}: ${error.code}, beneath which is ${stackOf(beneath)}`);
  }

  /** Resolves when all that was noted has settled, also what was noted meanwhile; after so many ms with a fault that
   *  names what has not. */
  async all(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, deadline, 'late');
    });
    const settled = async (): Promise<void> => {
      for (let count = 0; count < this.#noted.length; ) {
        count = this.#noted.length;
        await Promise.all(this.#noted);
      }
    };
    const outcome = await Promise.race([settled(), late]);
    clearTimeout(timer);
    if (outcome === 'late') this.wrong(`never settled: ${this.#tracker.pending.join(', ')}`);
  }
}

/** An error that only code of our own throws, anywhere beneath. */
function ownFault(cause: unknown): unknown {
  for (let error = cause, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth++) {
    const { code } = error as { code?: unknown };
    const typed = error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
    if (typed || error instanceof ReferenceError || String(code).startsWith('ERR_INTERNAL')) return error;
  }
  return undefined;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
