// witness-handler — what a thread keeps alive, told from within: the handler of witness.ts.
// Invariant: messages pass through it as they come.

import type { Handler } from '../../lib/handler.ts';
import { collectedHeap } from './heap.ts';

/** What the thread has. */
export interface Held {
  /** Kinds of what is alive, and how many there are. */
  readonly resources: Readonly<Record<string, number>>;
  /** Bytes that are alive in it. */
  readonly heap: number;
}

export interface WitnessApi {
  held(): Held;
}

const api: WitnessApi = {
  held: () => {
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    return { resources, heap: collectedHeap() };
  },
};

export default (): Handler => ({ message: (data) => data, api });
