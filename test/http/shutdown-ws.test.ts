// shutdown-ws.test — how a connection with a WebSocket on it ends politely, on either HTTP: by shutdown(), with its
// owner, or by a Close of one side. The server's end is spoken by hand.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, WsStream } from '../../lib/index.ts';
import { downOf } from '../support/downs.ts';
import { type Feeds, feeds } from '../support/feeds.ts';
import { DEATHS, heardOfIt, mortals } from '../support/mortal.ts';
import { origin } from '../support/origin.ts';
import {
  closeOf,
  ROADS,
  type Road,
  type Side,
  type WsStage,
  wsOn,
  wsOnHttp1,
  wsOnHttp2,
} from '../support/roads.ts';
import { sessions } from '../support/sessions.ts';
import { errorOf } from '../support/stage.ts';

/** Says Close as the server does, and FIN. */
function close(side: Side, code: number): void {
  side.send(`88 02 ${code.toString(16).padStart(4, '0')}`);
  side.end();
}

for (const road of ROADS) {
  describe(`shutdown() of a WebSocket on ${road}`, () => {
    const kit = feeds();
    const mortalOwner = mortals();

    it('says Close 1001 and waits for the answer (RFC 6455 §7.4.1, shutdown_SUITE ws_gun_shutdown)', async () => {
      const { connection, feed, side } = await wsOn(road, kit);
      const down = downOf(connection);
      const ended = connection.shutdown();
      expect(await closeOf(side)).to.equal(1001);
      close(side, 1001);
      expect(await feed.closed).to.deep.equal({ code: 1001, reason: '', wasClean: true });
      await ended;
      expect((await down).kind).to.equal('shutdown');
    });

    it('ends after closingTimeout without one (shutdown_SUITE ws_gun_shutdown_timeout)', async () => {
      const { connection, feed, side } = await wsOn(road, kit, { closingTimeout: 50 });
      const down = downOf(connection);
      const ended = connection.shutdown();
      expect(await closeOf(side)).to.equal(1001);
      expect(await feed.closed).to.include({ code: 1006, wasClean: false });
      await ended;
      expect((await down).kind).to.equal('shutdown');
    });

    it('lets what has come be read before the end', async () => {
      const { connection, feed, side } = await wsOn(road, kit);
      side.send('81 05 48656c6c6f');
      const first = await connection.await(feed);
      expect(first).to.include({ frame: 'text', data: 'Hello' });
      side.send('81 05 776f726c64');
      while ((await connection.info()).counters.messagesReceived < 2);
      const ended = connection.shutdown();
      expect(await closeOf(side)).to.equal(1001);
      close(side, 1001);
      await ended;
      expect(await connection.await(feed)).to.include({ frame: 'text', data: 'world' });
      expect(await connection.await(feed)).to.include({ frame: 'close', code: 1001 });
    });

    for (const { how, twin, die } of DEATHS) {
      it(`is what an owner does that ${how} (shutdown_SUITE ws_${twin})`, async () => {
        const { connection, side } = await wsOn(road, kit);
        const { down } = connection.monitor({ keep: true });
        const owner = await mortalOwner(connection);
        void die(owner);
        expect(await closeOf(side)).to.equal(1001);
        close(side, 1001);
        expect((await down)?.reason.kind).to.equal('owner-gone');
        await owner.gone;
      });
    }

    it('says no second goodbye while the WebSocket closes, and does not come back (shutdown_SUITE closing_gun_shutdown)', async () => {
      const { server, connection, feed, side } = await wsOn(road, kit, { retry: 5 });
      const down = downOf(connection);
      const closed = feed.close(3333, 'bye');
      expect(await closeOf(side)).to.equal(3333);
      const ended = connection.shutdown();
      await connection.info();
      close(side, 3333);
      expect(await closed).to.include({ code: 3333, wasClean: true });
      await ended;
      expect((await down).kind).to.equal('shutdown');
      expect(
        await side.read().then(
          () => 'more',
          () => 'nothing more',
        ),
      ).to.equal('nothing more');
      expect(server.taken).to.equal(1);
    });

    it('tells the last reason: the owner is gone while the WebSocket closes (shutdown_SUITE closing_owner_down, _error)', async () => {
      const { server, connection, feed, side } = await wsOn(road, kit, { retry: 5 });
      const witness = kit.open(server.url.replace('ws', 'http'));
      await witness.awaitUp();
      void feed.close(3333, 'bye').catch(() => {}); // It is given away.
      expect(await closeOf(side)).to.equal(3333);
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      await owner.kill();
      await heardOfIt(witness);
      close(side, 3333);
      expect((await down)?.reason.kind).to.equal('owner-gone');
    });

    it('ends an upgrade that was not answered', async () => {
      const { connection, feed } = await unanswered(kit, road);
      const down = downOf(connection);
      const failed = errorOf(connection.await(feed));
      await connection.shutdown();
      const error = await failed;
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_CLOS(ED|ING)$/);
      expect(error).to.include({ reason: 'shutdown' });
      expect((await down).kind).to.equal('shutdown');
    });
  });
}

describe('a Close on a WebSocket', () => {
  const kit = feeds();

  /** What an HTTP/1.1 connection ends with that was a WebSocket's. */
  async function endsWith(connection: Connection, feed: WsStream<Connection>): Promise<void> {
    const down = downOf(connection);
    const [lost] = (await once(connection, 'down')) as [LostNotice];
    expect(lost).to.deep.include({ type: 'down', protocol: 'ws', attempt: 1, killed: [feed.id] });
    expect(lost.reason.reason).to.equal('normal');
    expect((await down).kind).to.equal('normal');
  }

  it('of ours ends the connection of HTTP/1.1 with it (shutdown_SUITE ws_gun_send_close_frame)', async () => {
    const { connection, feed, side } = await wsOnHttp1(kit, { retry: 0 });
    const ending = endsWith(connection, feed);
    const closed = feed.close(3333, '');
    expect(await closeOf(side)).to.equal(3333);
    close(side, 3333);
    expect(await closed).to.deep.equal({ code: 3333, reason: '', wasClean: true });
    expect(await connection.await(feed)).to.include({ type: 'ws', frame: 'close', code: 3333 });
    await ending;
  });

  it('of the server ends the connection of HTTP/1.1 with it (shutdown_SUITE ws_gun_receive_close_frame)', async () => {
    const { connection, feed, side } = await wsOnHttp1(kit, { retry: 0 });
    const ending = endsWith(connection, feed);
    close(side, 3333);
    expect(await closeOf(side)).to.equal(3333);
    expect(await connection.await(feed)).to.include({ type: 'ws', frame: 'close', code: 3333 });
    expect(await feed.closed).to.deep.equal({ code: 3333, reason: '', wasClean: true });
    await ending;
  });

  for (const whose of ['ours', 'the server’s'] as const) {
    it(`leaves the connection of HTTP/2 alone, whether it is ${whose} or not`, async () => {
      const { connection, feed, side, server } = await wsOnHttp2(kit, { retry: 0 });
      const closed = whose === 'ours' ? feed.close(3333) : feed.closed;
      if (whose === 'ours') expect(await closeOf(side)).to.equal(3333);
      close(side, 3333);
      if (whose !== 'ours') expect(await closeOf(side)).to.equal(3333);
      expect(await closed).to.include({ code: 3333, wasClean: true });
      const stream = connection.get('/');
      (await server.next()).answer('Still here');
      expect(await stream.text()).to.equal('Still here');
      expect(connection.status).to.equal('up');
    });
  }

  it('is waited for beside the answers of a connection of HTTP/2 that is shut down', async () => {
    const { connection, feed, side, server } = await wsOnHttp2(kit);
    const stream = connection.get('/');
    const asked = await server.next();
    const ended = connection.shutdown();
    expect(await closeOf(side)).to.equal(1001);
    close(side, 1001);
    expect(await feed.closed).to.include({ code: 1001, wasClean: true });
    asked.answer();
    expect(await stream.text()).to.equal('Hello world!');
    await ended;
  });
});

/** A WebSocket that was asked for, and the server has not said anything. */
async function unanswered({ keep, open }: Feeds, road: Road): Promise<Pick<WsStage, 'connection' | 'feed'>> {
  if (road === 'HTTP/2') {
    const server = await keep(sessions({ settings: { enableConnectProtocol: true } }));
    const connection = open(server.url, server.trust);
    const feed = connection.wsUpgrade('/');
    await server.next();
    return { connection, feed };
  }
  const server = await keep(origin());
  const connection = open(server.url);
  const feed = connection.wsUpgrade('/');
  await (await server.next()).request();
  return { connection, feed };
}
