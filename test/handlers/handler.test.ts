// handler.test — your code beside the socket: which hook is reached by what, and what it may do.

import { expect } from 'chai';
import type { Connection, WsStream } from '../../lib/index.ts';
import { arrived, drain, frame, take, wordsOf } from '../support/feeds.ts';
import { closed, handled, handler, say } from '../support/handled.ts';
import { listening } from '../support/listening.ts';
import { upgrading } from '../support/upgrading.ts';

describe('a handler beside the socket', () => {
  const { handle, keep, talk, open } = handled();
  const heard = listening();

  it('sees every message first; what it gives is delivered in place of it', async () => {
    const { feed, server } = await talk(handler('noted', { tag: '#' }));
    say(server, 'a', 'b', 'c');
    expect(await take(feed, 3)).to.deep.equal(['a!#', 'b!#', 'c!#']);
  });

  it('check 33: is one for all attempts; hooks come in the order of the wire, the close is the last', async () => {
    const { feed, told, notices, server } = await handle('noted', {}, { retryTimeout: 0 });
    say(await server(), 'a', 'drop', 'lost');
    const second = await server();
    say(second, 'b');
    expect(await take(feed, 2)).to.deep.equal(['a!', 'b!']);
    const closing = feed.close(4000, 'bye');
    expect(await closed(second)).to.deep.equal(['close 4000 bye']);
    await closing;
    await told(7);
    expect(notices).to.deep.equal([
      ...['connected 1', 'open 1 /', 'down 1 ERR_GUNPORT_CLOSED', 'waiting 0'],
      ...['connected 2', 'open 2 /', 'close 4000 bye'],
    ]);
  });

  it('closes with its own code; what it emits last is still delivered', async () => {
    const { feed, told, server } = await handle('noted');
    const conversation = await server();
    say(conversation, 'a', 'close', 'lost');
    expect(await closed(conversation)).to.deep.equal(['close 4001 done']);
    const { messages, error } = await drain(feed);
    expect(messages).to.deep.equal(['a!', 'the last']);
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 4001 });
    expect(await feed.closed).to.include({ code: 4001, reason: 'done', wasClean: true });
    expect((await told(3))[2]).to.equal('close 4001 done');
  });

  it('hears of a cancel as its end', async () => {
    const { feed, server, told, notices } = await handle('noted');
    await server();
    await told(2);
    feed.cancel();
    await feed.connection.monitor().down;
    // Nothing comes for a stream that was cancelled: its handler has left word in their thread.
    expect(notices).to.have.length(2);
    const other = await talk(handler('evaluated'));
    say(other.server, 'closedLast');
    expect(await take(other.feed, 1)).to.deep.equal(['1006 ERR_GUNPORT_CANCELLED false']);
  });

  it('knows its place: state, URL without credentials, thread', async () => {
    const { feed, server } = await talk(handler('noted'));
    say(server, 'state', 'url', 'thread');
    const [state, url, thread] = await take(feed, 3);
    expect(state).to.equal('open');
    expect(url).to.equal(feed.url);
    expect(thread).to.equal(`${feed.connection.threadId} false`);
  });

  it('sends without a hop, in order, and none of it counts as the owner’s', async () => {
    const { feed, server } = await talk(handler('noted'));
    say(server, 'send', 'drained');
    expect(wordsOf(await server.read())).to.equal('text said');
    expect((await server.read()).payload).to.deep.equal(Buffer.from([1, 2]));
    expect(await take(feed, 1)).to.deep.equal(['drained']);
    expect(feed.bufferedAmount).to.equal(0);
    feed.send('mine');
    await feed.drained();
    expect(feed.bufferedAmount).to.equal(0);
    expect(wordsOf(await server.read())).to.equal('text mine');
  });

  it('may send a secret: frame events show none of its bytes', async () => {
    const { feed, server } = await talk(handler('noted'));
    heard.to('gunport:ws:send-frame:start');
    say(server, 'secret', 'send');
    expect(wordsOf(await server.read())).to.equal('text hush');
    const payloads: string[] = [];
    for (const _ of [1, 2, 3]) {
      const { frame } = await heard.next('gunport:ws:send-frame:start');
      payloads.push(Buffer.from(frame.payload).toString());
    }
    expect(payloads.slice(0, 2)).to.deep.equal(['', 'said']);
    await feed.connection.close();
  });

  it('pings: the round trip in milliseconds', async () => {
    const { feed, server } = await talk(handler('noted'));
    say(server, 'ping');
    const { opcode, payload } = await server.read();
    expect(opcode).to.equal(9);
    server.send(frame(0x8a, payload));
    expect(await take(feed, 1)).to.deep.equal(['number']);
  });

  it('is shown texts and views of any size, compressed, in fragments, and while frames are watched', async () => {
    for (const compress of [false, true]) {
      const server = await keep(
        upgrading('HTTP/1.1', {
          session: (socket) => {
            socket.send('ünïcode');
            socket.send('x'.repeat(100_000));
            socket.send('in ', { fin: false });
            socket.send('parts', { fin: true });
          },
        }),
      );
      if (compress) heard.to('gunport:ws:recv-frame:end');
      const connection = open(server.url);
      const feed = connection.wsUpgrade('/', { compress, ...handler('noted') });
      await connection.await(feed);
      expect(feed.extensions).to.equal(compress ? 'permessage-deflate' : '');
      expect(await take(feed, 3)).to.deep.equal(['ünïcode!', `${'x'.repeat(100_000)}!`, 'in parts!']);
    }
  });

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`is made for each wsUpgrade() over ${version} that names it, and for no other`, async () => {
      const server = await keep(upgrading(version));
      const connection = open(server.url, { protocols: [version === 'HTTP/2' ? 'http2' : 'http'] });
      const echoOf = async (stream: WsStream<Connection>): Promise<unknown> => {
        await connection.await(stream);
        stream.send('hello');
        return (await take(stream, 1))[0];
      };
      const stream = connection.wsUpgrade('/', handler('noted', { tag: 1 }));
      expect(await echoOf(stream)).to.equal('hello!1');
      if (version === 'HTTP/1.1') return;
      expect(await echoOf(connection.wsUpgrade('/'))).to.equal('hello');
      expect(await echoOf(connection.wsUpgrade('/', handler('noted', { tag: 2 })))).to.equal('hello!2');
      expect(await stream.close()).to.include({ code: 1000 });
      expect(await take(stream, 1)).to.deep.equal([]);
    });
  }

  it('takes a read at a time by `batch`', async () => {
    const { feed, server } = await talk(handler('summed'));
    say(server, ...Array.from({ length: 100 }, (_, i) => i));
    let [messages, sum] = [0, 0];
    for await (const read of feed as WsStream<Connection, never>) {
      const one = read as { messages: number; sum: number };
      messages += one.messages;
      sum += one.sum;
      if (messages === 100) break;
    }
    expect(sum).to.equal(4950);
  });

  it('without hooks for messages delivers them as they come', async () => {
    const { feed, server } = await talk(handler('watching'));
    say(server, 'a', 'b');
    server.send(frame(0x82, '\x01'));
    expect(await take(feed, 3)).to.deep.equal(['a', 'b', Uint8Array.of(1)]);
  });

  it('renews what an attempt is made with, and has a say in retries', async () => {
    const { feed, server, peer } = await handle(
      'advising',
      { path: '/renewed', choice: false },
      { retry: 9 },
    );
    const conversation = await server();
    expect(conversation.request).to.match(/^GET \/renewed /);
    expect(conversation.header('x-attempt')).to.equal('1');
    conversation.socket.destroy();
    const { error } = await drain(feed);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
    expect(peer.taken).to.equal(1);
  });

  it('reports a choice that is none as a fault, and the policy decides', async () => {
    const advice = { path: '/', choice: { delay: -1 } };
    const { failed, server } = await handle('advising', advice, { retry: 1, retryTimeout: 0 });
    (await server()).socket.destroy();
    await server();
    expect((await failed(1))[0]).to.match(/^retrying: OptionError: .*delay of -1/);
  });

  it('has timers, which end with it', async () => {
    const { feed, told, failed, notices, server } = await handle('timed', { ticks: 3 });
    expect(await told(3)).to.deep.equal(['tick 1', 'tick 2', 'tick 3']);
    expect(await failed(1)).to.deep.equal(['timer: Error: the timer is bad']);
    // Its timers run before that: nothing has been said goodbye to until then.
    const side = await server();
    if (feed.state === 'connecting') await feed.opened({});
    const closing = feed.close();
    await closed(side);
    await closing;
    expect(notices).to.have.length(3);
  });

  it('that ends its thread gives each monitor its Down, as any end of a thread does', async () => {
    const { feed, server } = await talk({ ...handler('noted'), isolated: true });
    const { down } = feed.connection.monitor();
    say(server, 'exit');
    expect((await down)?.reason).to.include({ kind: 'exit', exitCode: 7 });
  });

  it('counts what was read, whatever became of it', async () => {
    const { feed, server } = await talk(handler('conflated'));
    say(server, ...Array.from({ length: 50 }, (_, i) => i));
    await arrived(feed, 50);
    expect((await feed.connection.info()).counters).to.include({ messagesReceived: 50, messagesSent: 0 });
  });
});
