// What a peer says is data: no prototype is changed by it, no memory is spent on what it only claims, and the others of its
// thread do not notice. And what others have done to Object.prototype changes nothing about whom a connection trusts.
// Source: ws 2017 (names of Object.prototype); undici 22036, 1526; node-threads facts 5.6.

import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Connection, EventStream } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, feeds, frame, take } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

const NAMES = ['__proto__', 'constructor', 'prototype', 'hasownproperty', 'tostring', 'valueof', 'then'];
const MIB = 1024 * 1024;
const own = (value: object): string[] => Reflect.ownKeys(value).map(String).sort();

describe('names that every object has', () => {
  const { connect, open, keep } = feeds();
  const before = [Object.prototype, Array.prototype, Function.prototype].map(own);

  afterEach(() => {
    expect([Object.prototype, Array.prototype, Function.prototype].map(own)).to.deep.equal(before);
  });

  it('are names of headers, trailers and cookies like others, in all threads', async () => {
    const lines = NAMES.map((name) => `${name}: polluted\r\nset-cookie: ${name}=polluted\r\n`).join('');
    const server = await keep(
      origin(async (talk) => {
        for (;;) {
          const { raw } = await talk.request();
          const body = Buffer.from(raw).toString('base64');
          await talk.write(`HTTP/1.1 103 Early\r\n${lines}\r\n`);
          await talk.write(`HTTP/1.1 200 OK\r\n${lines}transfer-encoding: chunked\r\n\r\n`);
          await talk.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n${lines}\r\n`);
        }
      }),
    );
    const connection = open(server.url, { cookies: true });
    for (let i = 0; i < 2; i++) {
      const stream = connection.get('/');
      const { headers } = await stream.response();
      const { body, trailers } = await connection.awaitBody(stream);
      for (const fields of [headers, trailers ?? {}]) {
        expect(Object.getPrototypeOf(fields)).to.equal(null);
        for (const name of NAMES) expect(Reflect.get(fields, name), name).to.equal('polluted');
      }
      const asked = Buffer.from(Buffer.from(body).toString(), 'base64').toString();
      if (i === 1) for (const name of NAMES) expect(asked).to.include(`${name}=polluted`);
    }
  });

  it('are keys of JSON like others, beside the socket too', async () => {
    const json = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}';
    const handler = moduleOf(`export default () => ({ message(text) {
      const value = JSON.parse(text);
      return { keys: Object.keys(value), clean: [({}).polluted, [].polluted, (() => {}).polluted], value };
    } });`);
    const peer = await keep(wsPeer((one) => one.send(frame(0x81, json))));
    const [given] = await take(await connect(peer.url, { handler }), 1);
    const { keys, clean, value } = given as unknown as { keys: string[]; clean: unknown[]; value: object };
    expect(keys).to.deep.equal(['__proto__', 'constructor', 'a']);
    expect(clean).to.deep.equal([undefined, undefined, undefined]);
    expect(value).to.have.property('a', 1);
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
  });

  it('and what somebody has put there, decide nothing about whom a connection trusts', async () => {
    const { selfSigned } = await certificates();
    const { port } = await keep(wsPeer(() => {}, { secure: selfSigned }));
    const planted = {
      ...{ rejectUnauthorized: false, checkServerIdentity: () => undefined, servername: 'evil.example' },
      ...{ proxy: 'http://127.0.0.1:1', socketPath: '/tmp/evil', lookup: { module: 'file:///evil.js' } },
      ...{
        handler: { module: 'file:///evil.js' },
        headers: { evil: '1' },
        secureContext: {},
        tls: {},
        ca: 'x',
      },
    };
    for (const [name, value] of Object.entries(planted)) {
      Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
    }
    try {
      for (const options of [{}, { tls: {} }, JSON.parse('{"tls":{}}')]) {
        const error = await rejects(
          connect(`wss://localhost:${port}`, { retry: 0, ...options }),
          'ERR_GUNPORT_TLS',
        );
        expect(error.cause).to.include({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
      }
    } finally {
      for (const name of Object.keys(planted)) Reflect.deleteProperty(Object.prototype, name);
    }
  });
});

describe('a bomb', () => {
  const { connect, open, keep } = feeds();

  it('of permessage-deflate costs less than twice maxPayload, and its neighbour nothing', async () => {
    const bomb = deflateRawSync(Buffer.alloc(256 * MIB), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(
      0,
      -4,
    );
    const maxPayload = 32 * MIB;
    const headers = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';
    const honest = await keep(
      wsPeer(async (one) => {
        for (;;) one.send(frame(0x81, (await one.read()).payload));
      }),
    );
    const neighbour = await connect(honest.url);
    const peer = await keep(wsPeer((one) => one.send(frame(0xc2, bomb)), { headers }));
    const before = process.memoryUsage.rss();
    const feed = await connect(peer.url, { compress: true, maxPayload });
    neighbour.send('still here');
    const [end, heard] = await Promise.all([drain(feed), take(neighbour, 1)]);
    expect(end.error).to.include({ code: 'ERR_GUNPORT_TOO_BIG' });
    expect(heard).to.deep.equal(['still here']);
    expect(process.memoryUsage.rss() - before).to.be.below(2 * maxPayload);
  });

  it('of a content-encoding is given as it came: no content is decoded, by fetch neither', async () => {
    const packed = gzipSync(Buffer.alloc(8 * MIB));
    const server = await keep(
      origin(async (talk) => {
        for (;;) {
          const { headers } = await talk.request();
          expect(headers).not.to.have.property('accept-encoding');
          await talk.write(
            `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`,
          );
          await talk.write(packed);
        }
      }),
    );
    const connection = open(server.url);
    expect(Buffer.compare(await connection.get('/').bytes(), packed)).to.equal(0);
    const response = await connection.fetch('/');
    expect(Buffer.compare(new Uint8Array(await response.arrayBuffer()), packed)).to.equal(0);
  });
});

describe('the id of a server-sent event', () => {
  const { open, keep } = feeds();

  /** The events of a server that gives this id, and then drops the answer; and what the next request said. */
  async function following(id: string): Promise<{ events: EventStream<Connection>; raws: string[] }> {
    const raws: string[] = [];
    const server = await keep(
      origin(async (talk) => {
        raws.push((await talk.request()).raw);
        const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n';
        await talk.write(head);
        talk.end(Buffer.from(raws.length > 1 ? 'data: again\n\n' : `id: ${id}\ndata: x\n\n`));
      }),
    );
    const connection = open(server.url, { retryTimeout: 1, maxEventSize: MIB } as never);
    return { events: connection.sse('/', { reconnect: true, retryDelay: 0 }), raws };
  }

  it('makes no header of its own: what is no value of one ends the events, and is not sent (RFC 9110 §5.5)', async () => {
    for (const id of ['a\x01b', 'a\x7fb']) {
      const { events, raws } = await following(id);
      const loop = events[Symbol.asyncIterator]();
      expect((await loop.next()).value).to.include({ data: 'x' });
      const error = await rejects(loop.next(), 'ERR_GUNPORT_OPTION');
      expect(error.message).to.include('last-event-id').and.not.include(id);
      events.close();
      expect(raws).to.have.lengthOf(1);
    }
  });

  it('is sent as UTF-8, with the spaces within it', async () => {
    const { events, raws } = await following(`é${' '.repeat(1_000)}é`);
    const loop = events[Symbol.asyncIterator]();
    await loop.next();
    expect((await loop.next()).value).to.include({ data: 'again' });
    events.close();
    expect(raws[1]).to.include(Buffer.from('last-event-id: é').toString('latin1'));
  });
});
