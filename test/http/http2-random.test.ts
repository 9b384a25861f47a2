// Thousands of requests of every kind on a few HTTP/2 connections to a server of Node's, by chance. GUNPORT_SEED
// repeats a run. Invariant: each ends as its kind says, whole or with its error, and the connections stay up.

import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type Connection, type GunportError, Pool, type Stream } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';

const REQUESTS = 1_500;
const CONNECTIONS = 3;
const LONGEST = 100_000;
type Below = (n: number) => number;

/** `/kind/bytes` */
function serve(stream: http2.ServerHttp2Stream, path: string): void {
  const [, kind, size] = path.split('/');
  const body = Buffer.alloc(Number(size), `${size},`);
  stream.on('error', () => {});
  if (kind === 'echo') {
    stream.respond({ ':status': 200 });
    return void stream.pipe(stream);
  }
  if (kind === 'reset') return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  if (kind === 'never') return;
  stream.additionalHeaders({ ':status': 103 });
  // Node says END_STREAM before it resets: so half of a body must be one by its length.
  const head = { ':status': 200, ...(kind === 'half' && { 'content-length': body.length + 1 }) };
  stream.respond(head, { waitForTrailers: kind === 'trailers' });
  stream.on('wantTrailers', () => stream.sendTrailers({ sum: String(size) }));
  if (kind !== 'half') return void stream.end(body);
  stream.write(body, () => stream.close(http2.constants.NGHTTP2_CANCEL));
}

/** One request of some kind; rejects when it does not end as it must. */
async function ask(connection: Connection, below: Below): Promise<void> {
  const size = below(3) === 0 ? below(LONGEST) : below(2_000);
  const body = Buffer.alloc(size, `${size},`);
  const kind = ['whole', 'trailers', 'echo', 'parts', 'reset', 'half', 'cancel', 'late', 'early'][below(9)]!;
  const get = (what: string, options = {}): Stream<Connection> => connection.get(`/${what}/${size}`, options);
  switch (kind) {
    case 'whole':
      return same(await get('whole').bytes({ timeout: 8_000 }), body);
    case 'trailers': {
      const { body: read, trailers } = await get('trailers').body({ timeout: 8_000 });
      expect(trailers?.['sum']).to.equal(String(size));
      return same(read, body);
    }
    case 'echo':
      return same(await connection.post(`/echo/${size}`, { body }).bytes({ timeout: 8_000 }), body);
    case 'parts': {
      const stream = connection.post(`/echo/${size}`);
      const read = stream.bytes({ timeout: 8_000 });
      for (let at = 0; at < size; at += 7_000) {
        if (!stream.data('nofin', body.subarray(at, at + 7_000))) await stream.drained();
      }
      stream.data('fin');
      return same(await read, body);
    }
    case 'reset':
      return fails(`${kind} ${size}`, get('reset').bytes({ timeout: 8_000 }), 'ERR_GUNPORT_RESET');
    case 'half':
      return fails(
        `${kind} ${size}`,
        get('half').bytes({ timeout: 8_000 }),
        'ERR_GUNPORT_RESET',
        'ERR_GUNPORT_PROTOCOL',
      );
    case 'cancel': {
      const stream = get('whole');
      // All of the answer may be here before the cancel: it stays to be read.
      const answered = below(2) === 0;
      if (answered) await stream.response({ timeout: 8_000 });
      stream.cancel();
      return fails(kind, stream.bytes(), 'ERR_GUNPORT_CANCELLED', ...(answered ? ['no error'] : []));
    }
    case 'late':
      return fails(
        `${kind} ${size}`,
        get('never', { requestTimeout: 1 + below(50) }).bytes(),
        'ERR_GUNPORT_TIMEOUT',
      );
    default:
      return fails(
        `${kind} ${size}`,
        get('never', { signal: AbortSignal.timeout(below(50)) }).bytes(),
        'ERR_GUNPORT_ABORTED',
      );
  }
}

function same(found: Uint8Array, wanted: Uint8Array): void {
  expect(Buffer.compare(found, wanted), `${found.length} bytes of ${wanted.length}`).to.equal(0);
}

async function fails(what: string, reading: Promise<unknown>, ...codes: string[]): Promise<void> {
  const outcome = await reading.then(
    () => 'no error',
    (error: GunportError) => error.code,
  );
  expect(outcome, what).to.be.oneOf(codes);
}

describe('requests of every kind over HTTP/2', () => {
  const pool = new Pool({ threads: 1 });
  after(() => pool.close());

  it(`end as they must, ${REQUESTS} of them`, async function () {
    this.timeout(14_000);
    const seed = seedOf();
    const below = chance(seed);
    const server = http2.createServer({ settings: { maxConcurrentStreams: 50 } });
    server.on('stream', (stream, headers) => serve(stream, String(headers[':path'])));
    server.on('session', (session) => session.on('error', () => {}));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // It listens on a port.
    const connections = Array.from({ length: CONNECTIONS }, () =>
      pool.open(`http://127.0.0.1:${port}`, { protocols: ['http2'], retry: 0 }),
    );
    try {
      const run = async (index: number): Promise<void> => {
        for (let i = index; i < REQUESTS; i += 100) await ask(connections[i % CONNECTIONS]!, below);
      };
      await Promise.all(Array.from({ length: 100 }, (_, i) => run(i)));
      for (const connection of connections) {
        expect(connection.status).to.equal('up');
        expect(await connection.get('/whole/0').text()).to.equal('');
      }
    } catch (error) {
      throw new Error(`GUNPORT_SEED=${seed}`, { cause: error });
    } finally {
      await Promise.all(connections.map((connection) => connection.close()));
      server.close();
      await once(server, 'close');
    }
  });
});
