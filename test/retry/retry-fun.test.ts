import { expect } from 'chai';
import type { RetryInfo } from '../../lib/index.ts';
import { dropping, scripts } from '../support/attempts.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, feeds } from '../support/feeds.ts';
import { answers, says } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

describe('a retryFun', () => {
  const { connect, keep } = feeds();

  it('is told what is left and of the failure, and decides (Gun retry_fun)', async () => {
    const server = await keep(scripts(answers(500), answers(404), answers(503)));
    const asked: [number, RetryInfo][] = [];
    const retryFun = (left: number, info: RetryInfo) => {
      asked.push([left, info]);
      return { retries: left - 1, timeout: 5 };
    };
    await rejects(connect(server.url, { retry: 2, retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(asked.map(([left, { failures, wasUp }]) => ({ left, failures, wasUp }))).to.deep.equal([
      { left: 2, failures: 1, wasUp: false },
      { left: 1, failures: 2, wasUp: false },
    ]);
    expect(asked.map(([, { error }]) => error.status)).to.deep.equal([500, 404]);
    expect(asked[0]?.[1].error).to.include({ name: 'ConnectionError', phase: 'upgrade' });
    expect(server.taken).to.equal(3);
  });

  it('with retries 0 has one last attempt', async () => {
    const server = await keep(scripts(answers(500)));
    let asked = 0;
    const retryFun = () => {
      asked++;
      return { retries: 0, timeout: 1 };
    };
    await rejects(connect(server.url, { retry: 9, retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect([asked, server.taken]).to.deep.equal([1, 2]);
  });

  it('that throws gives up with what it has thrown', async () => {
    const server = await keep(scripts(answers(500)));
    const retryFun = () => {
      throw new Error('never again');
    };
    const error = await rejects(connect(server.url, { retry: 9, retryFun }), 'ERR_GUNPORT_OPTION');
    expect(error.cause).to.have.property('message', 'never again');
    expect(server.taken).to.equal(1);
  });

  it('that throws the failure itself gives up with that', async () => {
    const server = await keep(scripts(answers(500)));
    const retryFun = (_left: number, { error }: RetryInfo) => {
      throw error;
    };
    const error = await rejects(connect(server.url, { retry: 9, retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(error.status).to.equal(500);
  });

  it('that answers nonsense gives up with ERR_GUNPORT_OPTION', async () => {
    const server = await keep(scripts(answers(500)));
    for (const answer of [
      undefined,
      null,
      {},
      { retries: -1, timeout: 1 },
      { retries: 1, timeout: 'soon' },
    ]) {
      const retryFun = () => answer as { retries: number; timeout: number };
      const error = await rejects(connect(server.url, { retry: 9, retryFun }), 'ERR_GUNPORT_OPTION');
      expect(error.message, JSON.stringify(answer)).to.match(/retryFun/);
    }
  });

  it('may be a module, which runs beside the socket', async () => {
    const server = await keep(scripts(answers(500)));
    const module = moduleOf(`import { threadId } from 'node:worker_threads';
      export default (left, { error, failures }) => {
        if (threadId === 0) throw new Error('in the main thread');
        if (failures === 3) throw Object.assign(new Error('enough'), { code: error.code + ' ' + error.status });
        return { retries: left, timeout: 1 };
      };`);
    const error = await rejects(connect(server.url, { retry: 9, retryFun: module }), 'ERR_GUNPORT_OPTION');
    expect(error.cause).to.include({ message: 'enough', code: 'ERR_GUNPORT_UPGRADE_REFUSED 500' });
    expect(server.taken).to.equal(3);
  });

  it('that cannot be loaded gives up with ERR_GUNPORT_OPTION', async () => {
    const server = await keep(scripts(answers(500)));
    const retryFun = { module: 'file:///nonexistent/retry.js' };
    await rejects(connect(server.url, { retry: 9, retryFun }), 'ERR_GUNPORT_OPTION');
  });

  it('is not asked when no retry is left, nor for the first failure of a connect()', async () => {
    const server = await keep(scripts(answers(500)));
    let asked = 0;
    const retryFun = (left: number) => {
      asked++;
      return { retries: left, timeout: 1 };
    };
    await rejects(connect(server.url, { retry: 0, retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
    await rejects(connect(server.url, { retryFun }), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(asked).to.equal(0);
  });

  it('counts a reset after the upgrade as a loss, before it as a failure', async () => {
    const server = await keep(scripts(says('', 'reset')));
    const asked: boolean[] = [];
    const retryFun = (left: number, { wasUp }: RetryInfo) => {
      asked.push(wasUp);
      return { retries: left - 1, timeout: 1 };
    };
    await rejects(connect(server.url, { retry: 2, retryFun }), 'ERR_GUNPORT_HANDSHAKE');
    expect(asked).to.deep.equal([false, false]);
    const other = await keep(dropping());
    asked.length = 0;
    const feed = await connect(other.url, { retry: 1, retryFun });
    await drain(feed);
    expect(asked).to.deep.equal([true]);
  });
});
