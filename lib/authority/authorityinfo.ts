// authorityinfo — the words in which an authority speaks: to who asks for a place, to its pool, and to operators.
// Used by authority.ts and those above it. Invariant: a candidate hears one of its two, once, or leaves before.
// Source: gun_pool:info/1, gun_pool:checkout/2.

import type { Connection } from '../connection.ts';
import { GunportError } from '../errors.ts';
import type { AuthorityName } from './authorityoptions.ts';
import type { MemberInfo, MemberPlace } from './member.ts';

/** Who wants a place. One of the two is called, once. @internal */
export interface Candidate {
  granted(place: MemberPlace): void;
  refused(error: GunportError): void;
}

/** One that waits, or did. @internal */
export interface Waiting {
  /** When it asked, for who comes back. */
  readonly order: number;
  /** Nothing is called any more. */
  leave(): void;
}

/** What an authority asks of its pool. @internal */
export interface AuthorityHost {
  readonly keepsAlive: boolean;
  open(): Connection;
  turned(state: AuthorityState, error: GunportError | undefined): void;
  /** It has nothing, and nobody wants anything of it. */
  vacant(): void;
}

/** `degraded`: fewer than `minConnections` are up, or the last one that was opened has failed. Source: gun_pool. */
export type AuthorityState = 'degraded' | 'operational';

/** One authority, as `pool.authorities()` tells. */
export interface AuthorityInfo extends AuthorityName {
  readonly state: AuthorityState;
  /** It takes no new requests. */
  readonly draining: boolean;
  /** Requests and checkouts that wait. */
  readonly queue: number;
  readonly connections: readonly MemberInfo[];
  /** What the last connection failed with, as long as they fail. */
  readonly lastError: GunportError | undefined;
}

/** How an authority has turned, as the pool's events `degraded` and `operational` tell. */
export interface AuthorityNotice extends AuthorityName {
  readonly state: AuthorityState;
  /** Why it is degraded, where something failed. */
  readonly reason: GunportError | undefined;
}

/** It is drained, or stopped. @internal */
export function takesNothing(origin: string): GunportError {
  const text = `the pool takes no requests for ${origin} any more`;
  return new GunportError('ERR_GUNPORT_POOL_CLOSED', text, { phase: 'closed' });
}
