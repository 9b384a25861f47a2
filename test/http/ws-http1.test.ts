import { once } from 'node:events';
import { expect } from 'chai';
import { feeds, take } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';
import { type UpgradingOptions, upgrading } from '../support/upgrading.ts';

describe('a WebSocket that takes a connection of HTTP/1.1', () => {
  const { open, keep } = feeds();
  const begin = async (setup?: UpgradingOptions) => {
    const server = await keep(upgrading('HTTP/1.1', setup));
    return { server, connection: open(server.url) };
  };

  it('is refused on HTTP/1.0, and costs no connection (ws_SUITE http10_upgrade_error)', async () => {
    const { server } = await begin();
    const connection = open(server.url, { httpVersion: '1.0' });
    await connection.awaitUp();
    const feed = connection.wsUpgrade('/ws');
    await rejects(connection.await(feed), 'ERR_GUNPORT_BAD_STATE');
    expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_BAD_STATE' });
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(server.asked.map(({ path }) => path)).to.deep.equal(['/next']);
  });

  it('leaves nothing for a request, and lives on (ws_SUITE http11_request_error)', async () => {
    const { server, connection } = await begin();
    const feed = connection.wsUpgrade('/ws');
    await connection.await(feed);
    const stream = connection.get('/late');
    await rejects(connection.await(stream), 'ERR_GUNPORT_BAD_STATE');
    await rejects(connection.await(connection.wsUpgrade('/other')), 'ERR_GUNPORT_NOT_CONNECTED');
    feed.send('still here');
    expect(await take(feed, 1)).to.deep.equal(['still here']);
    expect(server.asked.length).to.equal(1);
    expect(connection.attempt).to.equal(1);
  });

  it('leaves nothing for requests that were asked for behind it', async () => {
    const { server, connection } = await begin();
    const feed = connection.wsUpgrade('/ws');
    const behind = [connection.get('/one'), connection.post('/two', { body: 'x' })];
    for (const stream of behind) await rejects(stream.response(), 'ERR_GUNPORT_BAD_STATE');
    expect(await connection.await(feed)).to.include({ type: 'upgrade' });
    expect(server.asked.length).to.equal(1);
  });

  it('lets the requests behind it be served when it is refused, in order', async () => {
    const { server, connection } = await begin();
    const refused = connection.wsUpgrade('/reject');
    const texts = ['/one', '/two'].map((path) => connection.get(path).text());
    const upgraded = connection.wsUpgrade('/ws');
    expect(await Promise.all(texts)).to.deep.equal(['hello /one', 'hello /two']);
    expect((await refused.closed).error).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', status: 400 });
    expect(await connection.await(upgraded)).to.include({ type: 'upgrade' });
    expect(server.asked.map(({ path }) => path)).to.deep.equal(['/reject', '/one', '/two', '/ws']);
    expect(connection.attempt).to.equal(1);
  });

  it('waits until all that was asked for before it is answered', async () => {
    const { server, connection } = await begin();
    const held = ['/hold/1', '/hold/2'].map((path) => connection.get(path));
    const feed = connection.wsUpgrade('/ws');
    for (let i = 0; i < held.length; i++) await server.held();
    expect([feed.state, server.asked.length]).to.deep.equal(['connecting', 2]);
    server.release();
    const texts = await Promise.all(held.map((stream) => stream.text()));
    expect(texts).to.deep.equal(['hello /hold/1', 'hello /hold/2']);
    expect(await connection.await(feed)).to.include({ type: 'upgrade' });
  });

  it('is given up by close() while it waits its turn, and others are served', async () => {
    const { server, connection } = await begin();
    const held = connection.get('/hold');
    await held.response();
    const [one, other] = [connection.wsUpgrade('/one'), connection.wsUpgrade('/other')];
    expect(await one.close()).to.deep.equal({ code: 1006, reason: '', wasClean: false });
    other.cancel();
    server.release();
    expect(await held.text()).to.equal('hello /hold');
    expect(await connection.get('/next').text()).to.equal('hello /next');
    expect(server.asked.map(({ path }) => path)).to.deep.equal(['/hold', '/next']);
  });

  it('ends with its connection, which comes back for the next one', async () => {
    const { server, connection } = await begin();
    for (let attempt = 1; attempt <= 2; attempt++) {
      const feed = connection.wsUpgrade('/ws');
      await connection.await(feed);
      const down = once(connection, 'down');
      (await server.next()).close(1000);
      expect(await feed.closed).to.include({ code: 1000, wasClean: true });
      expect((await down)[0]).to.deep.include({ protocol: 'ws', attempt, killed: [feed.id] });
    }
  });
});
