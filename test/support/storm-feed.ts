// storm-feed — starts and ends storm-server.ts, the numbered feed in a process of its own.
// Used by storm.ts and blocked.test.ts; storm-road.ts puts proxies before it.
// Invariant: close() resolves once the process has ended.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { OpenOptions } from '../../lib/index.ts';

export interface StormServer {
  readonly port: number;
  /** For connect(), where it needs some. */
  readonly options?: OpenOptions | undefined;
  /** A feed of so many messages; `frame` bytes each, header included; closed behind the last one or left open. */
  url(count: number, frame?: 64 | 1024, closes?: boolean): string;
  close(): Promise<void>;
}

export async function stormServer(): Promise<StormServer> {
  const server = fork(new URL('./storm-server.js', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  return {
    port,
    url: (count, frame = 64, closes = false) =>
      `ws://127.0.0.1:${port}/${count}/${frame}${closes ? '/close' : ''}`,
    async close() {
      server.disconnect();
      await once(server, 'exit');
    },
  };
}
