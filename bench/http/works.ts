// works — what is asked of an HTTP server as works of the benchmark, each with all who ask it.
// Started by run.ts; peers.ts and downloads.ts have those who do them.

import { STANDARD } from '../instruments/figures.ts';
import { measure, measureWhole, type Times } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Tally, Target, Unit, Work } from '../instruments/work.ts';
import { HTTP_NAMES, type HttpName, type HttpReady, SMALL } from './answers.ts';
import { DOWNLOADER_NAMES, DOWNLOADERS, type Large } from './downloads.ts';
import { type Asking, HTTP_PEER_NAMES, HTTP_PEERS } from './peers.ts';

const GETS: Unit = { rate: 'k GET/s', per: 1_000 };
const MIBS: Unit = { rate: 'MiB/s', per: 1 };
const BASE = { peer: 'undici', label: 'undici on main' };
const QUICK = ['gunport', 'undici'];

const TARGETS: Readonly<Partial<Record<HttpName, readonly Target[]>>> = {
  get: [{ peer: 'gunport', figure: 'rate', least: 0.8 }],
  get2: [{ peer: 'gunport', figure: 'rate', least: 0.8 }],
  download: [
    { peer: 'gunport', figure: 'rate', least: 0.9 },
    { peer: 'gunport', figure: 'activeNs', most: 1 / 5 },
  ],
};

export const HTTP: Group = {
  works: HTTP_NAMES,
  peers: [...new Set<string>([...HTTP_PEER_NAMES, ...DOWNLOADER_NAMES])],
  start: async (names, settings) => {
    const large = settings.mib * 1024 * 1024;
    const path = fileBeside(import.meta.url, 'server');
    const server = await ServerProcess.start<HttpReady>(path, [String(large)]);
    const asked = HTTP_NAMES.filter((name) => names.includes(name));
    const works = httpWorks(asked, server.ready, large, settings);
    return server.serving(works);
  },
};

/** `large`: bytes of a download. */
function httpWorks(names: readonly HttpName[], ready: HttpReady, large: number, times: Times): Work[] {
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
  return names.map((name) => ({ ...makers[name](), targets: TARGETS[name] ?? [] }));
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
  const columns = asking.atOnce === 1 ? [...STANDARD, 'p50' as const, 'p99' as const] : STANDARD;
  return { name, label, unit: GETS, base: BASE, peers, columns, quick: QUICK };
}

function fetched(name: HttpName, label: string, large: Large): Work {
  const names = DOWNLOADER_NAMES.filter((peer) => !DOWNLOADERS[peer].skips?.(large));
  const peers = names.map((peer): Peer => {
    const { label, open } = DOWNLOADERS[peer];
    return { name: peer, label, measure: () => measureWhole(() => open(large), large.bytes) };
  });
  return { name, label, unit: MIBS, base: BASE, peers, quick: QUICK };
}
