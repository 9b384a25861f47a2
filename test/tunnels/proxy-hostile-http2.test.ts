import * as http2 from 'node:http2';
import { expect } from 'chai';
import { ConnectionError, type OpenOptions, StreamError } from '../../lib/index.ts';
import * as h2 from '../support/h2frames.ts';
import { type H2Talk, h2origin } from '../support/h2origin.ts';
import { hostilities } from '../support/hostile.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';
import { type Asked, type Sessions, sessions } from '../support/sessions.ts';
import { untilLine } from '../support/socks-ways.ts';

const FAR = 'http://far.example';
const TO = { host: 'far.example', port: 80 } as const;
const { NGHTTP2_REFUSED_STREAM, NGHTTP2_CONNECT_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } =
  http2.constants;

/** What a proxy of HTTP/2 does with a CONNECT that leads nowhere. */
const BROKEN: readonly { readonly name: string; readonly script: (asked: Asked) => unknown }[] = [
  ...Object.entries({
    NGHTTP2_REFUSED_STREAM,
    NGHTTP2_CONNECT_ERROR,
    NGHTTP2_INTERNAL_ERROR,
    NGHTTP2_NO_ERROR,
  }).map(([name, code]) => ({
    name: `resets the stream with ${name.replace('NGHTTP2_', '')}`,
    script: ({ stream }: Asked) => stream.close(code),
  })),
  { name: 'loses the connection', script: ({ session }) => session.destroy() },
];

/** The same, frame by frame. */
const FRAMES: readonly {
  readonly name: string;
  readonly script: (talk: H2Talk, stream: number) => unknown;
}[] = [
  { name: 'says GOAWAY below it', script: (talk) => talk.send(h2.goaway(0)) },
  { name: 'says GOAWAY with an error', script: (talk) => talk.send(h2.goaway(0, 'ENHANCE_YOUR_CALM')) },
  { name: 'sends bytes before its answer', script: (talk, stream) => talk.send(h2.data(stream, 'early')) },
  {
    name: 'sends garbage',
    script: (talk) => talk.send(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'.repeat(1_000))),
  },
  { name: 'closes the connection', script: (talk) => void talk.socket.end() },
  { name: 'resets the connection', script: (talk) => void reset(talk.socket) },
  {
    name: 'answers 101',
    script: (talk, stream) => talk.send(h2.headers(stream, [[':status', '101']])),
  },
  {
    name: 'closes behind an interim answer',
    script: (talk, stream) => {
      talk.send(h2.headers(stream, [[':status', '103']]));
      talk.socket.end();
    },
  },
  {
    name: 'closes within its answer',
    script: (talk, stream) => {
      talk.send(h2.headers(stream, [[':status', '200']]).subarray(0, 10));
      talk.socket.end();
    },
  },
];

/** The far end, on a tunnel: it answers with the path. */
function echoes({ stream, headers }: Asked): void {
  expect(headers).to.include({ ':method': 'CONNECT', ':authority': 'far.example:80' });
  stream.respond({ ':status': 200 });
  let came = '';
  stream.on('data', (bytes: Buffer) => {
    came += bytes.toString('latin1');
    for (let end = came.indexOf('\r\n\r\n'); end !== -1; end = came.indexOf('\r\n\r\n')) {
      const path = came.split(' ')[1] ?? '';
      came = came.slice(end + 4);
      stream.write(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`);
    }
  });
}

describe('an HTTP/2 proxy that', () => {
  const { open, keep } = hostilities();

  /** Its first streams are treated to `first`, all later ones well. */
  async function proxy(first: (asked: Asked) => unknown, bad: number): Promise<Sessions> {
    const server = await keep(sessions());
    const serve = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        const asked = await server.next();
        if (i < bad) first(asked);
        else if (asked.method === 'CONNECT') echoes(asked);
        else asked.answer(asked.path);
      }
    };
    void serve();
    return server;
  }

  const through = (server: Sessions, options: OpenOptions = {}) =>
    open(FAR, { proxy: { url: server.url, protocols: ['http2'] }, retry: 0, ...options });

  describe('is gone through', () => {
    it('answers 407: a password is not tried again', async () => {
      const server = await proxy(({ stream }) => {
        stream.respond({ ':status': 407 });
        stream.end();
      }, 9);
      const asking = through(server, { retry: 3, retryTimeout: 1 }).get('/').text();
      expect((await rejects(asking, 'ERR_GUNPORT_PROXY')).status).to.equal(407);
      expect(server.taken).to.equal(1);
    });

    for (const status of [302, 403, 500]) {
      it(`answers ${status}: the error has its head and body, and the next is asked anew`, async () => {
        const server = await proxy(({ stream }) => {
          stream.respond({ ':status': status, 'x-why': 'so' });
          stream.end('not you');
        }, 2);
        const error = await rejects(through(server).get('/').text(), 'ERR_GUNPORT_PROXY');
        expect(error).to.be.instanceOf(ConnectionError);
        expect(error).to.include({ status, hop: server.url });
        expect(error.headers).to.include({ 'x-why': 'so' });
        expect(Buffer.from(error.body ?? []).toString()).to.equal('not you');
        const again = through(server, { retry: 3, retryTimeout: 1 });
        expect(await again.get('/next').text()).to.equal('/next');
        expect(server.taken).to.equal(3);
      });
    }

    for (const { name, script } of BROKEN) {
      it(`${name}: the error names it, and the next is asked anew`, async () => {
        const server = await proxy(script, 2);
        const error = await rejects(through(server).get('/').text(), 'ERR_GUNPORT_PROXY');
        expect(error).to.be.instanceOf(ConnectionError);
        expect(error.hop).to.equal(server.url);
        const again = through(server, { retry: 3, retryTimeout: 1 });
        expect(await again.get('/next').text()).to.equal('/next');
        expect(server.taken).to.equal(3);
      });
    }

    for (const { name, script } of FRAMES) {
      it(`${name}: the error names it`, async () => {
        const server = await keep(
          h2origin(async (talk) => {
            const { stream } = await talk.request();
            script(talk, stream);
          }),
        );
        const connection = open(FAR, { proxy: { url: server.url, protocols: ['http2'] }, retry: 0 });
        const error = await rejects(connection.get('/').text(), 'ERR_GUNPORT_PROXY');
        expect(error).to.be.instanceOf(ConnectionError);
        expect(error.hop).to.equal(server.url);
        expect(error.cause).to.be.instanceOf(Error);
      });
    }

    it('is silent: it is given up after its connectTimeout', async () => {
      const server = await proxy(() => {}, 1);
      const connection = through(server, { connectTimeout: 150 });
      const error = await rejects(connection.get('/').text(), 'ERR_GUNPORT_CONNECT_TIMEOUT');
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error.hop).to.equal(server.url);
      expect(await through(server).get('/next').text()).to.equal('/next');
    });

    it('sends bytes right behind its answer: HTTP has not asked for them', async () => {
      const server = await proxy(({ stream }) => {
        stream.respond({ ':status': 200 });
        stream.write('nobody asked');
      }, 1);
      const connection = through(server, { retry: 3, retryTimeout: 1 });
      await rejects(connection.get('/').text(), 'ERR_GUNPORT_PROTOCOL');
      expect(await connection.get('/next').text()).to.equal('/next');
    });
  });

  describe('has one stream of connection.connect()', () => {
    for (const status of [302, 407, 500]) {
      it(`answers it with ${status}: an ordinary response, and its connection goes on`, async () => {
        const server = await proxy((asked) => asked.answer('not you', status), 1);
        const connection = open(server.url, { ...server.trust, retry: 0 });
        const tunnel = connection.connect(TO);
        const failed = rejects(connection.get('/inside', { tunnel }).text(), 'ERR_GUNPORT_CLOSED');
        expect(await connection.await(tunnel)).to.include({ type: 'response', status, fin: false });
        expect(Buffer.from((await connection.awaitBody(tunnel)).body).toString()).to.equal('not you');
        expect(await failed).to.be.instanceOf(StreamError);
        expect(await connection.get('/beside').text()).to.equal('/beside');
        const second = connection.connect(TO);
        expect(await connection.get('/inside', { tunnel: second }).text()).to.equal('/inside');
        expect(server.taken).to.equal(1);
      });
    }

    for (const { name, script } of BROKEN.filter((one) => one.name.startsWith('resets'))) {
      it(`${name}: that ends it alone`, async () => {
        const server = await proxy(script, 1);
        const connection = open(server.url, { ...server.trust, retry: 0 });
        const tunnel = connection.connect(TO);
        const failed = rejects(connection.get('/inside', { tunnel }).text(), 'ERR_GUNPORT_CLOSED');
        expect(await rejects(tunnel.established(), 'ERR_GUNPORT_RESET')).to.be.instanceOf(StreamError);
        await failed;
        expect(await connection.get('/beside').text()).to.equal('/beside');
        expect(server.taken).to.equal(1);
      });
    }

    it('is silent about it: it ends after its connectTimeout, alone', async () => {
      const server = await proxy(() => {}, 1);
      const connection = open(server.url, { ...server.trust, retry: 0 });
      const tunnel = connection.connect({ ...TO, connectTimeout: 150 });
      await rejects(tunnel.established(), 'ERR_GUNPORT_CONNECT_TIMEOUT');
      expect(await connection.get('/beside').text()).to.equal('/beside');
      expect(server.taken).to.equal(1);
    });

    it('sends bytes right behind its answer: raw has all of them', async () => {
      const server = await proxy(({ stream }) => {
        stream.respond({ ':status': 200 });
        stream.write('220 ready\r\n');
        stream.on('data', (bytes: Buffer) => stream.write(`250 ${bytes}`));
      }, 1);
      const connection = open(server.url, { ...server.trust, retry: 0 });
      const tunnel = connection.connect({ ...TO, protocols: ['raw'] });
      expect(await untilLine(connection, tunnel)).to.equal('220 ready\r\n');
      tunnel.data('nofin', 'HELO me\r\n');
      expect(await untilLine(connection, tunnel)).to.equal('250 HELO me\r\n');
    });
  });
});
