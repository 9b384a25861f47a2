import { expect } from 'chai';
import {
  type Connection,
  CookieJar,
  GunportError,
  type OpenOptions,
  type WsStream,
} from '../../lib/index.ts';
import { acceptOf } from '../../lib/protocol/handshake.ts';
import { type CookieServer, cookieServer } from '../support/cookie-server.ts';
import type { Speaks } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks } from '../support/h2origin.ts';
import { type Head, origin, type Talk } from '../support/origin.ts';
import { upgrading } from '../support/upgrading.ts';

const ALL = ['http', 'https', 'h2c', 'h2'] as const;
describe('cookies', () => {
  const { keep, open, connect } = feeds();

  async function served(
    speaks: Speaks,
    options: OpenOptions = {},
  ): Promise<{ server: CookieServer; connection: Connection; ask(path?: string): Promise<string> }> {
    const server = await keep(cookieServer(speaks));
    const connection = open(server.at(), { ...server.options, cookies: true, ...options });
    const ask = async (path = '/'): Promise<string> => {
      await connection.get(path).text();
      return server.asked.at(-1)?.cookie ?? '';
    };
    return { server, connection, ask };
  }

  for (const speaks of ALL) {
    describe(`the cookies of a connection over ${speaks}`, () => {
      it('are kept of interim answers too (rfc6265bis_SUITE dont_ignore_informational_set_cookie)', async () => {
        const { server, ask } = await served(speaks);
        server.say(['b=2'], { early: ['a=1', 'b=1'] });
        await ask();
        expect(await ask()).to.equal('a=1; b=2');
      });

      it('are not with cookieIgnoreInformational (rfc6265bis_SUITE ignore_informational_set_cookie)', async () => {
        const { server, ask } = await served(speaks, { cookieIgnoreInformational: true });
        server.say(['b=2'], { early: ['a=1', 'b=1'] });
        await ask();
        expect(await ask()).to.equal('b=2');
      });

      it('are kept of whatever the answer is', async () => {
        const { server, ask } = await served(speaks);
        for (const status of [200, 302, 401, 404, 500]) {
          server.say([`s${status}=1`], { status });
          await ask();
        }
        expect(await ask()).to.equal('s200=1; s302=1; s401=1; s404=1; s500=1');
      });

      it('survive a reconnect, and go with the requests that wait for it', async () => {
        const { server, connection, ask } = await served(speaks);
        server.say(['a=1']);
        await ask();
        const back = new Promise((resolve) => connection.once('up', resolve));
        server.drop();
        await back;
        expect(await ask()).to.equal('a=1');
        expect(server.asked.at(-1)?.talk).to.equal(2);
      });

      it('are those of the host that a request names', async () => {
        const { server, connection } = await served(speaks);
        server.say(['a=1']);
        await connection.get('/', { headers: { host: 'one.test' } }).text();
        await connection.get('/').text();
        expect(server.asked.at(-1)?.cookie).to.equal(undefined);
        await connection.get('/', { headers: { host: 'one.test:81' } }).text();
        expect(server.asked.at(-1)).to.include({ cookie: 'a=1', authority: 'one.test:81' });
      });
    });
  }

  describe('the cookies of a request', () => {
    it('are those of the time when it is sent, not of the call', async () => {
      const talks = await keep(
        origin(async (talk) => {
          for (let i = 0; ; i++) {
            const { headers } = await talk.request();
            await talk.answer(200, headers['cookie'] ?? '', { headers: { 'set-cookie': `n=${i}` } });
          }
        }),
      );
      const connection = open(talks.url, { cookies: true, pipelining: 1 });
      const asked = Array.from({ length: 4 }, () => connection.get('/').text());
      expect(await Promise.all(asked)).to.deep.equal(['', 'n=0', 'n=1', 'n=2']);
    });

    it('are of fetch() as well', async () => {
      const { server, connection } = await served('http');
      server.say(['a=1']);
      const response = await connection.fetch('/x');
      await response.text();
      expect(response.headers.get('set-cookie')).to.equal('a=1');
      await (await connection.fetch('/x', { headers: { cookie: 'b=2' } })).text();
      expect(server.asked.at(-1)?.cookie).to.equal('b=2; a=1');
    });

    it('are joined to those in the headers of the connection', async () => {
      const { server, ask } = await served('h2c', { headers: { cookie: 'mine=1; a=0' } });
      expect(await ask()).to.equal('mine=1; a=0');
      server.say(['a=1', 'b=2']);
      await ask();
      expect(await ask()).to.equal('mine=1; a=0; b=2');
    });

    it('are in no error and no event, whatever becomes of it', async () => {
      const server = await keep(
        origin(async (talk) => {
          await talk.request();
          await talk.answer(200, '', { headers: { 'set-cookie': 'a=hidden' } });
          await talk.request();
          talk.reset();
        }),
      );
      const jar = new CookieJar();
      const connection = open(server.url, { cookies: jar, retry: 0 });
      await connection.get('/').text();
      const error = await connection
        .get('/')
        .text()
        .then(
          () => new Error('it was answered'),
          (error: unknown) => error as Error,
        );
      expect(error).to.be.instanceOf(GunportError);
      const { inspect } = await import('node:util');
      expect(inspect([error, jar, connection.lastError], { depth: 9 })).not.to.include('hidden');
    });
  });

  describe('the cookies of what a server pushes', () => {
    const { both } = h2talks();

    it('are kept, when they come with the answer', async () => {
      const { connection, server } = await both({ cookies: true, push: true });
      const stream = connection.get('/');
      const first = await server.request();
      const { [':authority']: authority = '' } = first.fields;
      const promised = { ':method': 'GET', ':scheme': 'http', ':authority': authority, ':path': '/pushed/x' };
      server.send(h2.promise(first.stream, 2, promised));
      server.answer(2, 200, '', { fields: { 'set-cookie': 'pushed=1; Path=/' } });
      server.answer(first.stream, 200, '', { fields: { 'set-cookie': 'a=1' } });
      await stream.text();
      await server.roundTrip();
      void connection.get('/').text();
      expect((await server.request()).fields['cookie']).to.equal('pushed=1; a=1');
      const last = server.frames.findLast(({ type }) => type === 'headers');
      server.answer(last!.stream, 200);
    });
  });

  /** Answers an upgrade by hand. */
  function agree({ headers }: Head, cookies: readonly string[], status = '101 Switching Protocols'): string {
    const accept = acceptOf(headers['sec-websocket-key'] ?? '');
    const fields = cookies.map((line) => `set-cookie: ${line}\r\n`).join('');
    const switched = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n`;
    return `HTTP/1.1 ${status}\r\n${status.startsWith('101') ? switched : 'content-length: 0\r\n'}${fields}\r\n`;
  }

  const CLOSE = Buffer.from('880203e8', 'hex');

  describe('the cookies of a WebSocket', () => {
    const script = (seen: (string | undefined)[], cookies: readonly string[]) => async (talk: Talk) => {
      for (;;) {
        const head = await talk.request();
        seen.push(head.headers['cookie']);
        if (head.headers['upgrade'] === 'websocket') {
          await talk.write(agree(head, cookies));
          return;
        }
        await talk.answer(200, '', { headers: { 'set-cookie': 'request=1; Path=/' } });
      }
    };

    for (const secure of [false, true]) {
      const scheme = secure ? 'https' : 'http';
      it(`are kept of its upgrade, Secure ones ${secure ? '' : 'not '}over ${scheme}, for a second connection too (rfc6265bis_SUITE wpt_secure_ws)`, async () => {
        const seen: (string | undefined)[] = [];
        const server = await keep(origin(script(seen, ['a=1; Secure', 'b=2']), { secure }));
        const cookies = new CookieJar();
        const options: OpenOptions = { cookies, ...(secure && { tls: { ca: server.ca } }) };
        const expected = secure ? 'a=1; b=2' : 'b=2';
        for (const connection of [open(server.url, options), open(server.url, options)]) {
          expect(await connection.await(connection.wsUpgrade('/'))).to.include({ type: 'upgrade' });
        }
        expect(seen).to.deep.equal([undefined, expected]);
        await connect(server.url.replace('http', 'ws'), options);
        expect(seen).to.deep.equal([undefined, expected, expected]);
      });
    }

    it('are those of requests before it, on the same connection', async () => {
      const seen: (string | undefined)[] = [];
      const server = await keep(origin(script(seen, [])));
      const connection = open(server.url, { cookies: true });
      await connection.get('/x').text();
      expect(await connection.await(connection.wsUpgrade('/', { headers: { Cookie: 'mine=1' } }))).to.include(
        {
          type: 'upgrade',
        },
      );
      expect(seen).to.deep.equal([undefined, 'mine=1; request=1']);
    });

    it('are sent when it comes back by itself, as they are then', async () => {
      const seen: (string | undefined)[] = [];
      const talks: Talk[] = [];
      const server = await keep(
        origin(async (talk) => {
          talks.push(talk);
          const head = await talk.request();
          seen.push(head.headers['cookie']);
          await talk.write(agree(head, [`n=${seen.length}`]));
        }),
      );
      const jar = new CookieJar();
      const feed = await connect(server.url.replace('http', 'ws'), {
        cookies: jar,
        retry: 5,
        retryTimeout: 0,
      });
      for (let i = 0; i < 3; i++) {
        const back = new Promise((resolve) => feed.once('up', resolve));
        talks.at(-1)!.reset();
        await back;
      }
      expect(seen).to.deep.equal([undefined, 'n=1', 'n=2', 'n=3']);
      expect(jar.getCookieString(server.url)).to.equal('n=4');
      talks.at(-1)!.end(CLOSE);
      await feed.closed;
    });

    for (const first of [true, false]) {
      it(`are kept of a refusal, and of an interim answer before it, ${first ? 'as the first' : 'behind a request'}`, async () => {
        const server = await keep(
          origin(async (talk) => {
            for (;;) {
              const head = await talk.request();
              if (head.headers['upgrade'] === undefined) await talk.answer(200, head.headers['cookie'] ?? '');
              else {
                await talk.write('HTTP/1.1 103 Early Hints\r\nset-cookie: early=1\r\n\r\n');
                await talk.write(agree(head, ['a=1'], '401 No'));
              }
            }
          }),
        );
        const connection = open(server.url, { cookies: true });
        if (!first) await connection.get('/').text();
        expect(await connection.await(connection.wsUpgrade('/'))).to.include({
          type: 'response',
          status: 401,
        });
        expect(await connection.get('/').text()).to.equal('early=1; a=1');
      });

      it(`are kept of an interim answer before a good one, ${first ? 'as the first' : 'behind a request'}`, async () => {
        const server = await keep(
          origin(async (talk) => {
            for (;;) {
              const head = await talk.request();
              if (head.headers['upgrade'] === undefined) await talk.answer(200);
              else {
                await talk.write('HTTP/1.1 103 Early Hints\r\nset-cookie: early=1\r\n\r\n');
                await talk.write(agree(head, ['a=1']));
                return;
              }
            }
          }),
        );
        const jars = [new CookieJar(), new CookieJar()] as const;
        for (const [i, cookies] of jars.entries()) {
          const connection = open(server.url, { cookies, cookieIgnoreInformational: i === 1 });
          if (!first) await connection.get('/').text();
          expect(await connection.await(connection.wsUpgrade('/'))).to.include({ type: 'upgrade' });
          expect(cookies.getCookieString(server.url)).to.equal(i === 1 ? 'a=1' : 'early=1; a=1');
        }
      });
    }

    it('are those of its connection on HTTP/2 (RFC 8441)', async () => {
      const server = await keep(upgrading('HTTP/2', { headers: { 'set-cookie': 'a=1; Path=/' } }));
      const connection = open(server.url, { cookies: true, protocols: ['http2'] });
      const upgrade = async (path: string): Promise<WsStream<Connection>> => {
        const feed = connection.wsUpgrade(path);
        await connection.await(feed);
        return feed;
      };
      await upgrade('/one');
      await upgrade('/two');
      await upgrade('/reject');
      await connection.get('/').text();
      expect(server.asked.map(({ headers }) => headers['cookie'])).to.deep.equal([
        undefined,
        'a=1',
        'a=1',
        'a=1',
      ]);
    });
  });
});
