import { once } from 'node:events';
import { expect } from 'chai';
import { OptionError } from '../../lib/index.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, feeds, frame, take, wordsOf } from '../support/feeds.ts';
import type { Conversation } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

/** Answers each ping until the client leaves; tells of each. */
async function ponging(server: Conversation, heard: (payload: string) => void = () => {}): Promise<void> {
  try {
    for (;;) {
      const { opcode, payload } = await server.read();
      if (opcode !== 9) continue;
      server.send(frame(0x8a, payload));
      heard(payload.toString());
    }
  } catch {
    // The client has ended.
  }
}

describe('keepalive of a WebSocket', () => {
  const { open, talk } = feeds();

  it('pings every so often, each ping with a payload of its own, and lives on while pongs come (RFC 6455 §5.5.2)', async () => {
    const { feed, server } = await talk({ keepalive: 10, pongTimeout: 1_000 });
    const heard = new Set<string>();
    await new Promise<void>((resolve) => {
      void ponging(server, (payload) => heard.add(payload).size >= 8 && resolve());
    });
    expect(feed.state).to.equal('open');
    expect(heard.size).to.equal(8);
  });

  it('check 32: ends with ERR_GUNPORT_PONG_TIMEOUT when no pong comes, after all messages', async () => {
    const { feed, server } = await talk({ keepalive: 20, pongTimeout: 50, retry: 0 });
    server.send(frame(0x81, 'a'));
    const { messages, error } = await drain(feed);
    expect(messages).to.deep.equal(['a']);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP', phase: 'timeout' });
    expect(error?.cause).to.include({
      name: 'ConnectionError',
      code: 'ERR_GUNPORT_PONG_TIMEOUT',
      phase: 'timeout',
    });
    expect(await feed.closed).to.include({ code: 1006, wasClean: false });
    expect(wordsOf(await server.read())).to.match(/^ping /);
  });

  it('has one ping of its own under way at a time, beside those of the user', async () => {
    const { feed, server } = await talk({ keepalive: 10, pongTimeout: 200, retry: 0 });
    const asked = rejects(feed.ping('mine'), 'ERR_GUNPORT_PONG_TIMEOUT');
    expect((await drain(feed)).error?.cause).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    await asked;
    const said: string[] = [];
    await (async () => {
      for (;;) said.push(wordsOf(await server.read()));
    })().catch(() => {}); // The client has gone.
    const pings = said.filter((words) => words.startsWith('ping '));
    expect(pings).to.have.lengthOf(2).and.to.include('ping mine');
  });

  it('ends a stream of wsUpgrade() with that error itself', async () => {
    const { peer } = await talk();
    const connection = open(peer.url, { keepalive: 20, pongTimeout: 50, retry: 0 });
    const feed = connection.wsUpgrade('/');
    expect((await drain(feed)).error).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT', phase: 'timeout' });
  });

  it('is no matter of other pongs, nor of messages', async () => {
    const { feed, server } = await talk({ keepalive: 20, pongTimeout: 60, retry: 0 });
    const other = setInterval(() => server.send(Buffer.concat([frame(0x8a, 'other'), frame(0x81, 'x')])), 10);
    try {
      const { error } = await drain(feed);
      expect(error?.cause).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    } finally {
      clearInterval(other);
    }
  });

  it('takes a busy thread for no silent peer: what came meanwhile is read first', async () => {
    const { feed, server } = await talk({ keepalive: 20, pongTimeout: 100, retry: 0 });
    void ponging(server);
    // Every connection of the pool is in one thread, and so is this lookup.
    const lookup = moduleOf(`export default () => {
      for (const begun = performance.now(); performance.now() < begun + 150; );
      throw new Error('done');
    };`);
    for (let i = 0; i < 3; i++) {
      const busy = open('ws://busy.invalid', { lookup, retry: 0 });
      await rejects(busy.awaitUp(), 'ERR_GUNPORT_LOOKUP');
    }
    expect(await feed.ping()).to.be.a('number');
    expect(feed.state).to.equal('open');
  });

  it('keeps no time while the socket is paused for a reader, and goes on with it (F2)', async () => {
    const { feed, server } = await talk({ keepalive: 50, pongTimeout: 200, retry: 0, maxBuffered: 100_000 });
    void ponging(server);
    const chunk = frame(0x82, Buffer.alloc(100_000));
    for (let i = 0; i < 200; i++) server.send(chunk);
    // Its pong stands behind what is not read: three deadlines pass.
    await rejects(feed.ping('unread', { timeout: 600 }), 'ERR_GUNPORT_TIMEOUT');
    expect(feed.state).to.equal('open');
    expect(await take(feed, 200)).to.have.lengthOf(200);
    expect(await feed.ping()).to.be.a('number');
    server.socket.pause();
    expect((await drain(feed)).error?.cause).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
  });

  it('sends no ping of its own with keepalive 0', async () => {
    const { feed, server } = await talk({ keepalive: 0 });
    void feed.ping('mine').catch(() => {});
    expect(wordsOf(await server.read())).to.equal('ping mine');
  });
});

describe('ping() of a WebSocket', () => {
  const { talk } = feeds();

  it('check 32: resolves with the round trip in ms, its payload on the wire', async () => {
    const { feed, server } = await talk();
    const heard: string[] = [];
    void ponging(server, (payload) => heard.push(payload));
    expect(await feed.ping()).to.be.within(0, 1_000);
    expect(await feed.ping('é')).to.be.within(0, 1_000);
    expect(await feed.ping(new Uint8Array([1, 2]))).to.be.within(0, 1_000);
    expect(heard.slice(1)).to.deep.equal(['é', '\u0001\u0002']);
  });

  it('takes at most 125 bytes (RFC 6455 §5.5)', async () => {
    const { feed, server } = await talk();
    void ponging(server);
    expect(await feed.ping('x'.repeat(125))).to.be.a('number');
    for (const payload of ['x'.repeat(126), 'é'.repeat(63), new Uint8Array(126)]) {
      expect(await feed.ping(payload).catch((error: unknown) => error)).to.be.instanceOf(OptionError);
    }
    expect(feed.state).to.equal('open');
  });

  it('goes out after what was sent before it', async () => {
    const { feed, server } = await talk();
    feed.send('a');
    void feed.ping('p').catch(() => {});
    feed.send('b');
    const said = [await server.read(), await server.read(), await server.read()].map(wordsOf);
    expect(said).to.deep.equal(['text a', 'ping p', 'text b']);
  });

  it('may be many at a time; a pong answers the older ones as well (RFC 6455 §5.5.3)', async () => {
    const { feed, server } = await talk();
    const pings = [feed.ping('1'), feed.ping('2'), feed.ping('3')];
    for (let i = 0; i < 3; i++) await server.read();
    server.send(frame(0x8a, '2'));
    expect(await Promise.all(pings.slice(0, 2))).to.have.lengthOf(2);
    server.send(frame(0x8a, '3'));
    expect(await pings[2]).to.be.a('number');
  });

  it('ends with ERR_GUNPORT_TIMEOUT when no pong comes in time, and the stream goes on', async () => {
    const { feed, server } = await talk();
    const error = await rejects(feed.ping('late', { timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
    expect(error).to.include({ name: 'TimeoutError', phase: 'timeout' });
    expect(wordsOf(await server.read())).to.equal('ping late');
    server.send(Buffer.concat([frame(0x8a, 'late'), frame(0x81, 'on')]));
    expect(await take(feed, 1)).to.deep.equal(['on']);
  });

  it('ends with ERR_GUNPORT_ABORTED by its signal', async () => {
    const { feed } = await talk();
    const abort = new AbortController();
    const ping = feed.ping(undefined, { signal: abort.signal });
    abort.abort('enough');
    expect(await rejects(ping, 'ERR_GUNPORT_ABORTED')).to.include({ phase: 'aborted', cause: 'enough' });
  });

  it('ends with the error of a lost socket', async () => {
    const { feed, server } = await talk({ retry: 0 });
    const ping = feed.ping();
    await server.read();
    reset(server.socket);
    await rejects(ping, 'ERR_GUNPORT_CLOSED');
  });

  it('ends with ERR_GUNPORT_CLOSED when the server closes instead', async () => {
    const { feed, server } = await talk();
    const ping = feed.ping();
    await server.read();
    server.send(frame(0x88));
    server.end();
    await rejects(ping, 'ERR_GUNPORT_CLOSED');
  });

  it('is answered although nobody reads, and messages wait', async () => {
    const { feed, server } = await talk();
    void ponging(server);
    const chunk = frame(0x82, Buffer.alloc(100_000));
    // More than the credit of a reader, and less than maxBuffered on top (slabs are held whole).
    for (let i = 0; i < 120; i++) server.send(chunk);
    expect(await feed.ping()).to.be.a('number');
    expect(await take(feed, 120)).to.have.lengthOf(120);
  });

  it('is answered by us as well while nobody reads', async () => {
    const { feed, server } = await talk();
    const chunk = frame(0x82, Buffer.alloc(100_000));
    for (let i = 0; i < 120; i++) server.send(chunk);
    server.send(frame(0x89, 'alive'));
    expect(wordsOf(await server.read())).to.equal('pong alive');
    expect(feed.state).to.equal('open');
  });

  it('rejects with ERR_GUNPORT_NOT_CONNECTED before the upgrade and between two attempts', async () => {
    const { feed, server, peer } = await talk({ retry: 3, retryTimeout: 10_000 });
    const down = once(feed, 'down');
    server.socket.destroy();
    await peer.close();
    await down;
    await rejects(feed.ping(), 'ERR_GUNPORT_NOT_CONNECTED');
  });
});
