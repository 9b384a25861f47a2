import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dialTo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { open as openTo } from '../../lib/index.ts';
import { piece } from '../support/counted.ts';
import { type Answered, BOTH, expectCounted, httpStage } from '../support/httpstage.ts';
import { errorOf } from '../support/stage.ts';

for (const speaks of BOTH) {
  describe(`a hand-over between two retries, over ${speaks} (O3)`, () => {
    const on = httpStage(speaks);
    /** The way to the server: closed, it refuses connections. */
    let gate: Server;
    let port: number;
    const through = new Set<Socket>();
    beforeEach(async () => {
      gate = createServer((socket) => {
        const far = dialTo(on.server.port, '127.0.0.1');
        for (const [one, other] of [
          [socket, far],
          [far, socket],
        ] as const) {
          through.add(one);
          one.on('error', () => {}).on('close', () => other.destroy());
        }
        socket.pipe(far).pipe(socket);
      });
      await once(gate.listen(0, '127.0.0.1'), 'listening');
      ({ port } = gate.address() as AddressInfo); // It listens to a port.
    });
    afterEach(async () => {
      for (const socket of through) socket.destroy();
      through.clear();
      if (gate.listening) await once(gate.close(), 'close');
    });

    it('takes along what waits for the next socket, and the error of what the last one took with it', async () => {
      const connection = openTo(`http://127.0.0.1:${port}`, {
        ...on.server.trust,
        retry: 10_000,
        retryTimeout: 5,
      });
      const lost = connection.get('/lost');
      await on.server.next();
      await connection.awaitUp();
      gate.close();
      const down = once(connection, 'down');
      for (const socket of through) socket.destroy();
      await down;
      const get = connection.get('/get');
      const post = connection.post('/post');
      post.data(false, piece(0, 1_000));
      const [{ connection: there }] = await Promise.all([
        on.take(),
        connection.transferOwnership({ threadId: 0 }),
      ]);
      expect(there.status).to.equal('down');
      const streamOf = ({ id }: Answered): Answered => there.streams.get(id) as Answered;
      expect(await errorOf(streamOf(lost).text())).to.have.property('code', 'ERR_GUNPORT_CLOSED');
      streamOf(post).data(true, piece(1_000, 2_000));
      gate.listen(port, '127.0.0.1');
      await there.awaitUp();
      for (let i = 0; i < 2; i++) {
        const asked = await on.server.next();
        if (asked.method === 'POST') expect(expectCounted([await asked.body])).to.equal(2_000);
        asked.answer(asked.path);
      }
      expect(await streamOf(get).text()).to.equal('/get');
      expect(await streamOf(post).text()).to.equal('/post');
    });
  });
}
