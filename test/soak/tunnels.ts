// tunnels — storms of tunnels, one after another, each with a seed of its own, and a feed that is handed over while its
// proxies are killed; what is asked of them is in support/tunnelstorm.ts and support/proxy-kills.ts.
// Run by run.ts; GUNPORT_SEED is the seed of the first.

import { seedOf } from '../support/chance.ts';
import { proxyKills } from '../support/proxy-kills.ts';
import { tell, tunnelStorm } from '../support/tunnelstorm.ts';

const STORMS = 30;
const DURATION = 20_000;
/** Of a hand-over while proxies are killed. */
const TURNS = 600;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `tunnels: ${STORMS} storms of ${DURATION / 1_000} s`,
  async run(log) {
    const first = seedOf();
    for (let seed = first; seed < first + STORMS; seed++) {
      try {
        log(tell(await tunnelStorm({ seed, duration: DURATION, atOnce: 8 })));
      } catch (error) {
        throw new Error(`GUNPORT_SEED=${seed}`, { cause: error });
      }
    }
    await proxyKills(TURNS, first);
    return `${STORMS} storms, and ${TURNS} hand-overs while proxies are killed, from GUNPORT_SEED=${first} on`;
  },
};
