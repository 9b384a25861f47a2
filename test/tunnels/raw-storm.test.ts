// Bytes both ways, through hand-overs at random: promises O1 to O3. GUNPORT_SEED makes the same storm again.

import { expect } from 'chai';
import { chance } from '../support/chance.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { connect2Proxy } from '../support/connect2-proxy.ts';
import { faultIn, piece, readBytes } from '../support/counted.ts';
import { feeds } from '../support/feeds.ts';
import { bytesServer, type Held, movers, notes, swap } from '../support/handed.ts';
import { errorOf } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

const seed = Number(process.env['GUNPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const HOPS = 40;

describe('a raw stream in a storm of hand-overs', function () {
  this.timeout(30_000);
  this.slow(10_000);
  const { open, keep } = feeds();
  const on = movers();

  const ways: Record<string, (port: number) => Promise<Held>> = {
    'of its own': async (port) =>
      open({ host: '127.0.0.1', port }, { protocols: ['raw'], retry: 0 }).raw({ halfOpen: true }),
    'in a tunnel through HTTP': async (port) => {
      const proxy = await keep(connectProxy());
      return open(proxy.url, { retry: 0 }).connect({ host: '127.0.0.1', port, protocols: ['raw'] });
    },
    'in a tunnel through HTTP/2': async (port) => {
      const proxy = await keep(connect2Proxy());
      const connection = open(proxy.url, { retry: 0, protocols: ['http2'] });
      return connection.connect({ host: '127.0.0.1', port, protocols: ['raw'] });
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`${name} loses, repeats and moves no byte, either way (GUNPORT_SEED=${seed})`, async () => {
      const random = chance(seed);
      const server = await keep(bytesServer());
      let stream = await way(server.port);
      await stream.connection.awaitUp();
      if (stream.method === 'CONNECT') await stream.established();
      const socket = await server.next();
      let [read, written, posted] = [0, 0, 0];
      let at: TestThread | undefined;
      for (let hop = 0; hop < HOPS; hop++) {
        const more = random(300_000);
        socket.write(piece(posted, posted + more));
        posted += more;
        const to = written + random(100_000);
        // As much as there may be, or a part of it.
        const until = read + random(posted - read);
        if (at) {
          const from = read;
          read = await swap(at, read, { until, write: [written, to] });
          expect(faultIn(await notes(at), from), `hop ${hop}, from ${from}`).to.equal(-1);
        } else {
          stream.data(false, piece(written, to));
          const part = until > read ? await readBytes(stream, until - read) : new Uint8Array(0);
          expect(faultIn(part, read), `hop ${hop}, from ${read}`).to.equal(-1);
          read += part.length;
        }
        written = to;
        ({ at, stream } = await moved(at, stream, random));
      }
      if (at) stream = await on.back(at);
      stream.data('fin', piece(written, written + 1_000));
      await server.ended;
      socket.end();
      const rest = await readBytes(stream);
      expect(faultIn(rest, read)).to.equal(-1);
      expect(read + rest.length).to.equal(posted);
      expect(server).to.include({ received: written + 1_000, fault: -1 });
    });
  }

  /** Somewhere else, if the hand-over comes about: some do not. */
  async function moved(
    at: TestThread | undefined,
    stream: Held,
    random: (n: number) => number,
  ): Promise<{ at: TestThread | undefined; stream: Held }> {
    if (at) {
      if (random(10) < 3) return { at: undefined, stream: await on.back(at) };
      const next = at === on.a ? on.b : on.a;
      await on.pass(at, next);
      return { at: next, stream };
    }
    if (random(10) < 3) {
      const failed = stream.transferOwnership(on.a.worker, { timeout: 1 });
      expect(await errorOf(failed)).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
    }
    const next = random(2) === 0 ? on.a : on.b;
    await on.giveTo(next, stream);
    return { at: next, stream };
  }
});
