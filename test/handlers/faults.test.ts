// faults.test — hooks that throw or reject: told, and nothing else comes of it (M1).

import { expect } from 'chai';
import { take } from '../support/feeds.ts';
import { closed, handled, handler, say } from '../support/handled.ts';

describe('a hook that fails', () => {
  const { handle, talk } = handled();

  it('check 34: is told with its name, class, code and text; messages around it are delivered', async () => {
    const { feed, server, failed, faults } = await handle('faulty', {}, { retryTimeout: 0 });
    const codes: unknown[] = [];
    feed.on('fault', ({ error }) => codes.push((error as { code?: unknown }).code));
    const first = await server();
    say(first, 'a', 'reject', 'function', 'b');
    expect(await take(feed, 2)).to.deep.equal(['a', 'b']);
    expect(await failed(3)).to.deep.equal([
      'open: TypeError: open is bad',
      'message: RangeError: rejected',
      'message: DataCloneError: () => 1 could not be cloned.',
    ]);
    expect(codes[1]).to.equal('MINE');
    first.socket.destroy();
    const second = await server();
    say(second, 'c');
    expect(await take(feed, 1)).to.deep.equal(['c']);
    const closing = feed.close();
    await closed(second);
    expect(await closing).to.include({ code: 1000, wasClean: true });
    expect(faults.slice(3)).to.deep.equal([
      ...['down: Error: down is bad', 'open: TypeError: open is bad'],
      'close: StreamError: close threw "no error at all"',
    ]);
  });

  it('may be named by the handler itself', async () => {
    const { server, failed } = await handle('noted');
    say(await server(), 'fault');
    expect(await failed(1)).to.deep.equal(['somewhere: RangeError: mine']);
  });

  it('with every message is told a hundred times a second, and no more: nothing fills up', async () => {
    const { feed, server, faults } = await handle('evaluated');
    const conversation = await server();
    say(conversation, ...Array.from({ length: 5_000 }, () => 'nothing.at.all'), '"after"');
    expect(await take(feed, 1)).to.deep.equal(['after']);
    expect(faults.length).to.be.within(100, 1_000);
  });

  it('is no end of its thread, and other connections in it do not notice', async () => {
    const [one, other] = [await talk(handler('evaluated')), await talk()];
    one.feed.on('fault', () => {});
    say(one.server, 'nothing.at.all');
    say(other.server, 'hello');
    expect(await take(other.feed, 1)).to.deep.equal(['hello']);
  });
});
