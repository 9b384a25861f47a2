import { expect } from 'chai';
import { Pool } from '../../lib/index.ts';
import { killThread } from '../../lib/testing/index.ts';
import { numbers, stages } from '../support/client-stage.ts';

describe("a client whose connection's thread dies", () => {
  const pool = new Pool({ threads: 2 });
  const stage = stages();
  after(() => pool.close());

  it('goes on in another: same handle, its subscriptions, its counts; what was pending rejects', async () => {
    const options = { pool, credentials: 'me' };
    const { client, server, events, errors, ready } = await stage('beside the socket', options);
    await client.connect();
    for (const channel of ['a', 'b', 'c']) await client.subscribe(channel);
    await client.unsubscribe('b');
    const read = numbers(client, 6);
    server.number('a', 3);
    await client.request({ method: 'echo', params: 1 });
    const first = client.connection;
    const pending = client.request({ method: 'hold' }).catch((error: Error) => error);
    await server.until('held', () => server.held === 1);
    const { logins, messagesReceived } = client.metrics().counters;
    const { reason } = await killThread(client, 'terminate', { pool });
    expect(reason.kind).to.equal('terminated');
    expect(await pending).to.be.instanceOf(Error);
    // What is asked for now waits for the next.
    expect(await client.request({ method: 'echo', params: 2 })).to.equal(2);
    await ready(2);
    expect(client.connection).to.not.equal(first);
    expect(server.last.log.slice(0, 3)).to.deep.equal(['auth', 'subscribe a', 'subscribe c']);
    server.number('a', 3);
    expect(await read).to.deep.equal([0, 1, 2, 3, 4, 5]);
    const { counters } = client.metrics();
    expect(counters).to.include({ logins: logins + 1, opened: 1, reconnected: 1 });
    expect(counters.messagesReceived).to.be.above(messagesReceived);
    expect(errors[0]).to.include({ code: 'ERR_GUNPORT_DOWN' });
    expect(events.filter((event) => event.startsWith('state')).slice(3)).to.deep.equal([
      ...['state disconnected', 'state reconnecting'],
      ...['state connecting', 'state connected', 'state websocketConnected'],
    ]);
  });

  it('keeps trying when the server is away as well', async () => {
    const { client, server, events, ready } = await stage('beside the socket', { pool });
    await client.connect();
    await client.subscribe('a');
    server.isDown = true;
    await killThread(client, 'terminate', { pool });
    const waits = () => events.filter((event) => event === 'state reconnecting').length;
    await server.until('some attempts', () => waits() >= 4 || client.state === 'error');
    server.isDown = false;
    await ready(2);
    expect(server.last.log).to.deep.equal(['subscribe a']);
    expect(client.channels).to.deep.equal(['a']);
  });

  it('gives up when they die one after another, by the policy of its retries', async () => {
    const options = { pool, retry: 2, credentials: 'me' };
    const { client, server } = await stage('beside the socket', options);
    await client.connect();
    server.mute = true;
    const isOver = () => client.state === 'error';
    for (let death = 1; death <= 4 && !isOver(); death++) {
      const count = server.connections.length;
      await killThread(client, 'terminate', { pool });
      await server.until('another, or the end', () => isOver() || server.connections.length > count);
    }
    const { error } = await client.closed;
    expect(error).to.be.instanceOf(Error);
    expect(client.state).to.equal('error');
    expect(server.connections).to.have.lengthOf(3);
  });

  it('goes over to the fresh one when the old one dies in the midst of a rollover', async () => {
    const { client, server } = await stage('beside the socket', { pool, credentials: 'me' });
    await client.connect();
    await client.subscribe('a');
    server.mute = true;
    const rolled = client.rollover();
    await server.until('the second', () => server.connections[1]?.log.length === 1);
    await killThread(client, 'terminate', { pool });
    server.mute = false;
    server.drop();
    await rolled.catch(() => {});
    await server.until('one, and ready', () => server.open.length === 1 && client.isReady);
    server.number('a', 3);
    expect(await numbers(client, 3)).to.deep.equal([0, 1, 2]);
    expect(server.open[0]?.log).to.deep.equal(['auth', 'subscribe a']);
  });
});
