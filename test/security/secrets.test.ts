// What must be seen nowhere: passwords of URLs and proxies, authorization, cookies, keys and passphrases; in errors and
// their causes, in what util.inspect shows of anything, in events, in warnings, and in what a thread is born with.
// Source: node-threads facts 5.6 ("secrets live in worker memory: never in names, errors, stack, argv").

import { inspect } from 'node:util';
import { expect } from 'chai';
import { CookieJar, connect, type OpenOptions, type OpenTarget, open, Pool } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { moduleOf } from '../support/failures.ts';
import { feeds, frame, take } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { origin } from '../support/origin.ts';
import { answers, peer, wsPeer } from '../support/peers.ts';

const PASSWORD = 'pa55-of-the-url';
const TOKEN = 'token-of-a-header';
const COOKIE = 'cookie-of-the-user';
const PROXY = 'pa55-of-the-proxy';
const PHRASE = 'pa55-of-the-key';
/** As they stand, in Base64, and in percent-encoding. */
const SECRETS: readonly string[] = [
  ...[PASSWORD, TOKEN, COOKIE, PROXY, PHRASE],
  ...[`user:${PASSWORD}`, `user:${PROXY}`].map((text) => Buffer.from(text).toString('base64')),
];

/** All that can be seen of something. */
function shown(value: unknown): string {
  const whole = inspect(value, { depth: 12, showHidden: true, getters: true, maxStringLength: null });
  const text = value instanceof Error ? `${value.stack} ${value.message} ${JSON.stringify(value)}` : '';
  return `${whole} ${text}`;
}

function expectNone(value: unknown, what: string, more: readonly string[] = []): void {
  const text = shown(value);
  for (const secret of [...SECRETS, ...more])
    expect(text.includes(secret), `${what}: ${secret}`).to.equal(false);
}

const HEADERS = { authorization: `Bearer ${TOKEN}`, cookie: `a=${COOKIE}` };
const keyOf = (pem: string): string => pem.split('\n')[2] ?? pem;

async function failure(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('a secret is not shown', () => {
  const { keep, pool, connect: connected, open: opened } = feeds();
  const heard = listening();

  describe('by a bad option:', () => {
    const at = `wss://user:${PASSWORD}@a.example`;
    const key = { toString: () => PHRASE };
    const BAD: readonly (readonly [what: string, target: unknown, options?: unknown])[] = [
      ['a URL of no scheme that is known', `ftp://user:${PASSWORD}@a.example/`],
      ['a URL of no scheme', `user:${PASSWORD}@a.example`],
      ['a URL that is none', `wss://user:${PASSWORD}@a.example:99999/`],
      ['a URL with a fragment', `${at}/#x`],
      ['a URL with a broken percent-encoding', `wss://user:${PASSWORD}%zz@a.example/`],
      ['a password with a separator in it', `wss://user:${PASSWORD}#/x@a.example/`],
      ['a target that is none', { host: `user:${PASSWORD}@a.example/`, port: 1 }],
      ['a header with a line break', at, { headers: { authorization: `${TOKEN}\r\nx: y` } }],
      ['a header that is no text', at, { headers: { authorization: [{ TOKEN }] } }],
      ['a header whose name is the whole line', at, { headers: { [`authorization: ${TOKEN}`]: '' } }],
      ['a proxy that is none', at, { proxy: `ftp://user:${PROXY}@p.example` }],
      ['a proxy with a broken percent-encoding', at, { proxy: `http://user:${PROXY}%zz@p.example` }],
      ['a proxy with an unknown option', at, { proxy: { url: `http://user:${PROXY}@p.example`, x: 1 } }],
      ['a list of proxies', at, { proxy: [`http://user:${PROXY}@p.example`, 5] }],
      ['a passphrase that is no text', at, { tls: { passphrase: [PHRASE, 5] } }],
      ['a passphrase in a key that is no text', at, { tls: { key: [{ pem: PHRASE, passphrase: 5 }] } }],
      ['a key that is no data', at, { tls: { key } }],
      ['a key that is a function', at, { tls: { key: () => PHRASE } }],
      ['an unknown option of TLS', at, { tls: { passphrase: PHRASE, unheardOf: PHRASE } }],
      ['TLS options that are text', at, { tls: PHRASE }],
      ['a server name that is none', at, { tls: { servername: 5, passphrase: PHRASE } }],
      ['a number among options', at, { retry: -1, headers: HEADERS }],
    ];
    for (const [what, target, options] of BAD) {
      it(what, async () => {
        const error = await failure(() => open(target as OpenTarget, options as OpenOptions));
        expect(error).to.include({ code: 'ERR_GUNPORT_OPTION' });
        expectNone(error, what);
      });
    }

    it('a number for a key, a passphrase, a session', async () => {
      for (const name of ['key', 'passphrase', 'pfx', 'session', 'cert', 'ca', 'privateKeyIdentifier']) {
        const error = await failure(() => open(at, { tls: { [name]: 12_345_678 } as never }));
        expect(error).to.include({ code: 'ERR_GUNPORT_OPTION' });
        expect(shown(error)).not.to.include('12345678');
      }
    });
  });

  describe('by a failure, nor by its events:', () => {
    const options: OpenOptions = { retry: 0, headers: HEADERS };

    async function fails(
      target: string,
      more: OpenOptions,
      code: string,
      secrets: string[] = [],
    ): Promise<void> {
      heard.to();
      const error = await failure(() => connected(target, { ...options, ...more }));
      expect(error).to.include({ code });
      expectNone(error, code, secrets);
      expectNone(heard.all, 'events', secrets);
      expect(heard.all.length).to.be.above(0);
    }

    it('nobody is there', () => fails(`ws://user:${PASSWORD}@127.0.0.1:1`, {}, 'ERR_GUNPORT_CONNECT'));

    it('a server that refuses', async () => {
      const { port } = await keep(peer(answers(401)));
      await fails(`ws://user:${PASSWORD}@127.0.0.1:${port}`, {}, 'ERR_GUNPORT_UPGRADE_REFUSED');
    });

    it('a proxy that refuses', async () => {
      const { port } = await keep(connectProxy({ auth: 'user:other' }));
      const proxy = `http://user:${PROXY}@127.0.0.1:${port}`;
      await fails(`ws://user:${PASSWORD}@a.example`, { proxy }, 'ERR_GUNPORT_PROXY');
    });

    it('a server that is not who it should be, a key in hand', async () => {
      const { wrongHost, ca, client } = await certificates();
      const { port } = await keep(wsPeer(() => {}, { secure: wrongHost }));
      const tls = { ca, ...client, passphrase: PHRASE };
      await fails(`wss://user:${PASSWORD}@localhost:${port}`, { tls }, 'ERR_GUNPORT_TLS', [
        keyOf(client.key),
      ]);
    });

    it('a key that is none', () =>
      fails(
        'wss://localhost:1',
        { tls: { key: PHRASE, cert: PHRASE, passphrase: PHRASE } },
        'ERR_GUNPORT_TLS',
      ));

    it('a renewed URL with a token in it', () =>
      fails(
        'ws://127.0.0.1:1',
        { renew: () => ({ url: `ws://user:${PASSWORD}@127.0.0.1:1/feed?token=${TOKEN}` }) },
        'ERR_GUNPORT_CONNECT',
      ));

    it('a renewed URL that is none', () =>
      fails(
        'ws://127.0.0.1:1',
        { renew: () => ({ url: `ftp://u:${PASSWORD}@x/?${TOKEN}` }) },
        'ERR_GUNPORT_OPTION',
      ));
  });

  it('by util.inspect of a connection, its streams, its pool, its monitors, its end, a jar', async () => {
    const { localhost, ca, client } = await certificates();
    const peer = await keep(wsPeer((one) => one.send(frame(0x81, 'hi')), { secure: localhost }));
    const jar = new CookieJar();
    const own = new Pool({ threads: 1 });
    heard.to();
    const proxy = await keep(connectProxy({ auth: `user:${PROXY}` }));
    const feed = await own.connect(`wss://user:${PASSWORD}@localhost:${peer.port}/x`, {
      headers: { cookie: `a=${COOKIE}` },
      tls: { ca, ...client, passphrase: PHRASE },
      proxy: `http://user:${PROXY}@127.0.0.1:${proxy.port}`,
      cookies: jar,
    });
    const { connection } = feed;
    const monitor = connection.monitor();
    const info = await connection.info();
    const key = [keyOf(client.key)];
    expect(await take(feed, 1)).to.deep.equal(['hi']);
    for (const one of [feed, connection, own, own.info(), info, monitor, jar, feed.url, feed.headers]) {
      expectNone(one, inspect(one, { depth: 0 }), key);
    }
    await connection.close();
    for (const one of [await monitor.down, await feed.closed, heard.all]) expectNone(one, 'its end', key);
    await own.close();
  });

  it('by an answer that sets a cookie, in events', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.answer(200, 'x', { headers: { 'set-cookie': `b=${COOKIE}` } });
      }),
    );
    heard.to();
    const connection = opened(`http://user:${PASSWORD}@127.0.0.1:${server.port}`, { cookies: true });
    await connection.get('/', { headers: { 'proxy-authorization': TOKEN } }).text();
    await connection.close();
    expectNone(heard.all, 'events');
    expectNone([connection, pool], 'handles');
  });

  it('by what its thread is born with: its name, its arguments, its environment, its data', async () => {
    const peer = await keep(wsPeer((one) => one.send(frame(0x81, 'hi'))));
    const handler = moduleOf(`
      import * as threads from 'node:worker_threads';
      export default () => ({ message: () => JSON.stringify([process.argv, process.execArgv, process.env,
        process.title, threads.workerData ?? null, threads.threadName ?? '', threads.resourceLimits]) });`);
    const feed = await connected(`ws://user:${PASSWORD}@127.0.0.1:${peer.port}`, {
      headers: HEADERS,
      handler,
    });
    const [born] = await take(feed, 1);
    expect(born).to.be.a('string').and.include('node');
    expectNone(born, 'born');
  });

  it('by a warning of the process', async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listener);
    await failure(() => connect(`ws://user:${PASSWORD}@127.0.0.1:1`, { retry: 0, headers: HEADERS }));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listener);
    expectNone(warnings, 'warnings');
  });
});
