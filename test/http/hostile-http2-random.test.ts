// HTTP/2 servers that send by chance: good frames, bent, cut, doubled, shuffled, or no frames at all.
// Invariant: whatever comes, requests end, connections end or work, and the thread lives. GUNPORT_SEED repeats a run.

import { expect } from 'chai';
import { chance, seedOf } from '../support/chance.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, type H2Talk, h2origin, h2talks } from '../support/h2origin.ts';
import { encode } from '../support/hpack.ts';

const ROUNDS = 250;
/** Connections at a time. */
const AT_ONCE = 10;

type Below = (n: number) => number;

/** What a good server might say about these streams. */
function frames(below: Below, ids: readonly number[]): Buffer[] {
  const id = (): number => ids[below(ids.length)] ?? 1;
  const made: (() => Buffer)[] = [
    () => h2.headers(id(), { ':status': 200, 'x-a': 'b' }, { fin: below(3) === 0, priority: below(4) === 0 }),
    () => h2.headers(id(), { ':status': 103 }),
    () => h2.headers(id(), { ':status': 200, 'content-length': below(20) }, { padding: below(9) }),
    () => h2.headers(id(), encode({ ':status': 200 }), { end: false }),
    () => h2.headers(id(), { trailer: 'x' }, { fin: true }),
    () => h2.continuation(id(), { c: 'd' }, below(2) === 0),
    () => h2.data(id(), 'x'.repeat(below(2_000)), below(3) === 0),
    () => h2.headers(id(), { ':status': 200 }),
    () => h2.data(id(), Buffer.from([0x81, 2, 0x68, 0x69, 0x89, 0, 0x82, 1, 7]), below(5) === 0),
    () => h2.data(id(), Buffer.from(below(2) === 0 ? [0x88, 2, 3, 0xe8] : [0x01, 126, 0, 200])),
    () => h2.frame(0, 8 + below(2), id(), Buffer.alloc(1 + below(20), below(25))),
    () => h2.reset(id(), below(2) === 0 ? 'CANCEL' : 'NO_ERROR'),
    () => h2.settings({ initialWindowSize: below(100_000), maxConcurrentStreams: 1 + below(50) }),
    () => h2.settingsAck(),
    () => h2.ping(Buffer.alloc(8, below(256)), below(2) === 0),
    () => h2.goaway(below(2) === 0 ? 0x7fffffff : id(), below(2) === 0 ? 'NO_ERROR' : 'INTERNAL_ERROR'),
    () => h2.windowUpdate(below(2) === 0 ? 0 : id(), 1 + below(100_000)),
    () => h2.priority(id()),
    () =>
      h2.promise(id(), 2 + 2 * below(9), {
        ':method': 'GET',
        ':scheme': 'http',
        ':authority': 'a',
        ':path': '/',
      }),
    () => h2.frame(below(256), below(256), below(9), Buffer.alloc(below(40), below(256))),
  ];
  return Array.from({ length: 3 + below(12) }, () => made[below(made.length)]!());
}

/** Bends them by chance. */
function bent(below: Below, list: Buffer[]): Buffer {
  const bytes = Buffer.concat(list);
  switch (below(6)) {
    case 0: // Some bytes are others.
      for (let i = below(6); i >= 0; i--) bytes[below(bytes.length)] = below(256);
      return bytes;
    case 1: // A piece is missing.
      return Buffer.concat([bytes.subarray(0, below(bytes.length)), bytes.subarray(below(bytes.length))]);
    case 2: // A piece comes twice.
      return Buffer.concat([bytes.subarray(0, below(bytes.length)), bytes]);
    case 3: // Something else is in the midst.
      return Buffer.concat([
        bytes.subarray(0, bytes.length >> 1),
        Buffer.from(Array.from({ length: below(40) }, () => below(256))),
        bytes.subarray(bytes.length >> 1),
      ]);
    case 4: // The length of one frame lies.
      bytes[2] = below(256);
      return bytes;
    default:
      return bytes;
  }
}

describe('an HTTP/2 server that sends by chance', () => {
  const { open, keep, pool } = h2talks();

  it(`ends nothing but its own connections, ${ROUNDS} of them`, async function () {
    this.timeout(14_000);
    const seed = seedOf();
    const below = chance(seed);
    const script = async (talk: H2Talk): Promise<void> => {
      const requests = await talk.requests(4);
      const bytes = bent(
        below,
        frames(
          below,
          requests.map(({ stream }) => stream),
        ),
      );
      for (let at = 0; at < bytes.length; ) {
        const length = below(3) === 0 ? 1 + below(20) : bytes.length;
        talk.send(bytes.subarray(at, at + length));
        at += length;
      }
      talk.socket.end();
    };
    const hostile = await keep(h2origin(script, { settings: { enableConnectProtocol: 1 } }));
    const honest = await keep(h2origin(echoing));
    const witness = open(honest.url, honest.options);
    await witness.get('/before').text();
    const [thread] = pool.info().threads;
    const run = async (push: boolean): Promise<void> => {
      const connection = open(hostile.url, { ...hostile.options, retry: 0, closingTimeout: 200, push });
      const streams = [
        connection.get('/1'),
        connection.post('/2', { body: Buffer.alloc(below(3_000)), trailers: { t: 'u' } }),
        connection.get('/3', { flow: 1 }),
      ];
      streams[2]!.updateFlow(1_000);
      const feed = connection.wsUpgrade('/4');
      const ends = await Promise.all([...streams, feed].map(endOf));
      for (const end of ends) expect(end).to.match(/^(ended|ERR_GUNPORT_\w+)$/);
      const down = await connection.monitor().down;
      expect(down?.reason.kind, down?.reason.message).to.be.oneOf(['gave-up', 'normal']);
    };
    try {
      for (let round = 0; round < ROUNDS; round += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => run(i % 2 === 0)));
        expect(await witness.get(`/${round}`).text()).to.equal(`/${round}`);
      }
      expect(pool.info().threads).to.have.lengthOf(1);
      expect(pool.info().threads[0]?.threadId).to.equal(thread?.threadId);
    } catch (error) {
      throw new Error(`GUNPORT_SEED=${seed}`, { cause: error });
    }
  });
});

/** How it ended: in a word. */
async function endOf(stream: AsyncIterable<unknown>): Promise<string> {
  try {
    for await (const _ of stream);
    return 'ended';
  } catch (error) {
    return (error as { code: string }).code; // All of ours have one.
  }
}
