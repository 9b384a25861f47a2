// Check 18 of CATALOGUE.md: HTTP/1.1, as a table against a server whose bytes are written by hand.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Connection } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { origin, type Talk } from '../support/origin.ts';

interface Case {
  readonly what: string;
  server(talk: Talk): Promise<unknown>;
  client(connection: Connection): Promise<unknown>;
}

const HEAD = 'HTTP/1.1 200 OK\r\n';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const CASES: readonly Case[] = [
  {
    what: 'keeps its connection for the next request (RFC 9112 §9.3)',
    async server(talk) {
      for (let i = 0; i < 3; i++) await talk.answer(200, (await talk.request()).path);
    },
    async client(connection) {
      for (const path of ['/a', '/b', '/c']) expect(await connection.get(path).text()).to.equal(path);
    },
  },
  {
    what: 'asks before it is answered, and takes the answers in order (RFC 9112 §9.3.2)',
    async server(talk) {
      const paths = [];
      for (let i = 0; i < 3; i++) paths.push((await talk.request()).path);
      for (const path of paths) await talk.answer(200, path);
    },
    async client(connection) {
      const texts = ['/a', '/b', '/c'].map((path) => connection.get(path).text());
      expect(await Promise.all(texts)).to.deep.equal(['/a', '/b', '/c']);
    },
  },
  {
    what: 'joins chunks, however they are cut, and passes their extensions over (RFC 9112 §7.1)',
    async server(talk) {
      await talk.request();
      for (const byte of `${HEAD}transfer-encoding: chunked\r\n\r\n3;x="y"\r\nHel\r\n02\r\nlo\r\n0\r\n\r\n`)
        await talk.write(byte);
    },
    client: async (connection) => expect(await connection.get('/').text()).to.equal('Hello'),
  },
  {
    what: 'tells interim answers apart from the answer (RFC 9110 §15.2)',
    async server(talk) {
      await talk.request();
      await talk.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
      await talk.write(`${HEAD}content-length: 2\r\n\r\nok`);
    },
    async client(connection) {
      const stream = connection.get('/');
      expect(await connection.await(stream)).to.include({ type: 'inform', status: 102 });
      expect(await connection.await(stream)).to.deep.include({ type: 'inform', status: 103 });
      expect(await connection.await(stream)).to.include({ type: 'response', status: 200 });
      expect(await stream.text()).to.equal('ok');
    },
  },
  {
    what: 'gives the trailers behind the last chunk (RFC 9110 §6.5)',
    async server(talk) {
      await talk.request();
      await talk.answer(200, 'body', { trailers: { expires: 'never' } });
    },
    async client(connection) {
      const body = await connection.awaitBody(connection.get('/'));
      expect(Buffer.from(body.body).toString()).to.equal('body');
      expect(body.trailers).to.include({ expires: 'never' });
    },
  },
  {
    what: 'reads a body without a length to the end of the connection (RFC 9112 §6.3)',
    async server(talk) {
      await talk.request();
      talk.end(`${HEAD}\r\nto the end`);
    },
    client: async (connection) => expect(await connection.get('/').text()).to.equal('to the end'),
  },
  {
    what: 'has no body where there is none: HEAD, 204, 304 (RFC 9112 §6.3)',
    async server(talk) {
      for (const status of ['200 OK', '204 No Content', '304 Not Modified']) {
        await talk.request();
        await talk.write(
          `HTTP/1.1 ${status}\r\n${status === '204 No Content' ? '' : 'content-length: 5\r\n'}\r\n`,
        );
      }
    },
    async client(connection) {
      expect(await connection.head('/').text()).to.equal('');
      expect(await connection.get('/').text()).to.equal('');
      expect(await connection.get('/').text()).to.equal('');
    },
  },
  {
    what: 'sends a body in chunks where its length is not known, with trailers (RFC 9112 §7.1)',
    async server(talk) {
      await talk.request();
      const { text, trailers } = await talk.body();
      await talk.answer(200, `${text} ${trailers['x-sum']}`);
    },
    async client(connection) {
      const stream = connection.post('/', { headers: { trailer: 'x-sum' } });
      stream.data('nofin', 'Hel');
      stream.data('nofin', 'lo');
      stream.data('fin', '', { trailers: { 'x-sum': 'good' } });
      expect(await stream.text()).to.equal('Hello good');
    },
  },
  {
    what: 'becomes a WebSocket, on the connection that has served a request before (RFC 6455 §4.1)',
    async server(talk) {
      await talk.answer(200, (await talk.request()).path);
      const { headers } = await talk.request();
      const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64');
      await talk.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      );
      await talk.write(Buffer.from('810161', 'hex'));
    },
    async client(connection) {
      expect(await connection.get('/first').text()).to.equal('/first');
      const stream = connection.wsUpgrade('/');
      expect(await connection.await(stream)).to.include({ type: 'upgrade' });
      expect(await connection.await(stream)).to.include({ type: 'ws', data: 'a' });
    },
  },
];

describe('HTTP/1.1', () => {
  const { open, keep } = feeds();

  for (const { what, server, client } of CASES) {
    it(`check 18: ${what}`, async () => {
      const served = await keep(origin(server));
      await client(open(served.url, { retry: 0 }));
      expect(served.taken).to.equal(1);
    });
  }
});
