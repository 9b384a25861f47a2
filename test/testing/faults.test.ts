// faults.test — the fault injector: threads that die, targets that do not take, schedules that can be repeated.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { Client } from '../../lib/client/client.ts';
import { Pool } from '../../lib/index.ts';
import {
  deafTarget,
  FakeClock,
  faults,
  killThread,
  mortal,
  refuseAdopt,
  type ScriptedServer,
  serve,
} from '../../lib/testing/index.ts';
import { seedOf } from '../support/chance.ts';
import { rejects } from '../support/rejects.ts';

describe('the fault injector', () => {
  let server: ScriptedServer;
  before(async () => {
    server = await serve((connection) => void connection.onMessage((data) => connection.send(data)));
  });
  after(() => server.stop());

  for (const how of ['terminate', 'exit', 'uncaught', 'out-of-memory'] as const) {
    const kind = how === 'terminate' ? 'terminated' : how;
    it(`kills a connection's thread by ${how}, and resolves with its Down`, async () => {
      await using pool = new Pool({ threads: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } });
      const feed = await pool.connect(server.url, mortal());
      const { reason, connection } = await killThread(feed, how, { pool });
      expect(reason.kind).to.equal(kind);
      expect(connection).to.equal(feed.connection);
      expect((await feed.closed).wasClean).to.equal(false);
    });
  }

  it('kills the thread of a client, which comes back in another', async () => {
    await using pool = new Pool({ threads: 1 });
    const module = new URL('../../lib/adapters/echo.js', import.meta.url);
    await using client = new Client({ module }, mortal({ url: server.url, pool, retryTimeout: 1 }));
    await client.connect();
    const back = new Promise((resolve) => client.once('ready', resolve));
    const { reason } = await killThread(client, 'uncaught');
    expect(reason.kind).to.equal('uncaught');
    await back;
    expect(await client.request({ text: 'still here' })).to.deep.include({ text: 'still here' });
  });

  it('says what is amiss where it cannot kill', async () => {
    await using pool = new Pool({ threads: 1 });
    await using feed = await pool.connect(server.url);
    const late = await rejects(
      killThread(feed.connection, 'exit', { pool, timeout: 5 }),
      'ERR_GUNPORT_TIMEOUT',
    );
    expect(String(late.cause)).to.match(/thread \d+ has not loaded mortal\(\)/);
    await using other = new Pool({ threads: 1 });
    await rejects(killThread(feed, 'terminate', { pool: other }), 'ERR_GUNPORT_OPTION');
    await rejects(killThread(feed, 'poison' as 'exit'), 'ERR_GUNPORT_OPTION');
    await rejects(killThread({ connection: undefined }), 'ERR_GUNPORT_OPTION');
    expect(feed.state).to.equal('open');
  });

  it('has targets that refuse, and that never answer: the giver remains the owner', async () => {
    await using pool = new Pool({ threads: 1 });
    await using feed = await pool.connect(server.url);
    using deaf = deafTarget();
    await rejects(feed.transferOwnership(deaf.port, { timeout: 20 }), 'ERR_GUNPORT_TRANSFER_TIMEOUT');
    const { port1, port2 } = new MessageChannel();
    const refuser = refuseAdopt(port2);
    await rejects(feed.transferOwnership(port1), 'ERR_GUNPORT_REFUSED');
    await rejects(feed.transferOwnership(port1), 'ERR_GUNPORT_REFUSED');
    expect(refuser.refused).to.equal(2);
    await refuser.stop();
    port1.close();
    feed.send('mine');
    for await (const message of feed) {
      expect(message).to.equal('mine');
      break;
    }
  });

  it('makes the same schedule of the same seed', () => {
    const seed = seedOf();
    const schedule = faults(seed, { count: 50 });
    expect(faults(seed, { count: 50 }).faults).to.deep.equal(schedule.faults);
    expect(faults(seed + 1, { count: 50 }).faults).to.not.deep.equal(schedule.faults);
    const times = schedule.faults.map(({ at }) => at);
    expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    expect(faults().seed).to.be.at.least(1);
    expect(() => faults(1, { every: [3, 2] })).to.throw('every must be two integers');
    expect(() => faults(1, { kinds: ['flood' as 'drop'] })).to.throw('kinds must be some of drop');
  });

  it('strikes a server as planned, and leaves it in order, by a fake clock', async () => {
    await using one = await serve();
    const clock = new FakeClock();
    const done: string[] = [];
    const watched = new Proxy(one, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]) => {
          done.push(`${clock.now()} ${String(name)}`);
          return member.apply(target, given);
        };
      },
    });
    const running = faults(3, { count: 3, every: [10, 10], kinds: ['stall', 'refuse'] }).run(watched, {
      clock,
    });
    while (clock.pending > 0) await clock.advanceAsync(clock.next ?? 0);
    await running;
    expect(done.filter((call) => /stall|refuse/.test(call)).length).to.be.at.least(3);
    expect(done.slice(-2)).to.deep.equal(['40 refuse', '40 resume']);
  });

  it(`survives a schedule of lost sockets with the connection's own retries`, async () => {
    const seed = seedOf();
    const kinds = ['drop', 'reset', 'stall', 'refuse', 'restart'] as const;
    const schedule = faults(seed, { count: 12, every: [5, 10], kinds });
    await using pool = new Pool({ threads: 1 });
    const feed = await pool.connect(server.url, { retry: 1_000, retryTimeout: 1 });
    try {
      await schedule.run(server);
      const { length } = server.connections;
      server.drop();
      const last = await server.connection(length + 1).catch(() => server.connections.at(-1));
      expect(last?.open, `GUNPORT_SEED=${seed}`).to.equal(true);
      last?.send('back');
      for await (const message of feed) if (message === 'back') break;
    } finally {
      await feed.close();
    }
  });

  it('stops at an abort', async () => {
    const stopping = new AbortController();
    const running = faults(1, { count: 1, every: [60_000, 60_000] }).run(server, { signal: stopping.signal });
    stopping.abort();
    await rejects(running, 'ERR_GUNPORT_ABORTED');
  });
});
