import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import type { AttemptInfo } from '../../lib/types.ts';
import { moduleOf } from '../support/failures.ts';
import { feeds, frame, take } from '../support/feeds.ts';
import { wsPeer } from '../support/peers.ts';
import { TestThread } from '../support/thread.ts';

describe('a hand-over of a connection with hooks', () => {
  const { connect, keep } = feeds();
  let thread: TestThread;
  before(() => {
    thread = new TestThread();
  });
  afterEach(() => thread.closeOwned());
  after(() => thread.end());

  /** Says to each client what x-token it has sent. */
  async function tokens() {
    const sockets: Socket[] = [];
    const server = await keep(
      wsPeer((one) => {
        sockets.push(one.socket);
        one.send(frame(0x81, one.header('x-token') ?? 'none'));
      }),
    );
    return { server, drop: () => sockets.at(-1)?.destroy() };
  }

  async function given(options: Parameters<typeof connect>[1]): Promise<string[]> {
    const { server, drop } = await tokens();
    const feed = await connect(server.url, { ...options, retry: 9, backoff: { first: 1 } });
    const said = (await take(feed, 1)).map(String);
    const up = once(feed, 'up');
    drop();
    await up;
    said.push(...(await take(feed, 1)).map(String));
    await Promise.all([
      thread.run((here) => here.take().then(() => {})),
      feed.transferOwnership(thread.worker),
    ]);
    drop();
    const next = await thread.run(async (here) => {
      for await (const message of here.feed) return String(message);
      return 'none';
    });
    return [...said, next];
  }

  it('leaves a renew that is a function behind: what it said last goes on', async () => {
    const renew = ({ attempt }: AttemptInfo) => ({ headers: { 'x-token': `t${attempt}` } });
    expect(await given({ renew })).to.deep.equal(['t1', 't2', 't2']);
  });

  it('takes along one that is a module', async () => {
    const renew = moduleOf("export default ({ attempt }) => ({ headers: { 'x-token': 't' + attempt } });");
    expect(await given({ renew })).to.deep.equal(['t1', 't2', 't3']);
  });

  it('leaves a retryFun behind that is still thinking: the policy goes on at once', async () => {
    const { server, drop } = await tokens();
    let asked = (): void => {};
    const thinking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const retryFun = (): Promise<never> => {
      asked();
      return new Promise(() => {});
    };
    const feed = await connect(server.url, { retry: 9, retryFun });
    await take(feed, 1);
    drop();
    await thinking;
    const began = performance.now();
    await Promise.all([
      thread.run((here) => here.take().then(() => {})),
      feed.transferOwnership(thread.worker),
    ]);
    await thread.run(async (here) => {
      for await (const _ of here.feed) return;
    });
    expect(performance.now() - began).to.be.below(4_000);
    expect(server.taken).to.equal(2);
  });
});
