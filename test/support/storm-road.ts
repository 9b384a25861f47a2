// storm-road — the numbered feed of storm-server.ts at the end of a road: TLS inside SOCKS5 inside CONNECT.
// Used by test/tunnels/hand-over.test.ts (a tenth) and soak/run.ts (in full). The proxies and TLS are in a process of their own (road-server.ts), as the feed is.
// Invariant: close() resolves once both processes have ended; restart(), once both proxies listen again.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { OpenOptions } from '../../lib/index.ts';
import type { RoadPorts } from './road-server.ts';
import { type StormServer, stormServer } from './storm-feed.ts';
import type { Storm } from './storm-plan.ts';

export interface StormRoad extends StormServer {
  readonly options: OpenOptions;
  /** Kills both proxies, with all that they carry, and starts them again at the same ports. */
  restart(): Promise<void>;
}

/** Storms for it. `part`: 1 in full, 0.1 a tenth. */
export function roadStorms(part: number, seed: number): readonly Storm[] {
  const all = { seed, main: true, slow: false, feeds: 1, closes: false } as const;
  const calm = { threads: 3, faults: 0, blockMain: false, frame: 64 } as const;
  const failing = { threads: 4, faults: 1.5, blockMain: true, frame: 1024 } as const;
  return [
    { ...all, ...calm, name: 'full speed', messages: 10_000_000 * part, transfers: 1_000 * part },
    { ...all, ...failing, name: 'failing at random', messages: 3_000_000 * part, transfers: 600 * part },
  ];
}

export async function stormRoad(): Promise<StormRoad> {
  const server = await stormServer();
  const road = fork(new URL('./road-server.js', import.meta.url), [String(server.port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [ports] = (await once(road, 'message')) as [RoadPorts];
  return {
    port: ports.tls,
    url: (count, frame = 64, closes = false) =>
      `wss://localhost:${ports.tls}/${count}/${frame}${closes ? '/close' : ''}`,
    options: {
      tls: { ca: ports.ca },
      proxy: [`http://127.0.0.1:${ports.http}`, `socks5://127.0.0.1:${ports.socks}`],
    },
    async restart() {
      const listening = once(road, 'message');
      road.send('restart');
      await listening;
    },
    async close() {
      road.disconnect();
      await once(road, 'exit');
      await server.close();
    },
  };
}
