// Twins of event_SUITE that look at what goes through tunnels: CONNECT to an HTTP/1.1 or HTTP/2 proxy, and behind it what
// the test is about.

import { expect } from 'chai';
import type { Connection, Stream } from '../../lib/index.ts';
import { type Cowboy, cowboy, type Speaks } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2origin } from '../support/h2origin.ts';
import { listening } from '../support/listening.ts';
import { peer, tlsRefusing } from '../support/peers.ts';
import { proxyOf } from '../support/proxies.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { rejects } from '../support/rejects.ts';

for (const by of ['HTTP/1.1', 'HTTP/2'] as const) {
  describe(`the events of a tunnel through a proxy of ${by}`, () => {
    const { open, keep } = feeds();
    const heard = listening();
    const speaks = by === 'HTTP/1.1' ? 'http' : 'h2c';
    let proxy: ProxyPeer;
    let connection: Connection;
    let tunnel: Stream<Connection>;

    /** A proxy, up: with TLS between it and us, or without. */
    const proxied = async (secure = false): Promise<void> => {
      const clear = by === 'HTTP/1.1' ? 'http' : 'h2c';
      const tls = by === 'HTTP/1.1' ? 'https' : 'h2';
      proxy = await keep(proxyOf(secure ? tls : clear));
      const { host, port, ca } = proxy;
      const protocols = [by === 'HTTP/1.1' ? 'http' : 'http2'] as const;
      connection = open(
        { host, port, transport: secure ? 'tls' : 'tcp' },
        { protocols, retry: 0, ...(secure && { tls: { ca } }) },
      );
      await connection.awaitUp();
    };
    beforeEach(() => proxied());

    /** A tunnel to it. */
    const to = (server: { readonly port: number; readonly ca?: string }, kind: Speaks): void => {
      const secure = kind === 'https' || kind === 'h2';
      const protocols = [kind === 'h2' || kind === 'h2c' ? 'http2' : 'http'] as const;
      tunnel = connection.connect({
        ...{ host: secure ? 'localhost' : '127.0.0.1', port: server.port, protocols },
        ...(secure && { transport: 'tls', tls: { ca: proxy.ca } }),
      });
    };
    /** A server, and a tunnel to it. */
    const reached = async (kind: Speaks = speaks): Promise<Cowboy> => {
      const server = await keep(cowboy(kind));
      to(server, kind);
      return server;
    };
    const inside = (stream: { readonly id: number }) => {
      return { connection: connection.id, stream: stream.id, tunnel: tunnel.id, replyTo: false };
    };
    const outside = () => ({ connection: connection.id, stream: tunnel.id, replyTo: false });
    const isTunnel = ({ stream }: { readonly stream: number }): boolean => stream === tunnel.id;

    for (const [name, twin] of [
      ['gunport:request:start', 'request_start_connect'],
      ['gunport:request:headers', 'request_headers_connect'],
    ] as const) {
      it(`${name} is told of the CONNECT, and of what goes through (event_SUITE ${twin})`, async () => {
        heard.to(name);
        const server = await reached();
        const stream = connection.get('/', { tunnel });
        await stream.text();
        const there = `127.0.0.1:${server.port}`;
        const { headers: _, rawHeaders: __, ...connect } = await heard.next(name, isTunnel);
        expect(connect).to.deep.include({
          ...outside(),
          function: 'connect',
          method: 'CONNECT',
          path: there,
        });
        expect(connect).to.not.have.property('tunnel');
        const asked = await heard.next(name);
        const more = { function: 'request', method: 'GET', path: '/', authority: there };
        expect(asked).to.deep.include({ ...inside(stream), ...more });
      });
    }

    it('both have an end (event_SUITE request_end_connect)', async () => {
      heard.to('gunport:request:end');
      await reached();
      const stream = connection.put('/echo', { tunnel });
      stream.data('fin', 'Hello');
      await stream.text();
      expect(await heard.next('gunport:request:end', isTunnel)).to.deep.include(outside());
      const end = await heard.next('gunport:request:end');
      expect(end).to.deep.include(inside(stream));
      expect(end).to.not.have.property('error');
    });

    it('both answers begin once (event_SUITE response_start_connect)', async () => {
      heard.to('gunport:response:start');
      await reached();
      const stream = connection.get('/', { tunnel });
      await stream.text();
      expect(await heard.next('gunport:response:start', isTunnel)).to.deep.include(outside());
      expect(await heard.next('gunport:response:start')).to.deep.include(inside(stream));
      expect(heard.all).to.have.lengthOf(2);
    });

    it('interim answers come through (event_SUITE response_inform_connect)', async () => {
      heard.to('gunport:response:inform');
      await reached();
      const stream = connection.get('/inform', { tunnel });
      await stream.text();
      for (let i = 0; i < 2; i++) {
        const inform = await heard.next('gunport:response:inform');
        expect(inform).to.deep.include({ ...inside(stream), status: 103 });
      }
    });

    it('both heads are told (event_SUITE response_headers_connect)', async () => {
      heard.to('gunport:response:headers');
      await reached();
      const stream = connection.get('/', { tunnel });
      await stream.text();
      const connected = await heard.next('gunport:response:headers', isTunnel);
      expect(connected).to.deep.include({ ...outside(), status: 200 });
      const head = await heard.next('gunport:response:headers');
      expect(head).to.deep.include({ ...inside(stream), status: 200 });
    });

    it('trailers come through, too', async () => {
      heard.to('gunport:response:trailers');
      await reached();
      const stream = connection.get('/trailers', { tunnel, headers: { te: 'trailers' } });
      await stream.text();
      expect(await heard.next('gunport:response:trailers')).to.deep.include(inside(stream));
    });

    it('both answers end, with or without a body (event_SUITE response_end_connect)', async () => {
      heard.to('gunport:response:end');
      await reached();
      for (const path of ['/', '/empty', '/stream']) {
        const stream = connection.get(path, { tunnel });
        await stream.text();
        const end = await heard.next('gunport:response:end', (one) => one.stream === stream.id);
        expect(end).to.deep.include(inside(stream));
        expect(end).to.not.have.property('error');
      }
      expect(await heard.next('gunport:response:end', isTunnel)).to.deep.include(outside());
    });

    it('protocol-changed tells what is spoken behind it (event_SUITE protocol_changed_connect)', async () => {
      heard.to('gunport:protocol-changed');
      for (const [kind, protocol] of [
        ['http', 'http'],
        ['h2c', 'http2'],
      ] as const) {
        await reached(kind);
        const changed = await heard.next('gunport:protocol-changed');
        expect(changed).to.include({ connection: connection.id, stream: tunnel.id, protocol });
        if (by === 'HTTP/1.1') await proxied();
      }
    });

    it('also over TLS, by ALPN (event_SUITE protocol_changed_tls_connect)', async () => {
      heard.to('gunport:protocol-changed');
      for (const [kind, protocol] of [
        ['https', 'http'],
        ['h2', 'http2'],
      ] as const) {
        await reached(kind);
        const changed = await heard.next('gunport:protocol-changed');
        expect(changed).to.include({ stream: tunnel.id, protocol });
        if (by === 'HTTP/1.1') await proxied();
      }
    });

    it('origin-changed tells where it leads (event_SUITE origin_changed_connect)', async () => {
      heard.to('gunport:origin-changed');
      const { port } = await reached();
      const changed = await heard.next('gunport:origin-changed');
      const where = { type: 'connect', scheme: 'http', host: '127.0.0.1', port };
      expect(changed).to.deep.include({ connection: connection.id, stream: tunnel.id, ...where });
    });

    it('and so for a tunnel in a tunnel (event_SUITE origin_changed_connect_connect)', async () => {
      heard.to('gunport:origin-changed');
      const second = await keep(proxyOf(speaks));
      to(second, speaks);
      const first = tunnel;
      expect(await heard.next('gunport:origin-changed')).to.include({ stream: first.id, port: second.port });
      const server = await keep(cowboy(speaks));
      const protocols = [speaks === 'http' ? 'http' : 'http2'] as const;
      const inner = connection.connect(
        { host: '127.0.0.1', port: server.port, protocols },
        { tunnel: first },
      );
      const changed = await heard.next('gunport:origin-changed');
      expect(changed).to.include({ stream: inner.id, type: 'connect', port: server.port });
      expect(await connection.get('/', { tunnel: inner }).text()).to.equal('Hello world!');
    });

    it('one that is cancelled says so (event_SUITE cancel_connect)', async () => {
      heard.to('gunport:cancel');
      const server = await reached();
      const stream = connection.get('/delayed', { tunnel });
      await server.arrival();
      stream.cancel();
      const cancel = await heard.next('gunport:cancel');
      expect(cancel).to.deep.include({ ...inside(stream), endpoint: 'local', reason: 'cancel' });
    });

    it('one that its server resets, too (event_SUITE cancel_remote_connect)', async () => {
      heard.to('gunport:cancel');
      const server = await keep(
        h2origin(async (talk) => {
          const { stream } = await talk.request();
          talk.send(h2.reset(stream, 'CANCEL'));
        }),
      );
      to(server, 'h2c');
      const stream = connection.get('/', { tunnel });
      await rejects(stream.response(), 'ERR_GUNPORT_RESET');
      const cancel = await heard.next('gunport:cancel');
      expect(cancel).to.deep.include({ ...inside(stream), endpoint: 'remote', reason: 'CANCEL' });
    });

    it('push-promise:start comes through (event_SUITE push_promise_start_connect)', async () => {
      heard.to('gunport:push-promise:start');
      const { stream } = await pushing();
      for (let i = 0; i < 2; i++)
        expect(await heard.next('gunport:push-promise:start')).to.deep.include(inside(stream));
    });

    it('and push-promise:end (event_SUITE push_promise_end_connect)', async () => {
      heard.to('gunport:push-promise:end', 'gunport:response:end');
      const { stream, server } = await pushing();
      for (const path of ['/', '/empty']) {
        const { promised, ...end } = await heard.next('gunport:push-promise:end');
        expect(end).to.deep.include({ ...inside(stream), method: 'GET', uri: `${server.url}${path}` });
        const answer = await heard.next('gunport:response:end', (one) => one.stream === promised);
        expect(answer).to.include({ tunnel: tunnel.id });
      }
    });

    const pushing = async (): Promise<{ server: Cowboy; stream: Stream<Connection> }> => {
      connection = open(
        { host: proxy.host, port: proxy.port },
        { protocols: [by === 'HTTP/1.1' ? 'http' : 'http2'], push: true, retry: 0 },
      );
      const server = await reached('h2c');
      const stream = connection.get('/push', { tunnel });
      await stream.text();
      return { server, stream };
    };

    for (const secure of [false, true]) {
      const twin = secure ? 'tls_connect_tls' : 'tcp_connect_tls';
      describe(`TLS inside a proxy ${secure ? 'of TLS' : 'in clear'}`, () => {
        const handshakes = ['gunport:tls-handshake:start', 'gunport:tls-handshake:end'] as const;
        beforeEach(() => proxied(secure));

        it(`a handshake is told with its tunnel (event_SUITE tls_handshake_start_${twin})`, async () => {
          heard.to(handshakes[0]);
          const { port } = await reached('https');
          const start = await heard.next(handshakes[0]);
          const where = { host: 'localhost', port, servername: 'localhost' };
          expect(start).to.deep.include({ connection: connection.id, stream: tunnel.id, ...where });
          expect(start.offered).to.deep.equal(['http/1.1']);
        });

        it(`and its end (event_SUITE tls_handshake_end_ok_${twin})`, async () => {
          heard.to(handshakes[1]);
          await reached('h2');
          const end = await heard.next(handshakes[1]);
          expect(end).to.include({ stream: tunnel.id, alpn: 'h2', protocol: 'http2', version: 'TLSv1.3' });
          expect(end).to.not.have.property('error');
        });

        it(`or why it failed (event_SUITE tls_handshake_end_error_${twin})`, async () => {
          heard.to(...handshakes);
          const server = await keep(peer(tlsRefusing));
          to(server, 'https');
          const { error, stream } = await heard.next(handshakes[1]);
          expect(stream).to.equal(tunnel.id);
          expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
          expect(heard.of(handshakes[0])).to.have.lengthOf(1);
        });
      });
    }
  });
}
