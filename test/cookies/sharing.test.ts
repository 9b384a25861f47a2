import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { expect } from 'chai';
import { CookieLine } from '../../lib/cookies/cookieline.ts';
import type { CookieEntry } from '../../lib/cookies/cookiewire.ts';
import { type Connection, CookieJar, Pool, receiveOwnership, type TransferTarget } from '../../lib/index.ts';
import { placeOf } from '../../lib/protocol/cookies.ts';
import { Cookies } from '../../workers/cookies/cookies.ts';
import { block } from '../support/blocking.ts';
import { chance, seedOf } from '../support/chance.ts';
import { type CookieServer, cookieServer } from '../support/cookie-server.ts';
import { TestThread } from '../support/thread.ts';

/** No replica is left. A jar is told by a port, some turns later. */
async function left(jar: CookieJar): Promise<void> {
  const until = performance.now() + 2_000;
  while (!inspect(jar).includes('replicas: 0')) {
    if (performance.now() > until) throw new Error(`replicas are left: ${inspect(jar)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a jar that connections share', () => {
  let pool: Pool;
  let server: CookieServer;
  const open: Connection[] = [];
  beforeEach(async () => {
    pool = new Pool({ threads: 2 });
    server = await cookieServer('http');
  });
  afterEach(async () => {
    // One that was given away is another's to close.
    await Promise.all(open.splice(0).map((one) => one.close().catch(() => {})));
    await Promise.all([pool.close(), server.close()]);
  });

  function connect(cookies: CookieJar | true, more: object = {}): Connection {
    const connection = pool.open(server.at(), { ...server.options, cookies, ...more });
    open.push(connection);
    return connection;
  }

  async function ask(connection: Connection, path = '/'): Promise<string> {
    await connection.get(path).text();
    return server.asked.at(-1)?.cookie ?? '';
  }

  it('has what one receives sent by the other, in another thread, with the very next request', async () => {
    const jar = new CookieJar();
    const [a, b] = [connect(jar), connect(jar)];
    await Promise.all([a.awaitUp(), b.awaitUp()]);
    expect(a.threadId).not.to.equal(b.threadId);
    for (let i = 0; i < 200; i++) {
      server.say([`n=${i}`]);
      await (i % 2 === 0 ? a : b).get('/').text();
      expect(await ask(i % 2 === 0 ? b : a)).to.equal(`n=${i}`);
      expect(jar.getCookieString(server.at())).to.equal(`n=${i}`);
    }
  });

  it('is one jar at the end, whatever answers come at a time in two threads', async () => {
    const jar = new CookieJar({ maxPerDomain: 5 });
    const [a, b] = [connect(jar), connect(jar)];
    await Promise.all([a.awaitUp(), b.awaitUp()]);
    for (let i = 0; i < 400; i++)
      server.say([`n${i % 9}=${i}`, i % 5 === 0 ? 'n1=; Max-Age=0' : `m${i % 2}=${i}`]);
    const asked = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? a : b).get('/').text());
    for (let i = 0; i < 20; i++) {
      jar.setCookie(`n${i % 9}=home${i}`, server.at());
      await Promise.all(asked.splice(0, 20));
    }
    await Promise.all(asked);
    // All has been said, and each hears it before it asks.
    for (let i = 0; i < 3; i++) await Promise.all([ask(a), ask(b)]);
    const all = [await ask(a), await ask(b), jar.getCookieString(server.at())];
    expect(new Set(all).size, all.join(' | ')).to.equal(1);
    // The last answer to be heard may be one that takes n1 away.
    expect(jar.size).to.be.within(4, 5);
  });

  it('has what its home sets or clears in the next request, whatever thread that is sent from', async () => {
    const jar = new CookieJar();
    const [a, b] = [connect(jar), connect(jar)];
    for (let i = 0; i < 100; i++) {
      jar.setCookie(`n=${i}`, server.at());
      expect(await ask(i % 2 === 0 ? a : b)).to.equal(`n=${i}`);
      jar.clear();
      expect(await ask(i % 2 === 0 ? a : b)).to.equal('');
    }
  });

  it('has what was in it before a connection was opened', async () => {
    const jar = new CookieJar();
    for (let i = 0; i < 40; i++) jar.setCookie(`n${i}=${i}`, server.at());
    expect(await ask(connect(jar))).to.equal(jar.getCookieString(server.at()));
    jar.setCookie('late=1', server.at());
    // In a thread that has a replica already.
    await pool.open(server.at(), server.options).close();
    for (const connection of [connect(jar), connect(jar)]) expect(await ask(connection)).to.include('late=1');
  });

  it('tells its home of what servers set', async () => {
    const jar = new CookieJar();
    const a = connect(jar);
    const told = new Promise((resolve) => jar.once('change', resolve));
    server.say(['n=1; Path=/x']);
    await a.get('/x/y').text();
    expect(await told).to.deep.equal([{ name: 'n', domain: 'localhost', path: '/x', removed: false }]);
  });

  it('is of all connections, where `true` is a jar of one', async () => {
    const [a, b] = [connect(true), connect(true)];
    server.say(['n=1']);
    await a.get('/').text();
    expect(await ask(a)).to.equal('n=1');
    expect(await ask(b)).to.equal('');
    const none = pool.open(server.at(), server.options);
    open.push(none);
    server.say(['n=1']);
    await none.get('/').text();
    expect(await ask(none)).to.equal('');
  });

  it('has one replica for each thread, which goes with its last connection', async () => {
    const jar = new CookieJar();
    const many = Array.from({ length: 6 }, () => connect(jar));
    await Promise.all(many.map((one) => one.awaitUp()));
    await ask(many[0]!);
    // Lines of those that came second are closed by the thread that they lead to.
    const until = performance.now() + 2_000;
    while (!inspect(jar).includes('replicas: 2') && performance.now() < until)
      await new Promise((resolve) => setImmediate(resolve));
    expect(inspect(jar)).to.include('replicas: 2');
    await Promise.all(many.map((one) => one.close()));
    await left(jar);
    // What the last one was told is not lost.
    const again = connect(jar);
    server.say(['n=1']);
    await again.get('/').text();
    await again.close();
    await left(jar);
    expect(jar.getCookieString(server.at())).to.equal('n=1');
  });

  it('survives a thread that dies', async () => {
    const jar = new CookieJar();
    const [a, b] = [connect(jar), connect(jar)];
    await Promise.all([a.awaitUp(), b.awaitUp()]);
    server.say(['n=1']);
    await a.get('/').text();
    await pool.terminate(a.threadId);
    expect(await ask(b)).to.equal('n=1');
    await b.close();
    await left(jar);
  });

  it('does not stay where a connection could not be opened', async () => {
    const jar = new CookieJar();
    const closed = new Pool();
    const connection = closed.open(server.at(), { ...server.options, cookies: jar, retry: 0 });
    await closed.close();
    await connection.close().catch(() => {});
    await left(jar);
    expect(() => pool.open(server.at(), { ...server.options, cookies: jar, retry: -1 })).to.throw(/retry/);
    expect(inspect(jar)).to.include('replicas: 0');
  });

  it('goes with a connection that is handed over, and waits for no blocked main (O7)', async () => {
    const [a, b] = [new TestThread(), new TestThread()];
    try {
      const jar = new CookieJar();
      const mine = connect(jar);
      server.say(['n=1']);
      await mine.get('/').text();
      await Promise.all([a.run((here) => here.take().then(() => {})), mine.transferOwnership(a.worker)]);
      expect(await a.run((here) => here.connection.get('/').text())).to.equal('');
      expect(server.asked.at(-1)?.cookie).to.equal('n=1');
      // Its answers come from this thread, which must not be blocked: from its own server there.
      const port = await a.run(serveCookies);
      const far = pool.open(`http://127.0.0.1:${port}`, { cookies: jar });
      await far.awaitUp();
      await Promise.all([
        b.run((here) => here.take().then(() => {})),
        far.transferOwnership({ threadId: b.threadId } satisfies TransferTarget),
      ]);
      const asked = b.run(async (here) => {
        const seen: string[] = [];
        for (let i = 0; i < 50; i++) seen.push(await here.connection.get('/').text());
        return seen;
      });
      block(300);
      expect(await asked).to.deep.equal(Array.from({ length: 50 }, (_, i) => (i === 0 ? '' : `count=${i}`)));
      expect(jar.getCookieString(`http://127.0.0.1:${port}/`)).to.equal('count=50');
      await a.run((here) => void (here.notes['server'] as { close(): void }).close());
    } finally {
      await Promise.all([a.end(), b.end()]);
    }
  });

  it('may be at home in a worker, and its replicas live on without it', async () => {
    const a = new TestThread();
    let mine: Connection | undefined;
    try {
      const given = receiveOwnership({ source: a.worker });
      await a.run(
        async (here, url, options) => {
          const { CookieJar, open } = here.gunport;
          const jar = new CookieJar();
          jar.setCookie('home=1', url);
          here.notes['jar'] = jar;
          const connection = open(url, { ...options, cookies: jar });
          await connection.get('/').text();
          if (jar.getCookieString(url) !== 'home=1; n=1') throw new Error(jar.getCookieString(url));
          void connection.transferOwnership(here.parentPort);
        },
        ...sayFirst(server),
      );
      expect(server.asked.at(-1)?.cookie).to.equal('home=1');
      mine = (await given).connection;
      open.push(mine);
      expect(await ask(mine)).to.equal('home=1; n=1');
      await a.kill();
      server.say(['n=2']);
      expect(await ask(mine)).to.equal('home=1; n=1');
      expect(await ask(mine)).to.equal('home=1; n=2');
    } finally {
      if (a.threadId > 0) await a.end();
    }
  });
});

/** The first answer sets a cookie; what a thread needs to ask for it. */
function sayFirst(server: CookieServer): [string, CookieServer['options']] {
  server.say(['n=1']);
  return [server.at(), server.options];
}

/** Runs in a thread: each answer sets `count`, and says what was sent. Resolves with its port. */
async function serveCookies(here: { notes: Record<string, unknown> }): Promise<number> {
  const http = await import('node:http');
  let count = 0;
  const server = http.createServer((request, response) => {
    response.setHeader('set-cookie', `count=${++count}`);
    response.end(request.headers.cookie ?? '');
  });
  here.notes['server'] = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return (server.address() as { port: number }).port;
}

describe('what threads tell each other of a jar', () => {
  const place = (secure: boolean, host: string) => placeOf(secure, host, '/');

  it('converges, whoever changes what, and in whatever order that is heard', async function () {
    this.timeout(20_000);
    const seed = seedOf();
    const below = chance(seed);
    for (let round = 0; round < 60; round++) {
      const jar = new CookieJar({ maxPerDomain: 4, maxCookies: 9 });
      const holds = Array.from({ length: 3 }, () => new Cookies().hold(jar.place(), '', (run) => run())!);
      const hosts = ['a.test', 'x.a.test', 'b.test'];
      const line = (): string => {
        const end = ['', '; Secure', '; Max-Age=0', '; Domain=a.test', '; Path=/p'][below(5)];
        return `n${below(6)}=${below(1_000)}${end}`;
      };
      for (let i = 0; i < 150; i++) {
        const [secure, host, who] = [below(2) === 0, hosts[below(3)]!, below(5)];
        const url = `${secure ? 'https' : 'http'}://${host}/`;
        if (who === 4) jar.setCookie(line(), url);
        else if (who === 3 && below(10) === 0) jar.clear();
        else if (who < 3) holds[who]!.source!.take(line(), place(secure, host), url);
        // Hears now, or later.
        if (below(3) === 0) holds[below(3)]!.source!.text(place(true, 'a.test'), '');
        if (below(20) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const texts = (): string[][] =>
        ['a.test', 'x.a.test', 'b.test'].flatMap((host) =>
          ['/', '/p'].map((path) => {
            const url = `https://${host}${path}`;
            const all = holds.map(({ source }) => source!.text(placeOf(true, host, path), url));
            return [...all, jar.getCookieString(url)];
          }),
        );
      // Each exchange is some turns of the loop.
      for (let i = 0; i < 40; i++) {
        texts();
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const all of texts())
        expect(new Set(all).size, `GUNPORT_SEED=${seed}, round ${round}: ${all}`).to.equal(1);
      for (const hold of holds) hold.release();
      await left(jar);
    }
  });

  it('has what came over plain HTTP not win against a Secure one that another thread has just set', async () => {
    const jar = new CookieJar();
    const [a, b] = [0, 1].map(() => new Cookies().hold(jar.place(), '', (run) => run())!);
    // Neither has heard of the other. The clear one is written later by its clock.
    b!.source!.take('x=0', place(false, 'a.test'), '');
    b!.source!.take('n=clear', place(false, 'a.test'), '');
    a!.source!.take('n=tls; Secure', place(true, 'a.test'), '');
    jar.sync();
    await new Promise((resolve) => setImmediate(resolve));
    for (const text of [jar.getCookieString('https://a.test/'), b!.source!.text(place(true, 'a.test'), '')])
      expect(text).to.include('n=tls').and.not.include('clear');
    a!.release();
    b!.release();
    await left(jar);
  });

  it('is posted as far as the other thread hears it, and is then what counts at the end', async () => {
    const { port1, port2 } = new MessageChannel();
    const values = new Map<string, number>();
    const entry = (key: string): CookieEntry => ({
      key,
      clock: values.get(key)!,
      writer: '',
      cookie: undefined,
    });
    const line = new CookieLine(port1, {
      entries: (keys = values.keys()) => [...keys].map(entry),
      received() {},
      gone() {},
    });
    for (let i = 0; i < 10_000; i++) {
      values.set(`k${i % 100}`, i);
      line.changed([`k${i % 100}`]);
    }
    const heard = new Map<string, number>();
    let posts = 0;
    const hear = (): void => {
      for (let next = receiveMessageOnPort(port2); next; next = receiveMessageOnPort(port2)) {
        posts++;
        for (const { key, clock } of next.message.entries) heard.set(key, clock);
        port2.postMessage({ type: 'ack' });
      }
    };
    hear();
    expect(posts).to.equal(64);
    line.drain();
    hear();
    expect(posts).to.equal(65);
    expect(heard).to.deep.equal(values);
    line.close();
    port2.close();
  });

  it('is all of it where too much has changed', () => {
    const { port1, port2 } = new MessageChannel();
    let keys: string[] = [];
    const line = new CookieLine(port1, {
      entries: (some = ['all']) => {
        keys = [...some];
        return keys.map((key) => ({ key, clock: 1, writer: '', cookie: undefined }));
      },
      received() {},
      gone() {},
    });
    for (let i = 0; i < 20_000; i++) line.changed([`k${i}`]);
    for (let next = receiveMessageOnPort(port2); next; next = receiveMessageOnPort(port2))
      port2.postMessage({ type: 'ack' });
    line.drain();
    expect(keys).to.deep.equal(['all']);
    line.close();
    port2.close();
  });
});
