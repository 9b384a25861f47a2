import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice, UpNotice } from '../../lib/index.ts';
import { dropping, scripts, upgradeAndDrop } from '../support/attempts.ts';
import { feeds, frame, take } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { answers, type Peer, peer, refusing, wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

describe('the one reconnect engine', () => {
  const { connect, open, keep } = feeds();
  const heard = listening();
  const delays = () => heard.of('gunport:retry').map(({ delay }) => delay);

  it('check 23: waits as the formula says, on a real socket', async () => {
    const server = await keep(scripts(answers(500), answers(500), answers(500), answers(503)));
    for (const [backoff, expected] of [
      [{ first: 2, longest: 7, jitter: 0 }, [0, 2, 4, 7]],
      [{ first: 2, longest: 7, jitter: 0, immediate: false }, [2, 4, 7, 7]],
      [{ strategy: 'linear', first: 1, step: 2 }, [0, 1, 3, 5]],
      [{ strategy: 'linear', first: 3, step: 0, immediate: false }, [3, 3, 3, 3]],
    ] as const) {
      heard.to('gunport:retry');
      const before = delays().length;
      await rejects(connect(server.url, { retry: 4, backoff }), 'ERR_GUNPORT_UPGRADE_REFUSED');
      while (delays().length < before + 4) await new Promise((resolve) => setImmediate(resolve));
      expect(delays().slice(before)).to.deep.equal(expected);
    }
  });

  it('check 23: survives 50 drops in a row where a connection that was up counts as one that has served', async () => {
    const server = await keep(dropping(51));
    const feed = await connect(server.url, { retry: 1, backoff: { stableAfter: 0 } });
    const ups: number[] = [];
    feed.on('up', ({ attempt }) => ups.push(attempt));
    const messages = await take(feed, 51);
    expect(messages.at(-1)).to.equal('51');
    expect(ups).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 2));
  });

  it('check 27: gives up for good after the last, and says with what', async () => {
    const server = await keep(scripts(upgradeAndDrop, answers(503)));
    const feed = await connect(server.url, { retry: 3, backoff: { first: 1 } });
    const monitor = feed.connection.monitor();
    const [pending, closed] = [rejects(feed.take({ timeout: 60_000 }), 'ERR_GUNPORT_GAVE_UP'), feed.closed];
    const down = await monitor.down;
    expect(down?.reason.kind).to.equal('gave-up');
    expect(down?.reason.cause).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', status: 503 });
    expect((await pending).cause).to.include({ status: 503 });
    expect((await closed).error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
    expect(feed.connection.lastError).to.include({ status: 503 });
    expect(server.taken).to.equal(4);
    expect(feed.connection.status).to.equal('dead');
  });

  it('says ECONNREFUSED where nobody listens, and leaves nothing (RC6)', async () => {
    const gone = await refusing();
    const error = await rejects(connect(gone.url, { retry: 1 }), 'ERR_GUNPORT_CONNECT');
    expect(error).to.include({ phase: 'connect' });
    expect(error.cause).to.have.property('code', 'ECONNREFUSED');
  });

  it('comes back to a server that has restarted on the same port (RC8)', async () => {
    const say = (word: string, port?: number): Promise<Peer> =>
      wsPeer((server) => server.send(frame(0x81, word)), { port });
    const first = await say('before');
    const feed = await connect(first.url, { retry: 1_000, backoff: { first: 2, longest: 5 } });
    expect(await take(feed, 1)).to.deep.equal(['before']);
    const down = once(feed, 'down');
    await first.close();
    await down;
    while (feed.connection.lastError?.code !== 'ERR_GUNPORT_CONNECT') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await keep(say('after', first.port));
    expect(await take(feed, 1)).to.deep.equal(['after']);
    expect(feed.connection.attempt).to.equal(2);
  });

  it('never comes back from a close that was asked for (RC9)', async () => {
    const server = await keep(wsPeer(async (one) => (await one.read()) && reset(one.socket)));
    const feed = await connect(server.url, { reconnectOn: 'any', backoff: { first: 1 } });
    const ups: unknown[] = [];
    feed.on('up', (up) => ups.push(up));
    await feed.close(4001, 'x');
    await feed.connection.monitor().down;
    expect([server.taken, ups.length]).to.deep.equal([1, 0]);
  });

  it('of an open() goes by the same rules', async () => {
    const server = await keep(peer((socket) => reset(socket)));
    heard.to('gunport:retry');
    const backoff = { strategy: 'linear', first: 2, immediate: false } as const;
    const connection = open(server.url, { retry: 2, backoff });
    const heardOf: (UpNotice | LostNotice)[] = [];
    connection.on('up', (up) => heardOf.push(up)).on('down', (down) => heardOf.push(down));
    expect((await connection.monitor().down)?.reason.kind).to.equal('gave-up');
    while (delays().length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(delays()).to.deep.equal([2, 4]);
    expect(server.taken).to.equal(3);
  });
});
