import { expect } from 'chai';
import { ConnectionError, StreamError } from '../../lib/errors.ts';
import { Correlation, MOST_GIVEN_UP } from '../../lib/session/correlation.ts';
import { chance, seedOf } from '../support/chance.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { rejects } from '../support/rejects.ts';

const lost = new ConnectionError('ERR_GUNPORT_RESET', 'the socket is gone');
const seed = seedOf();

function stand() {
  const clock = new FakeClock();
  return { clock, requests: new Correlation(clock) };
}

describe('correlation', () => {
  it(`check 35: matches 1 000 replies that come out of order (GUNPORT_SEED=${seed})`, async () => {
    const { clock, requests } = stand();
    const ids = Array.from({ length: 1_000 }, () => requests.next());
    const replies = ids.map((id) => requests.add(id, { timeout: 1_000 }));
    const roll = chance(seed);
    const left = [...ids];
    while (left.length > 0) {
      const [id] = left.splice(roll(left.length), 1);
      expect(requests.answer(id!, `reply to ${id}`)).to.equal(true);
    }
    expect(await Promise.all(replies)).to.deep.equal(ids.map((id) => `reply to ${id}`));
    expect([requests.size, requests.late, clock.size]).to.deep.equal([0, 0, 0]);
  });

  it('check 35: takes nothing that names no pending id: a push is left to others', async () => {
    const { requests } = stand();
    const reply = requests.add(1, { timeout: 0 });
    expect([requests.answer(2, 'push'), requests.answer('1', 'push'), requests.fail(3, lost)]).to.deep.equal([
      false,
      false,
      false,
    ]);
    expect([requests.has(1), requests.has('1'), requests.late]).to.deep.equal([true, false, 0]);
    requests.answer(1, 'mine');
    expect(await reply).to.equal('mine');
  });

  it('check 35: refuses an id that is pending, at once, and the first goes on; takes it when it is free', async () => {
    const { requests } = stand();
    const first = requests.add('a', { timeout: 0 });
    expect(() => requests.add('a', { timeout: 0 }))
      .to.throw(StreamError, '"a"')
      .with.property('code', 'ERR_GUNPORT_DUPLICATE_ID');
    expect(requests.size).to.equal(1);
    requests.answer('a', 1);
    expect(await first).to.equal(1);
    const second = requests.add('a', { timeout: 0 });
    requests.answer('a', 2);
    expect(await second).to.equal(2);
  });

  it('check 35: rejects all at once when the socket is lost, in the order they were sent', async () => {
    const { clock, requests } = stand();
    const order: number[] = [];
    const all = [3, 1, 2].map((id) =>
      requests.add(id, { timeout: 500 }).catch((error: unknown) => {
        order.push(id);
        return error;
      }),
    );
    expect(requests.failAll(lost)).to.equal(3);
    expect([requests.size, clock.size]).to.deep.equal([0, 0]);
    expect(await Promise.all(all)).to.deep.equal([lost, lost, lost]);
    expect(order).to.deep.equal([3, 1, 2]);
    expect(requests.failAll(lost)).to.equal(0);
  });

  it('check 35: rejects at the timeout, and counts a reply that comes after it, once, without taking it', async () => {
    const { clock, requests } = stand();
    const reply = requests.add(7, { timeout: 250, what: 'public/test' });
    clock.advance(249);
    expect(requests.has(7)).to.equal(true);
    clock.advance(1);
    const error = await rejects(reply, 'ERR_GUNPORT_TIMEOUT');
    expect(error.message).to.equal('public/test 7 was not answered within 250 ms');
    expect([requests.answer(7, 'late'), requests.late]).to.deep.equal([false, 1]);
    expect([requests.answer(7, 'again'), requests.late]).to.deep.equal([false, 1]);
  });

  it('rejects with the error that the peer answered, whatever that is', async () => {
    const { clock, requests } = stand();
    const refused = { code: -32_602, message: 'Invalid params' };
    const reply = requests.add(1, { timeout: 100 });
    expect(requests.fail(1, refused)).to.equal(true);
    expect(await reply.catch((error: unknown) => error)).to.equal(refused);
    expect(clock.size).to.equal(0);
  });

  it('keeps no clock for a timeout of 0', () => {
    const { clock, requests } = stand();
    void requests.add(1, { timeout: 0 });
    clock.advance(2 ** 40);
    expect([requests.has(1), clock.size]).to.deep.equal([true, 0]);
  });

  it('numbers from 1, past ids that the caller has given itself', () => {
    const { requests } = stand();
    void requests.add(2, { timeout: 0 });
    void requests.add(3, { timeout: 0 });
    expect([requests.next(), requests.next(), requests.next()]).to.deep.equal([1, 4, 5]);
  });

  it('does not take a used id for late on a new connection, or once it is asked again', () => {
    const { requests } = stand();
    const ask = (id: number) => requests.add(id, { timeout: 0 }).catch(() => {});
    void ask(1);
    requests.fail(1, lost);
    void ask(1);
    expect([requests.answer(1, 'in time'), requests.late]).to.deep.equal([true, 0]);
    expect([requests.answer(1, 'again'), requests.late]).to.deep.equal([false, 0]);
    void ask(2);
    requests.fail(2, lost);
    requests.failAll(lost);
    expect([requests.answer(2, 'of another peer'), requests.late]).to.deep.equal([false, 0]);
  });

  it(`remembers ${MOST_GIVEN_UP} failed ids, and not one more`, () => {
    const { requests } = stand();
    for (let id = 0; id <= MOST_GIVEN_UP; id++) {
      requests.add(id, { timeout: 0 }).catch(() => {});
      requests.fail(id, lost);
    }
    requests.answer(0, 'forgotten');
    expect(requests.late).to.equal(0);
    for (let id = 1; id <= MOST_GIVEN_UP; id++) requests.answer(id, 'late');
    expect(requests.late).to.equal(MOST_GIVEN_UP);
  });
});
