// echo.test — the echo adapter by itself.

import { expect } from 'chai';
import echo from '../../lib/adapters/echo.ts';

describe('the echo adapter', () => {
  it('reads JSON as values, all else as it is, and copies bytes', () => {
    const decode = echo().message?.decode;
    expect(decode?.('{"a":1}')).to.deep.equal({ a: 1 });
    expect(decode?.('hello')).to.equal('hello');
    const bytes = new Uint8Array([1]);
    const read = decode?.(bytes) as Uint8Array;
    bytes[0] = 2;
    expect(read).to.deep.equal(new Uint8Array([1]));
  });

  it('takes the echo of a request for its reply, an error member or not', () => {
    const { request } = echo();
    expect(request?.idOf?.({ id: 4, text: 'x' })).to.equal(4);
    expect(request?.idOf?.('text')).to.equal(undefined);
    expect(request?.idOf?.(null)).to.equal(undefined);
    expect(request?.result?.({ id: 4, error: 'x' })).to.deep.equal({ id: 4, error: 'x' });
    expect(request?.error?.({ id: 4, error: 'x' })).to.equal(undefined);
  });

  it('beats as often as it is told, and drops the echo', () => {
    const { heartbeat, message } = echo({ heartbeat: 50 });
    expect(heartbeat?.interval).to.equal(50);
    expect(message?.handle?.(heartbeat?.beat?.())).to.deep.equal({ type: 'drop' });
    expect(message?.handle?.({ type: 'other' })).to.equal(undefined);
    expect(() => echo({ heartbeat: -1 })).to.throw('heartbeat must be an integer from 0');
  });

  it('subscribes with a message whose echo confirms it', () => {
    const { subscription } = echo();
    expect(subscription?.subscribe('news', { since: 1 }, { id: 'sub_1' })).to.deep.equal({
      type: 'subscribe',
      channel: 'news',
      params: { since: 1 },
    });
    expect(subscription?.unsubscribe?.('news', undefined, { id: 'sub_1' })).to.include({
      type: 'unsubscribe',
    });
  });
});
