// Twins of send_errors_SUITE: a peer that does not read. Gun gives up on a write that takes long (send_timeout); here a
// write may take as long as it likes, and what finds out is a deadline: of a ping, or of a request.

import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice, OpenOptions } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

const MIB = 1024 * 1024;

describe('a peer that does not read', () => {
  const { both } = h2talks();

  /** A connection to one that has stopped reading, with windows that let a client send all it has. */
  const deaf = async (options: OpenOptions) => {
    const all = await both({ retry: 0, ...options }, { settings: { initialWindowSize: 2 ** 31 - 1 } });
    all.server.send(h2.windowUpdate(0, 2 ** 30));
    await all.server.roundTrip();
    all.server.socket.pause();
    return { ...all, lost: once(all.connection, 'down') as Promise<[LostNotice]> };
  };

  it('fails requests that are being sent, by the ping that goes unanswered (send_errors_SUITE http2_send_request_fail)', async () => {
    const { connection, lost } = await deaf({ keepalive: 100, pongTimeout: 100 });
    const streams = Array.from({ length: 10 }, () => connection.post('/', { body: new Uint8Array(2 * MIB) }));
    const errors = await Promise.all(
      streams.map((stream) => rejects(stream.response(), 'ERR_GUNPORT_PONG_TIMEOUT')),
    );
    expect(errors).to.have.lengthOf(10);
    const [{ reason, killed }] = await lost;
    expect(reason.code).to.equal('ERR_GUNPORT_PONG_TIMEOUT');
    // Those that were sent; the others had waited for their turn.
    expect(streams.map(({ id }) => id)).to.include.members([...killed]);
  });

  it('fails the connection by the ping that cannot be sent (send_errors_SUITE http2_send_ping_fail)', async () => {
    const { connection, lost } = await deaf({ keepalive: 1, pongTimeout: 50 });
    const [{ reason }] = await lost;
    expect(reason.code).to.equal('ERR_GUNPORT_PONG_TIMEOUT');
    expect((await connection.monitor().down)?.reason.kind).to.equal('gave-up');
  });

  it('and pings without end fails it too: its answers cannot be sent (send_errors_SUITE http2_send_ping_ack_fail)', async () => {
    const { server, lost } = await deaf({});
    const pings = Buffer.concat(Array.from({ length: 5_000 }, () => h2.ping(Buffer.alloc(8))));
    await server.flood(pings);
    const [{ reason }] = await lost;
    expect(reason.code).to.equal('ERR_GUNPORT_FLOOD');
  });

  describe('on HTTP/1', () => {
    const { open, keep } = feeds();

    it('fails a request by its deadline, and gets a new connection for the next', async () => {
      const server = await keep(
        origin(async (talk) => {
          await talk.request();
          await talk.answer(200, 'Hello');
          if (talk.number === 1) talk.socket.pause();
        }),
      );
      const connection = open(server.url, { retryTimeout: 1 });
      // With its driver loaded: the deadline is not spent on that.
      await connection.get('/').text();
      const stream = connection.post('/', { body: new Uint8Array(8 * MIB), requestTimeout: 50 });
      const error = await rejects(stream.response(), 'ERR_GUNPORT_TIMEOUT');
      expect(error.reason).to.equal('requestTimeout');
      expect(await connection.get('/').text()).to.equal('Hello');
      expect(server.taken).to.equal(2);
    });

    it('and resets fails what is being sent with the reason', async () => {
      const server = await keep(
        origin(async (talk) => {
          await talk.request();
          talk.reset();
        }),
      );
      const connection = open(server.url, { retry: 0 });
      const stream = connection.post('/', { body: new Uint8Array(8 * MIB) });
      const error = await rejects(stream.response(), 'ERR_GUNPORT_CLOSED');
      expect(error.cause)
        .to.have.property('code')
        .that.matches(/^(ECONNRESET|EPIPE)$/);
    });
  });
});
