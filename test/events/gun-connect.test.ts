// Twins of event_SUITE that look at how a connection comes about, and ends.

import { threadId as here } from 'node:worker_threads';
import { expect } from 'chai';
import { ConnectionError } from '../../lib/index.ts';
import { cowboy } from '../support/cowboy.ts';
import { FAULTY } from '../support/faults.ts';
import { feeds } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { origin } from '../support/origin.ts';
import { peer, refusing, tlsRefusing } from '../support/peers.ts';

const FAILING = `export default (host, options, answer) =>
  answer(Object.assign(new Error('not found'), { code: 'ENOTFOUND', hostname: host }));`;

describe('the events of a connection', () => {
  const { open, keep, pool } = feeds();
  const heard = listening();

  for (const speaks of ['http', 'h2c'] as const) {
    describe(`that speaks ${speaks}`, () => {
      it('begin with what it is to be (event_SUITE init)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:init');
        const connection = open(server.url, { ...server.trust, retry: 3, connectTimeout: 777 });
        const { options, time, ...init } = await heard.next('gunport:init');
        await connection.awaitUp();
        expect(init).to.deep.equal({
          ...{ connection: connection.id, threadId: connection.threadId, ownerThreadId: here },
          ...{ transport: 'tcp', scheme: 'http', host: '127.0.0.1', port: server.port },
        });
        expect(time).to.be.within(Date.now() - 5_000, Date.now() + 1_000);
        expect(options).to.deep.include({
          ...{ protocols: [speaks === 'http' ? 'http' : 'http2'], retry: 3, connectTimeout: 777 },
          ...{ onOwnerDown: 'shutdown', proxies: [] },
        });
      });

      it('a lookup tells whom and how long it may take (event_SUITE domain_lookup_start)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:domain-lookup:start', 'gunport:domain-lookup:end');
        const { port } = server;
        const connection = open(
          { host: 'far.example', port },
          { ...server.trust, lookup: FAULTY, lookupTimeout: 888 },
        );
        const start = await heard.next('gunport:domain-lookup:start');
        const { id } = connection;
        expect(start).to.include({ connection: id, host: 'far.example', port, timeout: 888 });
      });

      it('and what it found (event_SUITE domain_lookup_end_ok)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:domain-lookup:end');
        const { port } = server;
        open({ host: 'far.example', port }, { ...server.trust, lookup: FAULTY });
        const end = await heard.next('gunport:domain-lookup:end');
        expect(end).to.deep.include({
          host: 'far.example',
          addresses: [{ address: '127.0.0.1', family: 4 }],
        });
        expect(end).to.not.have.property('error');
      });

      it('or that it found nothing (event_SUITE domain_lookup_end_error)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:domain-lookup:end', 'gunport:connect:start');
        const lookup = { module: `data:text/javascript,${encodeURIComponent(FAILING)}` };
        const connection = open({ host: 'far.example', port: 1 }, { ...server.trust, lookup, retry: 0 });
        await connection.monitor().down;
        const { error, addresses } = await heard.next('gunport:domain-lookup:end');
        expect(error).to.be.instanceOf(ConnectionError).and.include({ code: 'ERR_GUNPORT_LOOKUP' });
        expect((error as ConnectionError).cause).to.include({ code: 'ENOTFOUND' });
        expect(addresses).to.deep.equal([]);
        expect(heard.of('gunport:connect:start')).to.deep.equal([]);
      });

      it('connecting begins with addresses (event_SUITE connect_start)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:connect:start', 'gunport:domain-lookup:start');
        const { port } = server;
        open(server.url, { ...server.trust, connectTimeout: 999 });
        const start = await heard.next('gunport:connect:start');
        expect(start).to.deep.include({
          ...{ host: '127.0.0.1', port, timeout: 999 },
          addresses: [{ address: '127.0.0.1', family: 4 }],
        });
        expect(heard.of('gunport:domain-lookup:start'), 'an address is not looked up').to.deep.equal([]);
      });

      it('and ends with an error where nobody listens (event_SUITE connect_end_error)', async () => {
        const server = await refusing();
        heard.to('gunport:connect:end', 'gunport:retry', 'gunport:terminate');
        const protocols = speaks === 'http' ? (['http'] as const) : (['http2'] as const);
        const connection = open(server.url.replace('ws', 'http'), { protocols, retry: 1, retryTimeout: 0 });
        await connection.monitor().down;
        for (let attempt = 0; attempt < 2; attempt++) {
          const { error } = await heard.next('gunport:connect:end');
          expect(error).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
        }
        expect(await heard.next('gunport:retry')).to.deep.include({ connection: connection.id, delay: 0 });
        const { state, reason } = await heard.next('gunport:terminate');
        expect([state, reason.kind]).to.deep.equal(['retrying', 'gave-up']);
      });

      it('or with addresses and the protocol (event_SUITE connect_end_ok_tcp)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:connect:end', 'gunport:tls-handshake:start');
        const connection = open(server.url, server.trust);
        const end = await heard.next('gunport:connect:end');
        await connection.awaitUp();
        const { localPort } = await connection.info();
        const protocol = speaks === 'http' ? 'http' : 'http2';
        expect(end).to.include({ remoteAddress: '127.0.0.1', remotePort: server.port, localPort, protocol });
        expect(end).to.not.have.property('error');
        expect(heard.of('gunport:tls-handshake:start')).to.deep.equal([]);
      });
    });
  }

  for (const speaks of ['https', 'h2'] as const) {
    describe(`that speaks ${speaks}`, () => {
      it('over TLS the protocol is not known when TCP is there (event_SUITE connect_end_ok_tls)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:connect:end');
        open(server.url, server.trust);
        const end = await heard.next('gunport:connect:end');
        expect(end).to.include({ host: 'localhost', remotePort: server.port });
        expect(end).to.not.have.any.keys('protocol', 'error');
      });

      it('a handshake tells whom it is with and what is offered (event_SUITE tls_handshake_start)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:tls-handshake:start');
        open(server.url, { ...server.trust, tlsTimeout: 666 });
        const start = await heard.next('gunport:tls-handshake:start');
        const { port } = server;
        expect(start).to.deep.include({
          ...{ host: 'localhost', port, servername: 'localhost', timeout: 666 },
          offered: [speaks === 'https' ? 'http/1.1' : 'h2'],
        });
      });

      it('and what came of it (event_SUITE tls_handshake_end_ok)', async () => {
        const server = await keep(cowboy(speaks));
        heard.to('gunport:tls-handshake:end');
        open(server.url, server.trust);
        const end = await heard.next('gunport:tls-handshake:end');
        const [alpn, protocol] = speaks === 'https' ? ['http/1.1', 'http'] : ['h2', 'http2'];
        expect(end).to.include({ host: 'localhost', alpn, protocol, version: 'TLSv1.3' });
        expect(end.cipher).to.match(/^TLS_/);
        expect(end).to.not.have.property('error');
      });

      it('or why it failed (event_SUITE tls_handshake_end_error)', async () => {
        const server = await keep(peer(tlsRefusing, { scheme: 'wss' }));
        heard.to('gunport:tls-handshake:start', 'gunport:tls-handshake:end');
        const connection = open(server.url.replace('wss', 'https'), { retry: 0 });
        await connection.monitor().down;
        await heard.next('gunport:tls-handshake:start');
        const { error } = await heard.next('gunport:tls-handshake:end');
        expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
      });
    });
  }

  it('that is lost: why, and that it will be tried again (event_SUITE disconnect)', async () => {
    const server = await keep(origin());
    heard.to('gunport:disconnect', 'gunport:retry');
    const connection = open(server.url, { retry: 1, retryTimeout: 0 });
    await connection.awaitUp();
    (await server.next()).end();
    const { error, ...lost } = await heard.next('gunport:disconnect');
    expect(lost).to.include({ connection: connection.id, attempt: 1, protocol: 'http' });
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect((await heard.next('gunport:retry')).delay).to.equal(0);
  });

  it('end with what it was doing, and why (event_SUITE terminate)', async () => {
    const server = await keep(origin());
    heard.to('gunport:terminate', 'gunport:disconnect');
    const connection = open(server.url);
    await connection.awaitUp();
    await connection.close();
    const { state, reason, threadId } = await heard.next('gunport:terminate');
    expect([state, reason.kind, threadId]).to.deep.equal(['up', 'shutdown', connection.threadId]);
    expect(heard.of('gunport:terminate')).to.have.lengthOf(1);
  });

  it('whose thread is killed: its end is told all the same, once', async () => {
    const server = await keep(origin());
    heard.to('gunport:terminate');
    const connection = open(server.url, { isolated: true });
    await connection.awaitUp();
    const { threadId, id } = connection;
    await pool.terminate(threadId);
    const { state, reason } = await heard.next('gunport:terminate', (one) => one.connection === id);
    expect([state, reason.kind]).to.deep.equal(['dead', 'terminated']);
    expect(heard.of('gunport:terminate').filter((one) => one.connection === id)).to.have.lengthOf(1);
  });
});
