import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { blockUntil } from '../support/blocking.ts';
import { BOTH } from '../support/httpstage.ts';
import { TestThread } from '../support/thread.ts';

/** A server in a thread of its own, whose answers do not end. */
const SERVER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { createServer } = require(workerData === 'http' ? 'node:http' : 'node:http2');
  const part = Buffer.alloc(4096, 'x');
  const server = createServer((request, response) => {
    request.resume();
    const more = () => {
      for (let i = 0; i < 16; i++) if (!response.write(part)) return response.once('drain', more);
      setImmediate(more);
    };
    response.on('error', () => {});
    more();
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Words that the threads of a test share: hand-overs, chunks read, and when to stop. */
const [HANDED, READ, STOP] = [0, 1, 2] as const;

for (const speaks of BOTH) {
  describe(`while main's event loop stands still, over ${speaks} (O7)`, () => {
    let server: Worker;
    let a: TestThread;
    let b: TestThread;
    let port: number;
    before(async () => {
      server = new Worker(SERVER, { eval: true, workerData: speaks });
      a = new TestThread();
      b = new TestThread();
      [port] = (await once(server, 'message')) as [number];
    });
    after(async () => {
      await Promise.all([a.end(), b.end()]);
      await server.terminate();
    });

    it('threads read, send, ask and hand over in mid-body', async () => {
      const words = new Int32Array(new SharedArrayBuffer(12));
      const { port1, port2 } = new MessageChannel();
      await a.run(
        async (here, url, protocol) => {
          const connection = here.gunport.open(url, { protocols: [protocol] });
          here.owned.add(connection);
          await connection.awaitUp();
          Object.assign(here, { connection, stream: connection.post('/') });
        },
        `http://127.0.0.1:${port}`,
        speaks === 'http' ? ('http' as const) : ('http2' as const),
      );
      const play = (thread: TestThread, port: MessagePort, owns: boolean): Promise<void> =>
        thread.run(
          async (here, words, port, owns) => {
            const [handed, read, stop] = [0, 1, 2];
            let mine = owns;
            for (;;) {
              if (!mine) {
                const taken = await here.take(port).catch((error) => error.code);
                if (taken === 'ERR_GUNPORT_TARGET_DEAD') return;
              }
              let count = 0;
              for await (const _ of here.stream) if (++count === 5) break;
              here.stream.data(false, 'still here');
              await here.stream.drained();
              await here.connection.info();
              // Written by both threads, read by main.
              Atomics.add(words, read, count);
              if (Atomics.load(words, stop) === 1) return port.close();
              await here.stream.transferOwnership(port);
              Atomics.add(words, handed, 1);
              mine = false;
            }
          },
          words,
          port,
          owns,
        );
      const done = Promise.all([play(a, port1, true), play(b, port2, false)]);
      while (Atomics.load(words, HANDED) === 0) await new Promise((resolve) => setImmediate(resolve));
      const before = [Atomics.load(words, HANDED), Atomics.load(words, READ)];
      // Written by both threads.
      const gone = (): number[] => before.map((count, which) => Atomics.load(words, which) - count);
      blockUntil(() => gone().every((more) => more > 5), 200);
      const moved = gone();
      Atomics.store(words, STOP, 1);
      await done;
      for (const more of moved) expect(more).to.be.above(5);
    });
  });
}
