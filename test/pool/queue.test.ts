// Who waits for a connection of an authority: in order, bounded in number and in time, and gone without a trace.

import * as v8 from 'node:v8';
import * as vm from 'node:vm';
import { expect } from 'chai';
import type { Pool } from '../../lib/index.ts';
import { origin, type Talk } from '../support/origin.ts';
import { refusing } from '../support/peers.ts';
import { type Asked, type AskedServer, echo, only, poolStage } from '../support/poolstage.ts';
import { rejects } from '../support/rejects.ts';

describe('the queue of an authority', () => {
  const { pool, asked, keep } = poolStage();

  /** A pool of one connection, and what is under way on it. */
  async function busy(
    options = {},
  ): Promise<{ server: AskedServer; one: Pool; first: Asked; text: Promise<string> }> {
    const server = await asked();
    const one = pool({ maxConnections: 1, ...options });
    const text = one.get(`${server.url}/first`).text();
    return { server, one, first: await server.next(), text };
  }

  it('serves who asked first, checkouts among requests', async () => {
    const { server, one, first, text } = await busy();
    const order: string[] = [];
    const waiting = ['a', 'b', 'lease', 'c', 'd'].map(async (name) => {
      if (name !== 'lease') return one.get(`${server.url}/${name}`).text();
      const lease = await one.checkout(server.url);
      const text = await lease.connection.get('/lease').text();
      lease.release();
      return text;
    });
    first.answer('first');
    for (let i = 0; i < waiting.length; i++) {
      const { request, answer } = await server.next();
      order.push(request.url ?? '');
      answer(request.url);
    }
    expect(order).to.deep.equal(['/a', '/b', '/lease', '/c', '/d']);
    expect(await Promise.all(waiting)).to.deep.equal(order);
    expect(await text).to.equal('first');
    expect(server.taken).to.equal(1);
  });

  it('is as long as maxQueue; what is more is refused, and what waits is not disturbed', async () => {
    const { server, one, first } = await busy({ maxQueue: 2 });
    const waiting = [one.get(server.url).text(), one.get(server.url).text()];
    const error = await rejects(one.get(server.url).text(), 'ERR_GUNPORT_OVERLOADED');
    expect(error.reason).to.equal(2);
    await rejects(one.checkout(server.url), 'ERR_GUNPORT_OVERLOADED');
    expect(only(one)!.queue).to.equal(2);
    first.answer();
    for (const _ of waiting) (await server.next()).answer('served');
    expect(await Promise.all(waiting)).to.deep.equal(['served', 'served']);
  });

  it('lets each wait for queueTimeout, its own or the authority’s, and for as long again elsewhere', async () => {
    const { server, one, first, text } = await busy({ queueTimeout: 400 });
    const long = one.get(server.url, { queueTimeout: 60_000 });
    const [short, lease] = [one.get(server.url), one.checkout(server.url)];
    const late = [short.text(), lease].map((one) => rejects(one, 'ERR_GUNPORT_TIMEOUT'));
    const shorter = await rejects(one.get(server.url, { queueTimeout: 20 }).text(), 'ERR_GUNPORT_TIMEOUT');
    expect(shorter.message).to.include('was free within 20 ms');
    for (const error of await Promise.all(late)) {
      expect(error).to.include({ reason: 'queueTimeout', phase: 'timeout' });
      expect(error.message).to.include('was free within 400 ms');
      expect(error.cause).to.equal(undefined);
    }
    expect(only(one)!.queue).to.equal(1);
    first.answer('slow');
    (await server.next()).answer('patient');
    expect([await text, await long.text()]).to.deep.equal(['slow', 'patient']);
    expect(server.requests).to.have.lengthOf(2);
  });

  it('tells who has waited too long what connections failed with', async () => {
    const gone = await refusing();
    const one = pool({ queueTimeout: 400, reopenDelay: 10 });
    const error = await rejects(one.get(gone.url.replace('ws', 'http')).text(), 'ERR_GUNPORT_TIMEOUT');
    expect(error.cause).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
    expect((error.cause as Error).cause).to.include({ code: 'ECONNREFUSED' });
  });

  it('is left by what is cancelled, aborted or disposed: nothing of it is sent', async () => {
    const { server, one, first } = await busy();
    const controller = new AbortController();
    const { signal } = controller;
    const cancelled = one.get(`${server.url}/cancelled`);
    const aborted = one.get(`${server.url}/aborted`, { signal });
    const lease = one.checkout(server.url, { signal });
    const disposed = one.get(`${server.url}/disposed`);
    const text = one.get(`${server.url}/text`).text({ timeout: 20 });
    const kept = one.get(`${server.url}/kept`);
    expect(only(one)!.queue).to.equal(6);
    cancelled.cancel();
    cancelled.cancel();
    controller.abort();
    await disposed[Symbol.asyncDispose]();
    await rejects(cancelled.text(), 'ERR_GUNPORT_CANCELLED');
    await rejects(aborted.text(), 'ERR_GUNPORT_ABORTED');
    await rejects(lease, 'ERR_GUNPORT_ABORTED');
    await rejects(disposed.text(), 'ERR_GUNPORT_CANCELLED');
    await rejects(text, 'ERR_GUNPORT_TIMEOUT');
    expect(only(one)!.queue).to.equal(1);
    first.answer();
    (await server.next()).answer();
    await kept.bytes();
    expect(server.requests).to.deep.equal(['GET /first', 'GET /kept']);
    expect(only(one)).to.deep.include({ queue: 0 });
  });

  it('of an authority that is down holds up no other', async () => {
    const gone = await refusing();
    const server = await asked(echo);
    const one = pool({ maxConnections: 2, queueTimeout: 600 });
    const url = gone.url.replace('ws', 'http');
    const down = Array.from({ length: 50 }, () => rejects(one.get(url).text(), 'ERR_GUNPORT_TIMEOUT'));
    const up = await Promise.all(Array.from({ length: 50 }, (_, i) => one.get(`${server.url}/${i}`).text()));
    expect(up).to.deep.equal(Array.from({ length: 50 }, (_, i) => `/${i}`));
    expect(one.authorities().map(({ queue }) => queue)).to.deep.equal([50, 0]);
    await Promise.all(down);
  });

  it('is none for a server that is slow to come up: all are served in order', async () => {
    const gone = await refusing();
    const one = pool({ maxConnections: 1, reopenDelay: 20, maxReopenDelay: 40 });
    const url = gone.url.replace('ws', 'http');
    const texts = Array.from({ length: 5 }, (_, i) => one.get(`${url}/${i}`).text());
    const degraded = new Promise((resolve) => one.once('degraded', resolve));
    await degraded;
    const script = async (talk: Talk): Promise<void> => {
      for (;;) await talk.answer(200, (await talk.request()).path);
    };
    const server = await keep(origin(script, { port: gone.port }));
    expect(await Promise.all(texts)).to.deep.equal(['/0', '/1', '/2', '/3', '/4']);
    expect(server.taken).to.equal(1);
  });

  it('holds 10 000, serves them in order, and leaves nothing behind', async function () {
    this.timeout(60_000);
    const server = await asked(echo);
    const one = pool({ maxConnections: 1, queueTimeout: 60_000 });
    await one.get(server.url).text();
    const round = async (count: number): Promise<number> => {
      const before = performance.now();
      const requests = Array.from({ length: count }, (_, i) => one.get(`${server.url}/${i}`));
      const took = performance.now() - before;
      expect(only(one)!.queue).to.equal(count - 1);
      const paths = await Promise.all(requests.map((request) => request.text()));
      expect(paths).to.deep.equal(paths.map((_, i) => `/${i}`));
      return took;
    };
    await round(500);
    const settled = heapUsed();
    const took = await round(10_000);
    // 10 us each on a quiet machine; a scan of all that wait would take thousands.
    expect(took).to.be.below(3_000);
    expect(only(one)!.queue).to.equal(0);
    expect(heapUsed() - settled, 'bytes left').to.be.below(8 * 1024 * 1024);
  });
});

/** Of this thread, when all that is garbage is gone. */
function heapUsed(): number {
  v8.setFlagsFromString('--expose-gc');
  (vm.runInNewContext('gc') as () => void)(); // With that flag a new context has it.
  return process.memoryUsage().heapUsed;
}
