import { expect } from 'chai';
import { ConnectionError } from '../../lib/errors.ts';
import {
  CLIENT_STATES,
  type ClientState,
  mayMove,
  type StateChange,
  StateMachine,
  TRANSITIONS,
} from '../../lib/session/states.ts';

/** Row: from; column: to, in the order of CLIENT_STATES. */
const TABLE: Record<ClientState, string> = {
  //                  i c C w d r e x
  initialized: /*  */ '. + . . . . + +',
  connecting: /*   */ '. . + . + . + +',
  connected: /*    */ '. . . + + . + +',
  websocketConnected: '. . . . + . + +',
  disconnected: /* */ '. + . . . + + +',
  reconnecting: /* */ '. + . . + . + +',
  error: /*        */ '. . . . . . . +',
  closed: /*       */ '. . . . . . . .',
};
const pairs = CLIENT_STATES.flatMap((from) =>
  TABLE[from].split(' ').map((mark, i) => ({ from, to: CLIENT_STATES[i]!, allowed: mark === '+' })),
);

function machine(initial?: ClientState) {
  const changes: StateChange[] = [];
  const states = new StateMachine((change) => changes.push(change), initial);
  return { states, changes };
}

describe('states of a client', () => {
  it('check 22: of all 8 x 8 moves makes those in the table, with one event each, and refuses the others', () => {
    expect(pairs).to.have.length(64);
    for (const { from, to, allowed } of pairs) {
      const { states, changes } = machine(from);
      const move = `${from} to ${to}`;
      expect(mayMove(from, to), move).to.equal(allowed);
      if (allowed) {
        states.move(to);
        expect(states.state, move).to.equal(to);
        expect(changes, move).to.deep.equal([{ from, to }]);
      } else {
        expect(() => states.move(to), move)
          .to.throw(`from ${from} to ${to}`)
          .with.property('code', 'ERR_GUNPORT_BAD_STATE');
        expect(states.state, move).to.equal(from);
        expect(changes, move).to.deep.equal([]);
      }
    }
  });

  it('leaves every state but closed by closed, and no state for itself', () => {
    for (const state of CLIENT_STATES) {
      expect(mayMove(state, state), state).to.equal(false);
      expect(mayMove(state, 'closed'), state).to.equal(state !== 'closed');
    }
    expect(Object.keys(TRANSITIONS)).to.have.members([...CLIENT_STATES]);
  });

  it('begins initialized, and goes through a whole life with a loss and a failed attempt to a give-up (CM1–8)', () => {
    const { states, changes } = machine();
    expect(states.state).to.equal('initialized');
    const life: ClientState[] = [
      ...(['connecting', 'connected', 'websocketConnected', 'disconnected', 'reconnecting'] as const),
      ...(['connecting', 'disconnected', 'reconnecting'] as const),
      ...(['connecting', 'connected', 'websocketConnected', 'error'] as const),
    ];
    for (const state of life) states.move(state);
    expect(changes.map(({ to }) => to)).to.deep.equal(life);
    expect(changes.map(({ from }) => from)).to.deep.equal(['initialized', ...life.slice(0, -1)]);
  });

  it('tells what led to a change, which attempt it is, and when the next one is made', () => {
    const { states, changes } = machine('websocketConnected');
    const reason = new ConnectionError('ERR_GUNPORT_RESET', 'reset');
    states.move('disconnected', { reason, attempt: 3 });
    states.move('reconnecting', { delay: 250 });
    expect(changes).to.deep.equal([
      { from: 'websocketConnected', to: 'disconnected', reason, attempt: 3 },
      { from: 'disconnected', to: 'reconnecting', delay: 250 },
    ]);
  });

  it('has changed when it is told of, also to one that moves on at once', () => {
    const seen: string[] = [];
    const states: StateMachine = new StateMachine(({ from, to }) => {
      seen.push(`${from} ${to} ${states.state}`);
      if (to === 'disconnected') states.move('reconnecting');
    }, 'connecting');
    states.move('disconnected');
    expect(seen).to.deep.equal([
      'connecting disconnected disconnected',
      'disconnected reconnecting reconnecting',
    ]);
  });

  it('goes on when who listens throws, and tells what was thrown', () => {
    const failures: unknown[] = [];
    const bad = () => {
      throw new Error('bad listener');
    };
    const states = new StateMachine(bad, undefined, (error) => failures.push(error));
    states.move('connecting');
    states.move('connected');
    expect(states.state).to.equal('connected');
    expect(failures.map(String)).to.deep.equal(['Error: bad listener', 'Error: bad listener']);
    const quiet = new StateMachine(bad);
    quiet.move('connecting');
    expect(quiet.state).to.equal('connecting');
  });
});
