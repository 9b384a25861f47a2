// states — where a client is: eight states, and the table of the moves between them.
// Moved by lib/session/session.ts, by what happens on its socket and by what its owner asks.
// Invariant: a move that is not in the table is refused and changes nothing; one that is in it is told exactly once,
// when the state has changed. No state moves to itself, and nothing leaves `closed`.
// Source: WebsockexNova's ConnectionManager, whose open states were set past its table.

import { type GunportError, StreamError } from '../errors.ts';

/** Every state of a client, in the order that a life goes through them. @internal */
export const CLIENT_STATES = [
  'initialized',
  'connecting',
  'connected',
  'websocketConnected',
  'disconnected',
  'reconnecting',
  'error',
  'closed',
] as const;

/** `initialized`: nothing was dialled; `connecting`: an attempt is under way; `connected`: the transport is up;
 *  `websocketConnected`: messages flow; `disconnected`: lost, or an attempt failed; `reconnecting`: waiting for another
 *  attempt; `error`: gave up, for good; `closed`: ended for good. */
export type ClientState = (typeof CLIENT_STATES)[number];

/** Where each state may go: forward, to `error` and to `closed`. @internal */
export const TRANSITIONS: Readonly<Record<ClientState, readonly ClientState[]>> = {
  initialized: ['connecting', 'error', 'closed'],
  connecting: ['connected', 'disconnected', 'error', 'closed'],
  connected: ['websocketConnected', 'disconnected', 'error', 'closed'],
  websocketConnected: ['disconnected', 'error', 'closed'],
  disconnected: ['reconnecting', 'connecting', 'error', 'closed'],
  reconnecting: ['connecting', 'disconnected', 'error', 'closed'],
  error: ['closed'],
  closed: [],
};

/** What is known of a change beside its states. @internal */
export interface StateDetail {
  /** What led to it, if it was a failure. */
  readonly reason?: GunportError | undefined;
  /** Counts the times a connection came up, from 1. */
  readonly attempt?: number | undefined;
  /** `reconnecting`: in how many milliseconds the next attempt is made. */
  readonly delay?: number | undefined;
}

/** One change of state. @internal */
export interface StateChange extends StateDetail {
  readonly from: ClientState;
  readonly to: ClientState;
}

/** Whether the table has this move. @internal */
export function mayMove(from: ClientState, to: ClientState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** The state of one client. @internal */
export class StateMachine {
  readonly #changed: (change: StateChange) => void;
  readonly #failed: (error: unknown) => void;
  #state: ClientState;

  /** `changed` is told of each change, `failed` of what `changed` threw. Default: `initialized`. */
  constructor(
    changed: (change: StateChange) => void,
    initial: ClientState = 'initialized',
    failed: (error: unknown) => void = () => {},
  ) {
    this.#changed = changed;
    this.#failed = failed;
    this.#state = initial;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Goes to another state, and tells of it.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE: the table has no such move; nothing has changed. */
  move(to: ClientState, detail: StateDetail = {}): void {
    const from = this.#state;
    if (!mayMove(from, to)) {
      throw new StreamError('ERR_GUNPORT_BAD_STATE', `a client does not go from ${from} to ${to}`);
    }
    this.#state = to;
    try {
      this.#changed({ ...detail, from, to });
    } catch (error) {
      // Who listens has no say in it: the move has been made, and whoever made it goes on.
      this.#failed(error);
    }
  }
}
