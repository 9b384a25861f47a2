// stalls.test — a line on which nothing goes on any more, from a byte on: the deadline of that phase ends the wait, and no
// other; what had come is given; where it goes on in time, nothing has happened.

import { expect } from 'chai';
import type { GunportError, OpenOptions } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { cowboy } from '../support/cowboy.ts';
import { feeds, frame, plain } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { socksProxy } from '../support/socks-proxy.ts';
import { turns } from '../support/tracker.ts';
import { answered, usingOf } from './asking.ts';
import { each, HEAD, over, upTo } from './offsets.ts';

const BODY = 'Hello world!';
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n';
/** Of the deadline that is meant to pass, in milliseconds; all others are as by default. */
const SOON = 200;

describe('a line that stalls', function () {
  this.timeout(20_000);
  this.slow(8_000);
  const { pool, connect, keep } = feeds();
  const using = usingOf(pool);

  it('within the TLS handshake ends by tlsTimeout', async () => {
    const server = await keep(wsPeer(() => {}, { secure: true }));
    await each([0, 1, 5, 90, 130, 600], (at) =>
      over(server.port, { down: { stall: at } }, async (line) => {
        const error = await rejects(
          pool.connect(line.url(server.url), { tlsTimeout: SOON }),
          'ERR_GUNPORT_TLS_TIMEOUT',
        );
        expect(error.phase).to.equal('tls');
      }),
    );
  });

  it('within the answer to an upgrade ends by upgradeTimeout', async () => {
    const server = await keep(wsPeer((one) => one.send(frame(0x81, 'never'))));
    await each(upTo(128), (at) =>
      over(server.port, { down: { stall: at } }, async (line) => {
        const options: OpenOptions = { upgradeTimeout: SOON };
        const error = await rejects(
          pool.connect(line.url(server.url), options),
          'ERR_GUNPORT_UPGRADE_TIMEOUT',
        );
        expect(error.phase).to.equal('upgrade');
        expect(line.passed('down')).to.equal(at);
      }),
    );
  });

  it('within a proxy’s answer ends by the proxy’s connectTimeout, and names the proxy', async () => {
    const server = await keep(origin());
    const proxies = [await keep(connectProxy()), await keep(socksProxy())];
    await each(upTo(19), async (i) => {
      const isSocks = i % 2 === 1;
      const at = Math.floor(i / 2);
      await over(proxies[i % 2]!.port, { down: { stall: at } }, (line) => {
        const url = `${isSocks ? 'socks5' : 'http'}://127.0.0.1:${line.port}`;
        return using(server.url, { proxy: { url, connectTimeout: SOON } }, async (connection) => {
          const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT_TIMEOUT');
          expect(error.hop).to.equal(url);
        });
      });
    });
  });

  it('before the SETTINGS of HTTP/2 are whole ends by settingsTimeout', async () => {
    const server = await keep(cowboy('h2c'));
    await each(upTo(8), (at) =>
      over(server.port, { down: { stall: at } }, (line) =>
        using(line.url(server.url), { ...server.trust, settingsTimeout: SOON }, async (connection) => {
          const { error } = await answered(connection);
          const codes = [error?.code, (error?.cause as GunportError | undefined)?.code];
          expect(codes).to.include('ERR_GUNPORT_SETTINGS_TIMEOUT');
        }),
      ),
    );
  });

  it('within the head of an answer ends by headersTimeout, within its body by idleTimeout, after all that had come', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(ANSWER + BODY);
      }),
    );
    const head = ANSWER.length;
    await each(upTo(head + BODY.length - 1), (at) =>
      over(server.port, { down: { stall: at } }, (line) => {
        const late = at < head ? 'headersTimeout' : 'idleTimeout';
        return using(line.url(server.url), { [late]: SOON }, async (connection) => {
          const { body, error } = await answered(connection);
          expect(error).to.include({ code: 'ERR_GUNPORT_TIMEOUT', reason: late });
          expect(body).to.equal(BODY.slice(0, Math.max(0, at - head)));
        });
      }),
    );
  });

  it('under a WebSocket ends by pongTimeout, after all that had come; its owner blocked or not (scenario 6)', async () => {
    const server = await keep(wsPeer((one) => one.send(frame(0x81, 'first'))));
    await over(server.port, {}, async (line) => {
      const options = { retry: 0, keepalive: SOON, pongTimeout: SOON };
      const feed = await connect(line.url(server.url), options);
      await line.reached(HEAD + 7);
      line.stall('down');
      // Nothing of this thread is needed for it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * SOON);
      const messages: string[] = [];
      let error: unknown;
      try {
        for await (const message of feed) messages.push(plain(message));
      } catch (thrown) {
        error = thrown;
      }
      expect(messages).to.deep.equal(['first']);
      expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      expect((error as GunportError).cause).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    });
  });

  it('in the closing handshake ends by closingTimeout, however little of the answer had come', async () => {
    const server = await keep(
      wsPeer(async (one) => {
        await one.read();
        one.send('88 02 03e8');
      }),
    );
    await each(upTo(3), (at) =>
      over(server.port, { down: { stall: HEAD + at } }, async (line) => {
        const feed = await connect(line.url(server.url), { closingTimeout: SOON });
        const closed = await feed.close(1000);
        expect(closed).to.include({ wasClean: false });
        expect((await feed.connection.monitor().down)?.reason.kind).to.equal('normal');
      }),
    );
  });

  it('and goes on in time has hurt nothing', async () => {
    const server = await keep(
      wsPeer((one) => one.send(Buffer.concat([frame(0x81, 'one'), frame(0x81, 'two')]))),
    );
    await each([0, 20, 100, 128, 130, 133, 137], (at) =>
      over(server.port, { down: { stall: at } }, async (line) => {
        const connecting = connect(line.url(server.url), { retry: 0 });
        await line.connected(1);
        await line.reached(at);
        await turns(3);
        line.resume('down');
        const feed = await connecting;
        expect(
          [await feed.connection.await(feed), await feed.connection.await(feed)].map(
            (notice) => 'data' in notice && notice.data,
          ),
        ).to.deep.equal(['one', 'two']);
      }),
    );
  });
});
