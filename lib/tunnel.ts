// tunnel — whether one tunnel is up, as its owner knows it: told of its notices, which are read elsewhere.
// Held by stream.ts, for streams of connect(). Invariant: nothing is taken from who reads the stream; whoever waits hears
// of the last leg, of the refusal, or of the stream's end. Source: Gun's gun_tunnel_up; RFC 9110 §9.3.6.

import { type Settle, type WaitOptions, wait } from './await.ts';
import { type GunportError, StreamError } from './errors.ts';
import type { HttpNotice, HttpRecord } from './httpwire.ts';
import { LIMIT } from './protocol/body.ts';
import { headersOf } from './protocol/headers.ts';
import type { Protocol, TunnelUpNotice } from './types.ts';

/** The head of an answer, as it crosses. */
type Head = NonNullable<HttpRecord['head']>;

const TIMEOUT = 5_000;

/** @internal */
export class Tunnel {
  /** Where it leads. */
  readonly origin: string;
  readonly #waiters = new Set<Settle<TunnelUpNotice>>();
  #up: TunnelUpNotice | undefined;
  #wasUp = false;
  #isLost = false;
  /** What was answered in its place. */
  #refusal: { readonly head: Head; body: Uint8Array; complete: boolean } | undefined;
  #end: { readonly error: GunportError | undefined } | undefined;

  constructor({ origin, protocol, refusal }: NonNullable<HttpRecord['tunnel']>, head: Head | undefined) {
    this.origin = origin;
    if (protocol) this.#up = { type: 'tunnelUp', protocol, origin };
    this.#wasUp = protocol !== undefined;
    const complete = head?.fin === true || refusal?.byteLength === LIMIT;
    if (refusal && head) this.#refusal = { head, body: refusal, complete };
  }

  /** What its far end speaks, while it is up. */
  get protocol(): Protocol | undefined {
    return this.#up?.protocol;
  }
  /** For a hand-over. */
  get record(): NonNullable<HttpRecord['tunnel']> {
    return { origin: this.origin, protocol: this.protocol, refusal: this.#refusal?.body };
  }

  /** One notice of its stream. */
  heard(notice: HttpNotice): void {
    if (notice.type === 'response') {
      this.#up = undefined;
      const { status, fin, rawHeaders } = notice;
      const head = { status, fin, rawHeaders };
      this.#refusal = notice.tunnel ? undefined : { head, body: new Uint8Array(0), complete: fin };
      this.#tell();
    } else if (notice.type === 'tunnelUp') {
      // A SOCKS server is never the last: what it was asked for follows.
      if (notice.protocol === 'socks') return;
      this.#up = { type: 'tunnelUp', protocol: notice.protocol, origin: notice.origin };
      this.#wasUp = true;
      this.#tell();
    } else if (notice.type === 'data' && this.#refusal) {
      this.#refused(this.#refusal, notice.data);
    }
  }

  #refused(refusal: { body: Uint8Array; complete: boolean }, data: Uint8Array): void {
    const room = LIMIT - refusal.body.byteLength;
    if (room > 0) refusal.body = joined(refusal.body, data.subarray(0, room));
    refusal.complete ||= refusal.body.byteLength === LIMIT;
    this.#tell();
  }

  /** Its connection was lost; it is asked for again when that comes back. */
  lost(): void {
    this.#up = undefined;
    this.#isLost = true;
  }

  /** With this notice it begins anew: what nobody has taken of the time before says nothing any more, and would grow
   *  with each loss. */
  isAnew({ type }: HttpNotice): boolean {
    const isAnew = this.#isLost && (type === 'inform' || type === 'response');
    this.#isLost = false;
    return isAnew;
  }

  /** Its stream has ended. */
  ended(error: GunportError | undefined): void {
    this.#end ??= { error };
    this.#tell();
    this.#up = undefined;
  }

  /** It is another's now. */
  give(error: GunportError): void {
    for (const settle of [...this.#waiters]) settle(error);
  }

  /** Resolves when it is up, now or later. @throws what it ended with; what it was refused with. */
  established({ timeout = TIMEOUT, signal }: WaitOptions): Promise<TunnelUpNotice> {
    const start = (settle: Settle<TunnelUpNotice>): (() => void) => {
      this.#waiters.add(settle);
      this.#tell();
      return () => this.#waiters.delete(settle);
    };
    return wait('established()', { timeout, signal }, start, () => this.#refusal && this.#error());
  }

  #tell(): void {
    if (this.#up && !this.#end) for (const settle of [...this.#waiters]) settle(undefined, this.#up);
    else if (this.#end || this.#refusal?.complete)
      for (const settle of [...this.#waiters]) settle(this.#error());
  }

  #error(): GunportError {
    const error = this.#end?.error;
    if (this.#refusal) {
      const { head, body } = this.#refusal;
      const text = `the proxy refused the tunnel to ${this.origin} with ${head.status}`;
      const headers = headersOf(head.rawHeaders);
      return new StreamError('ERR_GUNPORT_PROXY', text, { status: head.status, headers, body, cause: error });
    }
    if (error) return error;
    if (this.#wasUp)
      return new StreamError('ERR_GUNPORT_CLOSED', 'the tunnel has ended', { phase: 'closed' });
    // All that is known of an answer that went elsewhere.
    const text = `the proxy refused the tunnel to ${this.origin}: its answer went to the replyTo port`;
    return new StreamError('ERR_GUNPORT_PROXY', text);
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.byteLength + other.byteLength);
  both.set(one);
  both.set(other, one.byteLength);
  return both;
}
