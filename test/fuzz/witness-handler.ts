// witness-handler — what a thread keeps alive, told from within: the handler of witness.ts.
// Invariant: messages pass through it as they come.

import { queryObjects } from 'node:v8';
import type { Handler } from '../../lib/handler.ts';
import { ConnectionProcess } from '../../workers/process.ts';
import { collectedHeap } from './heap.ts';

/** What is in its memory, after a collection. */
export interface Alive {
  /** Connection processes, dead or alive. */
  readonly processes: number;
  /** Bytes. */
  readonly heap: number;
}

export interface WitnessApi {
  /** Kinds of what keeps the thread alive, and how many there are. */
  held(): Readonly<Record<string, number>>;
  alive(): Alive;
}

const api: WitnessApi = {
  held: () => {
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    return resources;
  },
  alive: () => {
    const processes = queryObjects(ConnectionProcess, { format: 'count' });
    return { processes, heap: collectedHeap() };
  },
};

export default (): Handler => ({ message: (data) => data, api });
