import { expect } from 'chai';
import { CookieJar, type OpenOptions, type OptionError } from '../../lib/index.ts';
import { cookieServer } from '../support/cookie-server.ts';
import { feeds } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

describe('cookies', () => {
  const { keep, open } = feeds();

  describe('a store of the user', () => {
    /** Its source; a store that notes what it is asked, and says so in a cookie. */
    const store = (body: string, options?: unknown): OpenOptions['cookies'] => ({
      module: `data:text/javascript,${encodeURIComponent(body)}`,
      options,
    });
    const NOTING = `
    const all = [];
    export default (options, context) => ({
      getCookieString(url) { return [options.prefix, context.origin, url, ...all].join('|'); },
      setCookie(line, url) { all.push(line + ' from ' + url); },
    });
  `;

    for (const speaks of ['http', 'h2c'] as const) {
      it(`is loaded beside the socket, with its options, over ${speaks}`, async () => {
        const server = await keep(cookieServer(speaks));
        const url = server.at();
        const body = `${NOTING}// ${speaks}`;
        const connection = open(url, { ...server.options, cookies: store(body, { prefix: 'p' }) });
        server.say(['a=1; any', '=b'], { early: ['c'] });
        await connection.get('/x?y').text();
        await connection.get('/').text();
        expect(server.asked.map(({ cookie }) => cookie)).to.deep.equal([
          `p|${url}|${url}/x?y`,
          `p|${url}|${url}/|c from ${url}/x?y|a=1; any from ${url}/x?y|=b from ${url}/x?y`,
        ]);
      });

      it(`that throws, or gives what is no header value, fails the request over ${speaks}`, async () => {
        const server = await keep(cookieServer(speaks));
        const at = (text: string) =>
          store(
            `export default () => ({ getCookieString(url) { if (url.endsWith('/bad')) ${text}; }, setCookie() {} })`,
          );
        for (const [text, words] of [
          [`throw new Error('oh')`, /the store threw/],
          [`return 'a=hidden\\r\\nx: y'`, /no header value/],
          [`return 'a=hidden☃'`, /no header value/],
          [`return 7`, /gave number/],
        ] as const) {
          const connection = open(server.at(), { ...server.options, cookies: at(text) });
          const error = await rejects(connection.get('/bad').text(), 'ERR_GUNPORT_OPTION');
          expect(error.message)
            .to.match(words)
            .and.not.match(/hidden/);
          // And the connection goes on.
          await connection.get('/good').text();
          expect(server.asked.at(-1)).to.include({ path: '/good', cookie: undefined });
        }
      });
    }

    it('that throws for an answer ends the connection, and no other', async () => {
      const server = await keep(cookieServer('http'));
      const other = open(server.at(), { ...server.options, cookies: true });
      await other.awaitUp();
      for (const text of [`throw new Error('oh')`, `return Promise.reject(new Error('oh'))`]) {
        const cookies = store(`export default () => ({ getCookieString() {}, setCookie() { ${text}; } })`);
        const connection = open(server.at(), { ...server.options, cookies });
        const { down } = connection.monitor();
        server.say(['a=1']);
        await connection
          .get('/')
          .text()
          .catch(() => {});
        const { reason } = (await down)!;
        expect(reason).to.include({ kind: 'uncaught' });
        expect((reason.cause as OptionError).message).to.equal('cookies: the store threw');
        await other.get('/').text();
      }
    });

    it('that is none, or cannot be had, fails the attempt', async () => {
      const server = await keep(cookieServer('http'));
      for (const [body, words] of [
        ['export default 7', /must export a function/],
        ['export default () => 7', /must have getCookieString/],
        ['export default () => ({ getCookieString() {} })', /must have getCookieString/],
        [`export default () => { throw new Error('oh') }`, /makes the store threw/],
        [`export default () => Promise.reject(new Error('oh'))`, /makes the store threw/],
      ] as const) {
        const connection = open(server.at(), { ...server.options, retry: 0, cookies: store(body) });
        const error = await connection.awaitUp().catch((error: unknown) => error as Error);
        expect(String((error as Error).message), body).to.match(words);
      }
    });

    it('is closed with its connection, once', async () => {
      const server = await keep(cookieServer('http'));
      const body = `
      let closed = 0;
      export default async () => ({ getCookieString: () => 'closed=' + closed, setCookie() {}, close() { closed++; throw 1; } });
    `;
      const ask = async (): Promise<string | undefined> => {
        const connection = open(server.at(), { ...server.options, cookies: store(body) });
        await connection.get('/').text();
        await connection.close();
        return server.asked.at(-1)?.cookie;
      };
      expect([await ask(), await ask(), await ask()]).to.deep.equal(['closed=0', 'closed=1', 'closed=2']);
    });
  });

  describe('a hostile server', () => {
    it('cannot fill a jar: 50 cookies of a domain are kept, whatever it sends', async () => {
      const jar = new CookieJar();
      const server = await keep(cookieServer('http'));
      const connection = open(server.at(), { ...server.options, cookies: jar });
      const ask = async (): Promise<string> => {
        await connection.get('/').text();
        return server.asked.at(-1)?.cookie ?? '';
      };
      for (let round = 0; round < 20; round++) {
        server.say(Array.from({ length: 100 }, (_, i) => `n${round}_${i}=${'x'.repeat(500)}`));
        await ask();
      }
      const sent = (await ask()).split('; ');
      expect(sent).to.have.lengthOf(50);
      expect(sent.every((pair) => pair.startsWith('n19_'))).to.equal(true);
      expect(jar.size).to.equal(50);
    });
  });
});
