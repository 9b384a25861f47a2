// pings — the user's pings that have no pong yet.
// Held by speaking.ts; the times are taken beside the socket, by workers/keepalive.ts.
// Invariant: each settles once. Source: RFC 6455 §5.5.2.

import { type WaitOptions, wait } from './await.ts';
import { OptionError } from './errors.ts';

/** Default time for a pong, in milliseconds. */
const TIMEOUT = 10_000;
const MOST_BYTES = 125;

/** @internal */
export class Pings {
  readonly #pending = new Map<number, (error: Error | undefined, rtt?: number) => void>();
  /** From anywhere: a pong that is still on its way to a former owner must not answer one of ours. */
  #next = 1 + Math.floor(Math.random() * 2 ** 48);

  /** `post` sends it; resolves with the round trip in ms. @throws {OptionError} a payload above 125 bytes. */
  send(
    payload: string | Uint8Array | undefined,
    options: WaitOptions,
    post: (id: number, payload: Uint8Array | undefined) => void,
  ): Promise<number> {
    const bytes =
      typeof payload === 'string' ? new TextEncoder().encode(payload) : payload && Uint8Array.from(payload);
    if (bytes && bytes.byteLength > MOST_BYTES) {
      throw new OptionError(
        `payload must be at most ${MOST_BYTES} bytes (RFC 6455 §5.5), got ${bytes.byteLength}`,
      );
    }
    const { timeout = TIMEOUT, signal } = options;
    const id = this.#next++;
    return wait<number>('ping()', { timeout, signal }, (settle) => {
      this.#pending.set(id, (error, rtt = 0) => (error ? settle(error) : settle(undefined, rtt)));
      post(id, bytes);
      return () => this.#pending.delete(id);
    });
  }

  answered(id: number, rtt: number): void {
    this.#pending.get(id)?.(undefined, rtt);
  }

  /** None of them will be answered. */
  fail(error: Error): void {
    for (const settle of [...this.#pending.values()]) settle(error);
  }
}
