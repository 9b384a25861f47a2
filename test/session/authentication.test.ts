import { inspect } from 'node:util';
import { expect } from 'chai';
import { LONGEST } from '../../lib/checks.ts';
import { OptionError } from '../../lib/errors.ts';
import type { AuthHooks, AuthResult } from '../../lib/session/adapter.ts';
import { Authentication, SHORTEST } from '../../lib/session/authentication.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

function stand(hooks: Pick<AuthHooks, 'needed' | 'refreshBefore'> = {}) {
  const clock = new FakeClock(NOW);
  /** When each login was due, in milliseconds from the start. */
  const due: number[] = [];
  const host = { setTimeout: clock.setTimeout, wallClock: clock.now, due: () => due.push(clock.now() - NOW) };
  const auth = new Authentication(host, hooks);
  const login = (result: Omit<Extract<AuthResult, { ok: true }>, 'ok'> = {}) => {
    auth.begin();
    return auth.accept({ ok: true, ...result });
  };
  return { clock, due, auth, login };
}

describe('authentication', () => {
  it('goes from none over authenticating to authenticated, and keeps the tokens (DA5–7)', () => {
    const { auth, login } = stand();
    expect([auth.state, auth.authenticated]).to.deep.equal(['none', false]);
    auth.begin();
    expect([auth.state, auth.authenticated]).to.deep.equal(['authenticating', false]);
    expect(login({ token: 't', refreshToken: 'r', expiresIn: 900_000 })).to.equal(true);
    expect([auth.state, auth.authenticated]).to.deep.equal(['authenticated', true]);
    expect([auth.token, auth.refreshToken, auth.expiresIn]).to.deep.equal(['t', 'r', 900_000]);
  });

  it('goes to failed, and forgets the tokens, when the peer refuses (DA8–9)', () => {
    const { auth, login, clock } = stand();
    login({ token: 't', refreshToken: 'r', expiresIn: 900_000 });
    auth.begin();
    expect(auth.accept({ ok: false, reason: 'bad signature' })).to.equal(false);
    expect([auth.state, auth.authenticated, auth.token, auth.refreshToken, auth.expiresIn]).to.deep.equal([
      'failed',
      false,
      undefined,
      undefined,
      undefined,
    ]);
    expect(clock.size).to.equal(0);
  });

  it('takes the expiry from a date, or from now on; from now on where both are given (DA5–6)', () => {
    const { auth, login, clock } = stand();
    login({ expiresAt: NOW + 5_000 });
    expect(auth.expiresIn).to.equal(5_000);
    login({ expiresIn: 7_000, expiresAt: NOW + 5_000 });
    expect(auth.expiresIn).to.equal(7_000);
    clock.advance(6_000);
    expect(auth.expiresIn).to.equal(1_000);
    clock.advance(2_000);
    expect(auth.expiresIn).to.equal(0);
  });

  describe('says that a login is needed', () => {
    const cases: [
      what: string,
      left: number | undefined,
      refreshBefore: number | undefined,
      needed: boolean,
    ][] = [
      ['30 s are left', 30_000, undefined, true],
      ['60 s are left', 60_000, undefined, true],
      ['90 s are left, of a threshold of 120 s', 90_000, 120_000, true],
      ['90 s are left', 90_000, undefined, false],
      ['600 s are left', 600_000, undefined, false],
      ['it does not expire', undefined, undefined, false],
    ];
    for (const [what, left, refreshBefore, needed] of cases) {
      it(`${needed ? 'when' : 'not when'} ${what} (DA12–16)`, () => {
        const { auth, login } = stand({ refreshBefore });
        login({ expiresIn: left });
        expect(auth.needed).to.equal(needed);
      });
    }

    it('when the last has failed, not when there was none (DA11, DA15)', () => {
      const { auth } = stand();
      expect(auth.needed).to.equal(false);
      auth.begin();
      expect(auth.needed).to.equal(false);
      auth.accept({ ok: false, reason: 'no' });
      expect(auth.needed).to.equal(true);
    });

    it('when the adapter says so, who is told what is known', () => {
      const told: unknown[] = [];
      const { auth, login } = stand({
        needed: (info) => {
          told.push(info);
          return true;
        },
      });
      expect(auth.needed).to.equal(true);
      login({ expiresIn: 600_000 });
      expect(auth.needed).to.equal(true);
      expect(told).to.deep.equal([
        { authenticated: false, failed: false, expiresIn: undefined },
        { authenticated: true, failed: false, expiresIn: 600_000 },
      ]);
    });
  });

  it('check 37: a login is due 60 s before the expiry, once', () => {
    const { login, clock, due } = stand();
    login({ expiresIn: 15 * MINUTE });
    clock.advance(14 * MINUTE - 1);
    expect(due).to.deep.equal([]);
    clock.advance(1);
    expect(due).to.deep.equal([14 * MINUTE]);
    clock.advance(DAY);
    expect(due).to.have.length(1);
    expect(clock.size).to.equal(0);
  });

  it('check 37: a login is due so long before each new expiry as the adapter says', () => {
    const { auth, login, clock, due } = stand({ refreshBefore: 10_000 });
    login({ token: 'a', refreshToken: 'r', expiresIn: MINUTE });
    clock.advance(50_000);
    auth.begin();
    expect([auth.authenticated, auth.state]).to.deep.equal([true, 'authenticating']);
    auth.accept({ ok: true, token: 'b', expiresIn: MINUTE });
    expect([auth.token, auth.refreshToken]).to.deep.equal(['b', 'r']);
    clock.advance(50_000);
    expect(due).to.deep.equal([50_000, 100_000]);
  });

  it('is due halfway to an expiry that is nearer than that', () => {
    const { login, clock, due } = stand();
    login({ expiresIn: 30_000 });
    clock.advance(DAY);
    expect(due).to.deep.equal([15_000]);
  });

  it('never loops, whatever the peer says of the expiry', () => {
    for (const expiry of [{ expiresIn: 0 }, { expiresIn: 1 }, { expiresIn: -5_000 }, { expiresAt: 0 }]) {
      const { auth, login, clock, due } = stand();
      auth.begin();
      login(expiry);
      for (let i = 0; i < 10; i++) {
        clock.advance(SHORTEST);
        login(expiry);
      }
      expect(due, inspect(expiry)).to.have.length(10);
    }
  });

  it('waits for longer than a timer keeps, in steps; an adapter is not asked before', () => {
    for (const hooks of [{}, { needed: () => true }]) {
      const { login, clock, due } = stand(hooks);
      login({ expiresIn: 3 * LONGEST });
      clock.advance(3 * LONGEST - MINUTE - 1);
      expect(due).to.deep.equal([]);
      clock.advance(1);
      expect(due).to.deep.equal([3 * LONGEST - MINUTE]);
    }
  });

  it('takes what the peer says of the login unasked, and is due once then', () => {
    const { auth, clock, due } = stand();
    expect(auth.accept({ ok: true, expiresIn: 3 * MINUTE })).to.equal(true);
    expect(auth.accept({ ok: true, expiresIn: 5 * MINUTE })).to.equal(true);
    expect([auth.authenticated, clock.size]).to.deep.equal([true, 1]);
    clock.advance(DAY);
    expect(due).to.deep.equal([4 * MINUTE]);
  });

  it('waits on when the date was set back', () => {
    const clock = new FakeClock(NOW);
    let back = 0;
    let due = 0;
    const host = { setTimeout: clock.setTimeout, wallClock: () => clock.now() - back, due: () => due++ };
    const auth = new Authentication(host, {});
    auth.accept({ ok: true, expiresAt: NOW + 10 * MINUTE });
    back = 5 * MINUTE;
    clock.advance(9 * MINUTE);
    expect([due, auth.expiresIn]).to.deep.equal([0, 6 * MINUTE]);
    clock.advance(5 * MINUTE);
    expect(due).to.equal(1);
  });

  it('asks an adapter that says not yet again, ever sooner, until it expires', () => {
    const asked: number[] = [];
    const { login, clock, due } = stand({
      needed: ({ expiresIn }) => {
        asked.push(expiresIn ?? -1);
        return false;
      },
    });
    login({ expiresIn: 2 * MINUTE });
    clock.advance(DAY);
    expect(asked).to.deep.equal([60_000, 30_000, 15_000, 7_500, 3_750, 1_875, 875, 0]);
    expect([due, clock.size]).to.deep.equal([[], 0]);
  });

  it('is due also when the adapter throws at the question', () => {
    const { login, clock, due } = stand({
      needed: () => {
        throw new Error('bad hook');
      },
    });
    login({ expiresIn: 2 * MINUTE });
    expect(() => clock.advance(MINUTE)).to.throw('bad hook');
    expect(due).to.deep.equal([MINUTE]);
  });

  it('is not due any more once the socket is lost; the tokens stay for the next login', () => {
    const { auth, login, clock, due } = stand();
    login({ token: 't', refreshToken: 'r', expiresIn: 2 * MINUTE });
    auth.lost();
    clock.advance(DAY);
    expect([due, clock.size]).to.deep.equal([[], 0]);
    expect([auth.state, auth.authenticated, auth.expiresIn]).to.deep.equal(['none', false, undefined]);
    expect([auth.token, auth.refreshToken]).to.deep.equal(['t', 'r']);
    login({ expiresIn: 2 * MINUTE });
    clock.advance(MINUTE);
    expect([due, auth.token]).to.deep.equal([[DAY + MINUTE], 't']);
  });

  it('keeps nothing and does nothing after its end', () => {
    const { auth, login, clock } = stand();
    login({ token: 't', refreshToken: 'r', expiresIn: 2 * MINUTE });
    auth.end();
    expect(login({ token: 'late', expiresIn: 1_000 })).to.equal(false);
    expect([auth.state, auth.token, auth.refreshToken, clock.size]).to.deep.equal([
      'none',
      undefined,
      undefined,
      0,
    ]);
  });

  it('refuses what is no auth result, without showing it, and has not changed', () => {
    const { auth, login } = stand();
    login({ token: 't', expiresIn: 600_000 });
    const wrong = [
      null,
      'secret',
      {},
      { ok: 'secret' },
      { ok: true, token: ['secret'] },
      { ok: true, refreshToken: { secret: 1 } },
      { ok: true, expiresIn: '600' },
      { ok: true, expiresIn: Number.NaN },
      { ok: true, expiresAt: Number.POSITIVE_INFINITY },
    ];
    for (const result of wrong) {
      // What an adapter gives is certain of no type.
      expect(() => auth.accept(result as AuthResult), inspect(result))
        .to.throw(OptionError)
        .with.property('message')
        .that.does.not.include('secret');
    }
    expect([auth.state, auth.token, auth.expiresIn]).to.deep.equal(['authenticated', 't', 600_000]);
  });

  it('check 37: shows no token to util.inspect, to JSON or to a copy of its fields', () => {
    const { auth, login } = stand();
    login({ token: 'secret-1', refreshToken: 'secret-2', expiresIn: 600_000 });
    for (const shown of [
      inspect(auth, { showHidden: true, depth: 9, getters: false }),
      JSON.stringify(auth),
      inspect({ ...auth }),
    ]) {
      expect(shown).not.to.include('secret');
    }
  });
});
