import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { counting } from '../support/attempts.ts';
import { FakeProcess } from '../support/fake-process.ts';
import { feeds, frame, take } from '../support/feeds.ts';
import { returnsTo, snapshot } from '../support/leaks.ts';
import { wsPeer } from '../support/peers.ts';
import { reset } from '../support/reset.ts';

describe('a WebSocket that is dropped again and again', () => {
  const { connect, keep } = feeds();
  const options = { retry: 20, backoff: { first: 1, longest: 2 } };

  /** Echoes; `sockets` are those of its clients, oldest first. */
  async function echo() {
    const sockets: Socket[] = [];
    const server = await keep(
      wsPeer(async (one) => {
        one.socket.setNoDelay(true);
        sockets.push(one.socket);
        for (;;) one.send(frame(0x81, `${sockets.length}: ${(await one.read()).payload}`));
      }),
    );
    return { server, sockets };
  }

  it('check 24: sends and receives by the same handle after 3 drops (RC2, RC5)', async () => {
    const { server, sockets } = await echo();
    const feed = await connect(server.url, options);
    for (let drop = 1; drop <= 3; drop++) {
      feed.send(`a${drop}`);
      expect(await take(feed, 1)).to.deep.equal([`${drop}: a${drop}`]);
      const up = once(feed, 'up');
      sockets.at(-1)?.destroy();
      await up;
    }
    feed.send('last');
    expect(await take(feed, 1)).to.deep.equal(['4: last']);
    expect(feed).to.include({ state: 'open', url: `${server.url}/` });
    expect(feed.connection).to.include({ status: 'up', attempt: 4 });
  });

  it('check 25: goes down and up once a drop, and nothing grows (RC1, RC3)', async () => {
    const { server, sockets } = await echo();
    const feed = await connect(server.url, options);
    const heard: string[] = [];
    feed.on('down', ({ attempt }) => heard.push(`down ${attempt}`));
    feed.on('up', ({ attempt }) => heard.push(`up ${attempt}`));
    feed.on('message', () => {});
    const before = snapshot();
    const listeners = feed.connection.eventNames().length;
    for (let drop = 1; drop <= 10; drop++) {
      const up = once(feed, 'up');
      reset(sockets.at(-1)!);
      await up;
    }
    const expected = Array.from({ length: 10 }, (_, i) => [`down ${i + 1}`, `up ${i + 2}`]).flat();
    expect(heard).to.deep.equal(expected);
    expect(feed.connection.eventNames()).to.have.lengthOf(listeners);
    await returnsTo(before);
    expect(server.open).to.equal(1);
  });

  it('check 25: makes one attempt of several reasons that come together (RC4)', async () => {
    const server = await keep(
      counting(async (one, number) => {
        if (number > 1) return;
        await one.read();
        // A close that asks to come back, bytes that are no frame, and a reset, all at once; and a ping that is under
        // way, whose pong does not come.
        one.send(Buffer.concat([frame(0x88, Uint8Array.of(3, 0xf4)), Buffer.from('ff00', 'hex')]));
        reset(one.socket);
      }),
    );
    const feed = await connect(server.url, { ...options, keepalive: 1, pongTimeout: 1 });
    const heard: string[] = [];
    feed.on('down', ({ attempt }) => heard.push(`down ${attempt}`));
    feed.on('up', ({ attempt }) => heard.push(`up ${attempt}`));
    feed.send('go');
    expect((await take(feed, 2)).at(-1)).to.equal('2');
    expect(heard.slice(0, 2)).to.deep.equal(['down 1', 'up 2']);
  });

  it('check 25: ignores what is said of an attempt that is over (RC1)', async () => {
    const process = new FakeProcess();
    const { connection } = process;
    const heard: string[] = [];
    connection.on('down', ({ attempt }) => heard.push(`down ${attempt}`));
    connection.on('up', ({ attempt }) => heard.push(`up ${attempt}`));
    await process.up(1);
    await process.lost(1);
    await process.up(2);
    await process.lost(1);
    expect(heard).to.deep.equal(['up 1', 'down 1', 'up 2']);
    expect(connection.status).to.equal('up');
    process.end();
    await connection.monitor().down;
  });

  it('check 26: asks for the same with each attempt: headers, subprotocols, compression', async () => {
    const requests: string[] = [];
    const server = await keep(
      wsPeer(
        (one) => {
          requests.push(one.request.replace(/^Sec-WebSocket-Key: .*\r\n/im, ''));
          one.send(frame(0x81, String(requests.length)));
          if (requests.length < 3) one.end();
        },
        { headers: 'Sec-WebSocket-Protocol: v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\n' },
      ),
    );
    const feed = await connect(`${server.url}/path?a=1`, {
      ...options,
      headers: { 'x-key': 'k', cookie: ['a=1', 'b=2'] },
      subprotocols: ['v2', 'v1'],
      compress: { clientMaxWindowBits: 12 },
    });
    expect(await take(feed, 3)).to.deep.equal(['1', '2', '3']);
    expect(requests[0])
      .to.match(/^GET \/path\?a=1 HTTP/)
      .and.include('permessage-deflate');
    expect(requests).to.deep.equal([requests[0], requests[0], requests[0]]);
    expect(feed).to.include({ protocol: 'v2', extensions: 'permessage-deflate' });
  });
});
