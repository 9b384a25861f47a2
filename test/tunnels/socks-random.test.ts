import { expect } from 'chai';
import { chance } from '../support/chance.ts';
import { hostilities } from '../support/hostile.ts';
import { origin } from '../support/origin.ts';
import { randomAnswer } from '../support/socks-machine.ts';
import { WAYS } from '../support/socks-ways.ts';

const PEERS = 1_000;
const AT_ONCE = 24;

/** What one of them does. */
interface Plan {
  /** For the greeting; what the client says later is not waited for in any case. */
  readonly waits: boolean;
  readonly parts: readonly Uint8Array[];
  readonly end: 'silence' | 'reset' | 'fin';
}

function planned(roll: (below: number) => number): Plan {
  const bytes = randomAnswer(roll, true);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const step = 1 + roll(roll(2) === 0 ? 4 : bytes.length);
    parts.push(bytes.subarray(at, at + step));
    at += step;
  }
  const end = roll(30) === 0 ? 'silence' : roll(3) === 0 ? 'reset' : 'fin';
  return { waits: roll(8) !== 0, parts, end };
}

describe('SOCKS servers that answer at random', () => {
  const kit = hostilities();
  const seed = Number(process.env['GUNPORT_SEED'] ?? Date.now() % 1_000_000);

  it(`settle every request, and leave nothing behind (GUNPORT_SEED=${seed})`, async () => {
    const roll = chance(seed);
    const plans = Array.from({ length: PEERS }, () => planned(roll));
    const server = await kit.keep(
      origin(async (talk) => {
        const { waits, parts, end } = plans[talk.number % PEERS]!;
        if (waits) await talk.some();
        for (const part of parts) await talk.write(part);
        if (end === 'silence') return talk.closed;
        // No reset while a FIN of ours is on its way, as the client's has it: libuv refuses that, and the socket stays.
        return end === 'reset' && !talk.socket.writableEnded ? talk.reset() : talk.end();
      }),
    );
    const outcomes = new Map<string, number>();
    const [proxied, asGun] = WAYS.filter(({ own }) => own);
    let begun = 0;
    // Those that were met count: on a slow machine some are given up before they are reached.
    const worker = async (): Promise<void> => {
      while (server.taken < PEERS) {
        const way = begun++ % 2 === 0 ? proxied : asGun;
        // A request's time runs while its road is made: it has more.
        const open = { retry: 0, connectTimeout: 500, headersTimeout: 1_500 };
        const through = await way!.through(kit, server, { open });
        const outcome = await through.failure();
        expect(outcome).to.have.property('code').that.is.a('string');
        const { code, reason } = outcome as { code: string; reason?: unknown }; // The line above has looked.
        const name = code === 'ERR_GUNPORT_PROXY' ? `${code} ${reason}` : code;
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
        await through.connection.close();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect([...outcomes.values()].reduce((sum, count) => sum + count)).to.equal(begun);
    for (const name of outcomes.keys()) {
      expect(name).to.match(/^ERR_GUNPORT_(PROXY \S+|CONNECT|CONNECT_TIMEOUT|TIMEOUT|PROTOCOL|CLOSED)$/);
    }
    // It is not all noise: they fail in many ways.
    expect([...outcomes.keys()].filter((name) => name.includes('PROXY')).length).to.be.at.least(6);
    for (const talk of server.talks) await talk.closed;
    expect(server.taken).to.be.at.least(PEERS);
  }).timeout(60_000);
});
