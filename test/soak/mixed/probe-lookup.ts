// probe-lookup — support/faulty-lookup.ts, and beside it tells what its thread holds on to, when it is asked.
// Loaded into each thread of the soak's pools, through `lookup: PROBE`; asked by probe() in main.
// Invariant: it tells of warnings, of which there must be none. Source: Node BroadcastChannel.

import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';
import faultyLookup from '../../support/faulty-lookup.ts';
import { type Held, held } from './measure.ts';

export const CHANNEL = 'gunport:soak';

export interface Probed {
  readonly threadId: number;
  readonly held?: Held | undefined;
  readonly warning?: string | undefined;
}

export default faultyLookup;

function listen(): void {
  const channel = new BroadcastChannel(CHANNEL);
  const tell = (probed: Probed): void => channel.postMessage(probed);
  channel.onmessage = (event) => {
    if ((event as { data: unknown }).data === 'measure')
      void held().then((what) => tell({ threadId, held: what }));
  };
  process.on('warning', (warning) => tell({ threadId, warning: warning.stack ?? warning.message }));
  // @types/node 20 leaves it out.
  (channel as unknown as { unref(): void }).unref();
}
if (!isMainThread) {
  listen();
  // What storms of clients load into threads of the default pool, and its port: else a rest before the first of them
  // counts one port fewer.
  await import('../../../lib/testing/mortal.ts');
}
