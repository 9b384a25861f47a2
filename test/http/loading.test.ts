// loading.test — what is loaded beside the socket, and when: a thread that holds WebSockets only loads no HTTP library.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { WebSocketServer } from 'ws';
import { GunportError } from '../../lib/errors.ts';
import { Pool } from '../../lib/pool.ts';
import { peer, wsPeer } from '../support/peers.ts';

/** A lookup that fails, and tells in its message what its thread has loaded. */
const TELLING = {
  module: `data:text/javascript,${encodeURIComponent(`
    import { createRequire } from 'node:module';
    export default (host, options, callback) => {
      const files = Object.keys(createRequire('file:///x.js').cache).join(' ');
      const parts = process.moduleLoadList.filter((name) => name.startsWith('NativeModule ')).join(' ');
      callback(new Error(files + ' ' + parts));
    };
  `)}`,
};

describe('the thread of a connection', () => {
  let pool: Pool;
  beforeEach(() => {
    pool = new Pool({ threads: 1 });
  });
  afterEach(() => pool.close());

  async function loaded(): Promise<{ parser: boolean; http2: boolean; zlib: boolean }> {
    const connection = pool.open('http://telling.test:1/', { lookup: TELLING, retry: 0 });
    const error = await connection.awaitUp().catch((error: unknown) => error);
    const { message } = (error as GunportError).cause as Error;
    expect(error).to.be.instanceOf(GunportError);
    return {
      parser: message.includes('llhttp'),
      http2: /NativeModule (internal\/)?http2/.test(message),
      zlib: message.includes('minizlib'),
    };
  }

  it('loads no parser and no HTTP/2 for WebSockets, opened by connect() or by wsUpgrade()', async () => {
    await using server = await wsPeer(() => {});
    const feed = await pool.connect(server.url);
    const connection = pool.open(server.url);
    expect(await connection.await(connection.wsUpgrade('/'))).to.include({ type: 'upgrade' });
    expect(await loaded()).to.deep.equal({ parser: false, http2: false, zlib: false });
    await Promise.all([feed.connection.close(), connection.close()]);
  });

  it('loads zlib with the first WebSocket that is compressed', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // No pipe: a port was asked for.
    const url = `ws://127.0.0.1:${port}`;
    const plain = await pool.connect(url);
    expect(await loaded()).to.include({ zlib: false });
    const compressed = await pool.connect(url, { compress: true });
    expect(compressed.extensions).to.include('permessage-deflate');
    expect(await loaded()).to.include({ zlib: true });
    await Promise.all([plain.connection.close(), compressed.connection.close()]);
    server.close();
    await once(server, 'close');
  });

  it('loads the parser with the first request of HTTP/1.1', async () => {
    await using server = await peer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
    });
    const connection = pool.open(`http://127.0.0.1:${server.port}`);
    await connection.awaitUp();
    expect(await loaded()).to.deep.equal({ parser: false, http2: false, zlib: false });
    expect(await connection.await(connection.get('/'))).to.include({ status: 204 });
    expect(await loaded()).to.deep.equal({ parser: true, http2: false, zlib: false });
  });

  it('loads HTTP/2 with the first connection that speaks it', async () => {
    // Its preface comes once all of it is loaded: a thread that ends before that leaves Node's files open.
    let preface: () => void = () => {};
    const spoken = new Promise<void>((resolve) => {
      preface = resolve;
    });
    await using server = await peer((socket) => socket.once('data', preface));
    const connection = pool.open(`http://127.0.0.1:${server.port}`, { protocols: ['http2'], retry: 0 });
    const closed = connection.awaitUp().catch(() => {});
    await spoken;
    await connection.close();
    await closed;
    expect(await loaded()).to.deep.equal({ parser: false, http2: true, zlib: false });
  });
});
