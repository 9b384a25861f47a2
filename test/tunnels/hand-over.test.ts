// A live WebSocket inside TLS inside SOCKS5 inside CONNECT, at full speed, from thread to thread: promises O1 to O5.

import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { proxyKills } from '../support/proxy-kills.ts';
import { runStorm } from '../support/storm.ts';
import { roadStorms, stormRoad } from '../support/storm-road.ts';

const seed = seedOf();

describe('a WebSocket inside TLS inside SOCKS5 inside CONNECT, handed over at full speed', function () {
  this.timeout(60_000);
  this.slow(30_000);

  for (const storm of roadStorms(0.02, seed)) {
    const { name, threads, messages, transfers } = storm;
    it(`is exact: ${name}, ${threads} threads, ${messages} messages, ${transfers} times (O1, O2, O3, O7)`, async () => {
      expect(await runStorm(storm, () => {}, stormRoad)).to.include({ messages });
    });
  }

  it('goes on wherever it is when its proxies are killed and come back, from 0 on, in order (O3, O5)', async () => {
    await proxyKills(20, seed);
  });
});
