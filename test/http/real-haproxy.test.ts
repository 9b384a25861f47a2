import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, OpenOptions } from '../../lib/index.ts';
import { type Backend, backend, type Uploaded } from '../support/backend.ts';
import { type Feed, feeds, take } from '../support/feeds.ts';
import { garbage, type Peer, peer, refusing } from '../support/peers.ts';
import { type Place, type Plan, type Real, real, start, titled } from '../support/real.ts';
import { rejects } from '../support/rejects.ts';

/** Front ends for TLS, plain HTTP/1.1 and HTTP/2; `-short` ones lose patience after 100 ms. */
function configured({ port }: Place, behind: { back: number; bad: number; nobody: number }): Plan {
  const bind = (name: string, more = ''): string => `bind 127.0.0.1:${port(name)} ${more}`;
  const routes = `
    http-request return status 200 content-type text/plain lf-string %[path] if { path_beg /n/ }
    http-request early-hint Link "</style.css>; rel=preload" if { path /hint }
    http-request return status 503 content-type text/plain string busy hdr retry-after 1 if { path /busy }
    http-request wait-for-body time 100 if { path /wait }
    use_backend dead if { path /dead }
    use_backend bad if { path /bad }
    use_backend silent if { path /silent }
    use_backend cut if { path /cut }
    default_backend back`;
  const conf = `
global
  log stdout format raw local0
  nbthread 1
defaults
  mode http
  log global
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  timeout tunnel 10s
  retries 0
frontend tls
  ${bind('tls', 'ssl crt both.pem alpn h2,http/1.1')} ${routes}
frontend plain
  ${bind('plain')} ${routes}
frontend h2c
  ${bind('h2c', 'proto h2')} ${routes}
frontend short
  ${bind('short')}
  timeout client 100
  timeout http-request 100
  timeout http-keep-alive 100 ${routes}
frontend short-h2c
  ${bind('short-h2c', 'proto h2')}
  timeout client 100
  timeout http-keep-alive 100 ${routes}
backend back
  server it 127.0.0.1:${behind.back}
backend bad
  server it 127.0.0.1:${behind.bad}
backend silent
  timeout server 100
  server it 127.0.0.1:${behind.back}
backend cut
  timeout tunnel 100
  server it 127.0.0.1:${behind.back}
backend dead
  server it 127.0.0.1:${behind.nobody}
`;
  return { args: ['-db', '-f', 'haproxy.cfg'], files: { 'haproxy.cfg': conf } };
}

describe(titled('haproxy', 'HTTP and WebSocket with haproxy'), () => {
  const { open, connect } = feeds();
  let back: Backend;
  let bad: Peer;
  let behind: Parameters<typeof configured>[1];
  before(async () => {
    back = await backend();
    bad = await peer(garbage);
    const nobody = await refusing();
    behind = { back: back.port, bad: bad.port, nobody: nobody.port };
  });
  after(async () => {
    await back.close();
    await bad.close();
  });
  const haproxy = real('haproxy', (place) => configured(place, behind));

  const ways: readonly [string, (server: Real) => string, (server: Real) => OpenOptions][] = [
    ['HTTP/1.1', (server) => server.plain('plain'), () => ({})],
    [
      'HTTP/2 over TLS',
      (server) => server.secure('tls'),
      ({ ca }) => ({ tls: { ca }, protocols: ['http2'] }),
    ],
    ['HTTP/2 with prior knowledge', (server) => server.plain('h2c'), () => ({ protocols: ['http2'] })],
  ];

  for (const [way, urlOf, optionsOf] of ways) {
    describe(`over ${way}`, () => {
      const two = way.startsWith('HTTP/2');
      let connection: Connection;
      beforeEach(() => {
        connection = open(urlOf(haproxy()), optionsOf(haproxy()));
      });

      it('gives 100 requests at once their own answers, on one connection', async () => {
        const texts = Array.from({ length: 100 }, (_, i) => connection.get(`/n/${i}`).text());
        expect(await Promise.all(texts)).to.deep.equal(Array.from({ length: 100 }, (_, i) => `/n/${i}`));
        expect((await connection.info()).protocol).to.equal(two ? 'http2' : 'http');
        expect(connection.attempt).to.equal(1);
      });

      it('tells 103 (Early Hints) before the answer (RFC 8297)', async () => {
        const stream = connection.get('/hint');
        const informs: unknown[] = [];
        const response = await stream.response({
          onInform: ({ status, headers }) => informs.push([status, headers['link']]),
        });
        expect(informs).to.deep.equal([[103, '</style.css>; rel=preload']]);
        expect([response.status, await stream.text()]).to.deep.equal([200, '/hint']);
      });

      it('gives 502, 503 and 504 as answers, and goes on', async () => {
        for (const [path, status] of [
          ['/bad', 502],
          ['/busy', 503],
          ['/dead', 503],
          ['/silent', 504],
        ] as const) {
          const stream = connection.get(path);
          expect([path, (await stream.response()).status]).to.deep.equal([path, status]);
          expect((await stream.text()).length).to.be.above(0);
        }
        expect(await connection.get('/n/next').text()).to.equal('/n/next');
        back.release();
      });

      it('gives the 408 for a body that does not come, and goes on', async () => {
        const stream = connection.post('/wait', { headers: { 'content-length': '10' } });
        stream.data(false, 'Hello');
        expect((await stream.response()).status).to.equal(408);
        expect(await stream.text()).to.include('408');
        expect(await connection.get('/n/next').text()).to.equal('/n/next');
      });

      it('takes uploads, their framing kept', async () => {
        const stream = connection.post('/upload');
        for (let i = 0; i < 20; i++) stream.data(i === 19, Buffer.alloc(50_000));
        const { length, framing } = await stream.json<Uploaded>();
        expect({ length, framing }).to.deep.equal({ length: 1_000_000, framing: 'chunked' });
      });

      it('opens a WebSocket for connect(), and echoes 10 000 messages in order', async () => {
        const feed = await connect(`${urlOf(haproxy()).replace('http', 'ws')}/ws`, optionsOf(haproxy()));
        expect((await feed.connection.info()).protocol).to.equal(two ? 'http2' : 'ws');
        await echoes(feed, 10_000);
        expect(await feed.close(1000, 'bye')).to.deep.equal({ code: 1000, reason: 'bye', wasClean: true });
      });
    });
  }

  for (const [way, urlOf, optionsOf] of ways.slice(1)) {
    it(`has WebSockets beside requests on one connection over ${way} (RFC 8441)`, async () => {
      const connection = open(urlOf(haproxy()), optionsOf(haproxy()));
      const opened = [1, 2, 3].map((i) => connection.wsUpgrade(`/ws/${i}`));
      for (const feed of opened) expect(await connection.await(feed)).to.include({ type: 'upgrade' });
      const [one, two, three] = opened as [Feed, Feed, Feed];
      const texts = Array.from({ length: 50 }, (_, i) => connection.get(`/n/${i}`).text());
      await Promise.all([echoes(one, 10_000), echoes(two, 100), ...texts]);
      expect(await one.close()).to.include({ code: 1000, wasClean: true });
      await echoes(two, 100);
      two.cancel();
      expect(await connection.get('/count/after').text()).to.equal('/count/after');
      await echoes(three, 100);
      expect([one.state, two.state, three.state]).to.deep.equal(['closed', 'closed', 'open']);
      expect(connection).to.include({ status: 'up', attempt: 1 });
    });
  }

  it('opens a WebSocket on a connection of HTTP/1.1 that has served requests', async () => {
    const connection = open(haproxy().plain('plain'));
    expect(await connection.get('/n/first').text()).to.equal('/n/first');
    const feed = connection.wsUpgrade('/ws');
    expect(await connection.await(feed)).to.include({ type: 'upgrade' });
    await echoes(feed, 1_000);
    expect(connection.attempt).to.equal(1);
  });

  for (const [version, port] of [
    ['HTTP/1.1', 'short'],
    ['HTTP/2', 'short-h2c'],
  ] as const) {
    const protocols = [version === 'HTTP/2' ? 'http2' : 'http'] as const;

    it(`comes back after haproxy has closed an idle connection of ${version}`, async () => {
      const connection = open(haproxy().plain(port), { protocols, retryTimeout: 1 });
      for (let i = 1; i <= 2; i++) {
        const down = once(connection, 'down');
        expect(await connection.get(`/n/${i}`).text()).to.equal(`/n/${i}`);
        const [{ attempt, killed }] = await down;
        expect({ attempt, killed }).to.deep.equal({ attempt: i, killed: [] });
        if (i === 1) await once(connection, 'up');
      }
    });

    it(`is not disturbed where an answer of ${version} takes longer than the client may be idle`, async () => {
      const connection = open(haproxy().plain(port), { protocols });
      const stream = connection.get('/silent');
      expect((await stream.response()).status).to.equal(504);
      await stream.text();
      back.release();
    });
  }

  for (const [way, urlOf, optionsOf] of ways) {
    it(`has a feed of connect() back after haproxy has cut it over ${way} for its silence`, async () => {
      const url = `${urlOf(haproxy()).replace('http', 'ws')}/cut`;
      const feed = await connect(url, { ...optionsOf(haproxy()), retry: 3, retryTimeout: 1 });
      await echoes(feed, 10);
      expect((await once(feed, 'down'))[0]).to.include({ attempt: 1 });
      expect((await once(feed, 'up'))[0]).to.include({ attempt: 2 });
      await echoes(feed, 10);
    });
  }

  it('loses a connection of HTTP/1.1 that is told 408 without a request, and comes back', async () => {
    const connection = open(haproxy().plain('short'), { retryTimeout: 1 });
    await connection.awaitUp();
    const [{ killed }] = await once(connection, 'down');
    expect(killed).to.deep.equal([]);
    expect(await connection.get('/n/again').text()).to.equal('/n/again');
    expect(connection.attempt).to.be.above(1);
  });

  for (const [way, urlOf, optionsOf] of ways) {
    it(`ends what is under way over ${way} when haproxy is told to stop`, async () => {
      const other = await start('haproxy', (place) => configured(place, behind));
      try {
        const connection = open(urlOf(other), { ...optionsOf(other), retry: 0 });
        const stream = connection.get('/hold');
        expect((await stream.response()).status).to.equal(200);
        await back.held();
        const { down } = connection.monitor();
        other.signal('SIGUSR1');
        await other.logged('Proxy tls stopped');
        back.release();
        expect(await stream.text()).to.equal('one two');
        // One of HTTP/1.1 is served once more, and told `connection: close`.
        if (way === 'HTTP/1.1') expect(await connection.get('/n/last').text()).to.equal('/n/last');
        expect((await down)?.reason.kind).to.be.oneOf(['normal', 'gave-up']);
      } finally {
        await other.close();
      }
    });
  }

  it('is refused by a front end that speaks HTTP/2 only', async () => {
    const connection = open(haproxy().plain('h2c'), { retry: 0 });
    await rejects(connection.get('/n/1').response(), 'ERR_GUNPORT_CLOSED');
  });

  it('speaks HTTP/2 to a front end that knows it by its first bytes (RFC 9113 §3.3)', async () => {
    const connection = open(haproxy().plain('plain'), { protocols: ['http2'] });
    expect(await connection.get('/n/1').text()).to.equal('/n/1');
  });
});

/** Numbers, sent and heard. */
async function echoes(feed: Feed, count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, i) => String(i));
  const heard = take(feed, count);
  for (let at = 0; at < count; at += 100) {
    if (!feed.send(all.slice(at, at + 100))) await feed.drained();
  }
  expect(await heard).to.deep.equal(all);
}
