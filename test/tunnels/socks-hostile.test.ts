import { expect } from 'chai';
import { ConnectionError } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { hostilities } from '../support/hostile.ts';
import { echoes, HOSTILE_SOCKS, OK, STAGES, socksOrigin, welcome } from '../support/hostile-socks.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { unhex } from '../support/socks-machine.ts';
import { FAR, hopOf, LOGIN, portOf, WAYS } from '../support/socks-ways.ts';

describe('a SOCKS server that', () => {
  const kit = hostilities();
  const { keep } = kit;

  for (const way of WAYS) {
    describe(`is reached by ${way.name}`, () => {
      for (const { name, script, reason } of HOSTILE_SOCKS) {
        // A password that was wrong is not tried again.
        const final = reason === 'auth-failed' && way.own;
        it(`${name}: ${reason}, and the next is ${final ? 'not ' : ''}asked anew`, async () => {
          const server = await keep(socksOrigin(script, way.own ? 2 : 1));
          const first = await way.through(kit, server, { open: { retry: 0 } });
          const error = await first.failure();
          expect(error).to.be.instanceOf(ConnectionError);
          expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', reason, hop: hopOf(server) });
          expect(String(error)).to.include(`${FAR.host}:${FAR.port}`);
          for (const secret of Object.values(LOGIN)) expect(String(error)).to.not.include(secret);
          await server.talks[0]?.closed;
          const next = await way.through(kit, server, { open: { retry: 3, retryTimeout: 1 } });
          if (final) {
            expect(await next.failure()).to.include({ reason });
            expect(server.taken).to.equal(2);
            return;
          }
          expect(await next.get('/next')).to.equal('/next');
          expect(server.taken).to.equal(way.own ? 3 : 2);
        });
      }

      for (const { name, script } of STAGES) {
        it(`is silent ${name}: it is given up after its connectTimeout`, async () => {
          const server = await keep(socksOrigin(script));
          const { failure } = await way.through(kit, server, { open: { retry: 0, connectTimeout: 80 } });
          const error = await failure();
          expect(error).to.be.instanceOf(ConnectionError);
          expect(error).to.include({ code: 'ERR_GUNPORT_CONNECT_TIMEOUT', hop: hopOf(server) });
          await server.talks[0]?.closed;
          const next = await way.through(kit, server);
          expect(await next.get('/next')).to.equal('/next');
        });
      }
    });
  }

  it('refuses one tunnel of connection.connect(): the tunnel ends, its connection comes back, and others are made', async () => {
    const server = await keep(
      origin(async (talk) => {
        const { host } = await welcome(talk, '');
        await talk.write(unhex(host === FAR.host ? OK : '05 05 00 01 00000000 0000'));
        return echoes(talk);
      }),
    );
    const first = await keep(connectProxy());
    const connection = kit.open(first.url, { retry: 3, retryTimeout: 1 });
    const to = (host: string) => ({
      host: '127.0.0.1',
      port: portOf(server),
      protocols: [{ name: 'socks', host, port: 80 }] as const,
    });
    // More often than the connection has retries.
    for (let i = 0; i < 6; i++) {
      const refused = connection.connect(to('nowhere.example'));
      const inside = connection.get('/', { tunnel: refused }).text();
      const failed = rejects(inside, 'ERR_GUNPORT_CLOSED');
      const error = await refused.established().catch((error: unknown) => error);
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error).to.include({
        code: 'ERR_GUNPORT_PROXY',
        reason: 'connection-refused',
        hop: hopOf(server),
      });
      await failed;
      const tunnel = connection.connect(to(FAR.host));
      expect(await connection.get(`/${i}`, { tunnel }).text()).to.equal(`/${i}`);
      tunnel.cancel();
    }
    expect(server.taken).to.equal(12);
  });
});
