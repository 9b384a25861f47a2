import { expect } from 'chai';
import { OptionError } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { asked, echoes, greeted, OK, type SocksAsked, signedIn, welcome } from '../support/hostile-socks.ts';
import { origin } from '../support/origin.ts';
import { unhex } from '../support/socks-machine.ts';
import { FAR, hopOf, LOGIN, untilLine, WAYS } from '../support/socks-ways.ts';

describe('a tunnel through a SOCKS server', () => {
  const kit = feeds();
  const { keep } = kit;

  for (const way of WAYS) {
    describe(`by ${way.name}`, () => {
      for (const [what, answer] of [
        ['an IPv4 address', OK],
        ['an IPv6 address', `05 00 00 04 ${'00'.repeat(16)} 1f90`],
        ['a name of 255 bytes', `05 00 00 03 ff ${'61'.repeat(255)} 1f90`],
      ] as const) {
        it(`is made by replies that come byte by byte, with ${what} (RFC 1928 §6)`, async () => {
          const server = await keep(
            origin(async (talk) => {
              const slowly = async (hex: string): Promise<void> => {
                for (const byte of unhex(hex)) {
                  await talk.write(Uint8Array.of(byte));
                  await new Promise((resolve) => setImmediate(resolve));
                }
              };
              await greeted(talk, '');
              await slowly('05 02');
              await signedIn(talk, '');
              await slowly('01 00');
              await asked(talk, '');
              await slowly(answer);
              return echoes(talk);
            }),
          );
          const { get } = await way.through(kit, server);
          expect(await Promise.all([get('/a'), get('/b')])).to.deep.equal(['/a', '/b']);
          expect(server.taken).to.equal(1);
        });
      }

      for (const [how, step] of [
        ['in one piece', 1_000],
        ['byte by byte', 1],
      ] as const) {
        it(`hands on what comes right behind the reply, ${how}: raw has all of it, and its answer goes out`, async () => {
          const server = await keep(
            origin(async (talk) => {
              await welcome(talk, '');
              const bytes = Buffer.concat([unhex(OK), Buffer.from('220 far.example ready\r\n')]);
              for (let at = 0; at < bytes.length; at += step) {
                await talk.write(bytes.subarray(at, at + step));
                await new Promise((resolve) => setImmediate(resolve));
              }
              await talk.write(`250 ${await talk.until('\r\n')}`);
            }),
          );
          const { connection, raw } = await way.through(kit, server, { to: { ...FAR, protocols: ['raw'] } });
          const stream = raw();
          expect(await untilLine(connection, stream)).to.equal('220 far.example ready\r\n');
          stream.data('nofin', 'HELO me\r\n');
          expect(await untilLine(connection, stream)).to.equal('250 HELO me\r\n');
          expect(server.taken).to.equal(1);
        });
      }

      it('does not take bytes right behind the reply for an answer of HTTP', async () => {
        const forged = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged').toString('hex');
        const server = await keep(
          origin(async (talk) => {
            await welcome(talk, `${OK} ${forged}`);
            return echoes(talk);
          }),
        );
        const { failure } = await way.through(kit, server, { open: { retry: 0 } });
        expect(await failure()).to.include({
          ...{ code: 'ERR_GUNPORT_PROXY', reason: 'unasked', hop: hopOf(server) },
        });
      });

      for (const [what, to, told] of [
        ['a name, which is not resolved here', FAR, { type: 3, ...FAR }],
        [
          'a name of 255 bytes',
          { host: `${'a'.repeat(251)}.org`, port: 80 },
          { type: 3, host: `${'a'.repeat(251)}.org`, port: 80 },
        ],
        ['an IPv4 address', { host: '192.0.2.33', port: 8080 }, { type: 1, host: '192.0.2.33', port: 8080 }],
        [
          'an IPv6 address',
          { host: '2001:db8::1', port: 8080 },
          { type: 4, host: '20010db8000000000000000000000001', port: 8080 },
        ],
        [
          'an IPv6 address in brackets',
          { host: '[2001:db8::1]', port: 8080 },
          { type: 4, host: '20010db8000000000000000000000001', port: 8080 },
        ],
      ] as const) {
        it(`leads to ${what} (RFC 1928 §5)`, async () => {
          const server = await keep(heard());
          const { get } = await way.through(kit, server, { to });
          expect(await get('/a')).to.equal('/a');
          expect(server.said).to.deep.equal([{ methods: [0, 2], login: LOGIN, ...told }]);
        });
      }

      it('cannot lead to a name of 256 bytes: that is said at once', async () => {
        const server = await keep(origin());
        const to = { host: `${'a'.repeat(252)}.org`, port: 80 };
        const error = await way.through(kit, server, { to }).catch((error: unknown) => error);
        expect(error).to.be.instanceOf(OptionError);
        expect(String(error)).to.match(/host.* 255 bytes.*256/);
        expect(server.taken).to.equal(0);
      });

      for (const [what, username, password] of [
        ['255 bytes each', 'u'.repeat(255), 'p'.repeat(255)],
        ['UTF-8', 'jürgen', '🗝️ пароль'],
        ['the separators of a URL', 'a:b@c/d', '%40:@/?#'],
      ] as const) {
        it(`gives a user name and a password of ${what} (RFC 1929 §2)`, async () => {
          const server = await keep(heard());
          const { get } = await way.through(kit, server, { login: { username, password } });
          expect(await get('/a')).to.equal('/a');
          expect(server.said[0]?.login).to.deep.equal({ username, password });
        });
      }

      for (const length of [0, 256]) {
        it(`takes no password of ${length} bytes: that is said at once, without it`, async () => {
          const server = await keep(origin());
          const login = { username: 'joe', password: 'x'.repeat(length) };
          const error = await way.through(kit, server, { login }).catch((error: unknown) => error);
          expect(error).to.be.instanceOf(OptionError);
          expect(String(error)).to.include(`got ${length}`).and.not.include('xxx');
          expect(server.taken).to.equal(0);
        });
      }

      it('keeps the password where it is not asked for', async () => {
        const server = await keep(
          origin(async (talk) => {
            expect(await greeted(talk)).to.deep.equal([0, 2]);
            await asked(talk);
            return echoes(talk);
          }),
        );
        const { get } = await way.through(kit, server);
        expect(await get('/a')).to.equal('/a');
        expect(server.talks[0]?.raw).to.not.include(LOGIN.password);
      });
    });
  }

  /** A good server, and what it was asked for. */
  async function heard() {
    const said: SocksAsked[] = [];
    const server = await origin(async (talk) => {
      said.push(await welcome(talk));
      return echoes(talk);
    });
    return Object.assign(server, { said });
  }
});
