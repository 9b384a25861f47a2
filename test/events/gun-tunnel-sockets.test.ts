// Twins of event_SUITE that look at WebSockets in tunnels, and what is told of the proxies on a connection's own road.

import { expect } from 'chai';
import type { Connection, GunportEventName, Stream } from '../../lib/index.ts';
import { cowboy } from '../support/cowboy.ts';
import { feeds, take } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { proxyOf } from '../support/proxies.ts';
import { type Upgrading, upgrading } from '../support/upgrading.ts';

for (const by of ['HTTP/1.1', 'HTTP/2'] as const) {
  describe(`the events of a WebSocket through a proxy of ${by}`, () => {
    const { open, keep } = feeds();
    const heard = listening();
    const protocols = [by === 'HTTP/1.1' ? 'http' : 'http2'] as const;
    let connection: Connection;
    let tunnel: Stream<Connection>;
    const inside = (stream: { readonly id: number }) => {
      return { connection: connection.id, stream: stream.id, tunnel: tunnel.id, replyTo: false };
    };
    let server: Upgrading;
    beforeEach(async () => {
      server = await keep(upgrading(by));
      const { host, port } = await keep(proxyOf(by === 'HTTP/1.1' ? 'http' : 'h2c'));
      connection = open({ host, port }, { protocols, retry: 0 });
      await connection.awaitUp();
      tunnel = connection.connect({ host: '127.0.0.1', port: server.port, protocols });
    });
    /** One that is open, with these listened to. */
    const upgraded = async (...names: readonly GunportEventName[]) => {
      heard.to(...names);
      const stream = connection.wsUpgrade('/', { tunnel });
      expect(await connection.await(stream)).to.include({ type: 'upgrade' });
      return stream;
    };

    it('is asked for through it (event_SUITE ws_upgrade_connect)', async () => {
      const stream = await upgraded('gunport:ws:upgrade');
      expect(await heard.next('gunport:ws:upgrade')).to.deep.include({ ...inside(stream), path: '/' });
    });

    it('has all its events, in order (event_SUITE ws_upgrade_all_events_connect)', async () => {
      await connection.await(tunnel);
      const stream = await upgraded(
        ...(['gunport:ws:upgrade', 'gunport:request:start', 'gunport:request:headers'] as const),
        ...(['gunport:request:end', 'gunport:response:start', 'gunport:response:inform'] as const),
        ...(['gunport:response:headers', 'gunport:response:end', 'gunport:protocol-changed'] as const),
      );
      await heard.next('gunport:protocol-changed', (one) => one.stream === stream.id);
      const mine = heard.all.filter(({ message }) => 'stream' in message && message.stream === stream.id);
      expect(mine.map(({ name }) => name.slice('gunport:'.length))).to.deep.equal([
        ...['ws:upgrade', 'request:start', 'request:headers', 'request:end', 'response:start'],
        by === 'HTTP/1.1' ? 'response:inform' : 'response:headers',
        ...['response:end', 'protocol-changed'],
      ]);
    });

    it('tells what is spoken then (event_SUITE ws_protocol_changed_connect)', async () => {
      const stream = await upgraded('gunport:protocol-changed');
      const changed = await heard.next('gunport:protocol-changed', (one) => one.stream === stream.id);
      expect(changed.protocol).to.equal('ws');
    });

    it('a frame that comes begins (event_SUITE ws_recv_frame_start_connect)', async () => {
      const stream = await upgraded('gunport:ws:recv-frame:start');
      stream.send('Hello');
      expect(await heard.next('gunport:ws:recv-frame:start')).to.deep.include({
        ...inside(stream),
        fragments: 0,
      });
    });

    it('has a header (event_SUITE ws_recv_frame_header_connect)', async () => {
      const stream = await upgraded('gunport:ws:recv-frame:header');
      stream.send('Hello');
      const header = await heard.next('gunport:ws:recv-frame:header');
      expect(header).to.deep.include({ ...inside(stream), type: 'text', length: 5, rsv: 0 });
    });

    it('and ends (event_SUITE ws_recv_frame_end_connect)', async () => {
      const stream = await upgraded('gunport:ws:recv-frame:end');
      stream.send('Hello');
      const { payload, ...end } = await heard.next('gunport:ws:recv-frame:end');
      expect(end).to.deep.include(inside(stream));
      expect(Buffer.from(payload).toString()).to.equal('Hello');
      expect(await take(stream, 1)).to.deep.equal(['Hello']);
    });

    it('a frame that goes begins (event_SUITE ws_send_frame_start_connect)', async () => {
      const stream = await upgraded('gunport:ws:send-frame:start');
      stream.send('Hello');
      const { frame, ...start } = await heard.next('gunport:ws:send-frame:start');
      expect(start).to.deep.include(inside(stream));
      expect(Buffer.from(frame.payload).toString()).to.equal('Hello');
    });

    it('and ends (event_SUITE ws_send_frame_end_connect)', async () => {
      const stream = await upgraded('gunport:ws:send-frame:end');
      stream.send('Hello');
      const end = await heard.next('gunport:ws:send-frame:end');
      expect(end).to.deep.include(inside(stream));
      expect(end.frame.type).to.equal('text');
    });
  });
}

describe("the events of a connection's own road", () => {
  const { open, keep } = feeds();
  const heard = listening();

  it('tell each proxy that it goes through, as stream 0, and no credentials', async () => {
    const server = await keep(cowboy('http'));
    const http = await keep(proxyOf('http'));
    const socks = await keep(proxyOf('socks5'));
    heard.to();
    const connection = open(server.url, {
      proxy: [`http://user:s3cret@127.0.0.1:${http.port}`, `socks5://user:s3cret@127.0.0.1:${socks.port}`],
    });
    await connection.awaitUp();
    await connection.get('/').text();
    await heard.next('gunport:response:end', ({ stream }) => stream > 0);
    const [init] = heard.of('gunport:init');
    expect(init?.options.proxies).to.deep.equal([
      `http://127.0.0.1:${http.port}`,
      `socks5://127.0.0.1:${socks.port}`,
    ]);
    const asked = heard.of('gunport:request:start').map(({ stream, method, path }) => [stream, method, path]);
    expect(asked).to.deep.equal([
      [0, 'CONNECT', `127.0.0.1:${socks.port}`],
      [1, 'GET', '/'],
    ]);
    const changed = heard.of('gunport:origin-changed').map(({ type, port, scheme }) => [type, scheme, port]);
    expect(changed).to.deep.equal([
      ['connect', 'socks5', socks.port],
      ['socks5', 'http', server.port],
    ]);
    expect(JSON.stringify(heard.all)).to.not.contain('s3cret');
    expect(JSON.stringify(heard.all)).to.not.contain(Buffer.from('user:s3cret').toString('base64'));
  });
});
