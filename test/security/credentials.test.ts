// Where credentials go, and where they do not: with an answer that leads elsewhere, with a renewed URL, and by way of a proxy.
// Source: ws 2022 and undici (Authorization and Cookie across hosts); RFC 9110 §15.4; RFC 6455 §4.1.

import { expect } from 'chai';
import type { Renewal } from '../../lib/index.ts';
import { renewed } from '../../lib/renewal.ts';
import { checkOpen } from '../../lib/settings.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

const SECRET = `Basic ${Buffer.from('user:secret').toString('base64')}`;

describe('an answer that leads elsewhere', () => {
  const { open, pool, connect, keep } = feeds();
  const places = [
    'http://127.0.0.1:1/',
    '//evil.example/',
    'unix:/var/run/docker.sock',
    'ws+unix:///tmp/x',
    '/',
    '',
  ];

  for (const status of [300, 301, 302, 303, 305, 307, 308]) {
    it(`with ${status} is an answer: nobody follows it, whatever asks (RFC 9110 §15.4)`, async () => {
      const heads: string[] = [];
      const server = await keep(
        origin(async (talk) => {
          for (;;) {
            const { raw } = await talk.request();
            const location = places[heads.length % places.length] ?? '';
            heads.push(raw);
            await talk.answer(status, 'see', { headers: { location, refresh: '0; url=/' } });
          }
        }),
      );
      const connection = open(server.url, {
        headers: { authorization: SECRET, cookie: 'a=b' },
        cookies: true,
      });
      for (const location of places) {
        const response = await connection.fetch('/');
        expect([response.status, response.redirected, response.headers.get('location')]).to.deep.equal([
          status,
          false,
          location,
        ]);
        await response.text();
      }
      expect(await connection.get('/').text()).to.equal('see');
      expect(await pool.get(server.url).text()).to.equal('see');
      expect((await pool.fetch(server.url)).status).to.equal(status);
      const refused = await rejects(connect(`ws://127.0.0.1:${server.port}`), 'ERR_GUNPORT_UPGRADE_REFUSED');
      expect(refused.status).to.equal(status);
      expect(heads).to.have.lengthOf(places.length + 4);
    });
  }

  it('is refused as a mode: fetch knows "manual" only', async () => {
    const connection = open('http://127.0.0.1:1', { retry: 0 });
    for (const redirect of ['follow', 'error', null, {}]) {
      await rejects(connection.fetch('/', { redirect } as never), 'ERR_GUNPORT_OPTION');
    }
  });

  it('is no event stream', async () => {
    const answer =
      'HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n';
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(answer);
      }),
    );
    const events = open(server.url).sse('/');
    await rejects(events[Symbol.asyncIterator]().next(), 'ERR_GUNPORT_NO_EVENTS');
    expect(server.taken).to.equal(1);
  });
});

describe('a renewed URL', () => {
  const base = 'wss://user:secret@a.example/feed';
  /** What goes with a request of an attempt, of a WebSocket and of others. */
  const sent = (given: string, options: object, ...renewals: Renewal[]): string[] => {
    const { settings } = checkOpen(given, options, true);
    const records = renewals.map(({ url, headers }) => ({
      url: url === undefined ? undefined : String(url),
      headers: Object.entries((headers ?? {}) as Record<string, string>).flat(),
      subprotocols: undefined,
    }));
    const { ws, http } = renewed(settings, records);
    expect(http.headers.filter((_, i) => i % 2 === 1)).to.deep.equal(
      ws.headers.filter((_, i) => i % 2 === 1),
    );
    return ws.headers.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
  };

  it('of the same place has its user: path and query are no other place', () => {
    expect(sent(base, {}, { url: 'wss://a.example/other?x' })).to.deep.equal(['authorization', SECRET]);
    expect(sent(base, {}, { headers: { x: '1' } })).to.deep.equal(['authorization', SECRET, 'x', '1']);
  });

  for (const url of [
    'wss://b.example/feed',
    'wss://a.example:8443/feed',
    'wss://x.a.example/feed',
    'wss://example/feed',
    'ws://a.example:443/feed',
    'ws://a.example/feed',
  ]) {
    it(`of another host, port or scheme has not the user of the first: ${url}`, () => {
      expect(sent(base, {}, { url })).to.deep.equal([]);
      expect(sent(base, {}, { url }, { url: 'wss://a.example/' })).to.deep.equal([]);
      const own = url.replace('//', '//other:user@');
      const other = `Basic ${Buffer.from('other:user').toString('base64')}`;
      expect(sent(base, {}, { url: own })).to.deep.equal(['authorization', other]);
      expect(sent(base, {}, { url: own }, { url: 'wss://c.example/' })).to.deep.equal([]);
    });
  }

  it('of another host has the headers that were given apart: they are of the connection', () => {
    const options = { headers: { Authorization: 'Bearer token' } };
    const found = sent(base, options, { url: 'wss://b.example' });
    expect(found).to.deep.equal(['authorization', 'Bearer token']);
  });

  it('of another host has no session of TLS of the first', () => {
    const session = Buffer.from([1, 2, 3]);
    const { settings } = checkOpen('wss://a.example', { tls: { session, ca: 'x' } }, true);
    const at = (url: string) => renewed(settings, [{ url, headers: [], subprotocols: undefined }]).tls;
    expect(at('wss://a.example/x')).to.have.property('session');
    expect(at('wss://b.example/x')).to.deep.equal({ ca: 'x', rejectUnauthorized: true });
    expect(at('wss://a.example:444/x')).not.to.have.property('session');
  });
});

describe('what a proxy is told, and what is behind it', () => {
  const { open, keep } = feeds();

  it('are kept apart: neither has the credentials of the other (RFC 9110 §11.7)', async () => {
    const heads: string[] = [];
    const server = await keep(
      origin(async (talk) => {
        heads.push((await talk.request()).raw);
        await talk.answer(200, 'hi', { headers: { 'set-cookie': 'a=b' } });
      }),
    );
    const proxy = await keep(connectProxy({ auth: 'proxy:word' }));
    const connection = open(`http://user:secret@127.0.0.1:${server.port}`, {
      proxy: `http://proxy:word@127.0.0.1:${proxy.port}`,
      headers: { cookie: 'mine=1', 'x-api-key': 'key' },
    });
    expect(await connection.get('/').text()).to.equal('hi');
    const told = JSON.stringify(proxy.asked);
    for (const text of [SECRET, 'secret', 'mine=1', 'key']) expect(told).not.to.include(text);
    const word = Buffer.from('proxy:word').toString('base64');
    expect(told).to.include(word);
    expect(heads.join()).to.include(SECRET).and.include('mine=1');
    expect(heads.join()).not.to.include(word);
    expect(heads.join()).not.to.match(/proxy-/i);
  });
});
