// http1/turns — what is under way on an HTTP/1 connection, and how it may end.
// Shared by http1/driver.ts, which asks, and http1/answers.ts, which is told.
// Invariant: turns stand in the order they were asked in, which is the order of their answers. Source: gun_http's streams.

import { ConnectionError } from '../../lib/errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Sending } from './sending.ts';
import type { Upgrading } from './upgrade.ts';

/** A request on the wire. */
export interface RequestTurn {
  readonly kind: 'http';
  readonly exchange: Exchange;
  readonly sending: Sending;
  /** Interim answers that have come. */
  interim: number;
  /** The head of its answer has come. */
  answered: boolean;
  /** Bytes of its body that have not come; undefined: nobody knows. */
  left: number | undefined;
  /** Its end has been told with the head. */
  fin: boolean;
  /** The connection ends with its answer. */
  closes: boolean;
  /** Its server may take the connection for something else: nothing is sent behind it. */
  readonly alone: boolean;
}

/** An upgrade: nothing stands before or behind it. */
export interface UpgradeTurn {
  readonly kind: 'ws';
  readonly upgrade: Upgrading;
  interim: number;
  answered: boolean;
  closes: boolean;
}

export type Turn = RequestTurn | UpgradeTurn;

export function requestTurn(
  exchange: Exchange,
  sending: Sending,
  { closes, alone }: Pick<RequestTurn, 'closes' | 'alone'>,
): RequestTurn {
  const answer = { interim: 0, answered: false, left: undefined, fin: false };
  return { kind: 'http', exchange, sending, ...answer, closes, alone };
}

export function upgradeTurn(upgrade: Upgrading): UpgradeTurn {
  return { kind: 'ws', upgrade, interim: 0, answered: false, closes: false };
}

/** The turn of a request. */
export function turnOf(turns: readonly Turn[], exchange: Exchange): RequestTurn | undefined {
  for (const turn of turns) if (turn.kind === 'http' && turn.exchange === exchange) return turn;
  return undefined;
}

/** Somebody waits for its answer. */
export function isWanted(turn: Turn): boolean {
  return turn.kind === 'ws' || !turn.exchange.ended;
}

/** An end of the connection; `normal`: one that both sides meant. */
export function closed(what: string, reason?: 'normal'): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_CLOSED', what, { reason });
}

/** The server broke the protocol. */
export function broken(what: string): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_PROTOCOL', what, { phase: 'protocol' });
}
