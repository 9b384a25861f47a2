import { once } from 'node:events';
import { threadId as here, MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { BIT, WORD_BYTES } from '../../lib/events/eventwire.ts';
import { tellHandover } from '../../lib/events/handovers.ts';
import { receiveOwnership } from '../../lib/index.ts';
import { join, lineTo } from '../../lib/lifeline.ts';
import type { ToHost } from '../../lib/wire.ts';
import { listening } from '../support/listening.ts';
import { readNumbers } from '../support/numbers.ts';
import { errorOf, stage } from '../support/stage.ts';

const OFFERED = 'gunport:ownership:offered';
const ADOPTED = 'gunport:ownership:adopted';
const REVOKED = 'gunport:ownership:revoked';

describe('the events of a hand-over', () => {
  const on = stage();
  const heard = listening();

  it('from main to a worker: offered, adopted', async () => {
    const { feed, a } = on;
    heard.to(OFFERED, ADOPTED, REVOKED);
    const { id } = feed.connection;
    await on.giveTo(a);
    const [offered, adopted] = [await heard.next(OFFERED), await heard.next(ADOPTED)];
    const to = a.threadId;
    expect(offered).to.include({ connection: id, threadId: here, from: here, to, timeout: 5_000 });
    expect(offered.stream).to.equal(feed.id);
    expect(adopted).to.include({ connection: id, threadId: to, from: here, to, backlog: 0 });
    expect(adopted.duration).to.be.within(0, 5_000);
    expect(adopted.time - offered.time).to.be.within(-50, 5_000);
    expect(heard.of(REVOKED)).to.deep.equal([]);
  });

  it('from worker to worker, and back to main', async () => {
    const { feed, a, b } = on;
    const { id } = feed.connection;
    await on.giveTo(a);
    heard.to(OFFERED, ADOPTED);
    const taking = b.run((far) => far.take().then(() => {}));
    await a.run((far, to) => far.feed.transferOwnership({ threadId: to }), b.threadId);
    await taking;
    const [from, to] = [a.threadId, b.threadId];
    expect(await heard.next(OFFERED)).to.include({ connection: id, threadId: from, from, to });
    expect(await heard.next(ADOPTED)).to.include({ connection: id, threadId: to, from, to });
    const taken = on.take();
    await b.run((far) => far.feed.transferOwnership({ threadId: 0 }));
    await taken;
    expect(await heard.next(OFFERED)).to.include({ from: to, to: 0 });
    expect(await heard.next(ADOPTED)).to.include({ threadId: here, from: to, to: here });
  });

  it('by a port: the taker is not known before it adopts', async () => {
    const { port1, port2 } = new MessageChannel();
    heard.to(OFFERED, ADOPTED);
    const taken = on.a.run((far, port) => far.take(port as MessagePort).finally(() => port.close()), port2);
    await on.feed.transferOwnership(port1);
    await taken;
    expect(await heard.next(OFFERED)).to.not.have.property('to');
    expect(await heard.next(ADOPTED)).to.include({ to: on.a.threadId });
    port1.close();
  });

  it('tell how many messages came along that nobody had been given', async () => {
    const { feed, server, a } = on;
    server.send(50);
    // All of them are in the handle when the last has come.
    expect(await readNumbers(feed, 1)).to.deep.equal([0]);
    await feed.ping();
    heard.to(ADOPTED);
    await on.giveTo(a);
    const { backlog } = await heard.next(ADOPTED);
    expect(backlog).to.equal(49);
    expect(await a.run((far) => far.read(49))).to.have.lengthOf(49);
  });

  it('that comes to nothing: revoked, with the reason and how long it took', async () => {
    const { feed } = on;
    const { id } = feed.connection;
    const { port1 } = new MessageChannel();
    heard.to(OFFERED, ADOPTED, REVOKED);
    const error = await errorOf(feed.transferOwnership(port1, { timeout: 30 }));
    expect(error).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
    expect(await heard.next(OFFERED)).to.include({ timeout: 30 });
    const revoked = await heard.next(REVOKED);
    expect(revoked).to.include({ connection: id, from: here, reason: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
    expect(revoked.duration).to.be.within(25, 2_000);
    expect(heard.of(ADOPTED)).to.deep.equal([]);
    port1.close();
  });

  it('that a worker takes back: revoked', async () => {
    const { a } = on;
    await on.giveTo(a);
    heard.to(OFFERED, REVOKED);
    const code = await a.run((far) => {
      const { port1 } = new MessageChannel();
      const given = far.feed.transferOwnership(port1, { timeout: 20 });
      return far.codeOf(given).finally(() => port1.close());
    });
    expect(code).to.equal('ERR_GUNPORT_TRANSFER_TIMEOUT');
    expect(await heard.next(OFFERED)).to.include({ from: a.threadId });
    expect(await heard.next(REVOKED)).to.include({ threadId: a.threadId, reason: code });
  });

  it('that was refused, or aborted before it began: offered and revoked all the same', async () => {
    heard.to(OFFERED, REVOKED);
    const { port1, port2 } = new MessageChannel();
    const waiting = errorOf(receiveOwnership(port2, { accept: () => false }));
    await errorOf(on.feed.transferOwnership(port1));
    expect(await heard.next(REVOKED)).to.include({ reason: 'ERR_GUNPORT_REFUSED' });
    port2.close();
    await waiting;
    const { port1: nobody } = new MessageChannel();
    await errorOf(on.feed.transferOwnership(nobody, { signal: AbortSignal.abort() }));
    expect(await heard.next(REVOKED)).to.include({ reason: 'ERR_GUNPORT_ABORTED' });
    expect(heard.of(OFFERED)).to.have.lengthOf(2);
    nobody.close();
  });

  it('are not told while nobody listens', async () => {
    const { a } = on;
    heard.to('gunport:retry');
    await on.giveTo(a);
    heard.to(OFFERED, ADOPTED, REVOKED);
    const taken = on.take();
    await a.run((far) => far.feed.transferOwnership({ threadId: 0 }));
    await taken;
    await heard.next(ADOPTED);
    expect(heard.of(OFFERED), 'only of the second').to.have.lengthOf(1);
  });
});

describe('the events of many hand-overs', () => {
  it('are bounded while their host does not publish them; what is dropped is counted', async () => {
    const { port1, port2 } = new MessageChannel();
    const listens = new SharedArrayBuffer(WORD_BYTES);
    new Int32Array(listens)[0] = BIT[OFFERED];
    join('host-busy', port1, listens);
    const tell = (times: number): void => {
      for (let i = 0; i < times; i++)
        tellHandover('host-busy', OFFERED, '9.1', () => ({ from: here, timeout: i }));
    };
    const came: (ToHost & { type: 'event' })[] = [];
    port2.on('message', (message: ToHost & { type: 'event' }) => came.push(message));
    const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
    tell(2_000);
    // What nobody listens to does not count.
    tellHandover('host-busy', REVOKED, '9.1', () => ({ from: here, reason: '', duration: 0 }));
    while (came.length < 1_024) await turn();
    expect(came.map(({ event }) => (event.fields as { timeout: number }).timeout)).to.deep.equal([
      ...Array(1_024).keys(),
    ]);
    port2.postMessage({ type: 'eventRead' });
    await once(port1, 'message');
    tell(1);
    while (came.length < 1_025) await turn();
    expect(came.at(-1)?.dropped).to.deep.equal({ [OFFERED]: 976 });
    port2.close();
    await once(port1, 'close');
    expect(lineTo('host-busy'), 'nobody is told of a host that has gone').to.equal(undefined);
    tell(1);
  });
});
