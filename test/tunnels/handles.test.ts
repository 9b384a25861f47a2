// What a tunnel is to who holds it, with real proxies of both versions of HTTP.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, type GunportError, receiveReply, type Stream } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { connect2Proxy } from '../support/connect2-proxy.ts';
import { feeds, take } from '../support/feeds.ts';
import type { ProxyOptions, ProxyPeer } from '../support/proxying.ts';
import { errorOf } from '../support/stage.ts';
import { type Server, serverOf } from '../support/tunnels.ts';

const KINDS = { http: connectProxy, h2c: connect2Proxy } as const;
const BAD_STATE = { code: 'ERR_GUNPORT_BAD_STATE', name: 'StreamError' };
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

for (const kind of ['http', 'h2c'] as const) {
  const [protocol, other] = kind === 'http' ? (['http', 'http2'] as const) : (['http2', 'http'] as const);

  describe(`a tunnel through a proxy of ${protocol}`, () => {
    const { open, keep } = feeds();

    /** A proxy, and a connection to it. */
    async function proxied(
      options: Parameters<typeof connectProxy>[0] & ProxyOptions = {},
      more: Parameters<typeof open>[1] = {},
    ): Promise<{ proxy: ProxyPeer; connection: Connection }> {
      const proxy = await keep(KINDS[kind](options));
      return { proxy, connection: open(proxy.url, { protocols: [protocol], retry: 0, ...more }) };
    }
    const to = ({ host, port }: Server, protocols?: ['raw'] | ['http2']) => ({
      ...{ host, port },
      ...(protocols && { protocols }),
    });

    it('is made, and goes where it was told to', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied();
      const tunnel = connection.connect(to(server));
      const origin = `http://127.0.0.1:${server.port}`;
      expect(await tunnel.established()).to.deep.equal({ type: 'tunnelUp', protocol: 'http', origin });
      expect(tunnel).to.include({ protocol: 'http', origin, url: origin, state: 'answered' });
      expect(await connection.get('/a', { tunnel }).text()).to.equal('hello /a');
      const response = await connection.fetch(`${origin}/b`, { tunnel });
      expect(await response.text()).to.equal('hello /b');
      expect(await connection.info()).to.include({ origin: proxy.url, protocol });
      expect(proxy.asked.map(({ authority }) => authority)).to.deep.equal([`127.0.0.1:${server.port}`]);
    });

    it('carries requests that were made before it was up', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({ delayed: true });
      const tunnel = connection.connect(to(server));
      const answers = ['/1', '/2', '/3'].map((path) => connection.get(path, { tunnel }).text());
      await proxy.next();
      proxy.release();
      expect(await Promise.all(answers)).to.deep.equal(['hello /1', 'hello /2', 'hello /3']);
    });

    it('is refused: the answer is there for everybody, and the connection goes on (gun:connect/4)', async () => {
      const { connection } = await proxied({ status: 403, body: 'not there' });
      const tunnel = connection.connect('http://127.0.0.1:9');
      const inside = errorOf(connection.get('/', { tunnel }).response());
      const error = (await errorOf(tunnel.established())) as GunportError;
      expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
      expect(text(error.body)).to.equal('not there');
      expect(await tunnel.response()).to.include({ status: 403 });
      expect(await tunnel.text()).to.equal('not there');
      expect(await inside).to.be.instanceOf(Error);
      expect(() => connection.get('/', { tunnel }))
        .to.throw()
        .that.includes(BAD_STATE);
      expect(await connection.get('/x').text()).to.equal('the proxy itself: /x');
    });

    it('may need a name and a password (RFC 9110 §11.7.1)', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({ auth: 'me:secret' });
      const refused = connection.connect(to(server));
      const error = (await errorOf(refused.established())) as GunportError;
      expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', status: 407 });
      expect(error.headers).to.include({ 'proxy-authenticate': 'Basic realm="gunport"' });
      const tunnel = connection.connect(to(server), { username: 'me', password: 'secret' });
      expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
      expect(proxy.asked.at(-1)?.headers).to.include({
        'proxy-authorization': `Basic ${Buffer.from('me:secret').toString('base64')}`,
      });
      expect(server.asked[0]?.headers).not.to.have.property('proxy-authorization');
    });

    it('does not carry the headers of its connection to the far end', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({}, { headers: { 'x-mine': 'a' } });
      const tunnel = connection.connect(to(server));
      await connection.get('/', { tunnel, headers: { 'x-yours': 'b' } }).text();
      const feed = connection.wsUpgrade('/ws', { tunnel });
      await connection.await(feed);
      expect(proxy.asked[0]?.headers).to.include({ 'x-mine': 'a' });
      for (const { headers } of server.asked) expect(headers).not.to.have.property('x-mine');
      expect(server.asked[0]?.headers).to.include({ 'x-yours': 'b' });
    });

    it('carries a WebSocket', async () => {
      const server = await keep(serverOf('http'));
      const { connection } = await proxied();
      const tunnel = connection.connect(to(server));
      const feed = connection.wsUpgrade('/ws', { tunnel });
      expect(feed.url).to.equal(`ws://127.0.0.1:${server.port}/ws`);
      expect(await connection.await(feed)).to.include({ type: 'upgrade' });
      feed.send(['a', 'b']);
      expect(await take(feed, 2)).to.deep.equal(['a', 'b']);
      expect(await feed.close()).to.include({ code: 1000, wasClean: true });
    });

    it('has tunnels in it', async () => {
      const server = await keep(serverOf('http'));
      const second = await keep(KINDS[kind === 'http' ? 'h2c' : 'http']());
      const { connection, proxy } = await proxied();
      const { host, port } = second;
      const outer = connection.connect({ host, port, protocols: [other] });
      const inner = connection.connect(to(server), { tunnel: outer });
      const stream = connection.get('/deep', { tunnel: inner });
      expect(await stream.text()).to.equal('hello /deep');
      expect(outer.origin).to.equal(`http://127.0.0.1:${port}`);
      expect(stream.url).to.equal(`http://127.0.0.1:${server.port}/deep`);
      expect(proxy.asked.map(({ authority }) => authority)).to.deep.equal([`127.0.0.1:${port}`]);
      expect(second.asked.map(({ authority }) => authority)).to.deep.equal([`127.0.0.1:${server.port}`]);
      const info = await connection.streamInfo(inner);
      expect(info?.intermediaries).to.have.length(1);
      expect(info?.tunnel).to.deep.equal({
        ...{ protocol: 'http', transport: 'tcp', origin: `http://127.0.0.1:${server.port}` },
      });
    });

    it('is pinged at its far end, which speaks HTTP/2 (h2c_user_ping_via_http)', async () => {
      const server = await keep(serverOf('h2c'));
      const { connection } = await proxied();
      const tunnel = connection.connect(to(server, ['http2']));
      await tunnel.established();
      expect(await connection.ping({ tunnel })).to.be.at.least(0);
    });

    it('is not pinged where its far end has no pings', async () => {
      const server = await keep(serverOf('http'));
      const { connection } = await proxied();
      const tunnel = connection.connect(to(server));
      await tunnel.established();
      expect(await errorOf(connection.ping({ tunnel }))).to.include({ code: 'ERR_GUNPORT_UNSUPPORTED' });
      expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
    });

    it('has the credit of what is in it topped up (gun:update_flow/3)', async () => {
      const server = await keep(serverOf('http'));
      const { connection } = await proxied();
      const tunnel = connection.connect(to(server));
      const stream = connection.get('/bytes/300000', { tunnel, flow: 1 });
      let length = 0;
      for await (const chunk of stream) {
        length += chunk.byteLength;
        connection.updateFlow(stream, 1);
      }
      expect(length).to.equal(300_000);
    });

    it('is cancelled: all that is in it ends', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({}, { retry: 1 });
      const tunnel = connection.connect(to(server));
      const stream = connection.get('/hold', { tunnel });
      await stream.response();
      const waiting = errorOf(connection.get('/behind', { tunnel }).response());
      connection.cancel(tunnel);
      expect(await errorOf(stream.text())).to.be.instanceOf(Error);
      expect(await waiting).to.be.instanceOf(Error);
      expect(tunnel.state).to.equal('ended');
      expect(await errorOf(connection.await(tunnel))).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
      expect(() => connection.get('/', { tunnel }))
        .to.throw()
        .that.includes(BAD_STATE);
      expect(await connection.get('/x').text()).to.equal('the proxy itself: /x');
      while (proxy.tunnels > 0) await new Promise((resolve) => setImmediate(resolve));
    });

    it('is cancelled before it is up', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({ delayed: true }, { retry: 1 });
      const controller = new AbortController();
      const tunnel = connection.connect(to(server), { signal: controller.signal });
      const waiting = errorOf(connection.get('/', { tunnel }).response());
      await proxy.next();
      controller.abort();
      expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_ABORTED' });
      expect(await waiting).to.be.instanceOf(Error);
      proxy.release();
      expect(await connection.get('/x').text()).to.equal('the proxy itself: /x');
    });

    it('is made anew when its connection comes back; what waits goes then, what was under way fails', async () => {
      const server = await keep(serverOf('http'));
      const { connection, proxy } = await proxied({}, { retry: 3 });
      const tunnel = connection.connect(to(server));
      const hold = connection.get('/hold', { tunnel });
      await hold.response();
      expect(await connection.await(tunnel)).to.include({ type: 'response', status: 200 });
      expect(await connection.await(tunnel)).to.include({ type: 'tunnelUp' });
      const lost = new Promise((resolve) => connection.once('down', resolve));
      proxy.drop();
      await lost;
      expect(tunnel.protocol).to.equal(undefined);
      const next = connection.get('/next', { tunnel });
      expect(await errorOf(hold.text())).to.be.instanceOf(Error);
      expect(await tunnel.established()).to.include({ protocol: 'http' });
      expect(await next.text()).to.equal('hello /next');
      expect(await connection.await(tunnel)).to.include({ type: 'response', status: 200 });
      expect(await connection.await(tunnel)).to.include({ type: 'tunnelUp' });
      expect(proxy.asked).to.have.length(2);
    });

    it('ends with its connection', async () => {
      const server = await keep(serverOf('http'));
      const { connection } = await proxied();
      const tunnel = connection.connect(to(server));
      const hold = connection.get('/hold', { tunnel });
      await hold.response();
      await connection.close();
      expect(await errorOf(hold.text())).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    });

    // ── raw ──

    const raw = (connection: Connection, server: Server): Stream<Connection> =>
      connection.connect(to(server, ['raw']));

    it('leads to raw: bytes go both ways, and our side ends before theirs', async () => {
      const server = await keep(serverOf('raw'));
      const { connection } = await proxied();
      const tunnel = raw(connection, server);
      expect(() => tunnel.data(false, 'x'))
        .to.throw()
        .that.includes(BAD_STATE);
      expect(await tunnel.established()).to.include({ protocol: 'raw' });
      tunnel.data(false, 'hello ');
      tunnel.data('fin', 'world');
      await tunnel.drained();
      expect(await tunnel.text()).to.equal('hello world');
      expect(tunnel.state).to.equal('ended');
    });

    it('leads to raw with a replyTo: who reads is another (connect_raw_reply_to)', async () => {
      const server = await keep(serverOf('raw'));
      const { connection } = await proxied();
      const { port1, port2 } = new MessageChannel();
      const tunnel = connection.connect(to(server, ['raw']), { replyTo: port1 });
      const reply = receiveReply(port2);
      expect(await reply.response()).to.include({ status: 200, fin: true });
      expect(await reply.await()).to.deep.equal({
        ...{ type: 'tunnelUp', protocol: 'raw', origin: `tcp://127.0.0.1:${server.port}` },
      });
      await tunnel.established();
      tunnel.data('fin', 'hello');
      expect(await reply.text()).to.equal('hello');
      while (tunnel.state !== 'ended') await new Promise((resolve) => setImmediate(resolve));
    });

    it('leads to raw, and ends when its connection is lost: bytes are not sent twice', async () => {
      const server = await keep(serverOf('raw'));
      const { connection, proxy } = await proxied({}, { retry: 3 });
      const tunnel = raw(connection, server);
      await tunnel.established();
      tunnel.data(false, 'x');
      expect(text((await tunnel[Symbol.asyncIterator]().next()).value)).to.equal('x');
      proxy.drop();
      expect(await errorOf(connection.await(tunnel).then(() => connection.await(tunnel)))).to.be.instanceOf(
        Error,
      );
      expect(tunnel.state).to.equal('ended');
      expect(await connection.get('/x').text()).to.equal('the proxy itself: /x');
      expect(proxy.asked).to.have.length(1);
    });
  });
}
