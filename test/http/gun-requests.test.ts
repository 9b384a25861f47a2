// Twins of gun_SUITE that look at what a request is on the wire.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { type HeaderFields, OptionError, receiveReply } from '../../lib/index.ts';
import { cowboy, type Speaks } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';

describe('a request', () => {
  const { open, keep } = feeds();

  describe('header fields', () => {
    /** The lines of a request with these headers. */
    const sent = async (headers: HeaderFields): Promise<readonly string[]> => {
      const server = await keep(origin());
      const connection = open(server.url);
      connection.get('/', { headers });
      return (await (await server.next()).request()).lines.slice(2);
    };

    it('may be a record; names are sent in lower case (gun_SUITE atom_header_name)', async () => {
      expect(await sent({ Accept: 'text/html', 'X-Trace': 7 })).to.deep.equal([
        'accept: text/html',
        'x-trace: 7',
      ]);
    });

    it('may be pairs, a name more than once (gun_SUITE list_header_name)', async () => {
      const pairs = [
        ['Accept', 'text/html'],
        ['X-Many', '1'],
        ['x-many', '2'],
      ] as const;
      expect(await sent(pairs)).to.deep.equal(['accept: text/html', 'x-many: 1', 'x-many: 2']);
    });

    it('are lower-cased, however they are written (gun_SUITE uppercase_header_name)', async () => {
      expect(await sent({ 'USER-AGENT': 'gun/port' })).to.deep.equal(['user-agent: gun/port']);
    });

    it('may be a Map (gun_SUITE map_headers)', async () => {
      expect(await sent(new Map([['Accept', '*/*']]))).to.deep.equal(['accept: */*']);
    });

    it('have no default but host: no user-agent, no accept', async () => {
      expect(await sent({})).to.deep.equal([]);
    });

    it('have the names that a function of yours makes, on the wire of HTTP/1 (gun_SUITE transform_header_name)', async () => {
      const source = `export default (name) => name === 'host' ? 'HOST' : name;`;
      const server = await keep(origin());
      const connection = open(server.url, {
        transformHeaderName: { module: `data:text/javascript,${encodeURIComponent(source)}` },
      });
      connection.get('/', { headers: { Accept: '*/*' } });
      const { lines } = await (await server.next()).request();
      expect(lines.slice(1)).to.deep.equal([`HOST: 127.0.0.1:${server.port}`, 'accept: */*']);
    });
  });

  describe('a header value with a line break', () => {
    const headers = { 'x-evil': 'a\r\nx-more: b' };
    const message = /headers\.x-evil must be printable latin1, got character 0x0d at 1/;

    it('throws in the caller of headers(), up or not (gun_SUITE invalid_request_headers_raise_headers)', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      expect(() => connection.post('/', { headers })).to.throw(OptionError, message);
      expect(() => connection.headers('POST', '/', { headers })).to.throw(OptionError, message);
    });

    it('throws in the caller of get() (gun_SUITE invalid_request_headers_raise_request)', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      expect(() => connection.get('/', { headers })).to.throw(OptionError, message);
    });

    it('throws in the caller of wsUpgrade() (gun_SUITE invalid_request_headers_raise_ws_upgrade)', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      expect(() => connection.wsUpgrade('/', { headers })).to.throw(OptionError, message);
    });
  });

  describe('where a request goes', () => {
    it('is a host name, which stands in host (gun_SUITE atom_hostname)', async () => {
      const server = await keep(origin());
      const connection = open({ host: 'localhost', port: server.port });
      connection.get('/');
      const { headers } = await (await server.next()).request();
      expect(headers['host']).to.equal(`localhost:${server.port}`);
    });

    it('may be a unix socket: host is localhost, and info() says so (gun_SUITE unix_socket_connect)', async () => {
      const path = join(tmpdir(), `gunport-gun-${process.pid}.sock`);
      const server = await keep(origin(undefined, { path }));
      const connection = open('http://localhost/', { socketPath: path });
      const stream = connection.get('/');
      const talk = await server.next();
      expect((await talk.request()).headers).to.deep.equal({ host: 'localhost' });
      await talk.answer(200, 'unix');
      expect(await stream.text()).to.equal('unix');
      expect(await connection.info()).to.include({
        origin: 'http://localhost',
        transport: 'unix',
        status: 'up',
      });
    });
  });

  describe('parts of a body that are empty', () => {
    it('are not sent: they would end it (gun_SUITE ignore_empty_data_http)', async () => {
      const server = await keep(origin());
      const connection = open(server.url);
      const stream = connection.put('/');
      for (const part of ['hello ', '', new Uint8Array()]) connection.data(stream, 'nofin', part);
      connection.data(stream, 'fin', 'world!');
      const talk = await server.next();
      await talk.request();
      const { text, chunks } = await talk.body();
      expect(text).to.equal('hello world!');
      expect(chunks.filter((size) => size === 0)).to.deep.equal([0]);
    });

    it('end it once with fin (gun_SUITE ignore_empty_data_fin_http)', async () => {
      const server = await keep(origin());
      const connection = open(server.url);
      const stream = connection.put('/');
      connection.data(stream, 'nofin', 'hello ');
      connection.data(stream, 'nofin', 'world!');
      connection.data(stream, 'fin', '');
      const talk = await server.next();
      await talk.request();
      const { text, chunks } = await talk.body();
      expect(text).to.equal('hello world!');
      expect(chunks.filter((size) => size === 0)).to.deep.equal([0]);
      connection.get('/next');
      expect((await talk.request()).path).to.equal('/next');
    });

    describe('on HTTP/2', () => {
      const { both } = h2talks();

      it('are no DATA frames (gun_SUITE ignore_empty_data_http2)', async () => {
        const { connection, server } = await both();
        const stream = connection.put('/');
        connection.data(stream, 'nofin', 'hello ');
        const frames = [await server.next('data')];
        connection.data(stream, 'nofin', '');
        connection.data(stream, 'nofin', new Uint8Array());
        connection.data(stream, 'fin', 'world!');
        while (!frames.at(-1)?.fin) frames.push(await server.next('data'));
        // END_STREAM may come on a frame of its own, since trailers could have followed: that one alone may be empty.
        expect(frames.filter(({ fin }) => !fin).map(({ payload }) => String(payload))).to.not.include('');
        expect(frames.map(({ payload }) => String(payload)).join('|')).to.match(/^hello \|world!\|?$/);
      });

      it('are the frame that ends it, with fin (gun_SUITE ignore_empty_data_fin_http2)', async () => {
        const { connection, server } = await both();
        const stream = connection.put('/');
        connection.data(stream, 'nofin', 'hello world!');
        expect((await server.next('data')).fin).to.equal(false);
        connection.data(stream, 'fin', '');
        const last = await server.next('data');
        expect([last.payload.length, last.fin]).to.deep.equal([0, true]);
      });
    });
  });

  describe('replyTo', () => {
    const answered = async (speaks: Speaks): Promise<void> => {
      const server = await keep(cowboy(speaks));
      const connection = open(server.url, server.trust);
      const { port1, port2 } = new MessageChannel();
      const stream = connection.get('/', { replyTo: port1 });
      const reply = receiveReply(port2);
      expect(await reply.response()).to.include({ type: 'response', fin: false, status: 200 });
      expect(await reply.text()).to.equal('Hello world!');
      expect(stream.replied).to.equal(true);
      expect(stream.status).to.equal(undefined);
    };

    it("has the answer go to another's port, and not to the owner (gun_SUITE reply_to_http)", () =>
      answered('http'));

    it('does so on HTTP/2 (gun_SUITE reply_to_http2)', () => answered('h2c'));

    it('is no function: those cannot cross to another thread, and a port has listeners for them', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      const replyTo = (() => {}) as unknown as MessagePort;
      expect(() => connection.get('/', { replyTo })).to.throw(OptionError, /replyTo must be a MessagePort/);
    });
  });
});
