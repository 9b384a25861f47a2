import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LostNotice, UpNotice } from '../lib/index.ts';
import { counting, dropping, scripts } from './support/attempts.ts';
import { certificates } from './support/certificates.ts';
import { drain, feeds, frame, take } from './support/feeds.ts';
import { answers, peer, type Script, silent, wsPeer } from './support/peers.ts';
import { rejects } from './support/rejects.ts';
import { reset } from './support/reset.ts';

describe('retry', () => {
  const { connect, open, keep } = feeds();

  describe('of a connect()', () => {
    it('does not happen unless it was asked for: the first failure rejects', async () => {
      for (let i = 0; i < 20; i++) {
        const server = await keep(scripts(answers(500)));
        const error = await rejects(connect(server.url), 'ERR_GUNPORT_UPGRADE_REFUSED');
        expect(error.status).to.equal(500);
        expect(server.taken).to.equal(1);
      }
    });

    it('does not happen with retry 0 either', async () => {
      const server = await keep(scripts(answers(500)));
      await rejects(connect(server.url, { retry: 0 }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect(server.taken).to.equal(1);
    });

    it('happens as often as retry says, then rejects with the last failure', async () => {
      const server = await keep(scripts(answers(500), answers(503), answers(502)));
      const error = await rejects(
        connect(server.url, { retry: 2, retryTimeout: 5 }),
        'ERR_GUNPORT_UPGRADE_REFUSED',
      );
      expect(error.status).to.equal(502);
      expect(server.taken).to.equal(3);
    });

    it('resolves with the first attempt that comes up', async () => {
      const path = join(tmpdir(), `gunport-later-${process.pid}.sock`);
      const failed: string[] = [];
      const feed = connect('ws://localhost/', {
        socketPath: path,
        retry: 100,
        retryTimeout: 10,
        retryFun: (left, { error }) => {
          failed.push(error.code);
          if (failed.length === 2) void keep(wsPeer((server) => server.send(frame(0x81, 'Hello')), { path }));
          return { retries: left - 1, timeout: 10 };
        },
      });
      expect(await take(await feed, 1)).to.deep.equal(['Hello']);
      expect(failed.slice(0, 2)).to.deep.equal(['ERR_GUNPORT_CONNECT', 'ERR_GUNPORT_CONNECT']);
    });

    it('happens by default once it has been up', async () => {
      const server = await keep(dropping(2));
      const feed = await connect(server.url);
      expect(await take(feed, 2)).to.deep.equal(['1', '2']);
    });
  });

  describe('of an open()', () => {
    it('happens by default, and awaitUp() waits for it (Gun retry)', async () => {
      const path = join(tmpdir(), `gunport-open-${process.pid}.sock`);
      const connection = open('ws://localhost/', { socketPath: path, retry: 200, retryTimeout: 10 });
      const error = await rejects(connection.awaitUp({ timeout: 30 }), 'ERR_GUNPORT_TIMEOUT');
      expect(error.cause).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
      expect(connection.status).to.equal('connecting');
      await keep(peer(silent, { path }));
      expect(await connection.awaitUp()).to.deep.equal({ type: 'up', protocol: 'http', attempt: 1 });
    });

    it('gives up with the last failure, which every await gets, and so does each that comes later', async () => {
      const connection = open('ws://localhost/', { socketPath: '/nonexistent/x', retry: 2, retryTimeout: 5 });
      const monitor = connection.monitor();
      const codes = await Promise.all([
        rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT'),
        rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT'),
      ]);
      for (const { cause } of codes) expect(cause).to.have.property('code', 'ENOENT');
      const down = await monitor.down;
      expect(down?.reason.kind).to.equal('gave-up');
      expect(down?.reason.cause).to.include({ code: 'ERR_GUNPORT_CONNECT' });
      await rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT');
      expect(connection.status).to.equal('dead');
      expect(connection.lastError).to.include({ code: 'ERR_GUNPORT_CONNECT' });
    });

    it('comes up again after a loss, its notices with their attempt (Gun gun_up, gun_down)', async () => {
      let socket: Parameters<Script>[0] | undefined;
      const server = await keep(
        peer((one) => {
          socket = one.resume();
        }),
      );
      const connection = open(server.url);
      const heard: (UpNotice | LostNotice)[] = [];
      connection.on('up', (notice) => heard.push(notice)).on('down', (notice) => heard.push(notice));
      await connection.awaitUp();
      while (!socket) await new Promise((resolve) => setImmediate(resolve));
      reset(socket);
      await once(connection, 'down');
      await connection.awaitUp();
      expect(heard.map(({ type, protocol, attempt }) => `${type} ${protocol} ${attempt}`)).to.deep.equal([
        'up http 1',
        'down http 1',
        'up http 2',
      ]);
      const [, lost] = heard as [UpNotice, LostNotice];
      expect(lost.reason).to.include({ code: 'ERR_GUNPORT_CLOSED', phase: 'closed' });
      expect(lost.killed).to.deep.equal([]);
      expect(connection.attempt).to.equal(2);
    });

    it('tells in down which streams it ended; they get the loss as their error', async () => {
      const server = await keep(
        counting((one, number) => {
          if (number === 1) one.end();
        }),
      );
      const connection = open(server.url);
      const feed = connection.wsUpgrade('/');
      const [lost] = (await once(connection, 'down')) as [LostNotice];
      expect(lost).to.include({ protocol: 'ws', attempt: 1 });
      expect(lost.killed).to.deep.equal([feed.id]);
      const { messages, error } = await drain(feed);
      expect(messages).to.deep.equal(['1']);
      expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    });
  });

  describe('when', () => {
    it('is at once, then in growing steps', async () => {
      const times: number[] = [];
      const server = await keep(
        peer((socket) => {
          times.push(performance.now());
          return answers(500)(socket);
        }),
      );
      await rejects(connect(server.url, { retry: 3 }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
      expect(gaps).to.have.lengthOf(3);
      expect(gaps[0]).to.be.below(100);
      expect(gaps[1]).to.be.within(120, 400);
      expect(gaps[2]).to.be.within(245, 700);
    });

    it('is after retryTimeout where it is given, the first at once', async () => {
      const times: number[] = [];
      const server = await keep(
        peer((socket) => {
          times.push(performance.now());
          return answers(500)(socket);
        }),
      );
      await rejects(connect(server.url, { retry: 2, retryTimeout: 80 }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect((times[1] ?? 0) - (times[0] ?? 0)).to.be.below(75);
      expect((times[2] ?? 0) - (times[1] ?? 0)).to.be.within(78, 300);
    });
  });

  describe('of what is permanent', () => {
    it('does not happen for a certificate that does not verify', async () => {
      const { ca, selfSigned } = await certificates();
      const server = await keep(peer(silent, { secure: selfSigned }));
      const connection = open(server.url, { tls: { ca }, retry: 9, retryTimeout: 1 });
      await rejects(connection.awaitUp(), 'ERR_GUNPORT_TLS');
      expect(server.taken).to.equal(1);
    });

    it('does not happen for 401, 403 and 404, and does for 408, 425, 429 and 5xx', async () => {
      for (const status of [401, 403, 404]) {
        const server = await keep(scripts(answers(status)));
        await rejects(connect(server.url, { retry: 2, retryTimeout: 1 }), 'ERR_GUNPORT_UPGRADE_REFUSED');
        expect(server.taken, String(status)).to.equal(1);
      }
      for (const status of [408, 425, 429, 500, 503]) {
        const server = await keep(scripts(answers(status)));
        await rejects(connect(server.url, { retry: 2, retryTimeout: 1 }), 'ERR_GUNPORT_UPGRADE_REFUSED');
        expect(server.taken, String(status)).to.equal(3);
      }
    });

    it('happens all the same when a retryFun says so', async () => {
      const server = await keep(scripts(answers(404)));
      const retryFun = (left: number) => ({ retries: left - 1, timeout: 1 });
      await rejects(connect(server.url, { retry: 2, retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect(server.taken).to.equal(3);
    });
  });

  describe('ends at once', () => {
    it('by close() of the stream between two attempts: 1006, no error', async () => {
      const server = await keep(dropping());
      const feed = await connect(server.url, { retry: 5, retryTimeout: 60_000 });
      await take(feed, 2);
      while (feed.state !== 'down') await new Promise((resolve) => setImmediate(resolve));
      expect(await feed.close()).to.deep.equal({ code: 1006, reason: '', wasClean: false });
      expect((await feed.connection.monitor().down)?.reason.kind).to.equal('normal');
    });

    it('by close() and shutdown() of the connection, whatever it waits for', async () => {
      for (const way of ['close', 'shutdown'] as const) {
        const connection = open('ws://localhost/', { socketPath: '/nonexistent/x', retryTimeout: 60_000 });
        const waiting = rejects(connection.awaitUp({ timeout: 60_000 }), 'ERR_GUNPORT_DOWN');
        while (connection.lastError === undefined) await new Promise((resolve) => setImmediate(resolve));
        await connection[way]();
        expect((await waiting).reason).to.equal('shutdown');
      }
    });

    it('by the signal of an open() that has never been up', async () => {
      const abort = new AbortController();
      const connection = open('ws://localhost/', {
        socketPath: '/nonexistent/x',
        retryTimeout: 60_000,
        signal: abort.signal,
      });
      const monitor = connection.monitor();
      while (connection.lastError === undefined) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      expect((await monitor.down)?.reason.kind).to.equal('shutdown');
    });
  });
});
