// tunnels.test — a line to a proxy that breaks at each byte: of the proxy's answers, and of what comes through.

import { expect } from 'chai';
import { GunportError, type OpenOptions } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { socksProxy } from '../support/socks-proxy.ts';
import { answered, usingOf } from './asking.ts';
import { breaksAt, each, over, some, upTo } from './offsets.ts';

const BODY = 'Hello world!';
const CREDENTIALS = { username: 'user', password: 'secret' };

/** What may befall a road through a proxy, by its code: as if there were none, or as the proxy's. */
const LOST = [
  'ERR_GUNPORT_CLOSED',
  'ERR_GUNPORT_GAVE_UP',
  'ERR_GUNPORT_PROXY',
  'ERR_GUNPORT_TLS',
  'ERR_GUNPORT_CONNECT',
];

/** Bytes that one conversation over TLS may be longer than another: lengths of signatures, and records put together. */
const SLACK = 300;

describe('a tunnel over a bad line', function () {
  this.timeout(20_000);
  this.slow(8_000);
  const { pool, keep } = feeds();
  const using = usingOf(pool);
  const seed = seedOf();

  for (const kind of ['http', 'https', 'socks5', 'socks5tls'] as const) {
    for (const secure of [false, true]) {
      const what = `${kind} to ${secure ? 'https' : 'http'}`;
      it(`that breaks at a byte, through ${what}: all of the answer, or a typed error (seed ${seed})`, async () => {
        const server = await keep(
          origin(
            async (talk) => {
              await talk.request();
              await talk.answer(200, BODY);
            },
            { secure },
          ),
        );
        const proxy = await keep(
          kind === 'http' || kind === 'https'
            ? connectProxy({ secure: kind === 'https', auth: 'user:secret' })
            : socksProxy({ secure: kind === 'socks5tls', credentials: CREDENTIALS }),
        );
        const scheme = { http: 'http', https: 'https', socks5: 'socks5', socks5tls: 'socks5' }[kind];
        const hop = kind === 'https' || kind === 'socks5tls' ? { tls: { ca: server.ca } } : {};
        const way = (port: number): OpenOptions => ({
          proxy: { url: `${scheme}://user:secret@localhost:${port}`, ...hop },
          ...(secure && { tls: { ca: server.ca } }),
        });
        const bytes = await over(proxy.port, {}, (line) =>
          using(server.url, way(line.port), async (connection) => {
            expect(await connection.get('/').text()).to.equal(BODY);
            return line.passed('down');
          }),
        );
        const plain = !secure && hop.tls === undefined;
        const offsets = plain ? upTo(bytes) : [...some(upTo(bytes - SLACK), 20, chance(seed)), bytes + SLACK];
        await each(breaksAt(offsets), ({ how, at }) =>
          over(proxy.port, { down: { [how]: at } }, (line) =>
            using(server.url, way(line.port), async (connection) => {
              const { body, error } = await answered(connection);
              expect(BODY.slice(0, body.length)).to.equal(body);
              if (at < bytes - (plain ? 0 : SLACK)) expect(error).to.be.instanceOf(GunportError);
              if (error) expect(error.code).to.be.oneOf(LOST);
              else expect(body).to.equal(BODY);
              if (plain ? at === bytes : at > bytes) expect(error).to.equal(undefined);
            }),
          ),
        );
      });
    }
  }

  for (const kind of ['http', 'socks5'] as const) {
    it(`whose bytes come one by one is as any other, through ${kind}, TLS in it`, async () => {
      const server = await keep(
        origin(
          async (talk) => {
            await talk.request();
            await talk.answer(200, BODY);
          },
          { secure: true },
        ),
      );
      const proxy = await keep(kind === 'http' ? connectProxy() : socksProxy());
      await over(proxy.port, { down: { trickle: { bytes: 1 } }, up: { trickle: { bytes: 1 } } }, (line) =>
        using(
          server.url,
          { proxy: `${kind}://127.0.0.1:${line.port}`, tls: { ca: server.ca } },
          async (connection) => {
            expect(await connection.get('/').text()).to.equal(BODY);
          },
        ),
      );
    });
  }
});
