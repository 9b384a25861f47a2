// Twins of raw_SUITE: bytes as they come after an upgrade of HTTP/1.1.

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, type LostNotice, receiveReply, type Stream } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { type Origin, origin, type Talk } from '../support/origin.ts';
import { proxyOf } from '../support/proxies.ts';
import { rejects } from '../support/rejects.ts';
import { part, through, walk } from '../support/tunnels.ts';

describe('raw bytes after an upgrade of HTTP/1.1 (RFC 9110 §7.8)', () => {
  const { open, keep } = feeds();
  const ASKED = { connection: 'upgrade', upgrade: 'custom/1.0' };
  const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: custom/1.0\r\n\r\n';

  /** A server that answers each request with this. */
  const answering = (answer: string, secure = false): Promise<Origin> =>
    keep(
      origin(
        async (talk) => {
          await talk.request();
          await talk.write(answer);
        },
        { secure },
      ),
    );

  /** `upgrade`, then bytes both ways. */
  const expectSwitched = async (
    connection: Connection,
    stream: Stream<Connection>,
    talk: Talk,
  ): Promise<void> => {
    expect(await connection.await(stream)).to.deep.include({ type: 'upgrade', protocols: ['custom/1.0'] });
    stream.data('nofin', 'ping');
    expect((await talk.take(4)).toString()).to.equal('ping');
    await talk.write('pong');
    expect(await part(connection, stream)).to.equal('pong');
  };

  for (const transport of ['tcp', 'tls'] as const) {
    it(`go both ways over ${transport} (raw_SUITE http11_upgrade_raw_${transport})`, async () => {
      const server = await answering(SWITCHED, transport === 'tls');
      const connection = open(server.url, { tls: tlsOf(server), protocols: ['http'] });
      const stream = connection.get('/', { headers: ASKED });
      await expectSwitched(connection, stream, await server.next());
    });

    it(`come that stood right behind the 101, over ${transport} (raw_SUITE http11_upgrade_raw_${transport}_with_data)`, async () => {
      const server = await answering(`${SWITCHED}Hello world!`, transport === 'tls');
      const connection = open(server.url, { tls: tlsOf(server), protocols: ['http'] });
      const stream = connection.get('/', { headers: ASKED });
      expect(await connection.await(stream)).to.include({ type: 'upgrade' });
      expect(await part(connection, stream)).to.equal('Hello world!');
      const talk = await server.next();
      stream.data('fin', 'the end');
      expect((await talk.take(7)).toString()).to.equal('the end');
      await talk.ended;
    });
  }

  it('are asked for in any shape of headers (raw_SUITE http11_upgrade_raw_headers_as_list)', async () => {
    const server = await answering(SWITCHED);
    for (const headers of [
      [
        ['Connection', 'Upgrade'],
        ['UPGRADE', 'custom/1.0'],
      ] as const,
      new Map(Object.entries({ Connection: 'keep-alive, UPGRADE', Upgrade: 'custom/1.0' })),
      { connection: ['upgrade'], upgrade: ['custom/1.0', 'custom/0.9'] },
    ]) {
      const connection = open(server.url);
      const stream = connection.get('/', { headers });
      await expectSwitched(connection, stream, await server.next());
    }
  });

  for (const [name, answer] of [
    ['missing_connection_header', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: custom/1.0\r\n\r\n'],
    ['missing_upgrade_header', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n'],
  ] as const) {
    it(`do not follow a 101 with a ${name.replaceAll('_', ' ')}: the connection is lost (raw_SUITE http11_upgrade_raw_${name})`, async () => {
      const server = await answering(answer);
      await expectLost(open(server.url, { retry: 0 }), ASKED);
    });
  }

  it('do not follow a 101 that nobody asked for (raw_SUITE http11_upgrade_raw_unrequested)', async () => {
    const server = await answering(SWITCHED);
    await expectLost(open(server.url, { retry: 0 }), {});
  });

  it('go to the replyTo port of the request (raw_SUITE http11_upgrade_raw_reply_to)', async () => {
    const server = await answering(`${SWITCHED}Hello world!`);
    const { port1, port2 } = new MessageChannel();
    const connection = open(server.url);
    const stream = connection.get('/', { headers: ASKED, replyTo: port1 });
    const reply = await receiveReply(port2);
    expect(await reply.await()).to.deep.include({ type: 'upgrade', protocols: ['custom/1.0'] });
    const notice = await reply.await();
    expect(notice.type === 'data' && Buffer.from(notice.data).toString()).to.equal('Hello world!');
    const talk = await server.next();
    // Here it is known by another road than there.
    await connection.info();
    stream.data('nofin', 'ping');
    expect((await talk.take(4)).toString()).to.equal('ping');
    talk.end('bye');
    expect(await reply.text()).to.equal('bye');
  });

  it('go through a tunnel as well', async () => {
    const proxy = await keep(proxyOf('h2c'));
    const server = await answering(`${SWITCHED}Hello world!`);
    const place = { kind: 'http' as const, host: '127.0.0.1', port: server.port, ca: server.ca };
    const { connection, tunnels } = walk(open, [proxy, place]);
    const stream = connection.get('/', { headers: ASKED, ...through(tunnels) });
    expect(await connection.await(stream)).to.include({ type: 'upgrade' });
    expect(await part(connection, stream)).to.equal('Hello world!');
    const talk = await server.next();
    stream.data('nofin', 'ping');
    expect((await talk.take(4)).toString()).to.equal('ping');
    talk.end('bye');
    expect(await stream.text()).to.equal('bye');
    expect(await connection.get('/beside').text()).to.equal('the proxy itself: /beside');
  });

  async function expectLost(connection: Connection, headers: Record<string, string>): Promise<void> {
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.get('/', { headers });
    await rejects(stream.response(), 'ERR_GUNPORT_PROTOCOL');
    expect((await lost)[0].reason).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
  }

  function tlsOf(server: Origin): { ca: string } | undefined {
    return server.url.startsWith('https') ? { ca: server.ca } : undefined;
  }
});
