import { once } from 'node:events';
import { expect } from 'chai';
import { type GunportError, OptionError } from '../../lib/index.ts';
import { arrived, drain, feeds, frame, take, untilClose, wordsOf } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

/** A Close frame of the server. */
function closeFrame(code: number, reason = ''): Buffer {
  return frame(0x88, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]));
}

describe('closing a WebSocket', () => {
  const { talk } = feeds();

  describe('by the server', () => {
    for (const code of [1000, 1001]) {
      it(`with ${code} ends the loop after all messages, and is answered (RFC 6455 §5.5.1)`, async () => {
        const { feed, server } = await talk();
        const told = untilClose(server);
        server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b'), closeFrame(code, 'bye')]));
        expect(await drain(feed)).to.deep.equal({ messages: ['a', 'b'], error: undefined });
        expect(await told).to.deep.equal([`close ${code}`]);
        expect(await feed.closed).to.deep.equal({ code, reason: 'bye', wasClean: true });
      });
    }

    it('with no code ends the loop, and counts as 1005 (RFC 6455 §7.1.5)', async () => {
      const { feed, server } = await talk();
      const told = untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x88)]));
      expect(await drain(feed)).to.deep.equal({ messages: ['a'], error: undefined });
      expect(await told).to.deep.equal(['close']);
      expect(await feed.closed).to.deep.equal({ code: 1005, reason: '', wasClean: true });
    });

    for (const code of [1002, 1003, 1008, 1011, 1014, 3000, 4999]) {
      it(`with ${code} makes the loop throw, after all messages`, async () => {
        const { feed, server } = await talk();
        void untilClose(server);
        server.send(Buffer.concat([frame(0x81, 'a'), closeFrame(code, 'why')]));
        const { messages, error } = await drain(feed);
        expect(messages).to.deep.equal(['a']);
        expect(error).to.include({
          name: 'StreamError',
          code: 'ERR_GUNPORT_CLOSED',
          phase: 'closed',
          reason: code,
        });
        expect(error?.message).to.equal(`the WebSocket closed with ${code} (why)`);
        expect(await feed.closed).to.deep.equal({ code, reason: 'why', wasClean: true });
      });
    }

    it('is an event, after the last message', async () => {
      const { feed, server } = await talk();
      const heard: unknown[] = [];
      feed.on('message', (message) => heard.push(message));
      feed.on('close', (result) => heard.push(result));
      void untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'a'), closeFrame(1000)]));
      await once(feed, 'close');
      expect(heard).to.deep.equal(['a', { code: 1000, reason: '', wasClean: true }]);
    });

    it('is a notice for await()', async () => {
      const { feed, server } = await talk();
      void untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'a'), closeFrame(1000, 'bye')]));
      const { connection } = feed;
      expect(await connection.await(feed)).to.deep.equal({ type: 'ws', frame: 'text', data: 'a' });
      expect(await connection.await(feed)).to.include({
        type: 'ws',
        frame: 'close',
        code: 1000,
        reason: 'bye',
      });
    });

    it('that leaves the socket open is over within a second', async () => {
      const { feed, server, peer } = await talk({ closingTimeout: 100 });
      server.send(closeFrame(1000));
      expect(await feed.closed).to.include({ code: 1000, wasClean: true });
      while (peer.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });

    it('by an end of the socket alone is unclean, 1006, and an error (RFC 6455 §7.1.5)', async () => {
      for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const { feed, server } = await talk({ retry: 0 });
        server.send(frame(0x81, 'a'));
        await arrived(feed, 1);
        server.socket[leave]();
        const { messages, error } = await drain(feed);
        expect(messages).to.deep.equal(['a']);
        expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP', phase: 'closed' });
        expect(error?.cause).to.include({ code: 'ERR_GUNPORT_CLOSED', phase: 'closed' });
        const result = await feed.closed;
        expect(result).to.include({ code: 1006, reason: '', wasClean: false });
        expect(result.error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      }
    });
  });

  describe('by us', () => {
    it('check 30: says the code and reason, waits for the answer, and is clean (RFC 6455 §7.1.2)', async () => {
      const { feed, server, peer } = await talk();
      const closing = feed.close(4001, 'enough');
      expect(feed.state).to.equal('closing');
      expect(wordsOf(await server.read())).to.equal('close 4001 enough');
      server.send(closeFrame(4001));
      server.end();
      expect(await closing).to.deep.equal({ code: 4001, reason: '', wasClean: true });
      expect(await feed.closed).to.deep.equal({ code: 4001, reason: '', wasClean: true });
      expect(feed.state).to.equal('closed');
      while (peer.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });

    it('is 1000 unless told otherwise, and tells the code of the answer', async () => {
      const { feed, server } = await talk();
      const closing = feed.close();
      expect(wordsOf(await server.read())).to.equal('close 1000');
      server.send(closeFrame(1001, 'me too'));
      server.end();
      expect(await closing).to.deep.equal({ code: 1001, reason: 'me too', wasClean: true });
    });

    it('ends the connection process, kind normal', async () => {
      const { feed, server } = await talk();
      const monitor = feed.connection.monitor();
      void untilCloseAnswered(server);
      await feed.close();
      expect((await monitor.down)?.reason.kind).to.equal('normal');
    });

    it('twice is once, and later ones get the same', async () => {
      const { feed, server } = await talk();
      const both = [feed.close(1000, 'first'), feed.close(4000, 'second')];
      expect(await untilCloseAnswered(server)).to.deep.equal(['close 1000 first']);
      const result = { code: 1000, reason: '', wasClean: true };
      expect(await Promise.all(both)).to.deep.equal([result, result]);
      expect(await feed.close()).to.deep.equal(result);
    });

    it('leaves after what was sent before it', async () => {
      const { feed, server } = await talk();
      feed.send('a');
      feed.send('b');
      const closing = feed.close();
      expect(await untilCloseAnswered(server)).to.deep.equal(['text a', 'text b', 'close 1000']);
      await closing;
    });

    it('refuses to send or to ping from then on, ERR_GUNPORT_CLOSING', async () => {
      const { feed, server } = await talk();
      const closing = feed.close();
      expect(() => feed.send('late'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_CLOSING');
      await rejects(feed.ping(), 'ERR_GUNPORT_CLOSING');
      expect(await untilCloseAnswered(server)).to.deep.equal(['close 1000']);
      await closing;
    });

    it('check 30: gives up after closingTimeout when the server never answers: 1006, unclean, no error', async () => {
      const { feed, server } = await talk({ closingTimeout: 50 });
      const monitor = feed.connection.monitor();
      const began = performance.now();
      expect(await feed.close(1000, 'anybody')).to.deep.equal({ code: 1006, reason: '', wasClean: false });
      expect(performance.now() - began).to.be.within(45, 1_000);
      expect(wordsOf(await server.read())).to.equal('close 1000 anybody');
      expect((await monitor.down)?.reason.kind).to.equal('normal');
      expect(await feed.closed).to.deep.equal({ code: 1006, reason: '', wasClean: false });
    });

    it('gives up the same way while the server sends on and on', async () => {
      const { feed, server } = await talk({ closingTimeout: 100 });
      const pour = (): void => {
        while (!server.socket.destroyed && server.socket.write(frame(0x82, Buffer.alloc(30_000))));
      };
      server.socket.on('drain', pour);
      pour();
      expect(await feed.close()).to.include({ code: 1006, wasClean: false });
    });

    it('keeps what had arrived readable, drops what comes later, and the loop ends quietly', async () => {
      const { feed, server } = await talk();
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b')]));
      await arrived(feed, 2);
      const closing = feed.close();
      server.send(frame(0x81, 'late'));
      expect(await untilCloseAnswered(server)).to.deep.equal(['close 1000']);
      await closing;
      expect(await drain(feed)).to.deep.equal({ messages: ['a', 'b'], error: undefined });
    });

    it('may be awaited inside the loop that reads it', async () => {
      const { feed, server } = await talk();
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b')]));
      const told = untilCloseAnswered(server);
      const read: unknown[] = [];
      for await (const message of feed) {
        read.push(message);
        if (message === 'a') expect(await feed.close()).to.include({ code: 1000 });
        expect(await feed.closed).to.include({ code: 1000 });
      }
      expect(read).to.deep.equal(['a', 'b']);
      expect(await told).to.deep.equal(['close 1000']);
    });

    it('completes although nobody reads what the server has sent before its answer', async () => {
      const { feed, server } = await talk();
      const chunk = frame(0x82, Buffer.alloc(100_000));
      for (let i = 0; i < 400; i++) server.send(chunk);
      const closing = feed.close();
      expect(await untilCloseAnswered(server)).to.deep.equal(['close 1000']);
      expect(await closing).to.include({ code: 1000, wasClean: true });
    });

    it('meets the close of the server on its way', async () => {
      const { feed, server } = await talk();
      server.send(closeFrame(1001));
      const closing = feed.close(1000);
      const told = await untilClose(server);
      // Whichever was first in the thread: our own, or the answer to theirs.
      expect(told).to.have.lengthOf(1);
      expect(told[0]).to.be.oneOf(['close 1000', 'close 1001']);
      expect(await closing).to.include({ code: 1001, wasClean: true });
    });

    for (const code of [1000, 1003, 1007, 1014, 3000, 4999]) {
      it(`sends ${code}, at the edge of what may be sent (RFC 6455 §7.4)`, async () => {
        const { feed, server } = await talk();
        const told = untilClose(server);
        void feed.close(code);
        expect(await told).to.deep.equal([`close ${code}`]);
      });
    }

    it('takes only codes that may be sent (RFC 6455 §7.4)', async () => {
      const { feed } = await talk({ closingTimeout: 50 });
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN, '1000']) {
        const error = await feed.close(code as number).catch((thrown: unknown) => thrown);
        expect(error, String(code)).to.be.instanceOf(OptionError);
      }
      expect(feed.state).to.equal('open');
    });

    it('takes a reason of at most 123 bytes (RFC 6455 §5.5)', async () => {
      const { feed, server } = await talk();
      expect(await feed.close(1000, 'é'.repeat(62)).catch((error: unknown) => error)).to.be.instanceOf(
        OptionError,
      );
      const reason = `${'é'.repeat(61)}.`;
      const closing = feed.close(1000, reason);
      expect(await untilCloseAnswered(server)).to.deep.equal([`close 1000 ${reason}`]);
      await closing;
    });

    it('comes with the end of a scope (await using)', async () => {
      const { feed, server } = await talk();
      const told = untilCloseAnswered(server);
      {
        await using scoped = feed;
        scoped.send('in it');
      }
      expect(feed.state).to.equal('closed');
      expect(await told).to.deep.equal(['text in it', 'close 1000']);
    });
  });

  describe('with its connection', () => {
    it('by shutdown() says 1001 and is clean; Down says shutdown', async () => {
      const { feed, server } = await talk();
      const monitor = feed.connection.monitor();
      const told = untilCloseAnswered(server);
      await feed.connection.shutdown();
      expect(await told).to.deep.equal(['close 1001']);
      expect(await feed.closed).to.include({ code: 1001, wasClean: true });
      expect((await monitor.down)?.reason.kind).to.equal('shutdown');
    });

    it('by close() drops the socket without a word, and throws after all messages', async () => {
      const { feed, server, peer } = await talk();
      server.send(frame(0x81, 'a'));
      await arrived(feed, 1);
      await feed.connection.close();
      const { messages, error } = await drain(feed);
      expect(messages).to.deep.equal(['a']);
      expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      expect((error as GunportError).reason).to.equal('shutdown');
      while (peer.open > 0) await new Promise((resolve) => setImmediate(resolve));
      expect(await server.read().catch((thrown: Error) => thrown.message)).to.equal('the client has ended');
    });

    it('by cancel() ends with ERR_GUNPORT_CANCELLED, and nothing comes after it', async () => {
      const { feed, server, peer } = await talk();
      server.send(frame(0x81, 'a'));
      expect(await take(feed, 1)).to.deep.equal(['a']);
      feed.cancel();
      feed.cancel();
      expect((await drain(feed)).error).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
      expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
      while (peer.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  });

  describe('closed', () => {
    it('resolves at once when nobody reads, and messages stay readable', async () => {
      const { feed, server } = await talk();
      void untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b'), closeFrame(1000)]));
      expect(await feed.closed).to.include({ code: 1000 });
      expect(await drain(feed)).to.deep.equal({ messages: ['a', 'b'], error: undefined });
      expect(await drain(feed)).to.deep.equal({ messages: [], error: undefined });
    });

    it('resolves after the last message when somebody does', async () => {
      const { feed, server } = await talk();
      void untilClose(server);
      const order: unknown[] = [];
      void feed.closed.then(() => order.push('closed'));
      server.send(frame(0x81, 'a'));
      for await (const message of feed) {
        if (order.push(message) === 1) {
          server.send(Buffer.concat([frame(0x81, 'b'), frame(0x81, 'c'), closeFrame(1000)]));
          while (feed.state !== 'closed') await new Promise((resolve) => setImmediate(resolve));
        }
      }
      await feed.closed;
      expect(order).to.deep.equal(['a', 'b', 'c', 'closed']);
    });

    it('resolves when the reader leaves before the last message', async () => {
      const { feed, server } = await talk();
      void untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b'), closeFrame(1000)]));
      for await (const message of feed) {
        expect(message).to.equal('a');
        while (feed.state !== 'closed') await new Promise((resolve) => setImmediate(resolve));
        break;
      }
      expect(await feed.closed).to.include({ code: 1000 });
      expect(await take(feed, 1)).to.deep.equal(['b']);
    });
  });
});

/** The same as untilClose, with a Close in answer. */
async function untilCloseAnswered(server: Parameters<typeof untilClose>[0]): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const one = await server.read();
    said.push(wordsOf(one));
    if (one.opcode !== 8) continue;
    server.send(frame(0x88, one.payload.subarray(0, 2)));
    server.end();
    return said;
  }
}
