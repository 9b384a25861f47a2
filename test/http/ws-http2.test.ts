import { once } from 'node:events';
import * as http2 from 'node:http2';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import { type Connection, receiveOwnership, type SettingsNotice } from '../../lib/index.ts';
import { drain, type Feed, feeds, take } from '../support/feeds.ts';
import { range, readNumbers } from '../support/numbers.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';
import { type Upgrading, type UpgradingOptions, upgrading } from '../support/upgrading.ts';

describe('WebSockets on one connection of HTTP/2 (RFC 8441)', () => {
  const { open, connect, keep } = feeds();
  const begin = async (setup?: UpgradingOptions) => {
    const server = await keep(upgrading('HTTP/2', setup));
    return { server, connection: open(server.url, { protocols: ['http2'] }) };
  };
  const upgrades = async (connection: Connection, count: number): Promise<Feed[]> => {
    const opened = Array.from({ length: count }, (_, i) => connection.wsUpgrade(`/ws/${i}`));
    for (const feed of opened) await connection.await(feed);
    return opened;
  };
  const echoes = async (feed: Feed, text: string): Promise<void> => {
    feed.send(text);
    expect(await take(feed, 1)).to.deep.equal([text]);
  };

  it('are asked for by CONNECT with :protocol, once the server has said that it may be (§3, §4)', async () => {
    const { server, connection } = await begin();
    const feed = connection.wsUpgrade('/ws?x=1', { headers: { 'X-One': '1' }, subprotocols: ['echo'] });
    const [notice] = (await once(connection, 'notify')) as [SettingsNotice];
    expect(notice.settings.enableConnectProtocol).to.equal(true);
    await connection.await(feed);
    const [{ headers }] = server.asked as [(typeof server.asked)[number]];
    expect(Object.keys(headers).filter((name) => !name.startsWith(':'))).to.include.members(['x-one']);
    expect(headers).to.include({
      'x-one': '1',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'echo',
    });
    // §5: what the key and the accept were for is not needed.
    expect(headers).to.not.have.any.keys(['connection', 'upgrade', 'sec-websocket-key', 'host']);
  });

  it('live beside requests; closing one, cancelling and losing others leaves the rest alone', async () => {
    const { server, connection } = await begin();
    const [one, two, three, four] = (await upgrades(connection, 4)) as [Feed, Feed, Feed, Feed];
    const held = connection.get('/hold');
    await held.response();
    await Promise.all([one, two, three, four].map((feed, i) => echoes(feed, `to ${i}`)));
    const sessions = await Promise.all(range(0, 4).map(() => server.next()));
    expect(await one.close(1000, 'bye')).to.include({ code: 1000, wasClean: true });
    const gone = once(sessions[1]!, 'close');
    two.cancel();
    expect((await gone)[0]).to.equal(1006);
    await rejects(connection.await(two), 'ERR_GUNPORT_CANCELLED');
    sessions[2]?.terminate();
    expect((await drain(three)).error).to.include({ name: 'ConnectionError' });
    await echoes(four, 'still here');
    server.release();
    expect(await held.text()).to.equal('hello /hold');
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(connection).to.include({ status: 'up', attempt: 1 });
    expect(server.taken).to.equal(1);
  });

  it('are not asked of a server that does not take them: ERR_GUNPORT_UNSUPPORTED (§3)', async () => {
    const { server, connection } = await begin({ settings: {} });
    const feed = connection.wsUpgrade('/ws');
    const error = await rejects(connection.await(feed), 'ERR_GUNPORT_UNSUPPORTED');
    expect(error).to.include({ phase: 'upgrade' });
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(server.asked.map(({ path }) => path)).to.deep.equal(['/next']);
    expect(connection.attempt).to.equal(1);
    const url = `${server.url.replace('http', 'ws')}/ws`;
    await rejects(connect(url, { protocols: ['http2'] }), 'ERR_GUNPORT_UNSUPPORTED');
  });

  it('wait for room among the streams, and no longer than for their answer (RFC 9113 §5.1.2)', async () => {
    const settings = { enableConnectProtocol: true, maxConcurrentStreams: 2 };
    const { server, connection } = await begin({ settings });
    const [one, two] = (await upgrades(connection, 2)) as [Feed, Feed];
    const waiting = connection.wsUpgrade('/waiting');
    const late = connection.wsUpgrade('/late', { upgradeTimeout: 20 });
    await rejects(connection.await(late), 'ERR_GUNPORT_UPGRADE_TIMEOUT');
    expect([waiting.state, server.sessions.length]).to.deep.equal(['connecting', 2]);
    await one.close();
    expect(await connection.await(waiting)).to.include({ type: 'upgrade' });
    await echoes(two, 'still here');
    expect(connection.attempt).to.equal(1);
  });

  it('do not wait for one that is not read, and nor do requests', async () => {
    const { server, connection } = await begin({ session: flooding });
    const [unread, read] = (await upgrades(connection, 2)) as [Feed, Feed];
    expect(await readNumbers(read, FLOOD)).to.deep.equal(range(0, FLOOD));
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(await readNumbers(unread, FLOOD)).to.deep.equal(range(0, FLOOD));
    expect(server.taken).to.equal(1);
  });

  it('are told 1001 when their connection is shut down, and the server GOAWAY behind it', async () => {
    const { server, connection } = await begin();
    const [one, two] = (await upgrades(connection, 2)) as [Feed, Feed];
    const [session] = server.http2;
    const closed = server.sessions.map((socket) => once(socket, 'close'));
    const left = once(session!, 'goaway');
    await connection.shutdown();
    expect((await left)[0]).to.equal(http2.constants.NGHTTP2_NO_ERROR);
    for (const feed of [one, two]) expect(await feed.closed).to.include({ code: 1001, wasClean: true });
    expect((await Promise.all(closed)).map(([code]) => code)).to.deep.equal([1001, 1001]);
  });

  it('go on where the server goes away politely, until it closes them', async () => {
    const { server, connection } = await begin();
    const [feed] = (await upgrades(connection, 1)) as [Feed];
    const [session] = server.http2;
    const down = once(connection, 'down');
    session?.close();
    await echoes(feed, 'after GOAWAY');
    (await server.next()).close(1001);
    expect(await feed.closed).to.include({ code: 1001, wasClean: true });
    expect((await down)[0]).to.deep.include({ attempt: 1, killed: [] });
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(connection.attempt).to.equal(2);
  });

  for (const [how, lose] of [
    ['its session was destroyed', ({ http2: [session] }) => session?.destroy()],
    ['its socket was reset', ({ http2: [session] }) => session?.socket.resetAndDestroy()],
    // 8 bytes of GOAWAY on stream 0: the last stream is 0; NO_ERROR, ENHANCE_YOUR_CALM.
    ['GOAWAY that did not count it', (server) => server.say('000008 07 00 00000000 00000000 00000000')],
    ['GOAWAY for its many pings', (server) => server.say('000008 07 00 00000000 00000000 0000000b')],
  ] as [string, (server: Upgrading) => void][]) {
    it(`bring a stream of connect() back after ${how}`, async () => {
      const server = await keep(upgrading('HTTP/2'));
      const url = `${server.url.replace('http', 'ws')}/ws`;
      const feed = await connect(url, { protocols: ['http2'], retry: 3, retryTimeout: 1 });
      await echoes(feed, 'one');
      const [down, up] = [once(feed, 'down'), once(feed, 'up')];
      lose(server);
      expect((await down)[0]).to.include({ attempt: 1 });
      expect((await up)[0]).to.include({ attempt: 2 });
      await echoes(feed, 'two');
    });
  }

  describe('that move', () => {
    let thread: TestThread;
    beforeEach(() => {
      thread = new TestThread();
    });
    afterEach(() => thread.end());

    it('go on at the next owner and back, exact, requests under way as well (O1)', async () => {
      const { server, connection } = await begin({ session: flooding });
      const [feed, other] = (await upgrades(connection, 2)) as [Feed, Feed];
      const held = connection.get('/hold');
      await held.response();
      expect(await readNumbers(feed, 1_000)).to.deep.equal(range(0, 1_000));
      await Promise.all([
        thread.run((here) => here.take().then(() => {})),
        feed.transferOwnership(thread.worker),
      ]);
      await rejects(held.text(), 'ERR_GUNPORT_NOT_OWNER');
      expect(await thread.run((here) => here.read(5_000))).to.deep.equal(range(1_000, 6_000));
      server.release();
      expect(await thread.run((here) => here.feed.connection.get('/there').text())).to.equal('hello /there');
      const [{ connection: back, feed: same }] = await Promise.all([
        receiveOwnership({ source: thread.worker }),
        thread.run((here) => here.feed.transferOwnership(here.parentPort)),
      ]);
      // It was given as the feed.
      expect(await readNumbers(same as Feed, FLOOD - 6_000)).to.deep.equal(range(6_000, FLOOD));
      const beside = back.streams.get(other.id) as Feed;
      expect(await readNumbers(beside, FLOOD)).to.deep.equal(range(0, FLOOD));
      const request = back.streams.get(held.id);
      expect(await (request as typeof held).text()).to.equal('hello /hold');
      expect(back).to.include({ status: 'up', attempt: 1 });
      await back.close();
    });
  });
});

const FLOOD = 20_000;

/** Sends so many numbers as fast as it may: more than fits into a window. */
function flooding(socket: WebSocket): void {
  for (let i = 0; i < FLOOD; i++) socket.send(String(i).padStart(100));
}
