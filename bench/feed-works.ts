// feed-works — the payloads of a WebSocket feed as works of the benchmark, each with all who receive it.
// Made by run.ts; payloads.ts says what is received, peers.ts by whom.

import type { FeedReady } from './feed.ts';
import { measure, type Times } from './measure.ts';
import { PAYLOADS, type PayloadName, type Source } from './payloads.ts';
import type { Peer, Unit, Work } from './peer.ts';
import { FEED_PEER_NAMES, FEED_PEERS } from './peers.ts';

const MESSAGES: Unit = { rate: 'k msg/s', per: 1_000 };

export function feedWorks(
  payloads: readonly PayloadName[],
  { port, frameBytes }: FeedReady,
  times: Times,
): Work[] {
  return payloads.map((name): Work => {
    const payload = PAYLOADS[name];
    const url = `ws://127.0.0.1:${port}/${name}`;
    const source: Source = { url, payload, frameBytes: frameBytes[name] ?? 0 };
    const names = FEED_PEER_NAMES.filter((peer) => !FEED_PEERS[peer].skips?.(payload));
    const peers = names.map((peer): Peer => {
      const { label, open } = FEED_PEERS[peer];
      return {
        name: peer,
        label,
        measure: () => measure((tally) => open(source, tally), payload.size, times),
      };
    });
    return { name, label: payload.label, unit: MESSAGES, base: { peer: 'ws', label: 'ws on main' }, peers };
  });
}
