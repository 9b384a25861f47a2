// faultproxy.test — the bad line itself: each of its faults, seen by two plain sockets.

import { once } from 'node:events';
import * as net from 'node:net';
import { expect } from 'chai';
import { type FaultProxy, type Faults, faultProxy } from '../support/faultproxy.ts';
import { type Peer, peer } from '../support/peers.ts';
import { reset } from '../support/reset.ts';

/** What one end of a connection has seen. */
class End {
  readonly chunks: string[] = [];
  /** `fin`, `rst`, or neither yet. */
  over = '';
  readonly ended: Promise<void>;
  readonly socket: net.Socket;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk.toString('latin1')));
    this.ended = new Promise((resolve) => {
      socket.once('end', () => {
        this.over ||= 'fin';
        resolve();
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        this.over ||= error.code === 'ECONNRESET' ? 'rst' : String(error.code);
        resolve();
      });
      socket.once('close', () => resolve());
    });
  }

  get text(): string {
    return this.chunks.join('');
  }

  async until(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.socket, 'data');
  }
}

describe('a fault proxy', () => {
  let server: Peer;
  let proxy: FaultProxy;
  let served: End;
  const clients: net.Socket[] = [];

  beforeEach(async () => {
    const script = (socket: net.Socket): void => {
      served = new End(socket);
    };
    server = await peer(script, { halfOpen: true });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await proxy.close();
    expect(proxy.open).to.equal(0);
    await server.close();
  });

  /** Both ends of one connection through it. */
  async function through(faults: Faults = {}): Promise<{ client: End; far: End }> {
    proxy = await faultProxy(server.port, faults);
    return joined();
  }

  async function joined(): Promise<{ client: End; far: End }> {
    const before = server.taken;
    const socket = net.connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true, noDelay: true });
    clients.push(socket);
    const client = new End(socket);
    // Not 'connect': a reset may be there before it is told.
    while (server.taken === before) await new Promise((resolve) => setImmediate(resolve));
    return { client, far: served };
  }

  it('lets all through, both ways, and counts; a FIN passes as a FIN, each way for itself', async () => {
    const { client, far } = await through();
    client.socket.write('hello');
    await far.until('hello');
    far.socket.end('goodbye');
    await client.ended;
    expect(client).to.include({ text: 'goodbye', over: 'fin' });
    client.socket.end(', after all');
    await far.ended;
    expect(far).to.include({ text: 'hello, after all', over: 'fin' });
    expect([proxy.passed('up'), proxy.passed('down')]).to.deep.equal([16, 7]);
  });

  it('passes an RST on as one', async () => {
    const { client, far } = await through();
    reset(far.socket);
    await client.ended;
    expect(client.over).to.equal('rst');
  });

  for (const at of [0, 1, 4, 5]) {
    it(`cuts at byte ${at}: both ends get a FIN`, async () => {
      const { client, far } = await through({ down: { cut: at } });
      far.socket.write('hello, you');
      await Promise.all([client.ended, far.ended]);
      expect(client).to.include({ text: 'hello, you'.slice(0, at), over: 'fin' });
      expect(far.over).to.equal('fin');
    });

    it(`resets at byte ${at}: both ends get an RST`, async () => {
      const { client, far } = await through({ up: { reset: at } });
      client.socket.write('hello, you');
      await Promise.all([client.ended, far.ended]);
      expect(client.over).to.equal('rst');
      // An RST right behind data is a FIN to libuv.
      expect(far.over).to.be.oneOf(at === 0 ? ['rst'] : ['rst', 'fin']);
      expect(far.text).to.equal('hello, you'.slice(0, at));
    });
  }

  it('closes one way at a byte, and the other goes on', async () => {
    const { client, far } = await through({ down: { halfClose: 3 } });
    far.socket.write('abcdef');
    await client.ended;
    expect(client).to.include({ text: 'abc', over: 'fin' });
    client.socket.end('still here');
    await far.ended;
    expect(far).to.include({ text: 'still here', over: 'fin' });
  });

  it('stalls at a byte until it may go on, and tells when it has come there', async () => {
    const { client, far } = await through({ down: { stall: 3 } });
    far.socket.write('abcdef');
    await proxy.reached(3);
    await client.until('abc');
    expect(client.text).to.equal('abc');
    expect(proxy.passed('down')).to.equal(3);
    proxy.resume('down');
    await client.until('abcdef');
  });

  it('stalls when it is told to; TCP holds up who writes', async () => {
    const { far } = await through();
    proxy.stall('down');
    const more = Buffer.alloc(1 << 20);
    let full = false;
    // Loopback takes a few MiB at most, each side.
    for (let i = 0; i < 32; i++) full = !far.socket.write(more) || full;
    expect(full).to.equal(true);
    expect(proxy.passed('down')).to.equal(0);
    proxy.resume('down');
    await proxy.reached(32 << 20);
  });

  it('trickles by turns, and by steps', async () => {
    const { client, far } = await through({
      down: { trickle: { bytes: 1 } },
      up: { trickle: { bytes: 2, by: 'step' } },
    });
    far.socket.write('abcdef');
    await client.until('abcdef');
    client.socket.write('uvwxyz');
    proxy.step('up');
    await far.until('uv');
    expect(proxy.passed('up')).to.equal(2);
    proxy.step('up', 2);
    await far.until('uvwxyz');
    expect(far.chunks[0]).to.equal('uv');
  });

  it('delays each chunk', async () => {
    const { client, far } = await through({ down: { delay: 20 } });
    const from = performance.now();
    far.socket.write('late');
    await client.until('late');
    expect(performance.now() - from).to.be.at.least(18);
  });

  it('puts writes together until there is enough of them, or the end', async () => {
    const { client, far } = await through({ down: { coalesce: 6 } });
    for (const byte of 'abcdef')
      await new Promise<void>((resolve) => far.socket.write(byte, () => resolve()));
    await client.until('abcdef');
    expect(client.chunks).to.deep.equal(['abcdef']);
    far.socket.end('gh');
    await client.ended;
    expect(client.text).to.equal('abcdefgh');
  });

  it('puts bytes in place of others, or flips bits by a seed', async () => {
    const one = await through({ down: { corrupt: { at: 2, bytes: Buffer.from('XY') } } });
    one.far.socket.write('abc');
    one.far.socket.write('def');
    await one.client.until('abXYef');
    const spoilt: string[] = [];
    for (const seed of [7, 7, 8]) {
      proxy.faults = { down: { corrupt: { at: 8, seed, every: 4 } } };
      const { client, far } = await joined();
      far.socket.end(Buffer.alloc(64));
      await client.ended;
      expect(client.text.slice(0, 8)).to.equal('\0'.repeat(8));
      spoilt.push(client.text);
    }
    expect(spoilt[0]).to.equal(spoilt[1]).and.to.not.equal(spoilt[2]);
    expect(spoilt[0]!.replaceAll('\0', '').length).to.be.within(4, 32);
  });

  it('resets who has read all that came: what it reads is an RST', async () => {
    const { client, far } = await through({ up: { stall: 5 } });
    client.socket.write('hello, you');
    await far.until('hello');
    proxy.drop('rst');
    await far.ended;
    expect(far).to.include({ text: 'hello', over: 'rst' });
  });

  it('ends all connections that are open, by FIN or by RST', async () => {
    for (const [how, over] of [
      ['fin', 'fin'],
      ['rst', 'rst'],
    ] as const) {
      await proxy?.close();
      const { client, far } = await through();
      proxy.drop(how);
      await Promise.all([client.ended, far.ended]);
      expect([client.over, far.over]).to.deep.equal([over, over]);
    }
  });

  it('refuses new connections while it is told to, and takes them at the same port again', async () => {
    const { client, far } = await through();
    proxy.refuse();
    const refused = new End(net.connect(proxy.port, '127.0.0.1'));
    await refused.ended;
    expect(refused.over).to.equal('ECONNREFUSED');
    client.socket.write('an old one goes on');
    await far.until('goes on');
    await proxy.accept();
    await joined();
    expect(proxy.connections).to.equal(2);
  });

  it('gives each connection the faults of its number', async () => {
    proxy = await faultProxy(server.port, (number) => (number === 0 ? { down: { cut: 0 } } : {}));
    const first = await joined();
    await first.client.ended;
    const second = await joined();
    second.far.socket.write('fine');
    await second.client.until('fine');
    expect(proxy.url('ws://127.0.0.1:1/a?b')).to.equal(`ws://127.0.0.1:${proxy.port}/a?b`);
    expect(proxy.url('https://localhost:1')).to.equal(`https://localhost:${proxy.port}`);
  });
});
