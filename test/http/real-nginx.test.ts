import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open as openFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { Connection, OpenOptions, Stream } from '../../lib/index.ts';
import { type Backend, backend, type Uploaded } from '../support/backend.ts';
import { feeds } from '../support/feeds.ts';
import { type Place, type Plan, type Real, real, titled } from '../support/real.ts';
import { rejects } from '../support/rejects.ts';

const MIB = 1_048_576;
const LARGE = 100 * MIB;

/** One worker, all in its own folder; /n/… is answered by itself, /back/… by the backend. */
function configured({ folder, port }: Place, behind: number): Plan {
  const at = (name: string): string => `127.0.0.1:${port(name)}`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const root = process.getuid?.() === 0 ? `user ${userInfo().username};` : '';
  const locations = `
    root www;
    location /n/ { return 200 "$request_uri $connection_requests"; }
    location /trailed/ { alias www/; add_trailer X-Sum "$request_uri"; }
    location /back/ { proxy_pass http://127.0.0.1:${behind}/; }
    location /tight/ { client_max_body_size 64k; proxy_pass http://127.0.0.1:${behind}/; }`;
  const conf = `
    daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice; ${root}
    events { worker_connections 512; }
    http {
      access_log off; default_type text/plain; client_max_body_size 0; lingering_timeout 1s;
      ${temporary.map((name) => `${name}_temp_path tmp/${name};`).join(' ')}
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      ssl_certificate cert.pem; ssl_certificate_key key.pem;
      server { listen ${at('plain')}; ${locations} }
      server { listen ${at('tls')} ssl http2; ${locations} }
      server { listen ${at('h2c')} http2; ${locations} }
      server { listen ${at('few')}; keepalive_requests 5; ${locations} }
      server { listen ${at('few-h2c')} http2; keepalive_requests 5; ${locations} }
      server { listen ${at('narrow')} http2; http2_max_concurrent_streams 4; ${locations} }
    }`;
  const files = { 'nginx.conf': conf, 'www/hello.txt': 'Hello world!\n', 'tmp/.keep': '' };
  return { args: ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], files };
}

describe(titled('nginx', 'HTTP with nginx'), () => {
  const { open } = feeds();
  let back: Backend;
  before(async () => {
    back = await backend();
  });
  after(() => back.close());
  const nginx = real('nginx', async (place) => {
    await makeLarge(join(place.folder, 'www/large'));
    return configured(place, back.port);
  });

  const ways: readonly [string, (server: Real) => string, (server: Real) => OpenOptions][] = [
    ['HTTP/1.1', (server) => server.plain('plain'), () => ({})],
    [
      'HTTP/1.1 over TLS',
      (server) => server.secure('tls'),
      ({ ca }) => ({ tls: { ca }, protocols: ['http'] }),
    ],
    ['HTTP/2 over TLS, by ALPN', (server) => server.secure('tls'), ({ ca }) => ({ tls: { ca } })],
    ['HTTP/2 with prior knowledge', (server) => server.plain('h2c'), () => ({ protocols: ['http2'] })],
  ];

  for (const [way, urlOf, optionsOf] of ways) {
    describe(`over ${way}`, () => {
      const two = way.startsWith('HTTP/2');
      let connection: Connection;
      beforeEach(() => {
        connection = open(urlOf(nginx()), optionsOf(nginx()));
      });

      it('is up with the protocol that was chosen, and keeps its connection for many requests', async () => {
        expect(await connection.awaitUp()).to.include({ protocol: two ? 'http2' : 'http', attempt: 1 });
        for (let i = 1; i <= 3; i++) {
          expect(await connection.get(`/n/${i}`).text()).to.equal(`/n/${i} ${i}`);
        }
        expect(connection.attempt).to.equal(1);
      });

      it('gives 100 requests at once their own answers, on one connection, in order', async () => {
        const ended: number[] = [];
        const texts = Array.from({ length: 100 }, async (_, i) => {
          const text = await connection.get(`/n/${i}`).text();
          ended.push(i);
          return text;
        });
        expect(await Promise.all(texts)).to.deep.equal(range(100).map((i) => `/n/${i} ${i + 1}`));
        if (!two) expect(ended).to.deep.equal(range(100));
        expect(connection.attempt).to.equal(1);
      });

      it('gives a file, parts of it, what has not changed, and nothing of it for HEAD', async () => {
        const whole = connection.get('/hello.txt');
        const { status, headers } = await whole.response();
        expect({ status, length: headers['content-length'] }).to.deep.equal({ status: 200, length: '13' });
        expect(await whole.text()).to.equal('Hello world!\n');
        const part = connection.get('/hello.txt', { headers: { Range: 'bytes=6-10' } });
        expect((await part.response()).headers).to.include({ 'content-range': 'bytes 6-10/13' });
        expect([part.status, await part.text()]).to.deep.equal([206, 'world']);
        const none = connection.get('/hello.txt', { headers: { range: 'bytes=50-' } });
        expect((await none.response()).status).to.equal(416);
        const same = connection.get('/hello.txt', { headers: { 'if-none-match': String(headers['etag']) } });
        expect(await same.response()).to.include({ status: 304, fin: true });
        const head = await connection.head('/hello.txt').response();
        expect(head).to.include({ status: 200, fin: true });
        expect(head.headers).to.include({ 'content-length': '13' });
      });

      it('gives a 404 with its body, and goes on', async () => {
        const missing = connection.get('/missing');
        expect((await missing.response()).status).to.equal(404);
        expect(await missing.text()).to.include('<h1>404 Not Found</h1>');
        expect(await connection.get('/n/next').text()).to.equal('/n/next 2');
      });

      it('gives the trailers behind a body', async () => {
        const { body, trailers } = await connection.awaitBody(connection.get('/trailed/hello.txt'));
        expect(Buffer.from(body).toString()).to.equal('Hello world!\n');
        expect(trailers).to.deep.include({ 'x-sum': '/trailed/hello.txt' });
        expect(await connection.get('/n/next').text()).to.equal('/n/next 2');
      });

      it('gives an answer that was chunked behind it', async () => {
        const chunked = connection.get('/back/chunked');
        const { headers } = await chunked.response();
        expect(headers['transfer-encoding']).to.equal(two ? undefined : 'chunked');
        expect(await chunked.text()).to.equal('Hello world!');
      });

      it('takes uploads with a length and without one', async () => {
        const bytes = Buffer.alloc(3 * MIB, 'upload');
        const whole = connection.post('/back/upload', { body: bytes });
        expect(await whole.json<Uploaded>()).to.deep.equal(uploaded(bytes, 'content-length'));
        const parts = connection.post('/back/upload');
        for (let at = 0; at < bytes.length; at += 100_000) {
          if (!parts.data(false, bytes.subarray(at, at + 100_000))) await parts.drained();
        }
        parts.data(true);
        // What it does not know the length of, nginx has read whole before it asks behind it.
        expect(await parts.json<Uploaded>()).to.deep.equal(uploaded(bytes, 'content-length'));
      });

      it(`waits for 100 (Continue) before the body is sent (RFC 9110 §10.1.1)`, async () => {
        const options = {
          headers: { expect: '100-continue' },
          body: 'Hello',
          continueTimeout: two ? 20 : 5_000,
        };
        const stream = connection.post('/back/upload', options);
        const statuses: number[] = [];
        await stream.response({ onInform: ({ status }) => statuses.push(status) });
        // nginx sends none on HTTP/2: the time is up.
        expect(statuses).to.deep.equal(two ? [] : [100]);
        expect(await stream.json<Uploaded>()).to.deep.equal(uploaded(Buffer.from('Hello'), 'content-length'));
      });

      for (const headers of [{ 'content-length': '4194304' }, {}]) {
        const known = 'content-length' in headers ? 'with' : 'without';
        it(`is told 413 in the middle of an upload ${known} a length, stops it, and goes on`, async () => {
          const stream = connection.post('/tight/never', { headers });
          const piece = Buffer.alloc(65_536);
          const uploading = (async () => {
            // Above 8 MiB that it did not want, nginx takes the rest for a flood of HTTP/2.
            for (let sent = 0; sent < 4 * MIB && stream.state === 'requested'; sent += piece.length) {
              if (!stream.data(false, piece)) await stream.drained();
            }
          })();
          expect((await stream.response()).status).to.equal(413);
          expect(await stream.text()).to.include('413 Request Entity Too Large');
          await uploading;
          expect(stream.state).to.equal('ended');
          expect(await connection.get('/n/next').text()).to.match(/^\/n\/next \d+$/);
          expect(connection.attempt).to.equal(two ? 1 : 2);
          expect(back.counts.has('/never')).to.equal(false);
        });
      }

      it('gives 100 MiB no faster than they are read, each byte in its place', async () => {
        const stream = connection.get('/large');
        expect((await stream.response()).headers).to.include({ 'content-length': String(LARGE) });
        const held = await settled(connection);
        expect(held).to.be.within(65_536, 40 * MIB);
        if (two) expect(await connection.get('/n/beside').text()).to.equal('/n/beside 2');
        expect(await checkLarge(stream)).to.equal(LARGE);
        expect(await connection.get('/n/behind').text()).to.equal(`/n/behind ${two ? 3 : 2}`);
      }).timeout(15_000);
    });
  }

  it('answers each request of HTTP/1.0 on a connection of its own, framed by its end', async () => {
    const connection = open(nginx().plain('plain'), { httpVersion: '1.0', retry: 0 });
    const stream = connection.get('/back/chunked');
    expect((await stream.response()).headers).to.include({ connection: 'close' });
    expect(await stream.text()).to.equal('Hello world!');
  });

  for (const [version, port] of [
    ['HTTP/1.1', 'few'],
    ['HTTP/2', 'few-h2c'],
  ] as const) {
    it(`has each of 50 requests answered once, or told, where ${version} ends after 5 of them`, async () => {
      const connection = open(nginx().plain(port), { protocols: [version === 'HTTP/2' ? 'http2' : 'http'] });
      await connection.awaitUp();
      const left = new Set(range(50).map((i) => `/count/${port}/${i}`));
      const codes = new Set<string>();
      for (let round = 0; left.size > 0; round++) {
        expect(round).to.be.below(50);
        const asked = [...left].map(async (path) => {
          const error = await connection
            .get(`/back${path}`)
            .text()
            .then((text) => void (text === path && left.delete(path)))
            .catch((error: { code: string }) => error);
          if (error) codes.add(error.code);
        });
        await Promise.all(asked);
      }
      for (let i = 0; i < 50; i++) expect(back.counts.get(`/count/${port}/${i}`)).to.equal(1);
      expect([...codes].filter((code) => !/_(CLOSING|GOAWAY)$/.test(code))).to.deep.equal([]);
      expect(connection.attempt).to.be.within(2, 50);
    });
  }

  it('queues 50 requests where 4 may be under way (RFC 9113 §5.1.2)', async () => {
    const connection = open(nginx().plain('narrow'), { protocols: ['http2'] });
    Object.assign(back, { full: 4, expected: 50 });
    const texts = range(50).map((i) => connection.get(`/back/gather/${i}`).text());
    expect(await Promise.all(texts)).to.deep.equal(range(50).map((i) => `/gather/${i}`));
    expect(back.most).to.equal(4);
    expect(connection.attempt).to.equal(1);
  });

  for (const [way, urlOf, optionsOf] of [ways[0]!, ways[3]!]) {
    it(`ends what is under way over ${way} when nginx reads its configuration anew`, async () => {
      const [idle, busy] = [0, 1].map(() => open(urlOf(nginx()), optionsOf(nginx()))) as [
        Connection,
        Connection,
      ];
      await idle.get('/n/idle').text();
      const stream = busy.get('/back/hold');
      expect((await stream.response()).status).to.equal(200);
      await back.held();
      const [idleDown, busyDown] = [once(idle, 'down'), once(busy, 'down')];
      const since = nginx().log.length;
      nginx().signal('SIGHUP');
      await nginx().logged('gracefully shutting down', since);
      await idleDown;
      back.release();
      expect(await stream.text()).to.equal('one two');
      const [{ killed }] = await busyDown;
      expect(killed).to.deep.equal([]);
      for (const connection of [idle, busy]) {
        expect(await connection.get('/n/again').text()).to.equal('/n/again 1');
        expect(connection.attempt).to.equal(2);
      }
    });
  }

  it('refuses HTTP/1.1 where only HTTP/2 is spoken, with an error that says so', async () => {
    const connection = open(nginx().plain('h2c'), { retry: 0 });
    await rejects(connection.get('/n/1').response(), 'ERR_GUNPORT_PROTOCOL');
  });

  it('refuses HTTP/2 where only HTTP/1.1 is spoken, with an error that says so', async () => {
    const connection = open(nginx().plain('plain'), { protocols: ['http2'], retry: 0 });
    await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROTOCOL');
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function uploaded(bytes: Buffer, framing: string): Uploaded {
  return { length: bytes.length, sha1: createHash('sha1').update(bytes).digest('hex'), framing };
}

/** Sparse, the number of each MiB at its beginning. */
async function makeLarge(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await openFile(path, 'w');
  await file.truncate(LARGE);
  const mark = Buffer.alloc(4);
  for (let i = 0; i < LARGE / MIB; i++) {
    mark.writeUInt32BE(i);
    await file.write(mark, 0, 4, i * MIB);
  }
  await file.close();
}

/** Reads it to its end; resolves with its length. */
async function checkLarge(stream: Stream): Promise<number> {
  let at = 0;
  for await (const chunk of stream) {
    const first = Math.ceil(at / MIB);
    // A mark that is cut by the end of a part is not looked at.
    for (let i = first; i * MIB + 4 <= at + chunk.byteLength; i++) {
      const view = new DataView(chunk.buffer, chunk.byteOffset + i * MIB - at, 4);
      if (view.getUint32(0) !== i) throw new Error(`the mark of MiB ${i} is not in its place`);
    }
    at += chunk.byteLength;
  }
  return at;
}

/** Bytes that have come once no more do, because nobody reads. */
async function settled(connection: Connection): Promise<number> {
  for (let [last, same] = [-1, 0]; ; ) {
    const { bytesReceived } = (await connection.info()).counters;
    // Nothing at all yet: nginx is still at it.
    same = bytesReceived > 0 && bytesReceived === last ? same + 1 : 0;
    if (same === 50) return last;
    last = bytesReceived;
  }
}
