// Twins of gun_SUITE about retries. Gun counts events; here the server counts its clients, and retryFun what it is asked.
// The waits are what is measured: a clock is read when something happens, and nothing sleeps.

import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect } from 'chai';
import type { RetryInfo } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { feeds } from '../support/feeds.ts';
import { origin, type Talk } from '../support/origin.ts';
import { closing, peer, refusing } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

describe('retries of a connection', () => {
  const { open, keep } = feeds();

  /** A server at which every attempt fails, in the TLS handshake; it counts them. */
  const hopeless = () => keep(peer(closing, { scheme: 'wss' }));
  /** The code of Node's error that is the last cause. */
  const rootOf = (error: unknown): unknown => {
    const { cause, code } = error as { cause?: unknown; code?: unknown };
    return cause === undefined ? code : rootOf(cause);
  };

  it('are none with retry 0: one attempt, then Down (gun_SUITE retry_0)', async () => {
    const server = await hopeless();
    const asked: number[] = [];
    const connection = open(server.url, {
      retry: 0,
      retryFun: (left) => {
        asked.push(left);
        return { retries: left - 1, timeout: 0 };
      },
    });
    const reason = (await connection.monitor().down)?.reason;
    expect(reason?.kind).to.equal('gave-up');
    expect([server.taken, asked]).to.deep.equal([1, []]);
  });

  it('are none with retry 0 once it was up and lost (gun_SUITE retry_0_disconnect)', async () => {
    const server = await keep(origin((talk) => talk.end()));
    const connection = open(server.url, { retry: 0 });
    const order: string[] = [];
    connection.on('up', () => order.push('up')).on('down', () => order.push('down'));
    await connection.monitor().down;
    expect([server.taken, ...order]).to.deep.equal([1, 'up', 'down']);
  });

  it('are one with retry 1: two attempts, then Down (gun_SUITE retry_1)', async () => {
    const server = await hopeless();
    const connection = open(server.url, { retry: 1, retryTimeout: 1 });
    expect((await connection.monitor().down)?.reason.kind).to.equal('gave-up');
    expect(server.taken).to.equal(2);
  });

  it('begin at once after a loss, however long retryTimeout is (gun_SUITE retry_1_disconnect)', async () => {
    const server = await keep(
      origin((talk) => {
        if (talk.number === 1) talk.end();
      }),
    );
    const connection = open(server.url, { retry: 1, retryTimeout: 30_000 });
    while (connection.attempt < 2) await once(connection, 'up');
    await server.next();
    expect((await server.next()).number).to.equal(2);
  });

  it('are as retryFun says: 0 left is one more, after its own wait (gun_SUITE retry_fun)', async () => {
    const server = await hopeless();
    const asked: [number, RetryInfo['failures']][] = [];
    const began = performance.now();
    const connection = open(server.url, {
      retry: 5,
      retryTimeout: 60_000,
      retryFun: (left, { failures }) => {
        asked.push([left, failures]);
        return { retries: 0, timeout: 50 };
      },
    });
    await connection.monitor().down;
    expect(performance.now() - began).to.be.within(49, 4_000);
    expect([server.taken, asked]).to.deep.equal([2, [[5, 1]]]);
  });

  it('wait retryTimeout from the second on, the first is made at once (gun_SUITE retry_timeout)', async () => {
    const times: number[] = [];
    const server = await keep(
      peer(
        (socket) => {
          times.push(performance.now());
          socket.end().resume();
        },
        { scheme: 'wss' },
      ),
    );
    const connection = open(server.url, { retry: 2, retryTimeout: 300 });
    await connection.monitor().down;
    const [first = 0, second = 0, third = 0] = times;
    expect(times).to.have.lengthOf(3);
    expect(second - first).to.be.below(250);
    expect(third - second).to.be.at.least(290);
  });

  it('send what was asked for meanwhile once one comes up (gun_SUITE postpone_request_while_not_connected)', async () => {
    const path = join(tmpdir(), `gunport-postponed-${process.pid}.sock`);
    let failures = 0;
    const connection = open('http://localhost/', {
      socketPath: path,
      retryFun: (left) => {
        if (++failures === 2) void keep(origin(hello, { path }));
        return { retries: left, timeout: 1 };
      },
    });
    async function hello(talk: Talk): Promise<void> {
      expect((await talk.request()).path).to.equal('/postponed');
      await talk.answer(200, 'Hello');
    }
    const stream = connection.get('/postponed');
    expect(await stream.text()).to.equal('Hello');
    expect(failures).to.be.at.least(2);
  });

  it('end with the last failure as the reason (gun_SUITE shutdown_reason)', async () => {
    const server = await refusing();
    const connection = open(server.url.replace(/^ws/, 'http'), { retry: 1, retryTimeout: 1 });
    const reason = (await connection.monitor().down)?.reason;
    expect(reason?.kind).to.equal('gave-up');
    expect(reason?.cause).to.have.property('code', 'ERR_GUNPORT_CONNECT');
    expect(rootOf(reason?.cause)).to.equal('ECONNREFUSED');
  });

  it('fail what was queued when none is left', async () => {
    const server = await hopeless();
    const connection = open(server.url, { retry: 1, retryTimeout: 1 });
    const stream = connection.get('/');
    const error = await rejects(stream.response(), 'ERR_GUNPORT_TLS');
    expect(rootOf(error)).to.equal('ECONNRESET');
  });

  describe('with HTTP/2, of a server that closes right behind the TLS handshake', () => {
    const closes = async () => {
      const { localhost, ca } = await certificates();
      const secure = { ...localhost, ALPNProtocols: ['h2'] };
      return { server: await keep(peer((socket) => socket.end().resume(), { secure })), ca };
    };

    it('are none with retry 0 (gun_SUITE tls_handshake_error_gun_http2_init_retry_0)', async () => {
      const { server, ca } = await closes();
      const connection = open(server.url.replace(/^ws/, 'http'), { tls: { ca }, retry: 0 });
      const [error, down] = await Promise.all([
        connection.awaitUp().catch((error: unknown) => error),
        connection.monitor().down,
      ]);
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_/);
      expect(down?.reason.kind).to.equal('gave-up');
      expect(server.taken).to.equal(1);
    });

    it('are one with retry 1, and no endless loop (gun_SUITE tls_handshake_error_gun_http2_init_retry_1)', async () => {
      const { server, ca } = await closes();
      const connection = open(server.url.replace(/^ws/, 'http'), { tls: { ca }, retry: 1, retryTimeout: 1 });
      const [error, down] = await Promise.all([
        connection.awaitUp().catch((error: unknown) => error),
        connection.monitor().down,
      ]);
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_/);
      expect(down?.reason.kind).to.equal('gave-up');
      expect(server.taken).to.equal(2);
    });
  });
});
