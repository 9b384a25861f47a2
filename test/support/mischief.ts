// mischief — resolves every name to 127.0.0.1, and does in its thread what the first label of the name says: throws
// something odd outside every hook, posts to main past gunport, or ends the thread.
// Loaded beside a socket by `lookup: MISCHIEF`: `open(mischievous(server.url, 'coded'), { lookup: MISCHIEF })`.
// Invariant: a name that is none of ACTS does nothing, and `never` is never answered.

import { parentPort } from 'node:worker_threads';
import type { ModuleReference } from '../../lib/options.ts';

export const MISCHIEF: ModuleReference = { module: new URL(import.meta.url) };

/** What is thrown, by name. */
const THROWN: Readonly<Record<string, () => unknown>> = {
  coded: () => Object.assign(new RangeError('out of luck'), { code: 'E_LUCK' }),
  getter: () => odd('message', { get: () => fail() }),
  caused: () => odd('cause', { get: () => fail() }),
  named: () => odd('name', { value: Symbol('a name') }),
  'code-object': () => odd('code', { value: { of: 1 } }),
  huge: () => new Error('x'.repeat(5_000_000)),
  proxy: () => new Proxy({}, { get: fail }),
  function: () => () => {},
  bigint: () => 10n,
  weak: () => new WeakMap(),
  bare: () => Object.create(null),
  port: () => parentPort,
};

export const THROWS: readonly string[] = Object.keys(THROWN);

const POSTED = [
  undefined,
  null,
  7,
  'text',
  [],
  {},
  { type: 'ended' },
  { type: 'down', id: {}, reason: null },
  { ready: true },
  { taskId: 1, result: 1, error: null },
  new Error('posted'),
];

/** More and more in use, a little in each turn of the loop. */
const hoarded: unknown[] = [];
function hoard(): void {
  for (let i = 0; i < 10; i++) hoarded.push(new Array(128).fill(hoarded.length));
  setImmediate(hoard);
}

const ACTS: Readonly<Record<string, () => void>> = {
  post: () => {
    for (const one of POSTED) parentPort?.postMessage(one);
  },
  close: () => parentPort?.close(),
  exit: () => process.exit(5),
  hoard,
  memory: () => {
    const hoard: unknown[] = [];
    for (;;) hoard.push(new Array(10_000).fill(hoard.length));
  },
};

/** The same URL by a name. */
export function mischievous(url: string, what = 'nothing'): string {
  return url.replace('127.0.0.1', `${what}.test`);
}

type Answer = (error: null, addresses: readonly { address: string; family: number }[]) => void;

export default function lookup(host: string, _options: object, answer: Answer): void {
  const name = host.slice(0, host.indexOf('.'));
  if (name === 'never') return;
  setImmediate(() => {
    const thrown = THROWN[name];
    if (thrown) throw thrown();
    ACTS[name]?.();
  });
  answer(null, [{ address: '127.0.0.1', family: 4 }]);
}

function odd(name: string, property: PropertyDescriptor): Error {
  return Object.defineProperty(new Error('odd'), name, property);
}

function fail(): never {
  throw new TypeError('not to be read');
}
