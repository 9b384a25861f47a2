import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tls from 'node:tls';
import { expect } from 'chai';
import type { ConnectionError, GunportError } from '../../lib/errors.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { checkOpen } from '../../lib/settings.ts';
import type { Sink, Transport } from '../../workers/socket.ts';
import { type Dialing, dial, type Hooks } from '../../workers/transport.ts';
import { certificates } from '../support/certificates.ts';
import { returnsTo, snapshot } from '../support/leaks.ts';
import { closing, type Peer, peer, refusing, silent, tlsRefusing } from '../support/peers.ts';
import { reset } from '../support/reset.ts';

/** A sink that notes all it hears. */
class Notebook implements Sink {
  readonly memory = new Uint8Array(64 * 1024);
  received: (length: number) => void = (length) => {
    this.bytes = Buffer.concat([this.bytes, this.memory.subarray(0, length)]);
    this.said.push(`received ${length}`);
    this.onReceived();
    this.#wake();
  };
  onReceived: () => void = () => {};
  bytes = Buffer.alloc(0);
  said: string[] = [];
  error: GunportError | undefined;
  #wake: () => void = () => {};

  buffer(): Uint8Array {
    return this.memory;
  }

  ended(): void {
    this.said.push('ended');
    this.#wake();
  }

  lost(error: GunportError | undefined): void {
    this.said.push('lost');
    this.error = error;
    this.#wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  heard(word: string): Promise<void> {
    return this.until(() => this.said.includes(word));
  }
}

const peers: Peer[] = [];
const transports: Transport[] = [];
const keep = async (made: Promise<Peer>): Promise<Peer> => {
  peers.push(await made);
  return made;
};

afterEach(async () => {
  for (const transport of transports.splice(0)) transport.destroy();
  for (const one of peers.splice(0)) await one.close();
});

interface Dialled {
  readonly dialing: Dialing;
  readonly sink: Notebook;
  readonly settled: Promise<Transport>;
}

function start(url: string, options: OpenOptions = {}, hooks: Hooks = {}): Dialled {
  const sink = new Notebook();
  const { promise, resolve, reject } = deferred<Transport>();
  const { settings } = checkOpen(url, options, true);
  const dialing = dial({ ...settings, protocols: settings.http.protocols }, hooks, sink, {
    connected: (transport) => {
      transports.push(transport);
      resolve(transport);
    },
    failed: reject,
  });
  return { dialing, sink, settled: promise };
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {}); // Who awaits it hears of it.
  return { promise, resolve, reject };
}

async function up(url: string, options: OpenOptions = {}, hooks: Hooks = {}) {
  const { sink, settled } = start(url, options, hooks);
  return { sink, transport: await settled };
}

async function failure(url: string, options: OpenOptions = {}, hooks: Hooks = {}): Promise<ConnectionError> {
  try {
    await start(url, options, hooks).settled;
  } catch (error) {
    return error as ConnectionError;
  }
  throw new Error('it connected');
}

const codeOf = (error: { cause?: unknown }) => (error.cause as { code?: string } | undefined)?.code;

describe('transport', () => {
  describe('lookup', () => {
    it("fails with Node's error as cause when the name is not found", async () => {
      const lookup: Hooks['lookup'] = (_host, _options, callback) =>
        (callback as (error: Error) => void)(
          Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' }),
        );
      const error = await failure('ws://nowhere.invalid:1', {}, { lookup });
      expect(error).to.include({ name: 'ConnectionError', code: 'ERR_GUNPORT_LOOKUP', phase: 'dns' });
      expect(error.message).to.equal('lookup of nowhere.invalid failed: ENOTFOUND');
      expect(codeOf(error)).to.equal('ENOTFOUND');
    });

    it("fails when the user's lookup throws, rejects, or gives what is no address", async () => {
      const bad: Hooks['lookup'][] = [
        () => {
          throw new Error('thrown');
        },
        async () => {
          throw new Error('rejected');
        },
        (_host, _options, callback) => (callback as (...all: unknown[]) => void)(null, 'example.com', 4),
        (_host, _options, callback) => (callback as (...all: unknown[]) => void)(null, [{ address: 7 }]),
        (_host, _options, callback) => (callback as (...all: unknown[]) => void)(null, []),
        (_host, _options, callback) => (callback as (...all: unknown[]) => void)(null, undefined),
      ];
      for (const lookup of bad) {
        const error = await failure('ws://somewhere.invalid', {}, { lookup });
        expect(error).to.include({ code: 'ERR_GUNPORT_LOOKUP', phase: 'dns' });
        expect(error.cause).to.be.instanceOf(Error);
      }
    });

    it('has a deadline of its own', async () => {
      const error = await failure('ws://nowhere.invalid', { lookupTimeout: 5 }, { lookup: () => {} });
      expect(error).to.include({ code: 'ERR_GUNPORT_LOOKUP_TIMEOUT', phase: 'dns' });
      expect(error.message).to.equal('lookup of nowhere.invalid took longer than 5 ms');
    });

    it("takes a list or one address from the user's lookup", async () => {
      const { port } = await keep(peer(silent));
      const answers = [
        [null, [{ address: '127.0.0.1', family: 4 }]],
        [null, '127.0.0.1', 4],
      ];
      for (const answer of answers) {
        const lookup: Hooks['lookup'] = (_host, _options, callback) =>
          (callback as (...all: unknown[]) => void)(...answer);
        const { transport } = await up(`ws://feed.invalid:${port}`, {}, { lookup });
        expect(transport.info()).to.include({ remoteAddress: '127.0.0.1', remotePort: port });
      }
    });

    it('is skipped for an IP address and a unix socket', async () => {
      const lookup = () => {
        throw new Error('asked');
      };
      const { url } = await keep(peer(silent));
      const one = await up(url, {}, { lookup });
      const path = join(tmpdir(), `gunport-${process.pid}-${Math.random().toString(36).slice(2)}.sock`);
      await keep(peer(silent, { path }));
      const other = await up('ws://whatever.invalid', { socketPath: path }, { lookup });
      expect([one.sink.error, other.sink.error]).to.deep.equal([undefined, undefined]);
    });

    for (const secure of [false, true]) {
      it(`goes on to the next address when one refuses, over ${secure ? 'TLS' : 'TCP'}`, async () => {
        const { port } = await keep(peer((socket) => socket.end('hello'), { secure }));
        const tls = secure ? { ca: (await certificates()).ca } : undefined;
        const lookup: Hooks['lookup'] = (_host, _options, callback) =>
          (callback as (...all: unknown[]) => void)(null, [
            { address: '127.0.0.2', family: 4 },
            { address: '::1', family: 6 },
            { address: '127.0.0.1', family: 4 },
          ]);
        for (const family of [0, 4] as const) {
          const scheme = secure ? 'wss' : 'ws';
          const { transport, sink } = await up(`${scheme}://localhost:${port}`, { family, tls }, { lookup });
          expect(transport.info().remoteAddress).to.equal('127.0.0.1');
          await sink.heard('ended');
          expect(sink.bytes.toString()).to.equal('hello');
        }
      });
    }

    it('keeps to the family that was asked for', async () => {
      const lookup: Hooks['lookup'] = (_host, _options, callback) =>
        (callback as (...all: unknown[]) => void)(null, [{ address: '127.0.0.1', family: 4 }]);
      const error = await failure('ws://feed.invalid', { family: 6 }, { lookup });
      expect(error).to.include({ code: 'ERR_GUNPORT_LOOKUP' });
      expect((error.cause as Error).message).to.equal('feed.invalid has no address of family 6');
    });
  });

  describe('connect', () => {
    it("fails with Node's error as cause when the port refuses", async () => {
      const { url, port } = await refusing();
      const error = await failure(url);
      expect(error).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
      expect(error.message).to.equal(`connect to 127.0.0.1:${port} failed: ECONNREFUSED`);
      expect(error.cause).to.include({ code: 'ECONNREFUSED', syscall: 'connect', port });
    });

    it('names all addresses when all of them refuse, with one as cause', async () => {
      const { port } = await refusing();
      const lookup: Hooks['lookup'] = (_host, _options, callback) =>
        (callback as (...all: unknown[]) => void)(null, [
          { address: '127.0.0.2', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ]);
      const error = await failure(`ws://feed.invalid:${port}`, {}, { lookup });
      expect(error.message).to.equal(
        `connect to feed.invalid:${port} failed: ECONNREFUSED 127.0.0.2, ECONNREFUSED 127.0.0.1`,
      );
      expect(codeOf(error)).to.equal('ECONNREFUSED');
      expect(error.cause).not.to.be.instanceOf(AggregateError);
    });

    it("binds to a local address, choosing the peer's of the same family", async () => {
      const { port } = await keep(peer(silent));
      const lookup: Hooks['lookup'] = (_host, _options, callback) =>
        (callback as (...all: unknown[]) => void)(null, [
          { address: '::1', family: 6 },
          { address: '127.0.0.1', family: 4 },
        ]);
      const { transport } = await up(`ws://feed.invalid:${port}`, { localAddress: '127.0.0.3' }, { lookup });
      expect(transport.info()).to.include({ localAddress: '127.0.0.3', remoteAddress: '127.0.0.1' });
    });

    it('fails when the unix socket is not there', async () => {
      const error = await failure('ws://localhost', { socketPath: '/nonexistent/gunport.sock' });
      expect(error).to.include({ code: 'ERR_GUNPORT_CONNECT', phase: 'connect' });
      expect(codeOf(error)).to.equal('ENOENT');
    });

    it('has a deadline of its own', async () => {
      const backlog = await fullBacklog();
      try {
        const error = await failure(`ws://127.0.0.1:${backlog.port}`, { connectTimeout: 50 });
        expect(error).to.include({ code: 'ERR_GUNPORT_CONNECT_TIMEOUT', phase: 'connect' });
        expect(error.message).to.equal(`connect to 127.0.0.1:${backlog.port} took longer than 50 ms`);
      } finally {
        await backlog.close();
      }
    });

    it('never calls back within dial()', async () => {
      let within = true;
      const called: boolean[] = [];
      const { settings } = checkOpen('wss://127.0.0.1:1', { tls: { ca: 'no certificate' } }, true);
      await new Promise<void>((resolve) => {
        dial(
          { ...settings, protocols: [], tls: { ...settings.tls, minVersion: 'TLSv9' } },
          {},
          new Notebook(),
          {
            connected: () => {},
            failed: () => {
              called.push(within);
              resolve();
            },
          },
        );
        within = false;
      });
      expect(called).to.deep.equal([false]);
    });
  });

  describe('TLS', () => {
    it('verifies the host by a CA, with SNI and ALPN', async () => {
      const { ca, localhost } = await certificates();
      const seen = deferred<unknown[]>();
      const script = (socket: net.Socket) => {
        const { servername, alpnProtocol } = socket as tls.TLSSocket & { servername: unknown };
        seen.resolve([servername, alpnProtocol]);
        socket.resume();
      };
      const { url } = await keep(peer(script, { secure: { ...localhost, ALPNProtocols: ['http/1.1'] } }));
      const { transport } = await up(url, { tls: { ca } });
      const { tls: secure } = transport.info();
      expect(secure).to.include({ version: 'TLSv1.3', alpn: 'http/1.1' });
      expect(secure?.cipher).to.match(/^TLS_/);
      expect(await seen.promise).to.deep.equal(['localhost', 'http/1.1']);
    });

    it('sends no SNI for an IP address, and verifies it', async () => {
      const { ca } = await certificates();
      const seen = deferred<unknown>();
      const script = (socket: net.Socket) =>
        seen.resolve((socket as net.Socket & { servername: unknown }).servername);
      const { port } = await keep(peer(script, { secure: true }));
      await up(`wss://127.0.0.1:${port}`, { tls: { ca } });
      expect(await seen.promise).to.equal(false);
    });

    it("speaks TLS over a unix socket, verifying the URL's host", async () => {
      const { ca } = await certificates();
      const path = join(tmpdir(), `gunport-${process.pid}-${Math.random().toString(36).slice(2)}.sock`);
      await keep(peer(silent, { path, secure: true }));
      await up('wss://localhost', { socketPath: path, tls: { ca } });
      const error = await failure('wss://other.example', { socketPath: path, tls: { ca } });
      expect(codeOf(error)).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
    });

    for (const [what, pair, code] of [
      ['an unknown authority', 'selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['an expired certificate', 'expired', 'CERT_HAS_EXPIRED'],
      ['a wrong host', 'wrongHost', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ] as const) {
      it(`refuses ${what}, with Node's error as cause`, async () => {
        const made = await certificates();
        const { url, port } = await keep(peer(silent, { secure: made[pair] }));
        const error = await failure(url, { tls: { ca: made.ca } });
        expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
        expect(error.message).to.equal(`TLS handshake with localhost:${port} failed: ${code}`);
        expect(codeOf(error)).to.equal(code);
      });

      it(`takes ${what} when verification is turned off`, async () => {
        const made = await certificates();
        const { url } = await keep(peer(silent, { secure: made[pair] }));
        const { sink } = await up(url, { tls: { ca: made.ca, rejectUnauthorized: false } });
        expect(sink.error).to.equal(undefined);
      });
    }

    it('is not turned off by NODE_TLS_REJECT_UNAUTHORIZED', async () => {
      const { selfSigned } = await certificates();
      const { url } = await keep(peer(silent, { secure: selfSigned }));
      const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      try {
        expect(codeOf(await failure(url))).to.equal('DEPTH_ZERO_SELF_SIGNED_CERT');
      } finally {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      }
    });

    it('has a deadline of its own', async () => {
      const { url, port } = await keep(peer(silent, { scheme: 'wss' }));
      const error = await failure(url, { tlsTimeout: 20 });
      expect(error).to.include({ code: 'ERR_GUNPORT_TLS_TIMEOUT', phase: 'tls' });
      expect(error.message).to.equal(`TLS handshake with localhost:${port} took longer than 20 ms`);
    });

    it('tells a refused handshake, a lost one, and a server that does not speak it', async () => {
      const plain = (socket: net.Socket) =>
        socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      for (const [script, code] of [
        [tlsRefusing, /ERR_SSL_.*HANDSHAKE_FAILURE/],
        [closing, /ECONNRESET/],
        [(socket: net.Socket) => socket.once('data', () => reset(socket)), /ECONNRESET/],
        [plain, /ERR_SSL_/],
      ] as const) {
        const { url } = await keep(peer(script, { scheme: 'wss' }));
        const error = await failure(url);
        expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
        expect(codeOf(error)).to.match(code);
      }
    });

    it('fails at once on options that TLS does not take, and says that it was they', async () => {
      const { url } = await keep(peer(silent, { scheme: 'wss' }));
      const error = await failure(url, { tls: { key: 'no key', cert: 'no certificate' } });
      expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls', reason: 'options' });
      expect(error.message).not.to.include('no key');
    });

    it("asks the user's checkServerIdentity, which cannot break the thread", async () => {
      const made = await certificates();
      const { url } = await keep(peer(silent, { secure: made.wrongHost }));
      const { ca } = made;
      const seen: unknown[] = [];
      await up(url, { tls: { ca } }, { checkServerIdentity: (host) => void seen.push(host) });
      expect(seen).to.deep.equal(['localhost']);
      const refusals: Hooks['checkServerIdentity'][] = [
        () => new Error('no'),
        () => {
          throw new Error('no');
        },
        async () => undefined,
        async () => {
          throw new Error('no');
        },
        () => true,
      ];
      for (const checkServerIdentity of refusals) {
        const error = await failure(url, { tls: { ca } }, { checkServerIdentity });
        expect(error).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
      }
    });

    it('tells an alert that comes after the handshake as the cause of the loss (client certificate)', async () => {
      const { ca, localhost, client } = await certificates();
      const secure = { ...localhost, ca, requestCert: true, rejectUnauthorized: true };
      const { url } = await keep(peer(silent, { secure }));
      await up(url, { tls: { ca, ...client } });
      const { sink } = await up(url, { tls: { ca } });
      await sink.heard('lost');
      expect(sink.error).to.include({ code: 'ERR_GUNPORT_CLOSED', phase: 'closed' });
      expect(codeOf(sink.error ?? {})).to.match(/CERTIFICATE_REQUIRED/);
    });
  });

  for (const secure of [false, true]) {
    describe(secure ? 'a connected TLS socket' : 'a connected TCP socket', () => {
      let options: OpenOptions;
      before(async () => {
        options = secure ? { tls: { ca: (await certificates()).ca } } : {};
      });

      it("reads into the sink's memory and tells FIN after the data", async () => {
        const { url } = await keep(peer((socket) => socket.end(Buffer.alloc(300_000, 7)), { secure }));
        const { sink } = await up(url, options);
        await sink.heard('ended');
        expect(sink.bytes.length).to.equal(300_000);
        expect(sink.bytes.every((byte) => byte === 7)).to.equal(true);
        expect(sink.said.at(-1)).to.equal('ended');
      });

      it("writes after the peer's FIN, and is lost without an error when both have ended", async () => {
        const got = deferred<string>();
        const script = async (socket: net.Socket) => {
          let text = '';
          socket.end('bye').on('data', (chunk: Buffer) => {
            text += chunk;
          });
          socket.on('end', () => got.resolve(text));
        };
        const { url } = await keep(peer(script, { secure }));
        const { sink, transport } = await up(url, options);
        await sink.heard('ended');
        await new Promise<void>((resolve) => transport.write(Buffer.from('still here'), () => resolve()));
        transport.end();
        await sink.heard('lost');
        expect(sink.error).to.equal(undefined);
        expect(await got.promise).to.equal('still here');
        expect(sink.said.at(-1)).to.equal('lost');
      });

      it('says done for each write, in order, and for those dropped with the socket', async () => {
        const { url } = await keep(peer((socket) => socket.pause(), { secure }));
        const { transport } = await up(url, options);
        const done: number[] = [];
        await new Promise<void>((resolve) => transport.write(Buffer.alloc(10), () => resolve()));
        for (let i = 0; i < 5; i++) transport.write(Buffer.alloc(8 * 1024 * 1024), () => done.push(i));
        expect(transport.pending).to.be.greaterThan(8 * 1024 * 1024);
        const last = new Promise<void>((resolve) => transport.write(Buffer.alloc(1), () => resolve()));
        transport.destroy();
        await last;
        expect(done).to.deep.equal([0, 1, 2, 3, 4]);
        await new Promise<void>((resolve) => transport.write(Buffer.alloc(1), () => resolve()));
      });

      it('says done of a write after end()', async () => {
        const { url } = await keep(peer(silent, { secure }));
        const { transport, sink } = await up(url, options);
        transport.end();
        await new Promise<void>((resolve) => transport.write(Buffer.from('late'), () => resolve()));
        expect(sink.said).to.not.include('lost');
      });

      // A plain socket only: a reset within TLS has another face.
      if (secure) return;

      it('tells a reset as the loss, once', async () => {
        const { url } = await keep(
          peer((socket) => socket.once('data', () => reset(socket)), { secure: false }),
        );
        const { sink, transport } = await up(url, options);
        transport.write(Buffer.from('x'));
        await sink.heard('lost');
        expect(sink.error).to.include({
          code: 'ERR_GUNPORT_CLOSED',
          phase: 'closed',
          message: 'connection was lost: ECONNRESET',
        });
        expect(sink.said).to.deep.equal(['lost']);
      });

      it('says nothing more once it is destroyed', async () => {
        const { url } = await keep(peer((socket) => socket.end(Buffer.alloc(1_000_000)), { secure }));
        const { sink, transport } = await up(url, options);
        sink.onReceived = () => transport.destroy();
        await sink.until(() => sink.bytes.length > 0);
        const said = sink.said.length;
        await turns(20);
        expect(sink.said.length).to.equal(said);
      });

      it('hands nothing over while paused, and goes on in order', async () => {
        const total = 3_000_000;
        const sent = Buffer.alloc(total, Buffer.from('0123456789abcdef and so on'));
        const { url } = await keep(peer((socket) => socket.end(sent), { secure }));
        const { sink, transport } = await up(url, options);
        let paused = false;
        let wrong = 0;
        sink.onReceived = () => {
          if (paused) wrong++;
          paused = true;
          transport.pause();
          setImmediate(() =>
            setImmediate(() => {
              paused = false;
              transport.resume();
            }),
          );
        };
        await sink.heard('ended');
        expect(wrong).to.equal(0);
        expect(sink.bytes.equals(sent)).to.equal(true);
      });

      it('pauses outside a read too, and keeps FIN back', async () => {
        const { url } = await keep(
          peer((socket) => socket.once('data', () => socket.end('answer')), { secure }),
        );
        const { sink, transport } = await up(url, options);
        transport.pause();
        await new Promise<void>((resolve) => transport.write(Buffer.from('x'), () => resolve()));
        await turns(20);
        expect(sink.said).to.deep.equal([]);
        transport.resume();
        await sink.heard('ended');
        expect(sink.said).to.deep.equal(['received 6', 'ended']);
      });
    });
  }

  it('leaves nothing behind when it failed or was cancelled in any phase', async () => {
    const silentTls = await keep(peer(silent, { scheme: 'wss' }));
    const refused = await refusing();
    const backlog = await fullBacklog();
    try {
      const before = snapshot();
      for (let i = 0; i < 20; i++) {
        await failure(refused.url);
        await failure(silentTls.url, { tlsTimeout: 1 });
        await failure('ws://x.invalid', { lookupTimeout: 1 }, { lookup: () => {} });
        for (const [url, hooks] of [
          ['ws://x.invalid', { lookup: () => {} }],
          [`ws://127.0.0.1:${backlog.port}`, {}],
          [silentTls.url, {}],
        ] as const) {
          const { dialing, settled } = start(url, {}, hooks);
          const verdict = settled.then(
            () => 'connected',
            () => 'failed',
          );
          await turns(i % 5);
          dialing.cancel();
          dialing.cancel();
          expect(await Promise.race([verdict, turns(3).then(() => 'silence')])).to.equal('silence');
        }
      }
      for (let i = 0; i < 200 && silentTls.open > 0; i++) await turns(1);
      expect(silentTls.open).to.equal(0);
      await returnsTo(before);
    } finally {
      await backlog.close();
    }
  });
});

/** Gives the loop some turns: for what must not happen. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A port that neither refuses nor accepts: its queue is full. */
async function fullBacklog(): Promise<{ port: number; close(): Promise<void> }> {
  const { Worker } = await import('node:worker_threads');
  // A listener whose loop is blocked takes nothing out of its queue, which Linux lets grow to backlog + 1.
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => { Atomics.wait(new Int32Array(workerData), 0, 0); process.exit(); });
     });`,
    { eval: true, workerData: shared },
  );
  const gate = new Int32Array(shared);
  gate[0] = 0;
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const fillers = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
  await new Promise((resolve) => fillers[0]?.once('connect', resolve));
  await turns(5);
  return {
    port,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await exit;
    },
  };
}
const shared = new SharedArrayBuffer(4);
