import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, Pool, receiveReply } from '../../lib/index.ts';
import { type Asked, type Counted, counted, faultIn, piece } from '../support/counted.ts';
import { BOTH } from '../support/httpstage.ts';

const seed = Number(process.env['GUNPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = 8;
const SIZE = 1_000_000;

for (const speaks of BOTH) {
  describe(`a thread that is killed in mid-body, over ${speaks}`, function () {
    this.timeout(20_000);
    this.slow(10_000);
    let server: Counted;
    beforeEach(async () => {
      server = await counted(speaks);
      void serve(server);
    });
    afterEach(() => server.close());

    it(`ends each stream once, after a piece of its body from the first byte on (M2, S1, S2; GUNPORT_SEED=${seed})`, async () => {
      let cut = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const pool = new Pool({ threads: 1 });
        const connection = pool.open(server.url, { ...server.trust, retry: 0 });
        await connection.awaitUp();
        const monitor = connection.monitor();
        const ends = all(connection);
        // A moment of its own for each round, and each seed.
        for (let turns = (seed * (round + 1)) % 97; turns > 0; turns--) await turnOfLoop();
        await pool.terminate(connection.threadId);
        expect((await monitor.down)?.reason.kind).to.equal('terminated');
        for (const end of await Promise.all(ends)) {
          if (end === undefined) continue;
          expect(end).to.have.property('code').that.is.oneOf(['ERR_GUNPORT_DOWN', 'ERR_GUNPORT_CLOSED']);
          cut++;
        }
        for (const stream of connection.streams.values()) expect(stream.state).to.equal('ended');
        await pool.close();
      }
      expect(cut).to.be.above(0);
    });
  });
}

/** Reads and sends in every way; each resolves with the error it ended with. */
function all(connection: Connection): Promise<unknown>[] {
  const { port1, port2 } = new MessageChannel();
  connection.get(`/down?${SIZE}`, { replyTo: port1 });
  const upload = connection.post('/up');
  const work = [
    prefix(connection.get(`/down?${SIZE}`)),
    prefix(connection.get(`/down?${SIZE}`)),
    prefix(receiveReply(port2)),
    connection.fetch(`/down?${SIZE}`).then(({ body }) => prefix(body!)),
    connection.get(`/down?${SIZE}`).bytes({ timeout: 10_000 }),
    send(upload.data.bind(upload), () => upload.drained()),
    upload.response({ timeout: 10_000 }),
    connection.fetch('/up', { method: 'POST', body: parts() }),
  ];
  return work.map((one) =>
    one.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

async function prefix(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let at = 0;
  for await (const chunk of chunks) {
    expect(faultIn(chunk, at)).to.equal(-1);
    at += chunk.byteLength;
  }
  expect(at).to.equal(SIZE);
}

async function send(
  data: (fin: boolean, bytes: Uint8Array) => boolean,
  drained: () => Promise<void>,
): Promise<void> {
  for (let at = 0; at < SIZE; at += 10_000) {
    data(at + 10_000 >= SIZE, piece(at, at + 10_000));
    await drained();
  }
}

async function* parts(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < SIZE; at += 10_000) yield new Uint8Array(piece(at, at + 10_000));
}

async function serve(server: Counted): Promise<void> {
  for (;;) void answer(await server.next()).catch(() => {}); // A client may leave.
}

async function answer(asked: Asked): Promise<void> {
  if (asked.method === 'POST') {
    const body = await asked.body;
    return asked.answer(String(faultIn(body, 0)));
  }
  const size = Number(asked.path.split('?')[1]);
  asked.head({ 'content-length': size });
  for (let at = 0; at < size; at += 10_000) {
    await asked.send(at, Math.min(size, at + 10_000));
    await turnOfLoop();
  }
  asked.end();
}
