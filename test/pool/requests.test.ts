// What a request through a pool is to whoever made it: read in any way, awaited for its stream, cancelled, refused.

import { expect } from 'chai';
import { Pool, PooledRequest, Stream } from '../../lib/index.ts';
import { run } from '../support/child.ts';
import { cowboy } from '../support/cowboy.ts';
import { origin } from '../support/origin.ts';
import { refusing } from '../support/peers.ts';
import { echo, only, poolStage, until } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';

describe('a request through a pool', () => {
  const { pool, keep, asked } = poolStage();

  for (const speaks of ['http', 'https', 'h2c', 'h2'] as const) {
    it(`can be read in each way, over ${speaks}`, async () => {
      const server = await keep(cowboy(speaks));
      const one = pool({ connection: server.trust });
      const url = `${server.url}/stream`;
      expect(await one.get(url).text()).to.equal('Hello world!');
      expect(Buffer.from(await one.get(url).bytes()).toString()).to.equal('Hello world!');
      expect(Buffer.from((await one.get(new URL(url)).body()).body).toString()).to.equal('Hello world!');
      expect((await one.get(url).response()).status).to.equal(200);
      let text = '';
      for await (const chunk of one.get(url)) text += Buffer.from(chunk).toString();
      expect(text).to.equal('Hello world!');
      const json = one.post(`${server.url}/echo`, { body: '{"a":[1]}' });
      expect(await json.json()).to.deep.equal({ a: [1] });
      expect(await (await one.fetch(url)).text()).to.equal('Hello world!');
      expect(server.taken).to.be.at.most(8);
    });
  }

  it('is awaited for its stream, once the head of the answer has come', async () => {
    const server = await keep(cowboy());
    const request = pool().get(`${server.url}/delayed`, { headers: { 'x-a': '1' } });
    expect(request).to.be.instanceOf(PooledRequest);
    await server.arrival();
    expect(server.headers).to.include({ 'x-a': '1' });
    server.release();
    const stream = await request;
    expect(stream).to.be.instanceOf(Stream);
    expect(stream).to.include({ status: 200, method: 'GET', url: `${server.url}/delayed` });
    expect(await stream.text()).to.equal('Hello world!');
    expect([request.attempts, request.url, request.method]).to.deep.equal([
      1,
      `${server.url}/delayed`,
      'GET',
    ]);
    const all = await Promise.all([1, 2, 3].map(() => pool().get(server.url)));
    expect(all.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    for (const one of all) await one.bytes();
  });

  it('has all of its method, path, query, headers and body', async () => {
    const server = await keep(
      origin(async (talk) => {
        for (;;) {
          const { lines } = await talk.request();
          const { text } = await talk.body();
          await talk.answer(
            200,
            [lines[0], ...lines.filter((line) => /^x-|^content/.test(line)), text].join('|'),
          );
        }
      }),
    );
    const one = pool();
    const [url, headers] = [`${server.url}/a?b=c`, new Map([['X-Y', 'z']])];
    const body = new Uint8Array(Buffer.from('body'));
    const verbs = ['post', 'put', 'patch', 'delete'] as const;
    for (const verb of verbs) {
      const request = one[verb](url, { headers, body });
      body.fill(0); // It was copied.
      const line = `${verb.toUpperCase()} /a?b=c HTTP/1.1|x-y: z|content-length: 4|body`;
      expect((await request.text()).split('|').sort()).to.deep.equal(line.split('|').sort());
      body.set(Buffer.from('body'));
    }
    expect(await one.request('PROPFIND', url).text()).to.match(/^PROPFIND \/a\?b=c HTTP\/1.1\|/);
    expect(await one.options(url).text()).to.match(/^OPTIONS /);
    expect((await one.head(url).response()).status).to.equal(200);
    expect(await one.post(url).text()).to.include('content-length: 0');
  });

  it('sends a body that comes in parts, and trailers behind it', async () => {
    const server = await keep(
      origin(async (talk) => {
        for (;;) {
          await talk.request();
          const { text, trailers } = await talk.body();
          await talk.answer(200, `${text} ${JSON.stringify(trailers)}`);
        }
      }),
    );
    async function* parts(): AsyncGenerator<string> {
      yield 'one ';
      yield 'two';
    }
    const one = pool({ maxConnections: 1 });
    const trailers = { 'X-End': '1' };
    expect(await one.post(server.url, { body: parts(), trailers }).text()).to.equal('one two {"x-end":"1"}');
    expect(await one.post(server.url, { body: new Blob(['x']).stream() }).text()).to.equal('x {}');
    const fetched = await one.fetch(server.url, { method: 'put', body: parts(), duplex: 'half' });
    expect(await fetched.text()).to.equal('one two {}');
    async function* broken(): AsyncGenerator<string> {
      yield 'one';
      throw new Error('source');
    }
    expect(await one.post(server.url, { body: broken() }).text().catch(String)).to.equal('Error: source');
    expect(await one.fetch(server.url, { method: 'post', body: broken() }).catch(String)).to.equal(
      'Error: source',
    );
    expect(await one.post(server.url, { body: 'again' }).text()).to.equal('again {}');
  });

  it('gives the user name and password of its URL to itself alone (RFC 7617)', async () => {
    const server = await asked(({ request, answer }) => answer(String(request.headers.authorization)));
    const one = pool({ maxConnections: 1 });
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const at = (user: string): string => server.url.replace('//', `//${user}@`);
    expect(await one.get(at('a:b')).text()).to.equal(basic('a:b'));
    expect(await one.get(server.url).text()).to.equal('undefined');
    expect(await one.get(at('c:d')).text()).to.equal(basic('c:d'));
    expect(await one.get(at('c:d'), { headers: { Authorization: 'mine' } }).text()).to.equal('mine');
    expect(await (await one.fetch(`${at('e:f')}#fragment`)).text()).to.equal(basic('e:f'));
    expect(server.taken).to.equal(1);
    expect(one.get(at('a:b')).url).to.equal(`${server.url}/`);
  });

  it('hears of interim answers', async () => {
    const server = await keep(cowboy());
    const statuses: number[] = [];
    const request = pool().get(`${server.url}/inform`);
    const { status } = await request.response({ onInform: (notice) => statuses.push(notice.status) });
    expect([...statuses, status]).to.deep.equal([103, 103, 200]);
    await request.response({ onInform: (notice) => statuses.push(notice.status) });
    expect(statuses).to.deep.equal([103, 103, 103, 103]);
  });

  it('can be cancelled between the coming of its head and its reading (S1)', async () => {
    const heads = 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n';
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(heads);
      }),
    );
    const request = pool().get(server.url);
    await rejects(request.response({ onInform: () => request.cancel() }), 'ERR_GUNPORT_CANCELLED');
  });

  it('that fails rejects whoever reads it, in each way, and is nobody else’s (no unhandled rejection)', async () => {
    const gone = await refusing();
    const one = pool({ queueTimeout: 250 });
    const url = gone.url.replace('ws', 'http');
    // Its thread runs.
    await rejects(one.open(url, { retry: 0 }).awaitUp(), 'ERR_GUNPORT_CONNECT');
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
    try {
      one.get(url);
      const reading = one.get(url);
      const loop = async (): Promise<void> => {
        for await (const _ of one.get(url));
      };
      const ways = [one.get(url), one.get(url).text(), one.get(url).response(), loop(), one.fetch(url)];
      const rejected = [...ways, reading.json()].map((way) =>
        rejects(Promise.resolve(way), 'ERR_GUNPORT_TIMEOUT'),
      );
      for (const error of await Promise.all(rejected)) {
        expect(error.reason).to.equal('queueTimeout');
        expect(error.cause).to.include({ code: 'ERR_GUNPORT_CONNECT' });
      }
      // Unhandled rejections are told behind the microtasks of a turn.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', note);
      for (const other of others) process.on('unhandledRejection', other);
    }
    expect(unhandled).to.deep.equal([]);
  });

  it('is read by one at a time, and the second is no harm to the first', async () => {
    const server = await asked();
    const request = pool().get(server.url);
    const first = request.text();
    const second = rejects(request.text(), 'ERR_GUNPORT_READING');
    const { answer } = await server.next();
    answer('whole');
    await second;
    expect(await first).to.equal('whole');
  });

  it('leaves its place when a loop over it is left, and when reading it fails', async () => {
    const big = 'x'.repeat(20_000_000);
    const server = await asked(({ request, answer }) => answer(request.url === '/big' ? big : ''));
    const one = pool({ maxConnections: 1 });
    for await (const chunk of one.get(`${server.url}/big`)) {
      expect(chunk.byteLength).to.be.above(0);
      break;
    }
    expect(await one.get(server.url).text()).to.equal('');
    await rejects(one.get(`${server.url}/big`).text({ maxBody: 10 }), 'ERR_GUNPORT_TOO_BIG');
    expect(await one.get(server.url).text()).to.equal('');
    {
      await using held = one.get(`${server.url}/big`);
      expect((await held.response()).status).to.equal(200);
    }
    expect(await one.get(server.url).text()).to.equal('');
    const response = await one.fetch(`${server.url}/big`);
    await response.body!.cancel();
    expect(await one.get(server.url).text()).to.equal('');
  });

  it('can be cancelled on its way, and aborted; the next one is served', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1 });
    const cancelled = one.get(server.url);
    const text = rejects(cancelled.text(), 'ERR_GUNPORT_CANCELLED');
    await server.next();
    cancelled.cancel();
    await text;
    const controller = new AbortController();
    const aborted = rejects(
      Promise.resolve(one.get(server.url, { signal: controller.signal })),
      'ERR_GUNPORT_ABORTED',
    );
    await server.next();
    controller.abort('enough');
    expect((await aborted).cause).to.equal('enough');
    await rejects(one.get(server.url, { signal: controller.signal }).text(), 'ERR_GUNPORT_ABORTED');
    const fetched = one.fetch(server.url, { signal: AbortSignal.abort() });
    await rejects(fetched, 'ERR_GUNPORT_ABORTED');
    const next = one.get(server.url);
    (await server.next()).answer('next');
    expect(await next.text()).to.equal('next');
    next.cancel();
    expect(server.requests).to.have.lengthOf(3);
  });

  it('has the deadlines of a request, each time it is sent', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1, retry: 'idempotent' });
    const error = await rejects(one.get(server.url, { headersTimeout: 30 }).text(), 'ERR_GUNPORT_TIMEOUT');
    expect(error.reason).to.equal('headersTimeout');
    const going = one.get(`${server.url}/on`);
    await rejects(going.response({ timeout: 1 }), 'ERR_GUNPORT_TIMEOUT');
    await until(() => server.requests.includes('GET /on'));
    going.cancel();
  });

  it('goes to another pool of the same authority by its scope', async () => {
    const server = await asked(echo);
    const one = pool({ maxConnections: 1 });
    await Promise.all(['', 'a', 'b', 'a', ''].map((scope) => one.get(server.url, { scope }).text()));
    expect(server.taken).to.equal(3);
    expect(one.authorities().map(({ scope }) => scope)).to.deep.equal(['', 'a', 'b']);
    await one.drain(server.url, { scope: 'a' });
    expect(one.authorities().map(({ scope }) => scope)).to.deep.equal(['', 'b']);
  });

  for (const [options, message] of [
    [{ retry: 'always' }, 'retry must be one of "unprocessed", "idempotent", got "always"'],
    [{ retries: -1 }, 'retries must be an integer from 0'],
    [{ queueTimeout: 0 }, 'queueTimeout must be an integer from 1'],
    [{ queueTimeout: Infinity }, 'queueTimeout must be an integer from 1'],
    [{ scope: 7 }, 'scope must be a string, got 7'],
    [{ header: {} }, 'unknown option header'],
    [{ headers: { 'a b': '1' } }, 'headers must have tokens for names'],
    [{ replyTo: {} }, 'replyTo has no place in a pool'],
    [{ tunnel: {} }, 'tunnel has no place in a pool'],
    [{ signal: {} }, 'signal must be an AbortSignal'],
    [{ body: 7 }, 'body must be a string'],
    [{ trailers: { a: '1' } }, 'trailers must come with a body'],
    [{ requestTimeout: -1 }, 'requestTimeout must be an integer from 0'],
    [null, 'options must be an object, got null'],
  ] as const) {
    it(`refuses options ${JSON.stringify(options)} at once, and queues nothing`, () => {
      const one = pool();
      expect(() => one.post('http://127.0.0.1:1/', options as never)).to.throw(message);
      expect(one.info().connections).to.equal(0);
    });
  }

  it('refuses what is no URL, no method, and a body where there is none', async () => {
    const one = pool();
    for (const url of ['/path', 'gopher://x/', 'http://x/#f', 7, undefined, { host: 'x', port: 1 }]) {
      expect(() => one.get(url as never), String(url)).to.throw(/must (be|not have)/);
    }
    expect(() => one.request('A B', 'http://x')).to.throw('method must be a token');
    expect(() => one.request('CONNECT', 'http://x')).to.throw('method must not be CONNECT');
    expect(() => one.get('http://x', { body: 'x' } as never)).to.throw('GET takes no body here');
    const locked = new Blob(['x']).stream();
    locked.getReader();
    expect(() => one.post('http://x', { body: locked })).to.throw('body must be a stream that nobody reads');
    await rejects(one.fetch('http://x', { redirect: 'follow' } as never), 'ERR_GUNPORT_OPTION');
    await rejects(one.fetch('/path'), 'ERR_GUNPORT_OPTION');
    expect(one.info().connections).to.equal(0);
  });

  it('ends with the process, which an idle connection keeps from nothing; what waits keeps it alive', async () => {
    const server = await asked(({ request, answer }) => void setTimeout(() => answer(request.url), 50));
    const ran = await run(
      `const pool = new gunport.Pool({ threads: 1, authority: { maxConnections: 1 } });
      const texts = ['/a', '/b', '/c'].map((path) => pool.get(args[0] + path).text());
      console.log(...await Promise.all(texts), (await pool.get(args[0]).response()).status);`,
      { args: [server.url] },
    );
    expect(ran).to.deep.include({ code: 0, signal: null, output: '/a /b /c 200\n', errors: '' });
  });

  it('keeps the process alive no longer than it takes', async () => {
    const server = await asked(echo);
    const one = new Pool({ threads: 1 });
    expect(await one.get(`${server.url}/x`).text()).to.equal('/x');
    expect(process.getActiveResourcesInfo().filter((type) => type === 'MessagePort')).to.deep.equal([]);
    one.unref();
    expect(await one.get(`${server.url}/y`).text()).to.equal('/y');
    one.ref();
    expect(process.getActiveResourcesInfo().filter((type) => type === 'MessagePort')).to.deep.equal([]);
    await one.close();
    expect(only(one)).to.equal(undefined);
    await until(() => server.open === 0);
  });
});
