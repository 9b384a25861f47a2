import { once } from 'node:events';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tls from 'node:tls';
import { expect } from 'chai';
import { certificates } from '../support/certificates.ts';
import { drain, feeds, frame, take, untilClose } from '../support/feeds.ts';
import { answers, type Conversation, peer, silent, wrongAccept, wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

const moduleOf = (source: string) => ({ module: `data:text/javascript,${encodeURIComponent(source)}` });

describe('the upgrade to a WebSocket', () => {
  const { connect, open, keep, talk } = feeds();

  it('asks as RFC 6455 §4.1 says, with the path, the host and no more than was asked for', async () => {
    const { server, peer } = await talk();
    const lines = server.request.trimEnd().split('\r\n');
    expect(lines.map((line) => line.replace(/(-Key:) .{24}$/, '$1 …'))).to.deep.equal([
      'GET / HTTP/1.1',
      `Host: 127.0.0.1:${peer.port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: …',
    ]);
  });

  it('sends path and query, headers as they are given, and credentials of the URL', async () => {
    let request = '';
    const peer = await keep(wsPeer((server) => (request = server.request)));
    const url = peer.url.replace('ws://', 'ws://user:pass%20word@');
    const headers = { Origin: 'https://here.example', 'X-Many': ['1', '2'] };
    const feed = await connect(`${url}/feed/a?since=7&x=%20`, { headers });
    expect(request).to.match(/^GET \/feed\/a\?since=7&x=%20 HTTP\/1\.1\r\n/);
    expect(request).to.include('\r\nOrigin: https://here.example\r\nX-Many: 1\r\nX-Many: 2\r\n');
    expect(request).to.include(`\r\nAuthorization: Basic ${btoa('user:pass word')}\r\n`);
    expect(feed.url).to.equal(`${peer.url}/feed/a?since=7&x=%20`);
  });

  it('draws a new key each time (RFC 6455 §4.1)', async () => {
    const keys = new Set<string | undefined>();
    const peer = await keep(wsPeer((server) => keys.add(server.header('Sec-WebSocket-Key'))));
    for (let i = 0; i < 3; i++) await connect(peer.url);
    expect(keys.size).to.equal(3);
  });

  it('offers subprotocols in order; the stream has the one that was chosen', async () => {
    const headers = 'Sec-WebSocket-Protocol: superchat\r\n';
    const { feed, server } = await talk({ subprotocols: ['chat', 'superchat'] }, { headers });
    expect(server.header('Sec-WebSocket-Protocol')).to.equal('chat, superchat');
    expect(feed.protocol).to.equal('superchat');
  });

  it('goes on without a subprotocol when the server chooses none', async () => {
    const { feed } = await talk({ subprotocols: ['chat'] });
    expect(feed.protocol).to.equal('');
  });

  it('keeps what the server answered: headers, extensions, state', async () => {
    const headers = 'X-Server: one\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n';
    const { feed, peer } = await talk({}, { headers });
    expect(feed.headers).to.include({ 'x-server': 'one', upgrade: 'websocket' });
    expect(feed.headers['set-cookie']).to.deep.equal(['a=1', 'b=2']);
    expect(Object.getPrototypeOf(feed.headers)).to.equal(null);
    expect(feed.extensions).to.equal('');
    expect(feed.state).to.equal('open');
    expect(feed.url).to.equal(`${peer.url}/`);
    expect(feed.connection).to.include({ status: 'up', attempt: 1, origin: peer.url });
  });

  it('takes an answer that comes byte by byte, other answers before it (RFC 9110 §15.2)', async () => {
    const there = await keep(wsPeer((server) => server.send(frame(0x81, 'Hello'))));
    // A wire to it that hands on one byte a turn.
    const wire = await keep(
      peer(async (socket) => {
        socket.setNoDelay(true).write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n');
        const onward = net.connect(there.port, '127.0.0.1').on('error', () => {});
        socket.pipe(onward);
        for await (const chunk of onward) {
          for (const byte of chunk as Buffer) {
            socket.write(Uint8Array.of(byte));
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      }),
    );
    const feed = await connect(wire.url);
    expect(await take(feed, 1)).to.deep.equal(['Hello']);
  });

  it('goes over a unix socket, its Host from the URL', async () => {
    const path = join(tmpdir(), `gunport-${process.pid}.sock`);
    let request = '';
    const server = (one: Conversation): void => {
      request = one.request;
      one.send(frame(0x81, 'Hello'));
    };
    await keep(wsPeer(server, { path }));
    const feed = await connect('ws://feed.example/x', { socketPath: path });
    expect(await take(feed, 1)).to.deep.equal(['Hello']);
    expect(request).to.match(/^GET \/x HTTP\/1\.1\r\nHost: feed\.example\r\n/);
    expect((await feed.connection.info()).transport).to.equal('unix');
  });

  describe('over TLS', () => {
    it('verifies by a ca of the user, with ALPN http/1.1 and SNI', async () => {
      const { ca } = await certificates();
      const { feed, server, peer } = await talk({ tls: { ca } }, { secure: true });
      const socket = server.socket as tls.TLSSocket; // It is a TLS server.
      expect(socket.servername).to.equal('localhost');
      feed.send('Hello');
      expect((await server.read()).payload.toString()).to.equal('Hello');
      const info = await feed.connection.info();
      expect(info.transport).to.equal('tls');
      expect(info.tls).to.include({ version: 'TLSv1.3' });
      expect(info.tls?.cipher).to.be.a('string');
      expect(peer.url).to.match(/^wss:/);
    });

    it('agrees on http/1.1 with a server that knows ALPN (RFC 7301)', async () => {
      const { ca, localhost } = await certificates();
      const secure = { ...localhost, ALPNProtocols: ['h2', 'http/1.1'] };
      const { feed } = await talk({ tls: { ca } }, { secure });
      expect((await feed.connection.info()).tls).to.include({ alpn: 'http/1.1' });
    });

    it('names the server that the user names', async () => {
      const { ca, wrongHost } = await certificates();
      const { server } = await talk({ tls: { ca, servername: 'wrong.example' } }, { secure: wrongHost });
      expect((server.socket as tls.TLSSocket).servername).to.equal('wrong.example');
    });

    it('verifies nothing with rejectUnauthorized false', async () => {
      const { expired } = await certificates();
      const { feed, server } = await talk({ tls: { rejectUnauthorized: false } }, { secure: expired });
      server.send(frame(0x81, 'Hello'));
      expect(await take(feed, 1)).to.deep.equal(['Hello']);
    });

    it('shows a certificate of its own to a server that asks for one', async () => {
      const { ca, client, localhost } = await certificates();
      const secure = { ...localhost, ca, requestCert: true, rejectUnauthorized: true };
      const { server } = await talk({ tls: { ca, ...client } }, { secure });
      expect((server.socket as tls.TLSSocket).getPeerCertificate().subject.CN).to.equal('client.example');
    });

    it('asks a checkServerIdentity of the user, beside the socket', async () => {
      const { ca, wrongHost } = await certificates();
      const fine = moduleOf(`export default (host, certificate) =>
        host === 'localhost' && certificate.subjectaltname === 'DNS:wrong.example' ? undefined : new Error('no');`);
      await talk({ tls: { ca, checkServerIdentity: fine } }, { secure: wrongHost });
      const peer = await keep(wsPeer(() => {}, { secure: true }));
      const never = moduleOf(`export default () => Object.assign(new Error('never'), { code: 'NEVER' });`);
      const options = { tls: { ca, checkServerIdentity: never } };
      const error = await rejects(connect(peer.url, options), 'ERR_GUNPORT_TLS');
      expect(error.cause).to.include({ message: 'never', code: 'NEVER' });
    });

    it('takes large messages both ways', async () => {
      const { ca } = await certificates();
      const { feed, server } = await talk({ tls: { ca } }, { secure: true });
      const bytes = Buffer.alloc(3_000_000, 'tls');
      feed.send(bytes);
      expect((await server.read()).payload.equals(bytes)).to.equal(true);
      server.send(frame(0x82, bytes));
      const [back] = await take(feed, 1);
      expect(bytes.equals(back as Uint8Array)).to.equal(true);
    });
  });

  describe('by wsUpgrade()', () => {
    it('gives the upgrade as its first notice, then messages (Gun ws_upgrade)', async () => {
      const { peer } = await talk();
      const connection = open(peer.url);
      expect(await connection.awaitUp()).to.deep.equal({ type: 'up', protocol: 'http', attempt: 1 });
      const feed = connection.wsUpgrade('/x?y', { headers: { 'x-one': '1' } });
      expect(feed.state).to.equal('connecting');
      expect(() => feed.send('early'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_NOT_CONNECTED');
      const notice = await connection.await(feed);
      expect(notice).to.deep.include({ type: 'upgrade', protocols: ['websocket'] });
      expect(feed.state).to.equal('open');
      expect(feed.url).to.equal(`${peer.url}/x?y`);
    });

    it('may be asked for before the connection is up', async () => {
      const { peer } = await talk();
      const connection = open(peer.url);
      const feed = connection.wsUpgrade('/', { subprotocols: ['a'] });
      expect(await connection.await(feed)).to.include({ type: 'upgrade' });
    });

    it('gives the answer that refused it as notices, then its error', async () => {
      const server = await keep(peer(answers(404, 'length', 'nothing here')));
      const connection = open(server.url, { retry: 0 });
      const feed = connection.wsUpgrade('/');
      const response = await connection.await(feed);
      expect(response).to.include({ type: 'response', fin: false, status: 404 });
      const data = await connection.await(feed);
      expect(data).to.include({ type: 'data', fin: true });
      expect(Buffer.from((data as { data: Uint8Array }).data).toString()).to.equal('nothing here');
      await rejects(connection.await(feed), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', status: 404 });
    });

    it('is refused with ERR_GUNPORT_NOT_CONNECTED while another WebSocket has the connection', async () => {
      const { peer } = await talk();
      const connection = open(peer.url);
      const first = connection.wsUpgrade('/');
      await connection.await(first);
      const second = connection.wsUpgrade('/');
      await rejects(connection.await(second), 'ERR_GUNPORT_NOT_CONNECTED');
      expect(first.state).to.equal('open');
      expect([...connection.streams.values()]).to.include(first);
    });

    it('may be asked for again once the connection is back (Gun)', async () => {
      const peer = await keep(
        wsPeer((server) => {
          server.send(frame(0x81, 'Hello'));
          server.send(frame(0x88));
          return untilClose(server);
        }),
      );
      const connection = open(peer.url);
      for (let i = 0; i < 2; i++) {
        const feed = connection.wsUpgrade('/');
        expect(await drain(feed)).to.deep.equal({ messages: ['Hello'], error: undefined });
      }
    });

    it('gives headers in null-prototype objects, as notices too', async () => {
      const { peer: good } = await talk();
      const bad = await keep(peer(answers(404)));
      for (const { url } of [good, bad]) {
        const connection = open(url, { retry: 0 });
        const notice = await connection.await(connection.wsUpgrade('/'));
        expect(Object.getPrototypeOf((notice as { headers: object }).headers)).to.equal(null);
      }
    });

    it('ends with the error of a bad or late answer; the connection comes back', async () => {
      for (const [script, code] of [
        [wrongAccept, 'ERR_GUNPORT_HANDSHAKE'],
        [silent, 'ERR_GUNPORT_UPGRADE_TIMEOUT'],
      ] as const) {
        const server = await keep(peer(script));
        const connection = open(server.url);
        const feed = connection.wsUpgrade('/', { upgradeTimeout: 50 });
        expect(await rejects(connection.await(feed), code)).to.include({ phase: 'upgrade' });
        expect((await feed.closed).error).to.include({ code });
        await once(connection, 'up');
        expect(connection.attempt).to.equal(2);
      }
    });

    it('ends by cancel() before it is answered, and nothing comes for it (Gun cancel)', async () => {
      const server = await keep(peer(silent));
      const connection = open(server.url);
      const feed = connection.wsUpgrade('/');
      await connection.awaitUp();
      feed.cancel();
      await rejects(connection.await(feed), 'ERR_GUNPORT_CANCELLED');
      expect(await feed.closed).to.include({ code: 1006 });
      expect(feed.state).to.equal('closed');
    });

    it('ends by close() before it is answered: 1006, no error', async () => {
      for (const up of [false, true]) {
        const server = await keep(peer(silent));
        const connection = open(server.url);
        const feed = connection.wsUpgrade('/');
        if (up) await connection.awaitUp();
        expect(await feed.close()).to.deep.equal({ code: 1006, reason: '', wasClean: false });
        expect(await feed.closed).to.deep.equal({ code: 1006, reason: '', wasClean: false });
        expect(connection.status).to.not.equal('dead');
      }
    });

    it('has bad options thrown at once', async () => {
      const { peer } = await talk();
      const connection = open(peer.url);
      expect(() => connection.wsUpgrade('no slash'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
      expect(() => connection.wsUpgrade('/', { maxPayload: 0 }))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
    });

    it('ends a connection whose server talks before it is asked, with ERR_GUNPORT_PROTOCOL', async () => {
      const server = await keep(peer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')));
      const connection = open(server.url, { retry: 0 });
      const down = await connection.monitor().down;
      expect(down?.reason).to.include({ kind: 'gave-up' });
      expect(down?.reason.cause).to.include({ code: 'ERR_GUNPORT_PROTOCOL', phase: 'protocol' });
    });
  });
});
