import { once } from 'node:events';
import { connect as dialTo } from 'node:net';
import { expect } from 'chai';
import { connect } from '../../lib/index.ts';
import { type Numbers, readNumbers } from '../support/numbers.ts';
import { type Peer, peer } from '../support/peers.ts';
import { stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('a hand-over between two retries (O3)', () => {
  const on = stage();
  let server: Numbers;
  let a: TestThread;
  let open = true;
  let gate: Peer;
  beforeEach(async () => {
    ({ server, a } = on);
    open = true;
    gate = await peer((socket) => {
      if (!open) return socket.destroy();
      const through = dialTo(server.port, '127.0.0.1');
      through.on('error', () => {});
      through.on('close', () => socket.destroy());
      socket.on('close', () => through.destroy());
      return socket.pipe(through).pipe(socket);
    });
  });
  afterEach(() => gate.close());

  it('comes about, and the retries go on for the new owner', async () => {
    const made = await connect(gate.url, { retry: 1_000, retryTimeout: 5 });
    server.send(5);
    expect(await readNumbers(made, 2)).to.deep.equal([0, 1]);
    open = false;
    const downs: number[] = [];
    made.on('down', ({ attempt }) => downs.push(attempt));
    server.drop();
    await once(made.connection, 'down');
    expect(made.connection.status).to.equal('down');
    expect(made.state).to.equal('down');
    await on.giveTo(a, made);
    expect(downs).to.deep.equal([1]);
    expect(await a.run(({ feed }) => feed.state)).to.equal('down');
    // Listens first, and opens the gate then: there is no order between an order to the thread and the feed's port.
    await a.run(({ feed }) => {
      const ups = new Promise((resolve) => feed.once('up', ({ attempt }) => resolve([attempt, feed.state])));
      Object.assign(globalThis, { ups });
    });
    open = true;
    const [attempt, state] = await a.run(
      () => (globalThis as unknown as { ups: Promise<[number, string]> }).ups,
    );
    // A socket that was taken and dropped at once counts as well.
    expect(attempt).to.be.above(1);
    expect(state).to.equal('open');
    server.send(2);
    expect(await a.run((here) => here.read(5))).to.deep.equal([2, 3, 4, 5, 6]);
    expect(await a.run(({ feed }) => feed.connection.awaitUp())).to.include({ attempt });
    await a.closeOwned();
  });

  it('tells the new owner that they were given up', async () => {
    const made = await connect(gate.url, { retry: 3, retryTimeout: 40 });
    open = false;
    server.drop();
    await once(made.connection, 'down');
    await on.giveTo(a, made);
    const end = await a.run(async (here) => {
      const down = here.feed.connection.monitor().down;
      const code = await here.codeOf(here.feed[Symbol.asyncIterator]().next());
      return [code, (await down)?.reason.kind];
    });
    expect(end).to.deep.equal(['ERR_GUNPORT_GAVE_UP', 'gave-up']);
  });
});
