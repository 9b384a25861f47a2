// connect-failures.test — each way in which a connect can fail, ten times here, a hundred times with GUNPORT_SCALE=10.
// The table is in support/failures.ts.

import { expect } from 'chai';
import { connect, Pool } from '../lib/index.ts';
import { failTimes } from './support/failing.ts';
import { FAILURES } from './support/failures.ts';
import { returnsTo, snapshot } from './support/leaks.ts';
import { answers, peer, silent } from './support/peers.ts';
import { rejects } from './support/rejects.ts';

const TIMES = 10 * Number(process.env['GUNPORT_SCALE'] ?? 1);

describe('a connect that fails', function () {
  this.timeout(2_000 + 100 * TIMES);
  this.slow(1_000);
  const pool = new Pool({ threads: 1 });
  after(() => pool.close());

  for (const failure of FAILURES) {
    const { name, code, phase } = failure;
    it(`check 28: at ${name} says ${code} in phase ${phase} and leaves nothing behind (S4)`, () =>
      failTimes(failure, TIMES, pool));
  }

  it('by an abort in any phase says ERR_GUNPORT_ABORTED with its reason, and leaves nothing behind', async () => {
    await using plain = await peer(silent);
    await using secure = await peer(silent, { scheme: 'wss' });
    for (const url of [plain.url, secure.url]) {
      for (let i = 0; i < TIMES; i++) {
        const before = snapshot();
        const abort = new AbortController();
        const failed = rejects(pool.connect(url, { signal: abort.signal }), 'ERR_GUNPORT_ABORTED');
        for (let turns = i % 7; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        abort.abort(new Error('not wanted'));
        const error = await failed;
        expect(error).to.include({ name: 'TimeoutError', phase: 'aborted' });
        expect(error.cause).to.have.property('message', 'not wanted');
        await returnsTo(before);
      }
    }
    while (pool.info().connections > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('by an abort before it began starts nothing', async () => {
    const before = pool.info();
    const connecting = pool.connect('ws://127.0.0.1:9', { signal: AbortSignal.abort() });
    expect(await rejects(connecting, 'ERR_GUNPORT_ABORTED')).to.include({ phase: 'aborted' });
    expect(pool.info()).to.deep.equal(before);
  });

  it('cuts the body of a refusal at 64 KiB, and keeps its headers', async () => {
    await using server = await peer(answers(401, 'length', 'x'.repeat(100_000)));
    const error = await rejects(pool.connect(server.url), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(error.status).to.equal(401);
    expect(error.body).to.have.lengthOf(65_536);
    expect(error.headers).to.include({ 'content-type': 'text/plain', 'content-length': '100000' });
    expect(Object.getPrototypeOf(error.headers)).to.equal(null);
  });

  it('fails the same way in the default pool', async () => {
    await using server = await peer(answers(404));
    expect(await rejects(connect(server.url), 'ERR_GUNPORT_UPGRADE_REFUSED')).to.include({ status: 404 });
  });

  it('fails in a closed pool with ERR_GUNPORT_POOL_CLOSED', async () => {
    const closed = new Pool({ threads: 1 });
    await closed.close();
    await rejects(closed.connect('ws://127.0.0.1:9'), 'ERR_GUNPORT_POOL_CLOSED');
    expect(() => closed.open('ws://127.0.0.1:9'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_POOL_CLOSED');
  });
});
