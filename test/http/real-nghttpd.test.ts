import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, OpenOptions, PushNotice, SettingsNotice, Stream } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { type Place, type Plan, type Real, real, titled } from '../support/real.ts';
import { rejects } from '../support/rejects.ts';

const MIB = 1_048_576;
const PAGE = '<link rel=stylesheet href=style.css>\n';
const STYLE = 'body { color: navy }\n';

/** Serves a folder. `secure`: over TLS. */
function serving({ port }: Place, flags: readonly string[], secure = false): Plan {
  const files = {
    'www/index.html': PAGE,
    'www/style.css': STYLE,
    'www/script.js': 'void 0;\n',
    'www/large': Buffer.alloc(8 * MIB, 'large'),
  };
  const at = [String(port('it')), ...(secure ? ['key.pem', 'cert.pem'] : [])];
  return { args: [...(secure ? [] : ['--no-tls']), '-a', '127.0.0.1', '-d', 'www', ...flags, ...at], files };
}

describe(titled('nghttpd', 'HTTP/2 with nghttpd'), () => {
  const { open } = feeds();
  const plain = (server: Real, options: OpenOptions = {}): Connection =>
    open(server.plain('it'), { protocols: ['http2'], ...options });

  for (const secure of [false, true]) {
    describe(secure ? 'over TLS, by ALPN' : 'with prior knowledge', () => {
      const flags = ['-p/index.html=/style.css,/script.js', '--trailer', 'x-sum: 17', '--echo-upload'];
      const nghttpd = real('nghttpd', (place) => serving(place, flags, secure));
      let connection: Connection;
      const start = (options: OpenOptions = {}): void => {
        const server = nghttpd();
        connection = secure
          ? open(server.secure('it'), { tls: { ca: server.ca }, ...options })
          : plain(server, options);
      };
      beforeEach(() => start());

      it('is up with HTTP/2, and tells its settings (gun_notify settings_changed)', async () => {
        const [notice] = (await once(connection, 'notify')) as [SettingsNotice];
        expect(notice.settings).to.include({ maxConcurrentStreams: 100, enableConnectProtocol: false });
        expect(await connection.awaitUp()).to.include({ protocol: 'http2', attempt: 1 });
        expect((await connection.info()).transport).to.equal(secure ? 'tls' : 'tcp');
      });

      it('answers a ping beside requests (ping_SUITE h2_user_ping)', async () => {
        await connection.awaitUp();
        expect(await connection.ping()).to.be.within(0, 1_000);
      });

      it('gives a file with trailers behind it, and none for HEAD or 404', async () => {
        const stream = connection.get('/style.css');
        expect((await stream.response()).status).to.equal(200);
        const { body, trailers } = await connection.awaitBody(stream);
        expect(Buffer.from(body).toString()).to.equal(STYLE);
        expect(trailers).to.deep.include({ 'x-sum': '17' });
        expect(await connection.head('/style.css').response()).to.include({ status: 200 });
        const missing = connection.get('/missing');
        expect((await missing.response()).status).to.equal(404);
        expect(await missing.text()).to.include('404');
      });

      it('gives 100 files at once, with 300 more behind them', async () => {
        const streams = Array.from({ length: 400 }, () => connection.get('/style.css').text());
        expect(new Set(await Promise.all(streams))).to.deep.equal(new Set([STYLE]));
        expect(connection.attempt).to.equal(1);
      });

      it('takes an upload of 20 MiB and its echo, at once', async () => {
        const bytes = Buffer.alloc(MIB, 'echo');
        const [sent, back] = [createHash('sha1'), createHash('sha1')];
        const stream = connection.post('/echo');
        const uploading = (async () => {
          for (let i = 0; i < 20; i++) {
            bytes.writeUInt32BE(i);
            sent.update(bytes);
            if (!stream.data(false, bytes)) await stream.drained();
          }
          stream.data(true);
        })();
        let length = 0;
        for await (const chunk of stream) {
          back.update(chunk);
          length += chunk.byteLength;
        }
        await uploading;
        expect(length).to.equal(20 * MIB);
        expect(back.digest('hex')).to.equal(sent.digest('hex'));
      });

      it('is pushed what belongs to a page, each on a stream of its own (gun push)', async () => {
        start({ push: true });
        const page = connection.get('/index.html');
        const pushed: [string, string][] = [];
        let text = '';
        for (let over = false; !over; ) {
          const notice = await connection.await(page);
          if (notice.type === 'push') pushed.push(await readPush(connection, notice));
          else if (notice.type === 'data') text += Buffer.from(notice.data).toString();
          over = notice.type === 'trailers';
        }
        expect(text).to.equal(PAGE);
        expect(Object.fromEntries(pushed)).to.deep.equal({ '/style.css': STYLE, '/script.js': 'void 0;\n' });
      });

      it('is pushed nothing unless it was asked for', async () => {
        const page = connection.get('/index.html');
        expect(await connection.await(page)).to.include({ type: 'response', status: 200 });
        expect(await page.text()).to.equal(PAGE);
        expect(connection.streams.size).to.equal(1);
      });

      it('goes on after one of two large answers is cancelled', async () => {
        const [one, other] = [connection.get('/large'), connection.get('/large')];
        await one.response();
        one.cancel();
        await rejects(one.text(), 'ERR_GUNPORT_CANCELLED');
        expect((await other.bytes()).byteLength).to.equal(8 * MIB);
        expect(await connection.get('/style.css').text()).to.equal(STYLE);
        expect(connection.attempt).to.equal(1);
      });
    });
  }

  describe('with room for 4 streams and small windows', () => {
    const flags = ['-m', '4', '-w', '10', '-W', '12', '--echo-upload'];
    const nghttpd = real('nghttpd', (place) => serving(place, flags));

    it('queues 200 requests, and gives each its answer (RFC 9113 §5.1.2)', async () => {
      const connection = plain(nghttpd());
      const texts = Array.from({ length: 200 }, () => connection.get('/style.css').text());
      expect(new Set(await Promise.all(texts))).to.deep.equal(new Set([STYLE]));
      expect(connection.attempt).to.equal(1);
    });

    it('sends 256 KiB through windows of a kilobyte, 6 times at once', async () => {
      const connection = plain(nghttpd());
      const uploads = Array.from({ length: 6 }, async (_, i) => {
        const body = Buffer.alloc(MIB / 4, `upload ${i}`);
        const stream = connection.post('/echo', { body });
        return body.equals(await stream.bytes());
      });
      expect(await Promise.all(uploads)).to.deep.equal(Array.from({ length: 6 }, () => true));
    });

    it('reads through small windows of its own', async () => {
      const connection = plain(nghttpd(), { streamWindow: 65_535, connectionWindow: 65_535 });
      const [one, other] = [connection.get('/large'), connection.get('/large')];
      const lengths = (await Promise.all([one.bytes(), other.bytes()])).map(({ byteLength }) => byteLength);
      expect(lengths).to.deep.equal([8 * MIB, 8 * MIB]);
    });

    it('stalls nobody when one of them is not read', async () => {
      const connection = plain(nghttpd());
      const unread = connection.get('/large');
      await unread.response();
      expect((await connection.get('/large').bytes()).byteLength).to.equal(8 * MIB);
      expect((await unread.bytes()).byteLength).to.equal(8 * MIB);
    });
  });

  describe('when it answers before it has read', () => {
    const nghttpd = real('nghttpd', (place) => serving(place, ['--early-response']));

    it('gives the answer at once, while the body is still to come (RFC 9113 §8.1)', async () => {
      const connection = plain(nghttpd());
      const stream = connection.post('/style.css');
      stream.data(false, 'Hello');
      expect((await stream.response()).status).to.equal(200);
      expect(await stream.text()).to.equal(STYLE);
      expect(await connection.get('/style.css').text()).to.equal(STYLE);
      expect(connection.attempt).to.equal(1);
    });
  });

  describe('when it does not say how long a body is, and pads it', () => {
    const nghttpd = real('nghttpd', (place) => serving(place, ['--no-content-length', '-b', '200']));

    it('gives all of it, and no padding', async () => {
      const connection = plain(nghttpd());
      const stream = connection.get('/large');
      expect((await stream.response()).headers).to.not.have.property('content-length');
      const bytes = Buffer.from(await stream.bytes());
      expect(bytes.equals(Buffer.alloc(8 * MIB, 'large'))).to.equal(true);
    });
  });
});

async function readPush(connection: Connection, notice: PushNotice): Promise<[string, string]> {
  // What a push of this connection names is one of its streams.
  const stream = notice.stream as Stream<Connection>;
  expect([notice.method, stream.id < 0]).to.deep.equal(['GET', true]);
  const { body } = await connection.awaitBody(stream);
  return [new URL(notice.uri, connection.origin).pathname, Buffer.from(body).toString()];
}
