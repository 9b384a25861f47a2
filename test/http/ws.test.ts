import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import type { Connection, OpenOptions, WsOptions } from '../../lib/index.ts';
import { drain, type Feed, feeds, take } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';
import { type Upgrading, type UpgradingOptions, upgrading, type Version } from '../support/upgrading.ts';

/** A server, and a connection to it. */
interface Begun {
  readonly server: Upgrading;
  readonly connection: Connection;
}

for (const version of ['HTTP/1.1', 'HTTP/2'] as const satisfies readonly Version[]) {
  describe(`a WebSocket over ${version}`, () => {
    const two = version === 'HTTP/2';
    const protocols = [two ? 'http2' : 'http'] as const;
    const { open, connect, keep } = feeds();

    const begin = async (options: OpenOptions = {}, setup: UpgradingOptions = {}): Promise<Begun> => {
      const server = await keep(upgrading(version, setup));
      return { server, connection: open(server.url, { protocols, ...options }) };
    };
    const upgraded = async (options: WsOptions = {}, setup?: UpgradingOptions) => {
      const { server, connection } = await begin({}, setup);
      const feed = connection.wsUpgrade('/ws', options);
      await connection.await(feed);
      return { server, connection, feed, socket: await server.next() };
    };
    const connected = async (options: OpenOptions = {}, setup?: UpgradingOptions) => {
      const server = await keep(upgrading(version, setup));
      const feed = await connect(`${server.url.replace('http', 'ws')}/ws`, { protocols, ...options });
      return { server, feed, socket: await server.next() };
    };

    it('is opened, and gives what comes, notice by notice (ws_SUITE await)', async () => {
      const { connection } = await begin();
      const feed = connection.wsUpgrade('/ws');
      expect(await connection.await(feed)).to.include({ type: 'upgrade' });
      feed.send('Hello');
      expect(await connection.await(feed)).to.deep.equal({ type: 'ws', frame: 'text', data: 'Hello' });
      feed.send(Uint8Array.of(1, 2));
      const binary = await connection.await(feed);
      expect(binary).to.deep.include({ type: 'ws', frame: 'binary' });
      expect([...(binary as { data: Uint8Array }).data]).to.deep.equal([1, 2]);
    });

    it('says its headers in any shape and any case (ws_SUITE headers_normalized_upgrade)', async () => {
      const server = await keep(upgrading(version));
      const pairs = [
        ['X-One', '1'],
        ['x-two', '2'],
        ['X-TWO', '3'],
      ] as const;
      for (const headers of [{ 'X-One': '1', 'x-two': ['2', '3'] }, pairs, new Map(pairs.slice(0, 2))]) {
        const connection = open(server.url, { protocols, headers: { 'X-All': 'all' } });
        const path = `/ws/${server.asked.length}`;
        // A Map is a list of pairs once it is spread.
        const feed = connection.wsUpgrade(path, { headers: headers instanceof Map ? [...headers] : headers });
        await connection.await(feed);
        const asked = server.asked.find((one) => one.path === path);
        const two = headers instanceof Map ? '2' : '2, 3';
        expect(asked?.headers).to.include({ 'x-all': 'all', 'x-one': '1', 'x-two': two });
      }
    });

    it('is refused with a response and its body; the connection goes on (ws_SUITE reject_upgrade)', async () => {
      const { connection } = await begin();
      const feed = connection.wsUpgrade('/reject');
      expect(await connection.await(feed)).to.include({ type: 'response', status: 400, fin: false });
      const data = await connection.await(feed);
      expect(data).to.include({ type: 'data', fin: true });
      expect(Buffer.from((data as { data: Uint8Array }).data).toString()).to.equal('Upgrade rejected');
      await rejects(connection.await(feed), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect((await feed.closed).error).to.include({ status: 400 });
      expect(await connection.get('/next').text()).to.equal('hello /next');
      expect(connection.attempt).to.equal(1);
    });

    it('fails connect() with the answer that refused it', async () => {
      const { server } = await begin();
      const url = `${server.url.replace('http', 'ws')}/reject`;
      const error = await rejects(connect(url, { protocols }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect(error).to.include({ status: 400, phase: 'upgrade' });
      expect(Buffer.from(error.body ?? []).toString()).to.equal('Upgrade rejected');
    });

    // What a WebSocket says goes to who owns it, all of it: another gets it by a hand-over of the connection.
    it('takes no replyTo: it moves with its connection (ws_SUITE reply_to)', async () => {
      const { connection } = await begin();
      const { port1: replyTo } = new MessageChannel();
      expect(() => connection.wsUpgrade('/ws', { replyTo } as WsOptions))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
      replyTo.close();
    });

    it('sends a list in its order (ws_SUITE send_many)', async () => {
      const { feed } = await upgraded();
      feed.send(['Hello', 'world!', 'and', 'so', 'on']);
      expect(await take(feed, 5)).to.deep.equal(['Hello', 'world!', 'and', 'so', 'on']);
    });

    it('closes behind what was sent, and the close is echoed (ws_SUITE send_many_close)', async () => {
      const { feed, socket } = await upgraded();
      const said: string[] = [];
      socket.on('message', (data) => said.push(String(data)));
      const closed = once(socket, 'close');
      feed.send(['one', 'two']);
      expect(await feed.close(1000, 'done')).to.deep.equal({ code: 1000, reason: 'done', wasClean: true });
      const [code, reason] = await closed;
      expect([code, String(reason), said]).to.deep.equal([1000, 'done', ['one', 'two']]);
    });

    it('has the subprotocol that both know (ws_SUITE subprotocol_match)', async () => {
      const { connection } = await begin();
      const feed = connection.wsUpgrade('/subprotocol', { subprotocols: ['foo', 'echo', 'bar'] });
      expect(await connection.await(feed)).to.deep.include({ type: 'upgrade', protocols: ['echo'] });
      expect(feed.protocol).to.equal('echo');
    });

    for (const [how, subprotocols, said] of [
      ['there is none (ws_SUITE subprotocol_nomatch)', ['foo', 'bar'], 'nomatch'],
      ['it offers none (ws_SUITE subprotocol_required_but_missing)', [], 'undefined'],
    ] as const) {
      it(`is refused where a subprotocol is demanded and ${how}`, async () => {
        const { connection } = await begin();
        const feed = connection.wsUpgrade('/subprotocol', { subprotocols });
        expect(await connection.await(feed)).to.include({ type: 'response', status: 400 });
        const data = await connection.await(feed);
        expect(Buffer.from((data as { data: Uint8Array }).data).toString()).to.equal(said);
      });
    }

    it('fails when the server chooses a subprotocol that was not offered (RFC 6455 §4.1)', async () => {
      const { server, connection } = await begin({}, { headers: { 'Sec-WebSocket-Protocol': 'other' } });
      const feed = connection.wsUpgrade('/ws', { subprotocols: ['foo'] });
      await rejects(connection.await(feed), 'ERR_GUNPORT_HANDSHAKE');
      // On HTTP/2 that costs the stream only.
      expect(await connection.get('/next').text()).to.equal('hello /next');
      expect(connection.attempt).to.equal(two ? 1 : 2);
      expect(server.taken).to.equal(two ? 1 : 2);
    });

    it('is opened after requests, and takes its turn behind those under way', async () => {
      const { server, connection } = await begin();
      expect(await connection.get('/first').text()).to.equal('hello /first');
      const held = connection.get('/hold');
      await server.held();
      const feed = connection.wsUpgrade('/ws');
      // On HTTP/2 nobody is in its way.
      if (two) await connection.await(feed);
      else expect(feed.state).to.equal('connecting');
      server.release();
      expect(await held.text()).to.equal('hello /hold');
      if (!two) await connection.await(feed);
      feed.send('Hello');
      expect(await take(feed, 1)).to.deep.equal(['Hello']);
      expect(connection.attempt).to.equal(1);
    });

    it('compresses both ways (RFC 7692)', async () => {
      const { feed, socket } = await upgraded({ compress: { threshold: 0 } });
      expect(feed.extensions).to.match(/^permessage-deflate/);
      expect(socket.extensions).to.match(/^permessage-deflate/);
      const text = 'squeeze me '.repeat(10_000);
      feed.send([text, 'short', text]);
      expect(await take(feed, 3)).to.deep.equal([text, 'short', text]);
    });

    it('takes large messages both ways, in order', async () => {
      const { feed } = await upgraded();
      const all = [3_000_000, 5, 70_000, 126, 1_000_000].map((size, i) => Buffer.alloc(size, `${i}`));
      const heard = take(feed, all.length);
      for (const bytes of all) if (!feed.send(bytes)) await feed.drained();
      const same = (await heard).map((message, i) => all[i]!.equals(message as Uint8Array));
      expect(same).to.deep.equal(all.map(() => true));
    });

    it('sends pings of its own, which the server hears (ws_SUITE http11_keepalive)', async () => {
      const { feed, socket } = await upgraded({ keepalive: 20 });
      await once(socket, 'ping');
      await once(socket, 'ping');
      expect(feed.state).to.equal('open');
    });

    it('shows nobody the pongs (ws_SUITE http11_keepalive_default_silence_pings)', async () => {
      const { feed, socket } = await upgraded({ keepalive: 20 });
      const first = take(feed, 1);
      await once(socket, 'ping');
      expect(await feed.ping()).to.be.within(0, 1_000);
      await once(socket, 'ping');
      socket.send('after pongs');
      expect(await first).to.deep.equal(['after pongs']);
    });

    it('answers a ping', async () => {
      const { socket } = await upgraded();
      socket.ping('alive');
      expect(String((await once(socket, 'pong'))[0])).to.equal('alive');
    });

    it('ends when no pong comes in time', async () => {
      const session = (socket: WebSocket): void => socket.pause();
      const { connection, feed } = await upgraded({ keepalive: 20, pongTimeout: 30 }, { session });
      expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
      expect(await connection.get('/next').text()).to.equal('hello /next');
      expect(connection.attempt).to.equal(two ? 1 : 2);
    });

    it('ends with the code and the reason of the server, and tells it its own', async () => {
      const { feed, socket } = await upgraded();
      const closed = once(socket, 'close');
      socket.close(4000, 'enough');
      expect(await feed.closed).to.deep.include({ code: 4000, reason: 'enough', wasClean: true });
      expect((await drain(feed)).error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      expect((await closed)[0]).to.equal(4000);
    });

    it('is closed after closingTimeout by a server that does not answer (RFC 6455 §7.1.1)', async () => {
      const session = (socket: WebSocket): void => socket.pause();
      const { connection, feed } = await upgraded({ closingTimeout: 30, keepalive: 0 }, { session });
      expect(await feed.close()).to.include({ code: 1006, wasClean: false });
      expect(await connection.get('/next').text()).to.equal('hello /next');
      expect(connection.attempt).to.equal(two ? 1 : 2);
    });

    it('is told 1001 when its connection is shut down', async () => {
      const { connection, feed, socket } = await upgraded();
      const closed = once(socket, 'close');
      await connection.shutdown();
      expect(await feed.closed).to.include({ code: 1001, wasClean: true });
      expect((await closed)[0]).to.equal(1001);
    });

    it('of connect() comes back after its socket was lost', async () => {
      const { server, feed, socket } = await connected({ retryTimeout: 1 });
      const [down, up] = [once(feed, 'down'), once(feed, 'up')];
      feed.send('one');
      expect(await take(feed, 1)).to.deep.equal(['one']);
      socket.terminate();
      expect((await down)[0]).to.include({ attempt: 1 });
      expect((await up)[0]).to.include({ attempt: 2 });
      feed.send('two');
      expect(await take(feed, 1)).to.deep.equal(['two']);
      expect(server.sessions.length).to.equal(2);
    });

    it('of connect() comes back after the server said that it restarts (1012)', async () => {
      const { feed, socket } = await connected({ retryTimeout: 1 });
      const up = once(feed, 'up');
      socket.close(1012);
      await up;
      feed.send('again');
      expect(await take(feed, 1)).to.deep.equal(['again']);
    });

    it('of connect() over TLS does what it does without', async () => {
      const server = await keep(upgrading(version, { secure: true }));
      const url = `${server.url.replace('http', 'ws')}/ws`;
      const feed: Feed = await connect(url, { protocols, tls: { ca: server.ca } });
      feed.send('Hello');
      expect(await take(feed, 1)).to.deep.equal(['Hello']);
      expect((await feed.connection.info()).tls).to.include({ alpn: two ? 'h2' : 'http/1.1' });
      expect(await feed.close()).to.include({ code: 1000, wasClean: true });
    });

    it('goes over a unix socket, to the host of its URL (ws_SUITE unix_socket_hostname)', async () => {
      const path = join(tmpdir(), `gunport-ws-${process.pid}.sock`);
      const server = await keep(upgrading(version, { path }));
      const connection = open('http://localhost', { protocols, socketPath: path });
      const feed = connection.wsUpgrade('/ws');
      await connection.await(feed);
      const [{ headers }] = server.asked as [Upgrading['asked'][number]];
      expect(headers[two ? ':authority' : 'host']).to.equal('localhost');
    });
  });
}
