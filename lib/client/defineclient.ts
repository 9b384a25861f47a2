// defineclient — a kind of client: an adapter and what is usual with it, under one typed name.
// Called by users, once for each server that they speak to.
// Invariant: what is given later goes first: options, then the usual ones, then the adapter's own.
// Source: WebsockexNova's ClientMacro.

import { headerList, mergeHeaders } from '../checks.ts';
import { Client } from './client.ts';
import type { AdapterTarget, ClientOptions } from './clientoptions.ts';

/** Makes clients of one kind. */
export type ClientFactory<M> = (options?: ClientOptions) => Client<M>;

/** Defines a kind of client: `M` is what its messages are. Each call of what it gives is `new Client` with these options, laid
 *  over the usual ones; `headers` by name. Bad options throw when a client is made.
 *  @example
 *  const exchange = defineClient<Trade>(new URL('./exchange.js', import.meta.url), { url: 'wss://exchange.example/ws' });
 *  const client = exchange({ credentials }); */
export function defineClient<M = unknown>(
  adapter: AdapterTarget,
  usual: ClientOptions = {},
): ClientFactory<M> {
  return (options = {}) => {
    const all: ClientOptions = { ...usual, ...definedOnly(options) };
    if (usual.headers === undefined || options.headers === undefined) return new Client<M>(adapter, all);
    const merged = mergeHeaders(headerList(usual.headers), headerList(options.headers));
    return new Client<M>(adapter, { ...all, headers: pairs(merged) });
  };
}

function definedOnly(options: ClientOptions): ClientOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Of a flat list, names and values in turn. */
function pairs(list: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) found.push([list[i] ?? '', list[i + 1] ?? '']);
  return found;
}
