import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Client, connect, receiveClient } from '../../lib/index.ts';
import { killThread, mortal } from '../../lib/testing/index.ts';
import type { Numbered } from '../support/client-adapter.ts';
import { numbers, stages } from '../support/client-stage.ts';
import { range } from '../support/numbers.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

describe('a client that is handed over', () => {
  const stage = stages();
  const clients: Client<Numbered>[] = [];
  let thread: TestThread;
  before(() => {
    thread = new TestThread();
  });
  after(() => thread.end());
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  /** To the thread, which reads so many numbers of it, and back. */
  async function there(client: Client<Numbered>, count: number): Promise<number[]> {
    const taken = thread.run(async ({ gunport, notes }, most) => {
      const { client: mine, data } = await gunport.receiveClient<Numbered>();
      notes['client'] = mine;
      const found: number[] = [];
      for await (const { n } of mine) {
        found.push(n!);
        if (found.length === most) break;
      }
      return { found, data, channels: mine.channels, state: mine.state, attempt: mine.attempt };
    }, count);
    await client.transferOwnership(thread.worker, { data: 'with it' });
    const { found, ...rest } = await taken;
    expect(rest).to.deep.equal({
      ...{ data: 'with it', channels: ['a', 'b'], state: 'websocketConnected', attempt: 1 },
    });
    return found;
  }

  async function back(): Promise<Client<Numbered>> {
    const { port1, port2 } = new MessageChannel();
    const received = receiveClient<Numbered>(port1);
    await thread.run(async ({ notes }, port) => {
      await (notes['client'] as Client).transferOwnership(port);
    }, port2);
    const { client } = await received;
    clients.push(client);
    port1.close();
    return client;
  }

  /** Within this thread. */
  async function handedOver(client: Client<Numbered>): Promise<[{ client: Client<Numbered> }]> {
    const { port1, port2 } = new MessageChannel();
    const [received] = await Promise.all([receiveClient<Numbered>(port2), client.transferOwnership(port1)]);
    port1.close();
    clients.push(received.client);
    return [received];
  }

  it('check 15: goes to a thread and back under full flow: every number once, in order, state and all', async () => {
    const { client, server } = await stage('beside the socket', { credentials: 'me' });
    await client.connect();
    for (const channel of ['a', 'b']) await client.subscribe(channel);
    server.flow('a');
    const found = await numbers(client, 500);
    found.push(...(await there(client, 500)));
    const again = await back();
    found.push(...(await numbers(again, 500)));
    server.stopFlow();
    expect(found).to.deep.equal(range(0, 1_500));
    expect(again.channels).to.deep.equal(['a', 'b']);
    expect(again.isReady).to.equal(true);
    const { counters } = again.metrics();
    expect(counters).to.include({ opened: 1, logins: 1, subscriptionsConfirmed: 2, reconnected: 0 });
    expect(server.connections).to.have.lengthOf(1);
    expect(await again.request({ method: 'echo', params: 1 })).to.equal(1);
    expect(server.last.log).to.deep.equal(['auth', 'subscribe a', 'subscribe b', 'echo 1']);
  });

  it('takes along what a rollover just before has left unread, each number once, in order', async () => {
    const { client, server } = await stage('beside the socket', { credentials: 'me' });
    await client.connect();
    for (const channel of ['a', 'b']) await client.subscribe(channel);
    // Few: a rollover waits for a reader that has no room for more.
    server.number('a', 5);
    const found = await numbers(client, 2);
    await client.rollover();
    const { port1, port2 } = new MessageChannel();
    // One that comes to nothing gives all back.
    const refused = receiveClient(port2, { accept: () => false, timeout: 5_000 }).catch(() => {});
    await rejects(client.transferOwnership(port1), 'ERR_GUNPORT_REFUSED');
    port1.close();
    await refused;
    found.push(...(await numbers(client, 1)));
    server.number('a', 4);
    const [{ client: taken }] = await handedOver(client);
    found.push(...(await numbers(taken, 6)));
    expect(found).to.deep.equal(range(0, 9));
  });

  it('check 9: leaves an inert handle behind, which is told nothing more', async () => {
    const { client, server, events } = await stage('beside the socket', { credentials: 'me' });
    await client.connect();
    const pending = client.request({ method: 'hold' }).catch((error: Error) => error);
    await server.until('held', () => server.held === 1);
    const { port1, port2 } = new MessageChannel();
    const [{ client: taken }] = await Promise.all([
      receiveClient<Numbered>(port1),
      client.transferOwnership(port2),
    ]);
    clients.push(taken);
    port1.close();
    expect(await pending).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
    const before = [...events];
    for (const call of [
      () => client.send({ method: 'note' }),
      () => client.request({ method: 'echo' }),
      () => client.subscribe('a'),
      () => client.unsubscribe('a'),
      () => client.authenticate({}),
      () => client.rollover(),
      () => client.ready(),
      () => client.connect(),
      () => client.status(),
      () => client.ping(),
      () => client.transferOwnership(port2),
      () => client[Symbol.asyncIterator]().next(),
    ]) {
      await rejects(call(), 'ERR_GUNPORT_NOT_OWNER');
    }
    await taken.subscribe('a');
    server.drop();
    await new Promise((resolve) => taken.once('ready', resolve));
    expect(taken.attempt).to.equal(2);
    expect(events).to.deep.equal(before);
    expect(client.isReady).to.equal(false);
    expect(server.last.log).to.deep.equal(['auth', 'subscribe a']);
  });

  it('comes back at its new owner by its own credentials and subscriptions, when its thread dies there', async () => {
    const { client, server } = await stage(
      'beside the socket',
      // What cannot be cloned as it is.
      { credentials: () => ({ key: 'me' }), headers: new Headers({ 'x-mine': 'kept' }), ...mortal() },
    );
    await client.connect();
    await client.subscribe('a');
    const { port1, port2 } = new MessageChannel();
    const [{ client: taken }] = await Promise.all([
      receiveClient<Numbered>(port1),
      client.transferOwnership(port2),
    ]);
    clients.push(taken);
    port1.close();
    const ready = new Promise((resolve) => taken.once('ready', resolve));
    await killThread(taken, 'uncaught');
    await ready;
    expect(server.last.log).to.deep.equal(['auth', 'subscribe a']);
    expect(server.last.headers['x-mine']).to.equal('kept');
    expect(server.last.logins).to.deep.equal([{ key: 'me' }]);
    expect(taken.attempt).to.equal(2);
  });

  it('ends a rollover that is under way first, and goes over again at its new owner', async () => {
    const { client, server } = await stage('beside the socket', { credentials: 'me' });
    await client.connect();
    await client.subscribe('a');
    server.number('a', 100);
    const found = await numbers(client, 100);
    const { port1, port2 } = new MessageChannel();
    const rolled = client.rollover();
    const received = receiveClient<Numbered>(port1);
    const given = client.transferOwnership(port2);
    await Promise.all([rolled, given]);
    const { client: taken } = await received;
    server.flow('a');
    clients.push(taken);
    port1.close();
    found.push(...(await numbers(taken, 500)));
    const again = taken.rollover();
    found.push(...(await numbers(taken, 500)));
    server.stopFlow();
    // It waits for a reader that is behind.
    const rest = numbers(taken, server.count - found.length);
    await again;
    found.push(...(await rest));
    expect(found).to.deep.equal(range(0, server.count));
    expect(taken.attempt).to.equal(3);
    expect(server.connections.map(({ log }) => log)).to.deep.equal(Array(3).fill(['auth', 'subscribe a']));
  });

  it('is known to its new owner with what was asked for while it went', async () => {
    const { client, server } = await stage('beside the socket', {});
    await client.connect();
    const { port1, port2 } = new MessageChannel();
    const asked = client.subscribe('late').catch((error: Error) => error);
    const [{ client: taken }] = await Promise.all([
      receiveClient<Numbered>(port1),
      client.transferOwnership(port2),
    ]);
    clients.push(taken);
    port1.close();
    await asked;
    await server.until('asked', () => server.last.asked.has('late'));
    expect(await taken.subscribe('late')).to.include({ state: 'confirmed' });
    expect(taken.channels).to.deep.equal(['late']);
    expect(server.last.log).to.deep.equal(['subscribe late']);
  });

  it('stays with its owner when its adapter is an object, or it was not connected', async () => {
    const { port1, port2 } = new MessageChannel();
    const here = await stage("on the owner's thread");
    await here.client.connect();
    await rejects(here.client.transferOwnership(port2), 'ERR_GUNPORT_UNSUPPORTED');
    expect(await here.client.request({ method: 'echo', params: 1 })).to.equal(1);
    const never = await stage('beside the socket');
    await rejects(never.client.transferOwnership(port2), 'ERR_GUNPORT_NOT_UP');
    await never.client.connect();
    expect(never.client.isReady).to.equal(true);
    port1.close();
  });

  it('is not what a plain connection is: that is refused, and shut down', async () => {
    const { server } = await stage('beside the socket');
    const feed = await connect(server.url);
    const { port1, port2 } = new MessageChannel();
    const refused = rejects(receiveClient(port1), 'ERR_GUNPORT_REFUSED');
    await feed.transferOwnership(port2);
    await refused;
    await server.until('the end', () => server.open.length === 0);
    port1.close();
  });
});
