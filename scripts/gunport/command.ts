// command — what the command line of `gunport` asks for.
// Read by gunport.ts. Invariant: what is not understood, or cannot go together, is named in one line with its value, and
// nothing is started.

import { parseArgs } from 'node:util';
import { UsageError, wholeOf } from '../../bench/instruments/commandline.ts';
import { BENCH_HELP, HELP } from './help.ts';
import { duration, fieldOf, oneOf, type PeerName, peerList, rateOf, type Values } from './values.ts';

export type Reading = 'events' | 'for-await' | 'batches' | 'borrowed';
/** What is timed: nothing but what comes, each message and its answer, pings, or requests. */
type Kind = 'feed' | 'echo' | 'ping' | 'get';

/** What `gunport bench` is to do, complete. */
export interface BenchCommand {
  readonly name: 'bench';
  readonly url: URL;
  readonly kind: Kind;
  /** Sent once open, in this order. */
  readonly sends: readonly string[];
  /** What `--echo` sends. */
  readonly message: string;
  /** A second, over all connections; undefined: the next when the last is answered. */
  readonly rate: number | undefined;
  readonly connections: number;
  /** Under way at a time on each connection. */
  readonly concurrency: number;
  readonly threads: number;
  /** Of all rounds of a peer, in ms. */
  readonly duration: number;
  /** Before each round, in ms. */
  readonly warmup: number;
  readonly rounds: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly subprotocols: readonly string[];
  readonly compress: boolean;
  readonly insecure: boolean;
  readonly reading: Reading;
  readonly peers: readonly PeerName[];
  readonly json: string | undefined;
  readonly html: string | undefined;
  /** As it was typed, without what is nobody else's business. */
  readonly typed: string;
}

export type Command =
  | BenchCommand
  | { readonly name: 'help'; readonly text: string }
  | { readonly name: 'version' }
  | { readonly name: 'wrong'; readonly message: string };

const OPTIONS = {
  send: { type: 'string', multiple: true },
  echo: { type: 'boolean' },
  ping: { type: 'boolean' },
  rate: { type: 'string' },
  size: { type: 'string' },
  message: { type: 'string' },
  connections: { type: 'string' },
  concurrency: { type: 'string' },
  threads: { type: 'string' },
  duration: { type: 'string' },
  warmup: { type: 'string' },
  rounds: { type: 'string' },
  header: { type: 'string', multiple: true },
  subprotocol: { type: 'string', multiple: true },
  compress: { type: 'boolean' },
  insecure: { type: 'boolean' },
  read: { type: 'string' },
  peers: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

const READINGS: readonly Reading[] = ['events', 'for-await', 'batches', 'borrowed'];
/** Options of WebSockets alone. */
const OF_WEBSOCKETS = ['send', 'echo', 'ping', 'subprotocol', 'compress', 'read', 'peers'] as const;
/** Pings a second where nothing is said: no server minds so few. */
const PINGS = 10;
const SIZE = 64;

/** Takes the command line apart. */
export function parse(args: readonly string[]): Command {
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    const [command, url, more] = positionals;
    if (values.version) return { name: 'version' };
    if (values.help) return { name: 'help', text: command === 'bench' ? BENCH_HELP : HELP };
    if (command === undefined) return { name: 'wrong', message: 'a command is missing' };
    if (command !== 'bench') throw new UsageError(`the command must be bench, got '${command}'`);
    if (url === undefined) throw new UsageError('bench takes a URL, got none');
    if (more !== undefined) throw new UsageError(`bench takes one URL, got '${url}' and '${more}'`);
    return benchOf(urlOf(url), values);
  } catch (error) {
    if (error instanceof UsageError) return { name: 'wrong', message: error.message };
    // Node's own words, of which the first sentence says it all.
    const [message = ''] = error instanceof Error ? error.message.split(/\.\s/) : [String(error)];
    return { name: 'wrong', message };
  }
}

function benchOf(url: URL, values: Values): BenchCommand {
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  const kind = kindOf(isWeb, values);
  checkTogether(kind, isWeb, values);
  if (values.insecure && !['wss:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`--insecure is for wss: and https: URLs, got '${url.protocol}'`);
  }
  const peers = peerList(values.peers);
  const connections = wholeOf('--connections', values.connections, 1, [1, 100_000]);
  const under = wholeOf('--concurrency', values.concurrency, connections, [1, 1_000_000]);
  if (under < connections) {
    throw new UsageError(`--concurrency must be at least --connections (${connections}), got '${under}'`);
  }
  return {
    name: 'bench',
    url,
    kind,
    sends: values.send ?? [],
    message: values.message ?? 'x'.repeat(wholeOf('--size', values.size, SIZE, [0, 100_000_000])),
    rate: rateOf(values.rate) ?? (kind === 'ping' ? PINGS : undefined),
    connections,
    concurrency: Math.floor(under / connections),
    threads: wholeOf('--threads', values.threads, 1, [1, 1_024]),
    duration: duration('--duration', values.duration, '10s', [10, 86_400_000]),
    warmup: duration('--warmup', values.warmup, '500ms', [0, 3_600_000]),
    rounds: wholeOf('--rounds', values.rounds, peers.length > 1 ? 5 : 1, [1, 1_000]),
    headers: (values.header ?? []).map(fieldOf),
    subprotocols: values.subprotocol ?? [],
    compress: values.compress ?? false,
    insecure: values.insecure ?? false,
    reading: oneOf('--read', values.read, READINGS, 'events'),
    peers,
    json: values.json,
    html: values.html,
    typed: typedOf(url, values),
  };
}

function kindOf(isWeb: boolean, { echo, ping }: Values): Kind {
  if (isWeb) return 'get';
  if (echo && ping) throw new UsageError('--echo and --ping cannot go together: each times its own');
  return echo ? 'echo' : ping ? 'ping' : 'feed';
}

/** What is said must have a meaning. */
function checkTogether(kind: Kind, isWeb: boolean, values: Values): void {
  const only = (names: readonly (keyof Values)[], isGood: boolean, where: string): void => {
    const [name] = names.filter((one) => values[one] !== undefined);
    if (isGood || name === undefined) return;
    const value = values[name] === true ? '' : `, got '${values[name]}'`;
    throw new UsageError(`--${name} is for ${where}${value}`);
  };
  only(OF_WEBSOCKETS, !isWeb, 'ws: and wss: URLs');
  only(['size', 'message'], kind === 'echo', '--echo');
  only(['rate'], kind !== 'feed', '--echo, --ping and http: URLs');
  only(['concurrency'], kind === 'echo' || kind === 'get', '--echo and http: URLs');
  if (values.size !== undefined && values.message !== undefined) {
    throw new UsageError(`--size and --message cannot go together, got '${values.size}' and a message`);
  }
  for (const name of ['json', 'html'] as const) {
    if (values[name] === '') throw new UsageError(`--${name} takes a file name, got ''`);
  }
  if (values.html === '-') throw new UsageError(`--html takes a file name, got '-'`);
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && ['ws:', 'wss:', 'http:', 'https:'].includes(url.protocol)) return url;
  throw new UsageError(`the URL must be one of ws:, wss:, http: or https:, got '${text}'`);
}

/** A report is shown to others: values of headers, texts that are sent, user names, passwords and queries are not in it. */
function typedOf(url: URL, values: Values): string {
  const words = Object.entries(values).flatMap(([name, value]) => {
    if (name === 'header' && Array.isArray(value)) {
      return value.map((field: string) => `--header '${field.split(':')[0]}: …'`);
    }
    if (Array.isArray(value)) return value.map((one) => `--${name} ${name === 'send' ? '…' : one}`);
    return value === true ? [`--${name}`] : [`--${name} ${name === 'message' ? '…' : value}`];
  });
  return ['gunport bench', shownUrl(url), ...words].join(' ');
}

/** Without what may be secret. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search ? '?…' : ''}`;
}
