// deribit.test — the adapter by itself: what it says, and what it makes of what it is told.

import { expect } from 'chai';
import deribit, {
  adapter,
  DERIBIT_TEST_URL,
  DERIBIT_URL,
  type DeribitApi,
  type DeribitOptions,
} from '../../lib/adapters/deribit.ts';
import { StreamError } from '../../lib/errors.ts';
import type { Adapter } from '../../lib/session/adapter.ts';
import {
  type AdapterContextOptions,
  adapterContext,
  type TestAdapterContext,
} from '../../lib/testing/index.ts';

const CHANNEL = 'book.BTC-PERPETUAL.100ms';

function made(
  options: DeribitOptions = {},
  given: AdapterContextOptions = {},
): { one: Adapter; context: TestAdapterContext } {
  const context = adapterContext(given);
  return { one: deribit(options, context), context };
}

function notification(data: object, channel: string = CHANNEL): unknown {
  return { jsonrpc: '2.0', method: 'subscription', params: { channel, data } };
}

const SNAPSHOT = notification({
  type: 'snapshot',
  timestamp: 5,
  instrument_name: 'BTC-PERPETUAL',
  change_id: 10,
  bids: [
    ['new', 99, 3],
    ['new', 98, 1],
  ],
  asks: [['new', 100, 2]],
});

function change(
  previous: number,
  next: number,
  bids: unknown[] = [['change', 99, 4]],
  asks: unknown[] = [],
): unknown {
  return notification({
    type: 'change',
    timestamp: next,
    prev_change_id: previous,
    change_id: next,
    bids,
    asks,
  });
}

describe('the Deribit adapter', () => {
  it('asks for heartbeats when it is open, and answers those that want an answer', () => {
    const { one } = made({ heartbeat: 15 });
    expect(one.connection?.open?.({} as never)).to.deep.include({
      type: 'reply',
      message: {
        jsonrpc: '2.0',
        id: 'gunport:heartbeat',
        method: 'public/set_heartbeat',
        params: { interval: 15 },
      },
    });
    const beat = (type: string) => ({ jsonrpc: '2.0', method: 'heartbeat', params: { type } });
    expect(one.heartbeat?.answer?.(beat('test_request'))).to.deep.include({ method: 'public/test' });
    expect(one.heartbeat?.answer?.(beat('heartbeat'))).to.equal(undefined);
    expect(one.message?.handle?.(beat('heartbeat'))).to.deep.equal({ type: 'drop' });
    expect(one.message?.handle?.({ id: 'gunport:heartbeat', result: 'ok' })).to.deep.equal({ type: 'drop' });
    expect(made({ heartbeat: 0 }).one.connection?.open?.({} as never)).to.equal(undefined);
  });

  it('logs in with its credentials, and refreshes with the token', async () => {
    const { one } = made();
    expect(one.auth?.login(undefined)).to.equal(undefined);
    const login = one.auth?.login({ clientId: 'me', clientSecret: 'hush' });
    expect(login).to.deep.equal({
      method: 'public/auth',
      params: { grant_type: 'client_credentials', client_id: 'me', client_secret: 'hush' },
    });
    const reply = { access_token: 'a', refresh_token: 'r', expires_in: 900, scope: 'connection' };
    expect(one.auth?.accept?.(reply)).to.deep.equal({
      ok: true,
      token: 'a',
      refreshToken: 'r',
      expiresIn: 900_000,
    });
    expect(one.auth?.accept?.({})).to.deep.include({ ok: false });
    expect(one.auth?.refresh?.({}, { token: 'a', refreshToken: 'r' })).to.deep.equal({
      method: 'public/auth',
      params: { grant_type: 'refresh_token', refresh_token: 'r' },
    });
    const error = catching(() => one.auth?.login({ clientId: 'me', clientSecret: 7 }));
    expect(error.message).to.equal(
      'credentials must be { clientId, clientSecret, scope? }, each of them a string',
    );
  });

  it('comes back after a refresh that was refused, and after what passes; else a refused login is the end', async () => {
    const { one } = made();
    const refused = refusal(13_004, 'invalid_credentials');
    const auth = { where: 'auth', class: 'permanent' } as const;
    one.auth?.login({ clientId: 'me', clientSecret: 'hush' });
    expect(one.error?.handle?.(refused, auth)).to.equal(undefined);
    expect(one.error?.handle?.(refusal(11_051, 'system_maintenance'), auth)).to.deep.equal({
      type: 'retry',
      delay: 5_000,
    });
    expect(one.error?.classify?.(refusal(10_028, 'too_many_requests'), auth)).to.equal('transient');
    expect(one.error?.classify?.(refused, auth)).to.equal('permanent');
    one.auth?.refresh?.({}, { refreshToken: 'r' });
    expect(one.error?.handle?.(refused, auth)).to.deep.include({ type: 'reconnect' });
    expect(one.error?.handle?.(refused, { where: 'subscription', class: 'normal' })).to.equal(undefined);
  });

  it('subscribes by public or private methods, and takes a channel that the reply does not name for refused', () => {
    const { one } = made();
    const asked = one.subscription?.subscribe('trades.BTC-PERPETUAL.100ms', undefined, { id: 'sub_1' });
    expect(asked).to.deep.include({
      method: 'public/subscribe',
      params: { channels: ['trades.BTC-PERPETUAL.100ms'] },
    });
    const { id } = asked as { id: string };
    expect(one.request?.error?.({ id, result: ['trades.BTC-PERPETUAL.100ms'] })).to.equal(undefined);
    expect(one.request?.error?.({ id, result: [] })).to.deep.include({ code: -32_602 });
    expect(one.request?.error?.({ id, error: { code: 1 } })).to.deep.equal({ code: 1 });
    expect(one.request?.error?.({ id: 7, result: [] })).to.equal(undefined);
    const methods = ['user.orders.BTC.raw', 'book.X.raw', 'ticker.X.100ms'].map((channel) => {
      const message = one.subscription?.unsubscribe?.(channel, undefined, { id: '' });
      return (message as { method: string }).method;
    });
    expect(methods).to.deep.equal(['private/unsubscribe', 'private/unsubscribe', 'public/unsubscribe']);
  });

  it('delivers channel and data, with a key where there is a number', () => {
    const { one } = made();
    const trades = notification([{ trade_seq: 6 }, { trade_seq: 7 }], 'trades.X.100ms');
    expect(one.message?.handle?.(trades)).to.deep.equal({
      type: 'deliver',
      value: { channel: 'trades.X.100ms', data: [{ trade_seq: 6 }, { trade_seq: 7 }] },
    });
    expect(one.message?.key?.({ channel: 'trades.X.100ms', data: [{ trade_seq: 7 }] })).to.equal(
      'trades.X.100ms 7',
    );
    expect(one.message?.key?.({ channel: CHANNEL, data: { change_id: 3 } })).to.equal(`${CHANNEL} 3`);
    expect(one.message?.key?.({ channel: 'ticker.X.100ms', data: { timestamp: 3 } })).to.equal(undefined);
    expect(one.message?.validate?.(7)).to.equal(false);
  });

  it('keeps the books it is told to, and delivers their tops when a level of them has changed', () => {
    const { one } = made({ books: ['BTC-PERPETUAL'], depth: 1 });
    const top = { type: 'top', channel: CHANNEL, instrument: 'BTC-PERPETUAL', state: 'live' };
    const asks = [[100, 2]];
    expect(one.message?.handle?.(SNAPSHOT)).to.deep.equal({
      type: 'deliver',
      value: { ...top, bids: [[99, 3]], asks, sequence: 10, timestamp: 5 },
    });
    expect(one.message?.handle?.(change(10, 12))).to.deep.equal({
      type: 'deliver',
      value: { ...top, bids: [[99, 4]], asks, sequence: 12, timestamp: 12 },
    });
    expect(one.message?.handle?.(change(12, 13, [['change', 98, 9]]))).to.deep.equal({ type: 'drop' });
    expect(one.message?.handle?.(change(13, 14, [['delete', 99, 0]]))).to.deep.equal({
      type: 'deliver',
      value: { ...top, bids: [[98, 9]], asks, sequence: 14, timestamp: 14 },
    });
    const api = one.api as DeribitApi;
    expect(api.top('BTC-PERPETUAL')?.sequence).to.equal(14);
    expect(api.top('ETH-PERPETUAL')).to.equal(undefined);
    expect(api.books()).to.deep.equal(['BTC-PERPETUAL']);
    const other = notification({ type: 'snapshot' }, 'book.ETH-PERPETUAL.100ms');
    expect(one.message?.handle?.(other)).to.deep.include({ type: 'deliver' });
    expect(api.books()).to.deep.equal(['BTC-PERPETUAL']);
    one.subscription?.changed?.({ channel: CHANNEL, state: 'unsubscribed' } as never);
    expect(api.books()).to.deep.equal([]);
  });

  it('says that a book with a gap is lost, and asks for a snapshot once: leaves the channel and joins it again', async () => {
    const { one, context } = made({ books: true });
    void one.message?.handle?.(SNAPSHOT);
    const lost = one.message?.handle?.(change(17, 18));
    expect(lost).to.deep.include({ type: 'deliver' });
    expect((lost as { value: object }).value).to.deep.include({ state: 'waiting', bids: [], asks: [] });
    expect(one.message?.handle?.(change(18, 19))).to.deep.equal({ type: 'drop' });
    await context.clock.advanceAsync(0);
    expect(context.requested.map(({ message }) => (message as { method: string }).method)).to.deep.equal([
      'public/unsubscribe',
      'public/subscribe',
    ]);
    expect(one.connection?.status?.()).to.have.nested.property(
      `books.${CHANNEL.replaceAll('.', '\\.')}.gaps`,
      1,
    );
  });

  it('asks again for a snapshot that was refused, until the connection is lost', async () => {
    const { one, context } = made(
      { books: true },
      {
        reply: () => {
          throw refusal(10_028, 'too_many_requests');
        },
      },
    );
    void one.message?.handle?.(SNAPSHOT);
    void one.message?.handle?.(change(17, 18));
    await context.clock.advanceAsync(1_500);
    expect(context.requested).to.have.lengthOf(2);
    context.state = 'disconnected';
    await context.clock.advanceAsync(5_000);
    expect(context.requested).to.have.lengthOf(3);
    expect(context.clock.pending).to.equal(0);
  });

  it('tells that no book is right when the connection is lost', () => {
    const { one, context } = made({ books: true });
    void one.message?.handle?.(SNAPSHOT);
    void one.connection?.down?.({} as never);
    void one.connection?.down?.({} as never);
    expect(context.delivered).to.have.lengthOf(1);
    expect(context.delivered[0]).to.deep.include({ state: 'waiting', bids: [], asks: [], channel: CHANNEL });
  });

  it('has credits as a rate limit, or another, or none', () => {
    const limit = made().one.rateLimit;
    expect(limit).to.include({ capacity: 30_000, refill: 10_000 });
    expect(limit?.cost?.({}, 'public/subscribe')).to.equal(3_000);
    expect(limit?.cost?.({}, 'public/test')).to.equal(500);
    expect(made({ rateLimit: { capacity: 5 } }).one.rateLimit).to.deep.equal({ capacity: 5 });
    expect(made({ rateLimit: false }).one.rateLimit).to.equal(undefined);
  });

  it('has the URL of the exchange or of its test network, and names the option that is none', () => {
    expect(made().one.url).to.equal(DERIBIT_URL);
    expect(made({ testnet: true }).one.url).to.equal(DERIBIT_TEST_URL);
    const factory = adapter({ testnet: true });
    expect((factory(undefined, adapterContext()) as Adapter).url).to.equal(DERIBIT_TEST_URL);
    expect(catching(() => made({ heartbeat: 5 })).message).to.include(
      'heartbeat must be 0 or an integer from 10, got 5',
    );
    expect(catching(() => made({ books: [7 as never] })).message).to.include(
      'books must be true or an array',
    );
    expect(catching(() => made({ speed: 7 } as never)).message).to.include('unknown option speed');
  });
});

/** As a session gives it. */
function refusal(code: number, message: string): StreamError {
  const cause = new StreamError('ERR_GUNPORT_REPLY', message, { reason: { code, message } });
  return new StreamError('ERR_GUNPORT_AUTH', `the login was refused: ${message}`, { cause });
}

function catching(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error; // The assertions look at it.
  }
  throw new Error('it did not throw');
}
