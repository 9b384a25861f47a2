// http-works — what is asked of an HTTP server as works of the benchmark, each with all who ask it.
// Made by run.ts; http-peers.ts and http-downloads.ts have those who do them.

import type { HttpReady } from './feed.ts';
import { type HttpName, SMALL } from './http-answers.ts';
import { DOWNLOADER_NAMES, DOWNLOADERS, type Large } from './http-downloads.ts';
import { type Asking, HTTP_PEER_NAMES, HTTP_PEERS } from './http-peers.ts';
import { measure, measureWhole, type Times } from './measure.ts';
import type { Peer, Tally, Unit, Work } from './peer.ts';

const GETS: Unit = { rate: 'k GET/s', per: 1_000 };
const MIBS: Unit = { rate: 'MiB/s', per: 1 };
const BASE = { peer: 'undici', label: 'undici on main' };

/** `large`: bytes of a download. */
export function httpWorks(names: readonly HttpName[], ready: HttpReady, large: number, times: Times): Work[] {
  const { http, http2 } = ready;
  const size = large >= 2 ** 30 ? `${large / 2 ** 30} GiB` : `${large / 2 ** 20} MiB`;
  const makers: Readonly<Record<HttpName, () => Work>> = {
    get: () =>
      asked('get', 'GET, HTTP/1.1, 10 pipelined', { port: http.small, protocol: 'http', atOnce: 10 }, times),
    get2: () =>
      asked('get2', 'GET, HTTP/2, 100 streams', { port: http2.small, protocol: 'http2', atOnce: 100 }, times),
    single: () =>
      asked(
        'single',
        'GET, HTTP/1.1, one at a time',
        { port: http.small, protocol: 'http', atOnce: 1 },
        times,
      ),
    download: () =>
      fetched('download', `${size}, HTTP/1.1`, { port: http.large, protocol: 'http', bytes: large }),
    download2: () =>
      fetched('download2', `${size}, HTTP/2`, { port: http2.large, protocol: 'http2', bytes: large }),
  };
  return names.map((name) => makers[name]());
}

/** Each at a time is timed where there is one at a time. */
function asked(name: HttpName, label: string, asking: Asking, times: Times): Work {
  const names = HTTP_PEER_NAMES.filter((peer) => !HTTP_PEERS[peer].skips?.(asking));
  const peers = names.map((peer): Peer => {
    const { label, open } = HTTP_PEERS[peer];
    const timed = (tally: Tally) => {
      if (asking.atOnce === 1) tally.took = [];
      return open(asking, tally);
    };
    return { name: peer, label, measure: () => measure(timed, SMALL.length, times) };
  });
  return { name, label, unit: GETS, base: BASE, peers };
}

function fetched(name: HttpName, label: string, large: Large): Work {
  const names = DOWNLOADER_NAMES.filter((peer) => !DOWNLOADERS[peer].skips?.(large));
  const peers = names.map((peer): Peer => {
    const { label, open } = DOWNLOADERS[peer];
    return { name: peer, label, measure: () => measureWhole(() => open(large), large.bytes) };
  });
  return { name, label, unit: MIBS, base: BASE, peers };
}
