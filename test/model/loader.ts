// loader — module hooks: a copy of the code for each thread of the model, over fakes of what Node gives it; and with one
// planted fault, if it is to be shown that the checks see it.
// Registered by run.ts; runs in Node's own hooks thread.
// Invariant: who was imported with `?thread=` imports the rest of lib/ and workers/ with the same; a fault that does not
// find its place is an error. Source: Node's module.register().

import type { LoadHook, ResolveHook } from 'node:module';
import { FAULTS } from './faults.ts';

const root = new URL('../../', import.meta.url).href;

/** In place of modules that are Node's, or others'. */
const SHIMS: Readonly<Record<string, string>> = {
  'node:worker_threads': './shims/worker-threads.js',
  piscina: './shims/piscina.js',
};
/** In place of files of ours, below dist/. */
const FILES: Readonly<Record<string, string>> = {
  'workers/transport.js': './shims/transport.js',
  'workers/dialogue.js': './shims/dialogue.js',
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  const query = context.parentURL === undefined ? '' : new URL(context.parentURL).search;
  if (!query.startsWith('?thread=')) return next(specifier, context);
  const shim = SHIMS[specifier];
  if (shim) return { url: new URL(shim + query, import.meta.url).href, shortCircuit: true };
  const found = await next(specifier, context);
  const file = found.url.startsWith(root) ? found.url.slice(root.length) : '';
  const ours = FILES[file];
  if (ours) return { url: new URL(ours + query, import.meta.url).href, shortCircuit: true };
  const copied = file.startsWith('lib/') || file.startsWith('workers/');
  return copied ? { ...found, url: found.url + query } : found;
};

export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  const { pathname, searchParams } = new URL(url);
  const fault = FAULTS[searchParams.get('fault') ?? ''];
  if (!fault || !pathname.endsWith(`/dist/${fault.file}`)) return loaded;
  const source = String(loaded.source);
  if (!source.includes(fault.find)) throw new Error(`there is no ${fault.find} in ${fault.file}`);
  return { ...loaded, source: source.replace(fault.find, () => fault.replace) };
};
