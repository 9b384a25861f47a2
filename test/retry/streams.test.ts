import { once } from 'node:events';
import { expect } from 'chai';
import type { GunportError } from '../../lib/index.ts';
import { counting, dropping, upgradeAndDrop } from '../support/attempts.ts';
import { drain, feeds, frame, take, untilClose } from '../support/feeds.ts';
import { answers, peer, wsPeer } from '../support/peers.ts';
import { reset } from '../support/reset.ts';

describe('a stream of connect() whose socket is lost', () => {
  const { connect, keep } = feeds();

  it('spans the gap: same handle, same headers and options, messages in order, down and up between', async () => {
    const requests: string[] = [];
    const server = await keep(
      wsPeer(
        (one) => {
          requests.push(one.request);
          one.send(frame(0x81, `a${requests.length}`));
          one.send(frame(0x81, `b${requests.length}`));
          if (requests.length < 3) one.socket.destroySoon();
        },
        { headers: 'Sec-WebSocket-Protocol: chat\r\n' },
      ),
    );
    const options = { headers: { 'x-token': 'secret' }, subprotocols: ['chat'], retryTimeout: 5 };
    const feed = await connect(`${server.url}/path?x`, options);
    const heard: string[] = [];
    feed.on('down', ({ attempt, reason }) => heard.push(`down ${attempt} ${reason.code}`));
    feed.on('up', ({ attempt }) => heard.push(`up ${attempt}`));
    for await (const message of feed) {
      heard.push(String(message));
      if (message === 'b3') break;
    }
    expect(heard).to.deep.equal([
      ...['a1', 'b1', 'down 1 ERR_GUNPORT_CLOSED', 'up 2'],
      ...['a2', 'b2', 'down 2 ERR_GUNPORT_CLOSED', 'up 3', 'a3', 'b3'],
    ]);
    const asked = requests.map((request) => request.replace(/Key: .*/, ''));
    expect(asked[1]).to.equal(asked[0]);
    expect(asked[2]).to.equal(asked[0]);
    expect(asked[0])
      .to.match(/^GET \/path\?x /)
      .and.include('x-token: secret');
    expect(new Set(requests).size).to.equal(3);
    expect(feed).to.include({ state: 'open', protocol: 'chat' });
  });

  it('sends again once it is up, and counts right', async () => {
    const got: string[] = [];
    const server = await keep(
      counting(async (one, number) => {
        got.push(`${number}: ${(await one.read()).payload}`);
        if (number === 1) reset(one.socket);
      }),
    );
    const feed = await connect(server.url);
    feed.send('first');
    await once(feed, 'up');
    expect(feed.bufferedAmount).to.equal(0);
    feed.send('second');
    await feed.drained();
    expect(feed.bufferedAmount).to.equal(0);
    while (got.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(got).to.deep.equal(['1: first', '2: second']);
  });

  for (const code of [1012, 1013]) {
    it(`goes on after a close with ${code}, which asks to come back (RFC 6455 §7.4.1, IANA)`, async () => {
      const server = await keep(
        counting((one, number) => {
          one.send(
            frame(0x88, number === 1 ? Uint8Array.of(code >> 8, code & 0xff) : Uint8Array.of(3, 0xe8)),
          );
          return untilClose(one);
        }),
      );
      const feed = await connect(server.url);
      const down = once(feed, 'down');
      expect(await drain(feed)).to.deep.equal({ messages: ['1', '2'], error: undefined });
      const [{ reason }] = (await down) as [{ reason: GunportError }];
      expect(reason).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: code });
    });
  }

  it('does not go on after any other close', async () => {
    for (const code of [1000, 1001, 1008, 1011, 4000]) {
      const server = await keep(
        counting((one) => {
          one.send(frame(0x88, Uint8Array.of(code >> 8, code & 0xff)));
          return untilClose(one);
        }),
      );
      const feed = await connect(server.url, { retry: 9, retryTimeout: 1 });
      await drain(feed);
      const down = await feed.connection.monitor().down;
      expect(down?.reason.kind).to.equal('normal');
      expect(server.taken).to.equal(1);
    }
  });

  it('does not storm a server that accepts and closes, and gives up in the end', async () => {
    const server = await keep(dropping());
    const feed = await connect(server.url, { retry: 4, retryTimeout: 5 });
    const monitor = feed.connection.monitor();
    const { messages, error } = await drain(feed);
    expect(messages).to.deep.equal(['1', '2', '3', '4', '5']);
    expect(error).to.include({ name: 'StreamError', code: 'ERR_GUNPORT_GAVE_UP' });
    expect(error?.cause).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    const down = await monitor.down;
    expect(down?.reason.kind).to.equal('gave-up');
    expect(down?.reason.cause).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect(server.taken).to.equal(5);
    expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
  });

  it('gives up with the failure of its last attempt as cause, whatever the loss was', async () => {
    let taken = 0;
    const server = await keep(
      peer((socket) => (++taken === 1 ? upgradeAndDrop(socket) : answers(503)(socket))),
    );
    const feed = await connect(server.url, { retry: 2, retryTimeout: 5 });
    const { error } = await drain(feed);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP', phase: 'upgrade' });
    expect(error?.cause).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', status: 503 });
    expect(taken).to.equal(3);
  });

  it('rejects all that waits when it gives up, with the last cause (S1)', async () => {
    const server = await keep(
      counting(async (one) => {
        await one.read();
        reset(one.socket);
      }),
    );
    const feed = await connect(server.url, { retry: 0 });
    const { connection } = feed;
    await take(feed, 1);
    const outcomes = Promise.all(
      [
        feed.ping(),
        connection.await(feed),
        connection.await(feed),
        feed.closed.then(({ error }) => Promise.reject(error)),
        connection.monitor().down.then((down) => Promise.reject(down?.reason.cause)),
      ].map((promise) => promise.then(String, (error: GunportError) => root(error))),
    );
    feed.send('go');
    const codes = await outcomes;
    expect(codes).to.deep.equal(Array(5).fill('ERR_GUNPORT_CLOSED'));
  });
});

/** Code at the end of the chain of our own errors. */
function root(error: GunportError): string {
  const { cause } = error;
  return cause instanceof Error && 'phase' in cause ? root(cause as GunportError) : error.code;
}
