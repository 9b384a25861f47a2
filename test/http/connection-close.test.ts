// connection-close.test — a connection of HTTP/1 that ends with an answer, as one side has said, or as 1.0 has it.
// With retry 0 that is its end, which both sides meant; otherwise it comes back at once, and that costs no retry.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, OpenOptions } from '../../lib/index.ts';
import { downOf } from '../support/downs.ts';
import { feeds } from '../support/feeds.ts';
import { heardOfIt, mortalOwner } from '../support/mortal.ts';
import { type Origin, origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

describe('an HTTP/1 connection that ends with an answer', () => {
  const { keep, open } = feeds();
  const CLOSE = { connection: 'close' };

  /** A connection that is up, and how it ends. */
  async function upTo(options: OpenOptions): Promise<{
    server: Origin;
    connection: Connection;
    /** Kind of its Down, after the `down` that tells of the loss. */
    ending: Promise<string>;
  }> {
    const server = await keep(origin());
    const connection = open(server.url, options);
    await connection.awaitUp();
    return { server, connection, ending: endingOf(connection) };
  }

  async function endingOf(connection: Connection): Promise<string> {
    const down = downOf(connection);
    const [lost] = (await once(connection, 'down')) as [LostNotice];
    expect(lost).to.deep.include({ type: 'down', protocol: 'http', attempt: 1, killed: [] });
    expect(lost.reason.reason).to.equal('normal');
    return (await down).kind;
  }

  it('ends as its request said (RFC 9112 §9.6, shutdown_SUITE http1_request_connection_close)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const stream = connection.get('/', { headers: CLOSE });
    const talk = await server.next();
    expect((await talk.request()).headers).to.include(CLOSE);
    await talk.answer(200, 'Hello world!');
    expect(await stream.text()).to.equal('Hello world!');
    expect(await ending).to.equal('normal');
    await talk.ended;
  });

  for (const [what, length] of [
    ['small', 10],
    ['large', 60_000],
  ] as const) {
    it(`fails a WebSocket that waits behind answers which come together, and gives those (${what})`, async () => {
      const { server, connection } = await upTo({ retry: 0 });
      const talk = await server.next();
      // So that the next read is a large one.
      const first = connection.get('/0').bytes();
      await talk.request();
      await talk.answer(200, 'x'.repeat(20 * length));
      await first;
      const streams = [connection.get('/1'), connection.get('/2')];
      const feed = connection.wsUpgrade('/3');
      for (const _ of streams) await talk.request();
      const body = 'y'.repeat(length);
      const answer = (headers: string): string =>
        `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n${headers}\r\n${body}`;
      const failing = rejects(connection.await(feed), 'ERR_GUNPORT_CLOSING');
      await talk.write(answer('') + answer('connection: close\r\n'));
      expect(await Promise.all(streams.map((stream) => stream.text()))).to.deep.equal([body, body]);
      await failing;
      expect((await downOf(connection)).kind).to.equal('normal');
    });
  }

  it('fails what was asked behind such a request (shutdown_SUITE http1_request_connection_close_pipeline)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const stream = connection.get('/', { headers: CLOSE });
    for (const later of [connection.get('/2'), connection.get('/3')]) {
      const error = await rejects(connection.await(later), 'ERR_GUNPORT_CLOSING');
      expect(error).to.include({ reason: 'close', name: 'StreamError' });
    }
    const talk = await server.next();
    await talk.request();
    await talk.answer(200, 'Hello world!');
    expect(await stream.text()).to.equal('Hello world!');
    expect(await ending).to.equal('normal');
    // RFC 9112 §9.6: "A client that sends a "close" connection option MUST NOT send further requests".
    expect(talk.raw.match(/^GET/gm)).to.have.lengthOf(1);
  });

  it('serves what was asked behind such a request on the next connection, with retry', async () => {
    const { server, connection } = await upTo({ retry: 1 });
    const [first, second] = [connection.get('/1', { headers: CLOSE }), connection.get('/2')];
    const talk = await server.next();
    await talk.request();
    await talk.answer(200, 'one');
    expect(await first.text()).to.equal('one');
    const next = await server.next();
    expect((await next.request()).path).to.equal('/2');
    await next.answer(200, 'two');
    expect(await second.text()).to.equal('two');
    expect(connection.attempt).to.equal(2);
  });

  it('ends as its answer said (RFC 9112 §9.6, shutdown_SUITE http1_response_connection_close)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const stream = connection.get('/');
    const talk = await server.next();
    await talk.request();
    await talk.answer(200, 'Hello world!', { headers: CLOSE });
    expect(await stream.text()).to.equal('Hello world!');
    expect(await ending).to.equal('normal');
    await talk.ended;
  });

  it('ends with an answer that only the end of the connection ends (RFC 9112 §6.3)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const stream = connection.get('/');
    const talk = await server.next();
    await talk.request();
    talk.end('HTTP/1.1 200 OK\r\n\r\nHello world!');
    expect(await stream.text()).to.equal('Hello world!');
    expect(await ending).to.equal('normal');
  });

  it('fails pipelined requests with such an answer (shutdown_SUITE http1_response_connection_close_pipeline)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const [first, ...others] = [connection.get('/1'), connection.get('/2'), connection.get('/3')];
    const talk = await server.next();
    for (let i = 0; i < 3; i++) await talk.request();
    await talk.answer(200, 'Hello world!', { headers: CLOSE });
    expect(await first?.text()).to.equal('Hello world!');
    for (const stream of others) {
      const error = await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSING');
      expect(error.reason).to.equal('close');
    }
    expect(await ending).to.equal('normal');
  });

  it('fails pipelined and new requests while the body is still coming (shutdown_SUITE http1_response_connection_close_delayed_body)', async () => {
    const { server, connection, ending } = await upTo({ retry: 0 });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const talk = await server.next();
    for (let i = 0; i < 2; i++) await talk.request();
    await talk.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\nHello ');
    expect((await rejects(connection.await(second), 'ERR_GUNPORT_CLOSING')).reason).to.equal('close');
    const late = connection.get('/3');
    expect((await rejects(connection.await(late), 'ERR_GUNPORT_CLOSING')).reason).to.equal('close');
    await talk.write('world!');
    expect(await first.text()).to.equal('Hello world!');
    expect(await ending).to.equal('normal');
    expect(talk.raw).not.to.contain('/3');
  });

  it('serves new requests on the next connection, with retry', async () => {
    const { server, connection } = await upTo({ retry: 1 });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const talk = await server.next();
    for (let i = 0; i < 2; i++) await talk.request();
    await talk.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\nHello ');
    // Its server has had it: it may have been served, and is not sent again.
    await rejects(connection.await(second), 'ERR_GUNPORT_CLOSING');
    const late = connection.get('/3');
    await connection.info();
    await talk.write('world!');
    expect(await first.text()).to.equal('Hello world!');
    const next = await server.next();
    expect((await next.request()).path).to.equal('/3');
    await next.answer(200, 'Hello again!');
    expect(await late.text()).to.equal('Hello again!');
  });

  for (const version of ['1.0', '1.1'] as const) {
    const who = version === '1.0' ? 'its requests are' : 'its answer is';
    it(`ends with one answer when ${who} of HTTP/1.0 (RFC 9112 §9.3, shutdown_SUITE http10_connection_close)`, async () => {
      const { server, connection, ending } = await upTo({ retry: 0, httpVersion: version });
      const stream = connection.get('/');
      const talk = await server.next();
      expect((await talk.request()).version).to.equal(version);
      await talk.write('HTTP/1.0 200 OK\r\ncontent-length: 12\r\n\r\nHello world!');
      expect(await stream.text()).to.equal('Hello world!');
      expect(await ending).to.equal('normal');
      await talk.ended;
    });
  }

  it('comes back at once, and as often as it takes: 20 such answers need no more than retry 1', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.answer(200, String(talk.number), { headers: CLOSE });
      }),
    );
    const connection = open(server.url, { retry: 1, retryTimeout: 60_000 });
    const ups: number[] = [];
    connection.on('up', ({ attempt }) => ups.push(attempt));
    for (let i = 1; i <= 20; i++) {
      expect(await connection.get('/').text()).to.equal(String(i));
    }
    expect(ups.slice(0, 20)).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('ends with its owner, if that is gone first (shutdown_SUITE closing_owner_down, _error)', async () => {
    const { server, connection } = await upTo({ retry: 5 });
    const witness = open(server.url);
    const stream = connection.get('/');
    const talk = await server.next();
    await talk.request();
    await talk.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\nHello ');
    await stream.response();
    const { down } = connection.monitor({ keep: true });
    const owner = await mortalOwner(connection);
    await owner.kill();
    await heardOfIt(witness);
    await talk.write('world!');
    expect((await down)?.reason.kind).to.equal('owner-gone');
    await talk.ended;
  });
});
