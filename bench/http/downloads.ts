// downloads — who fetches one large answer, and reads it in parts as they come.
// Opened through works.ts, once a round each.
// Invariant: a connection has had one small answer before the large one is asked for, so that nobody dials, or loads
// anything, while the clock runs; every part is looked at, by its length.

import { Agent, get, type IncomingMessage } from 'node:http';
import { connect as dial } from 'node:net';
import { text } from 'node:stream/consumers';
import { fetch, Agent as UndiciAgent } from 'undici';
import type { Carrier } from '../instruments/work.ts';
import { headOf, SMALL_ANSWER } from './answers.ts';
import { type Asking, openConnection, undiciClient } from './peers.ts';

/** What is fetched. */
export interface Large extends Pick<Asking, 'port' | 'protocol'> {
  readonly bytes: number;
}

export interface Downloader {
  readonly label: string;
  readonly open: (large: Large) => Promise<Carrier>;
  /** Where it cannot do what is asked. */
  readonly skips?: (large: Large) => boolean;
}

const isHttp2 = ({ protocol }: Large): boolean => protocol === 'http2';

export const DOWNLOADER_NAMES = ['gunport', 'undici', 'node', 'fetch', 'raw'] as const;
type DownloaderName = (typeof DOWNLOADER_NAMES)[number];

export const DOWNLOADERS: Readonly<Record<DownloaderName, Downloader>> = {
  gunport: { label: 'gunport, for await', open: gunport },
  undici: { label: 'undici Client on main, for await', open: undici },
  node: { label: 'node:http, for await', open: node, skips: isHttp2 },
  fetch: { label: 'fetch of undici, for await', open: whatwg, skips: isHttp2 },
  raw: { label: '(bytes only, no HTTP: the ceiling)', open: raw, skips: isHttp2 },
};

/** The loop of all who have one. */
async function lengthOf(parts: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const part of parts) bytes += part.length;
  return bytes;
}

async function gunport(large: Large): Promise<Carrier> {
  const connection = await openConnection(large);
  await connection.get('/').text();
  return { fetch: () => lengthOf(connection.get('/')), close: () => connection.close() };
}

async function undici(large: Large): Promise<Carrier> {
  const client = undiciClient(large, 1);
  const ask = async () => (await client.request({ path: '/', method: 'GET' })).body;
  await (await ask()).text();
  return { fetch: async () => lengthOf(await ask()), close: () => client.destroy() };
}

async function node({ port }: Large): Promise<Carrier> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/', agent }, resolve).on('error', reject);
    });
  await text(await ask());
  return { fetch: async () => lengthOf(await ask()), close: async () => agent.destroy() };
}

async function whatwg({ port }: Large): Promise<Carrier> {
  const dispatcher = new UndiciAgent({ connections: 1 });
  const ask = () => fetch(`http://127.0.0.1:${port}/`, { dispatcher });
  await (await ask()).text();
  const fetchAll = async (): Promise<number> => {
    const { body } = await ask();
    return body ? lengthOf(body) : 0;
  };
  return { fetch: fetchAll, close: () => dispatcher.destroy() };
}

/** Reads into one buffer and counts: what server, kernel and libuv would allow a client. */
async function raw({ port, bytes }: Large): Promise<Carrier> {
  const request = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`;
  let left = SMALL_ANSWER.length;
  let done = (): void => {};
  let broken = (_error: Error): void => {};
  const read = (length: number): boolean => {
    left -= length;
    if (left <= 0) done();
    return true;
  };
  const buffer = Buffer.allocUnsafeSlow(512 * 1024);
  const socket = dial({ host: '127.0.0.1', port, noDelay: true, onread: { buffer, callback: read } });
  socket.on('error', (error) => broken(error));
  const ask = (length: number): Promise<void> =>
    new Promise((resolve, reject) => {
      left = length;
      done = resolve;
      broken = reject;
      socket.write(request);
    });
  await ask(SMALL_ANSWER.length);
  return {
    fetch: async () => {
      await ask(headOf(bytes).length + bytes);
      return bytes + left;
    },
    close: async () => void socket.destroy(),
  };
}
