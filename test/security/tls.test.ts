// Who a connection verifies, dialled and behind a proxy: another table for each way in which Node does it.
// Source: RFC 9110 §4.3.4, RFC 9525; Node's 48934, 58040 and 56850 of 2026 (sessions), nodejs/node#64144 (IPv6).

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type * as net from 'node:net';
import * as tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { OpenOptions } from '../../lib/index.ts';
import { type Certificates, certificates, type Pair } from '../support/certificates.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { feeds } from '../support/feeds.ts';
import { type Peer, peer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

interface Case {
  readonly host: string;
  /** What the server has. */
  readonly pair: keyof Omit<Certificates, 'ca'>;
  /** Code of Node's error; undefined: it is good. */
  readonly code?: string;
  readonly options?: OpenOptions['tls'];
}

const CASES: Readonly<Record<string, Case>> = {
  'a name that is in its certificate': { host: 'localhost', pair: 'localhost' },
  'a name that is in it alone': { host: 'localhost', pair: 'nameOnly' },
  'an address that is in it': { host: '127.0.0.1', pair: 'addressOnly' },
  'an address whose name is in it': {
    host: '127.0.0.1',
    pair: 'nameOnly',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  'a name whose address is in it': {
    host: 'localhost',
    pair: 'addressOnly',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  'a name that is not in it': { host: 'localhost', pair: 'wrongHost', code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  'one that has expired': { host: 'localhost', pair: 'expired', code: 'CERT_HAS_EXPIRED' },
  'one that is not valid yet': { host: 'localhost', pair: 'future', code: 'CERT_NOT_YET_VALID' },
  'one that it has signed itself': {
    host: 'localhost',
    pair: 'selfSigned',
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  },
  'one of an unknown authority': {
    ...{ host: 'localhost', pair: 'localhost', code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    options: { ca: undefined },
  },
  'a name that its user asks for instead': {
    ...{ host: 'localhost', pair: 'wrongHost' },
    options: { servername: 'wrong.example' },
  },
  'a name in a case of its own': { host: 'LOCALHOST', pair: 'nameOnly' },
};

describe('TLS verifies', () => {
  const { open, keep } = feeds();

  const served = (pair: Pair & tls.TlsOptions): Promise<Peer> =>
    keep(peer((socket) => socket.once('data', () => socket.write(ANSWER)), { secure: pair }));

  /** What comes of a request there. */
  async function asks(host: string, port: number, options: OpenOptions): Promise<string> {
    const target = { host, port, transport: 'tls' } as const;
    return open(target, { retry: 0, protocols: ['http'], ...options })
      .get('/')
      .text();
  }

  async function verdict(
    { host, pair, code, options }: Case,
    way: (port: number) => Promise<OpenOptions> | OpenOptions,
  ): Promise<void> {
    const all = await certificates();
    const { port } = await served(all[pair]);
    const asked = asks(host, port, { tls: { ca: all.ca, ...options }, ...(await way(port)) });
    if (code === undefined) {
      expect(await asked).to.equal('hi');
      return;
    }
    const error = await rejects(asked, 'ERR_GUNPORT_TLS');
    expect(error.phase).to.equal('tls');
    expect(error.cause).to.include({ code });
  }

  const direct = (): OpenOptions => ({});
  const proxied = async (port: number): Promise<OpenOptions> => {
    // It leads to the server, whatever it is asked for.
    const proxy = await keep(connectProxy({ to: { host: '127.0.0.1', port } }));
    return { proxy: `http://127.0.0.1:${proxy.port}` };
  };

  for (const [what, one] of Object.entries(CASES)) {
    const says = one.code === undefined ? 'takes' : 'refuses';
    it(`${says} ${what}`, () => verdict(one, direct));
    it(`${says} ${what}, behind a proxy`, () => verdict(one, proxied));
  }

  // Node 22 finds none of them by itself.
  for (const host of ['::1', '0:0:0:0:0:0:0:1', '[::1]']) {
    it(`takes ${host} where that address is in its certificate, on each Node`, () =>
      verdict({ host, pair: 'addressOnly' }, proxied));
  }

  it('refuses an IPv6 address that is not in it, and one whose name is', async () => {
    const code = 'ERR_TLS_CERT_ALTNAME_INVALID';
    await verdict({ host: '::2', pair: 'addressOnly', code }, proxied);
    await verdict({ host: '::1', pair: 'nameOnly', code }, proxied);
    await verdict({ host: '::7f00:1', pair: 'addressOnly', code }, proxied);
  });

  it('a proxy itself, by its own options, and not by those of the far end', async () => {
    const { ca, localhost } = await certificates();
    const { port } = await served(localhost);
    const proxy = await keep(connectProxy({ secure: true }));
    const url = `https://localhost:${proxy.port}`;
    const error = await rejects(asks('localhost', port, { tls: { ca }, proxy: url }), 'ERR_GUNPORT_TLS');
    expect(error.hop).to.equal(url);
    const unverified = { tls: { rejectUnauthorized: false }, proxy: { url, tls: { ca } } };
    expect(await asks('localhost', port, unverified)).to.equal('hi');
    const other = { proxy: { url, tls: { rejectUnauthorized: false } } };
    await rejects(asks('localhost', port, other), 'ERR_GUNPORT_TLS');
  });

  it('no name of less than TLS 1.2, unless it is told to', async () => {
    const { ca, localhost } = await certificates();
    const { port } = await served({
      ...localhost,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL@SECLEVEL=0',
    });
    const ciphers = 'ALL@SECLEVEL=0';
    await rejects(asks('localhost', port, { tls: { ca, ciphers } }), 'ERR_GUNPORT_TLS');
    const old = { tls: { ca, ciphers, minVersion: 'TLSv1' } as const };
    expect(await asks('localhost', port, old)).to.equal('hi');
  });

  it('shows its own certificate where it is asked for it, and only what it was given', async () => {
    const { ca, localhost, client } = await certificates();
    const { port } = await served({ ...localhost, ca, requestCert: true, rejectUnauthorized: true });
    await rejects(asks('localhost', port, { tls: { ca } }), 'ERR_GUNPORT_CLOSED');
    expect(await asks('localhost', port, { tls: { ca, ...client } })).to.equal('hi');
  });

  describe('where a session is resumed', () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`whose that is: Node does not ask (${version})`, async () => {
        const { ca, wrongHost } = await certificates();
        const { port } = await served({ ...wrongHost, maxVersion: version });
        const session = await sessionOf(port, { ca, servername: 'wrong.example' });
        for (const way of [direct(), await proxied(port)]) {
          const error = await rejects(
            asks('localhost', port, { ...way, tls: { ca, session } }),
            'ERR_GUNPORT_TLS',
          );
          expect(error.cause).to.include({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
          const own = { ca, session, servername: 'wrong.example' };
          expect(await asks('localhost', port, { ...way, tls: own })).to.equal('hi');
        }
      });

      it(`that was made without verifying: it is no better for that (${version})`, async () => {
        const { ca, selfSigned } = await certificates();
        const { port } = await served({ ...selfSigned, maxVersion: version });
        const session = await sessionOf(port, { rejectUnauthorized: false });
        await rejects(asks('localhost', port, { tls: { ca, session } }), 'ERR_GUNPORT_TLS');
      });
    }

    it('none by itself: each connection shakes hands anew, with each server', async () => {
      const { ca, localhost } = await certificates();
      const resumed: boolean[] = [];
      const script = (socket: net.Socket): void => {
        if (socket instanceof tls.TLSSocket) resumed.push(socket.isSessionReused());
        socket.end(ANSWER);
      };
      const servers = await Promise.all([1, 2].map(() => keep(peer(script, { secure: localhost }))));
      for (const tls of [{ rejectUnauthorized: false }, { ca }, { ca }]) {
        for (const { port } of servers) await asks('localhost', port, { tls }).catch(() => {});
      }
      expect(resumed).to.deep.equal(Array(6).fill(false));
    });

    async function sessionOf(port: number, options: tls.ConnectionOptions): Promise<Buffer> {
      const socket = tls.connect({ port, host: '127.0.0.1', ...options });
      const [session] = await Promise.all([once(socket, 'session'), once(socket, 'secureConnect')]);
      socket.destroy();
      return session[0] as Buffer;
    }
  });

  it('whatever NODE_TLS_REJECT_UNAUTHORIZED says, in the thread of the socket too', async function () {
    this.timeout(20_000);
    const { selfSigned } = await certificates();
    const { port } = await served(selfSigned);
    const entry = fileURLToPath(new URL('../../lib/index.js', import.meta.url));
    const program = `
      import { open, connect } from ${JSON.stringify(entry)};
      for (const ask of [() => open('https://localhost:${port}', { retry: 0 }).awaitUp(),
        () => connect('wss://localhost:${port}')]) {
        await ask().then(() => console.log('up'), (error) => console.log(error.code, error.cause?.code));
      }`;
    const run = promisify(execFile);
    const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { env });
    const line = 'ERR_GUNPORT_TLS DEPTH_ZERO_SELF_SIGNED_CERT\n';
    expect(stdout).to.equal(line + line);
  });
});
