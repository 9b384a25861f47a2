// body — the body of an answer, read and checked byte by byte, by whoever owns it.
// Used by requests.ts in main, and by consumer.ts for one that was handed over in its midst.
// Invariant: every byte is the one after the last; what was lost has a true beginning.

import { faultIn } from '../../support/counted.ts';

/** What goes along with a connection on which an answer is being read. */
export interface BodyBaton {
  readonly type: 'body';
  readonly size: number;
  /** Bytes that were read before. */
  readonly at: number;
}

/** Reads on from `at`, to the end or `until`. Resolves with where it is then. @throws a wrong byte; what it ended with. */
export async function readBody(
  chunks: AsyncIterable<Uint8Array>,
  at = 0,
  until: number = Number.POSITIVE_INFINITY,
): Promise<number> {
  for await (const chunk of chunks) {
    const fault = faultIn(chunk, at);
    if (fault >= 0) throw new Error(`a body is wrong at ${fault}`);
    at += chunk.byteLength;
    if (at >= until) break;
  }
  return at;
}
