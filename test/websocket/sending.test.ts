import { once } from 'node:events';
import { expect } from 'chai';
import { type OpenOptions, OptionError } from '../../lib/index.ts';
import { arrived, feeds, frame, type Talk } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

const MiB = 1024 * 1024;
/** More than the kernel takes for a peer that does not read (tcp_wmem and tcp_rmem: 10 MiB). */
const JAM = new Uint8Array(16 * MiB);

describe('sending on a WebSocket', () => {
  const { open, talk } = feeds();

  /** To a server that reads nothing more. */
  async function stuck(options: OpenOptions): Promise<Talk> {
    const made = await talk(options);
    made.server.socket.pause();
    return made;
  }

  it('counts the bytes of its frames until they have left, and tells when they have (WHATWG bufferedAmount)', async () => {
    const { feed } = await talk();
    expect(feed.bufferedAmount).to.equal(0);
    expect(feed.send('Hello')).to.equal(true);
    // Header with its mask: 6 bytes.
    expect(feed.bufferedAmount).to.equal(11);
    feed.send(new Uint8Array(200));
    expect(feed.bufferedAmount).to.equal(11 + 208);
    await feed.drained();
    expect(feed.bufferedAmount).to.equal(0);
    await feed.drained();
  });

  it('waits for what was sent until drained() was called, and no more', async () => {
    const { feed, server } = await stuck({});
    feed.send('first');
    await feed.drained();
    feed.send(JAM);
    let done = false;
    const draining = feed.drained().then(() => (done = true));
    await feed.connection.info();
    expect(done).to.equal(false);
    server.socket.resume();
    await draining;
    expect(feed.bufferedAmount).to.equal(0);
  });

  it('returns false above maxBuffered, and true again once it has drained', async () => {
    const { feed, server } = await stuck({ maxBuffered: 17 * MiB });
    expect(feed.send(JAM)).to.equal(true);
    expect(feed.send('')).to.equal(true);
    expect(feed.send(new Uint8Array(MiB))).to.equal(false);
    expect(feed.send('still taken')).to.equal(false);
    server.socket.resume();
    await feed.drained();
    expect(feed.send('again')).to.equal(true);
  });

  it('throws ERR_GUNPORT_OVERLOADED above four times maxBuffered, and nothing is sent', async () => {
    const { feed, server } = await stuck({ maxBuffered: 4 * MiB });
    // The message that goes above is taken whole.
    expect(feed.send(JAM)).to.equal(false);
    const before = feed.bufferedAmount;
    expect(() => feed.send('too much'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_OVERLOADED');
    expect(feed.bufferedAmount).to.equal(before);
    server.socket.resume();
    await feed.drained();
    expect(feed.send('fine')).to.equal(true);
  });

  it('throws ERR_GUNPORT_NOT_CONNECTED while down, and drained() rejects with the loss', async () => {
    const { feed, server, peer } = await stuck({ retry: 3, retryTimeout: 10_000 });
    feed.send(JAM);
    const draining = rejects(feed.drained(), 'ERR_GUNPORT_CLOSED');
    const down = once(feed, 'down');
    await peer.close();
    await down;
    await draining;
    expect(feed.state).to.equal('down');
    expect(feed.bufferedAmount).to.equal(0);
    expect(() => feed.send('lost'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_NOT_CONNECTED');
    expect(server.socket.destroyed).to.equal(true);
  });

  it('tells drained() of a loss at once, although messages before it wait for a reader (S1)', async () => {
    for (const options of [{ retry: 0 }, { retry: 3, retryTimeout: 10_000 }]) {
      const { feed, server } = await stuck({ flow: 1, ...options });
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b')]));
      feed.send(JAM);
      await arrived(feed, 2);
      const draining = rejects(feed.drained(), 'ERR_GUNPORT_CLOSED');
      reset(server.socket);
      await draining;
    }
  });

  it('throws ERR_GUNPORT_NOT_CONNECTED before the upgrade', async () => {
    const { peer } = await talk();
    const feed = open(peer.url).wsUpgrade('/');
    expect(() => feed.send('early'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_NOT_CONNECTED');
  });

  it('throws for what is no message, and sends none of an array that has one', async () => {
    const { feed, server } = await talk();
    for (const bad of [undefined, null, 1, {}, Symbol('x'), ['a', 1], [['a']]]) {
      expect(() => feed.send(bad as string), typeof bad).to.throw(OptionError);
    }
    feed.send('fine');
    expect((await server.read()).payload.toString()).to.equal('fine');
  });

  it('ends drained() with ERR_GUNPORT_TIMEOUT or ERR_GUNPORT_ABORTED when it is told to', async () => {
    const { feed } = await stuck({});
    feed.send(JAM);
    await rejects(feed.drained({ timeout: 10 }), 'ERR_GUNPORT_TIMEOUT');
    await rejects(feed.drained({ signal: AbortSignal.abort() }), 'ERR_GUNPORT_ABORTED');
    expect(feed.state).to.equal('open');
  });

  it('keeps order and counts right over many ticks', async () => {
    const { feed, server } = await talk();
    for (let i = 0; i < 300; i++) {
      feed.send(String(i));
      if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 11 === 0) await Promise.resolve();
    }
    for (let i = 0; i < 300; i++) expect((await server.read()).payload.toString()).to.equal(String(i));
    await feed.drained();
    expect(feed.bufferedAmount).to.equal(0);
    expect((await feed.connection.info()).counters.messagesSent).to.equal(300);
  });
});
