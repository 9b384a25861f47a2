// What is sent again by itself, and what never is: bad days of a server, request by request.

import { expect } from 'chai';
import type { AuthorityOptions, Pool } from '../../lib/index.ts';
import { blockUntil } from '../support/blocking.ts';
import { goaway, reset } from '../support/h2frames.ts';
import { type H2Origin, type H2Talk, h2origin } from '../support/h2origin.ts';
import { snapshot } from '../support/leaks.ts';
import { type Origin, origin, type Talk } from '../support/origin.ts';
import { echo, only, poolStage, until } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';

describe('a request through a pool, on a bad day', () => {
  const { pool, keep, asked } = poolStage();

  async function scripted(
    script: (talk: Talk) => unknown,
    options: AuthorityOptions = {},
  ): Promise<{ server: Origin; one: Pool }> {
    return {
      server: await keep(origin(script)),
      one: pool({ maxConnections: 1, reopenDelay: 5, ...options }),
    };
  }
  async function scripted2(
    script: (talk: H2Talk) => unknown,
    options: AuthorityOptions = {},
  ): Promise<{ server: H2Origin; one: Pool }> {
    const server = await keep(h2origin(script));
    const connection = server.options;
    return { server, one: pool({ maxConnections: 1, reopenDelay: 5, connection, ...options }) };
  }

  /** Answers all that it is asked. */
  async function answering(talk: H2Talk): Promise<void> {
    for (;;) {
      const { stream, path } = await talk.request();
      talk.answer(stream, 200, path);
    }
  }

  // ── HTTP/1 ──

  for (const [method, retry, times] of [
    ['GET', 'idempotent', 3],
    ['PUT', 'idempotent', 3],
    ['DELETE', 'idempotent', 3],
    ['POST', 'idempotent', 1],
    ['PATCH', 'idempotent', 1],
    ['GET', 'unprocessed', 1],
  ] as const) {
    it(`is sent ${times} times: ${method} with retry '${retry}', whose connection is lost twice (RFC 9110 §9.2.2)`, async () => {
      const { server, one } = await scripted(
        async (talk) => {
          await talk.request();
          if (talk.number < 3) talk.reset();
          else await talk.answer(200, 'at last');
        },
        { retry },
      );
      const request = one.request(method, server.url);
      if (times === 3) expect(await request.text()).to.equal('at last');
      else await rejects(request.text(), 'ERR_GUNPORT_CLOSED');
      expect([request.attempts, server.talks.length]).to.deep.equal([times, times]);
    });
  }

  it('is sent no more often than `retries` says, and rejects with the last loss', async () => {
    const { server, one } = await scripted(
      async (talk) => {
        await talk.request();
        talk.reset();
      },
      { retry: 'idempotent', retries: 2 },
    );
    const request = one.get(server.url);
    await rejects(request.text(), 'ERR_GUNPORT_CLOSED');
    expect(request.attempts).to.equal(3);
    const none = one.get(server.url, { retries: 0 });
    await rejects(none.text(), 'ERR_GUNPORT_CLOSED');
    expect(none.attempts).to.equal(1);
  });

  it('is not sent again once the head of its answer has come', async () => {
    const { server, one } = await scripted(
      async (talk) => {
        await talk.request();
        await talk.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
        talk.end();
      },
      { retry: 'idempotent' },
    );
    const stream = await one.get(server.url);
    expect(stream.status).to.equal(200);
    await rejects(stream.text(), 'ERR_GUNPORT_CLOSED');
    await rejects(one.get(server.url).text(), 'ERR_GUNPORT_CLOSED');
    expect(server.talks.length).to.equal(2);
  });

  it('is not sent again once a part of its body was taken', async () => {
    const { server, one } = await scripted(
      async (talk) => {
        await talk.request();
        talk.reset();
      },
      { retry: 'idempotent' },
    );
    async function* parts(): AsyncGenerator<string> {
      yield 'a';
      yield 'b';
    }
    const request = one.put(server.url, { body: parts() });
    await rejects(request.text(), 'ERR_GUNPORT_CLOSED');
    expect(request.attempts).to.equal(1);
  });

  it('goes to a new connection where the server closes each after its answer (RFC 9112 §9.6)', async () => {
    const { server, one } = await scripted(async (talk) => {
      const { path } = await talk.request();
      await talk.answer(200, path, { headers: { connection: 'close' } });
      talk.end();
    });
    const texts = Array.from({ length: 20 }, (_, i) => one.post(`${server.url}/${i}`).text());
    expect(await Promise.all(texts)).to.deep.equal(Array.from({ length: 20 }, (_, i) => `/${i}`));
    expect(server.talks.length).to.equal(20);
    expect(only(one)?.state ?? 'operational').to.equal('operational');
  });

  it('is not asked on a connection whose server would close it by now (keep-alive: timeout)', async () => {
    const { server, one } = await scripted(async (talk) => {
      for (;;) {
        const { path } = await talk.request();
        await talk.answer(200, path, { headers: { 'keep-alive': 'timeout=1' } });
      }
    });
    for (const path of ['/1', '/2', '/3']) expect(await one.post(server.url + path).text()).to.equal(path);
    expect(server.talks.length).to.equal(3);
  });

  it('is sent again, whatever it is, when its connection had ended before it came there (unsent)', async () => {
    const server = await asked();
    const one = pool({ maxConnections: 1, reopenDelay: 5 });
    let unsent = 0;
    for (let round = 0; round < 4; round++) {
      const text = one.get(server.url).text();
      const { socket, answer } = await server.next();
      answer();
      await text;
      socket.destroy();
      // Its thread hears of the end, this one cannot.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      const post = one.post(`${server.url}/${round}`);
      const answered = server.next().then((next) => next.answer('once'));
      // A thread that was too slow has written it to a socket that nobody reads: nothing is known of it then.
      const error = await post.text().then(
        (body) => void expect(body).to.equal('once'),
        (reason: unknown) => reason,
      );
      if (error) {
        expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
        await one.post(`${server.url}/${round}`).text();
      } else unsent += post.attempts - 1;
      await answered;
    }
    expect(unsent).to.be.above(0);
    const posts = server.requests.filter((line) => line.startsWith('POST'));
    expect(posts).to.deep.equal(Array.from({ length: 4 }, (_, i) => `POST /${i}`));
  });

  it('whose thread has died while this one was busy comes back to its authority, which knows of its connection', async () => {
    const server = await asked();
    const one = pool({ retry: 'idempotent' });
    const text = one.get(server.url).text();
    await server.next();
    const { threadId } = one.info().threads[0]!;
    const threads = (): number => snapshot()['threads'] ?? 0;
    const before = threads();
    const gone = one.terminate(threadId);
    // Then the Down of the connection comes before the ends of its streams.
    blockUntil(() => threads() < before, 0);
    await gone;
    const { answer } = await server.next();
    answer('once more');
    expect(await text).to.equal('once more');
    expect(only(one)?.connections.length).to.equal(1);
    await one.drain(server.url);
    await until(() => one.info().connections === 0 && server.sockets.size === 0);
  });

  // ── HTTP/2 ──

  it('is sent again when its stream is above the last of a GOAWAY, in its old place (RFC 9113 §6.8)', async () => {
    const seen: string[] = [];
    const { server, one } = await scripted2(async (talk) => {
      if (talk.number > 1) {
        for (;;) {
          const { stream, path, fields } = await talk.request();
          seen.push(`${fields[':method']} ${path}`);
          talk.answer(stream, 200, path);
        }
      }
      const all = await talk.requests(6);
      talk.send(goaway(all[2]!.stream));
      for (const { stream, path } of all.slice(0, 3)) talk.answer(stream, 200, path);
    });
    const texts = Array.from({ length: 6 }, (_, i) => one.post(`${server.url}/${i}`, { body: 'x' }).text());
    expect(await Promise.all(texts)).to.deep.equal(['/0', '/1', '/2', '/3', '/4', '/5']);
    expect(seen).to.deep.equal(['POST /3', 'POST /4', 'POST /5']);
    expect(server.talks.length).to.equal(2);
  });

  it('is not sent again where the GOAWAY does not exclude it, and its connection is lost', async () => {
    const { server, one } = await scripted2(async (talk) => {
      const [first, second] = await talk.requests(2);
      talk.send(goaway(second!.stream, 'INTERNAL_ERROR'));
      talk.answer(first!.stream, 200, 'first');
      await talk.roundTrip();
      talk.socket.destroy();
    });
    const [first, second] = [one.post(server.url), one.post(server.url)];
    const lost = second.text();
    lost.catch(() => {}); // Awaited below.
    expect(await first.text()).to.equal('first');
    const error = await rejects(lost, 'ERR_GUNPORT_CLOSED').catch(() => rejects(lost, 'ERR_GUNPORT_GOAWAY'));
    expect(error.unprocessed).to.equal(undefined);
    expect([second.attempts, server.talks.length]).to.deep.equal([1, 1]);
  });

  it('is sent again when its stream was refused (RFC 9113 §8.7)', async () => {
    let refusals = 2;
    const { server, one } = await scripted2(async (talk) => {
      await talk.ready;
      for (;;) {
        const { stream, path } = await talk.request();
        if (path === '/refused' && refusals-- > 0) talk.send(reset(stream, 'REFUSED_STREAM'));
        else talk.answer(stream, 200, path);
      }
    });
    expect(await one.get(server.url).text()).to.equal('/');
    const request = one.post(`${server.url}/refused`, { body: 'x' });
    expect(await request.text()).to.equal('/refused');
    expect([request.attempts, server.talks.length]).to.deep.equal([3, 1]);
    refusals = 9;
    const error = await rejects(one.post(`${server.url}/refused`).text(), 'ERR_GUNPORT_RESET');
    expect(error.reason).to.equal('REFUSED_STREAM');
    expect(refusals).to.equal(5);
  });

  it('is not sent again when its stream was reset otherwise', async () => {
    const { server, one } = await scripted2(
      async (talk) => {
        for (;;) talk.send(reset((await talk.request()).stream, 'INTERNAL_ERROR'));
      },
      { retry: 'idempotent' },
    );
    const request = one.get(server.url);
    expect(await rejects(request.text(), 'ERR_GUNPORT_RESET')).to.include({ reason: 'INTERNAL_ERROR' });
    expect(request.attempts).to.equal(1);
    expect(server.talks.length).to.equal(1);
  });

  it('goes elsewhere after a GOAWAY on an idle connection', async () => {
    const { server, one } = await scripted2(answering);
    expect(await one.post(`${server.url}/1`).text()).to.equal('/1');
    server.talks[0]!.send(goaway(1));
    expect(await one.post(`${server.url}/2`).text()).to.equal('/2');
    expect(server.talks.length).to.be.at.most(2);
  });

  it('is bounded by its queueTimeout where a server goes away as soon as each connection is up', async () => {
    const { server, one } = await scripted2(
      async (talk) => {
        await talk.ready;
        talk.send(goaway(0));
        talk.socket.end();
      },
      { queueTimeout: 900, reopenDelay: 50 },
    );
    const error = await one
      .get(server.url)
      .text()
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error)
      .to.have.property('code')
      .that.is.oneOf([
        'ERR_GUNPORT_TIMEOUT',
        'ERR_GUNPORT_CLOSING',
        'ERR_GUNPORT_GOAWAY',
        'ERR_GUNPORT_CLOSED',
      ]);
    expect(server.talks.length).to.be.within(1, 12);
  });

  it('of a server that accepts and closes is told so, and the server is not hammered', async () => {
    const server = await keep(origin((talk) => talk.socket.destroy()));
    const one = pool({
      queueTimeout: 1_000,
      reopenDelay: 100,
      maxReopenDelay: 400,
      retry: 'idempotent',
      retries: 100,
    });
    const good = await asked(echo);
    // Its thread has begun: a busy machine takes longer for that than the queue waits.
    await one.get(`${good.url}/w`, { queueTimeout: 10_000 }).text();
    const error = await one
      .get(server.url)
      .text()
      .catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    expect((error as Error).cause).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect(server.talks.length).to.be.within(2, 12);
    expect(one.authorities().find(({ state }) => state === 'degraded')).to.not.equal(undefined);
    expect(await one.get(`${good.url}/x`).text()).to.equal('/x');
    await until(() => server.open === 0);
  });
});
