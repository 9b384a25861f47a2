// handler — the consumer beside the socket: it keeps how old each message was when it had it.
// Loaded in the connection's thread by peers.ts.

import type { Handler } from '../../lib/index.ts';
import { age } from './stamps.ts';

/** What main asks it. */
export interface AgesApi {
  /** In us, of all messages since it was asked last. */
  take(): number[];
}

export default function keepAges(): Handler {
  let ages: number[] = [];
  const api: AgesApi = {
    take() {
      const taken = ages;
      ages = [];
      return taken;
    },
  };
  return {
    message(data) {
      ages.push(age(data as Uint8Array)); // All are binary.
    },
    api,
  };
}
