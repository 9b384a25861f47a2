import { once } from 'node:events';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { expect } from 'chai';
import { ConnectionError } from '../../lib/errors.ts';
import { SocketTransport } from '../../workers/connected.ts';
import { Reading } from '../../workers/reading.ts';
import { certificates } from '../support/certificates.ts';

describe('a connected TLS socket', () => {
  it('whose write has failed takes bytes that still come for nothing, and is lost with that write', async () => {
    const { ca, localhost } = await certificates();
    const server = tls.createServer(localhost).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo; // It listens on a port.
    const [[theirs], ours] = await Promise.all([
      once(server, 'secureConnection') as Promise<[tls.TLSSocket]>,
      (async () => {
        const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
        await once(socket, 'secureConnect');
        return socket;
      })(),
    ]);
    theirs.on('error', () => {}); // It is left in the midst of it.
    let received = 0;
    const lost = new Promise<unknown>((resolve) => {
      const reading = new Reading({
        buffer: () => new Uint8Array(1024),
        received: (length) => (received += length),
        ended: () => {},
        lost: resolve,
      });
      new SocketTransport(ours, reading);
      ours.on('data', (bytes: Uint8Array) => reading.given(bytes));
    });
    // It is in the kernel, and will be read before the socket is gone: that waits for an alert.
    await new Promise((resolve) => theirs.write('late', resolve));
    ours.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }));
    const error = await lost;
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED', message: 'connection was lost: EPIPE' });
    expect(received).to.equal(0);
    theirs.destroy();
    server.close();
    await once(server, 'close');
  });
});

/** A transport, what its socket was given to write by calls, and what came at the other end. */
async function connected() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo; // It listens on a port.
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const socket = net.connect(port, '127.0.0.1');
  const [theirs] = await accepted;
  if (socket.connecting) await once(socket, 'connect');
  server.close();
  const calls: number[] = [];
  const [write, writev] = [socket._write.bind(socket), socket._writev?.bind(socket)];
  socket._write = (chunk: Uint8Array, ...rest) => {
    calls.push(chunk.length);
    write(chunk, ...rest);
  };
  socket._writev = (chunks, done) => {
    calls.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0));
    writev?.(chunks, done);
  };
  const nothing = () => {};
  const sink = { buffer: () => new Uint8Array(64), received: nothing, ended: nothing, lost: nothing };
  return { transport: new SocketTransport(socket, new Reading(sink)), calls, theirs };
}

async function all(socket: net.Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

describe('a connected socket', () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  it('writes the first of a turn at once, and what follows it in one', async () => {
    const { transport, calls, theirs } = await connected();
    const done: string[] = [];
    for (const one of 'abc') transport.write(Buffer.from(one), () => done.push(one));
    expect(calls).to.deep.equal([1]);
    // The kernel has the first.
    expect(transport.pending).to.equal(2);
    await turn();
    transport.write(Buffer.from('d'));
    await turn();
    transport.end();
    expect(await all(theirs)).to.equal('abcd');
    expect(calls).to.deep.equal([1, 2, 1]);
    expect(done).to.deep.equal(['a', 'b', 'c']);
    transport.destroy();
  });

  it('gathers no more than 16 KiB', async () => {
    const { transport, calls, theirs } = await connected();
    for (let i = 0; i < 5; i++) transport.write(Buffer.alloc(6 * 1024));
    transport.write(Buffer.alloc(64 * 1024));
    transport.end();
    expect(await all(theirs)).to.have.length(94 * 1024);
    expect(Math.max(...calls)).to.be.at.most(64 * 1024 + 16 * 1024);
    expect(calls[0]).to.equal(6 * 1024);
    transport.destroy();
  });

  it('has written what it was given, when it is ended or destroyed in the same turn', async () => {
    for (const way of ['end', 'destroy'] as const) {
      const { transport, theirs } = await connected();
      for (const one of 'abc') transport.write(Buffer.from(one));
      transport[way]();
      expect(await all(theirs)).to.equal('abc');
      transport.destroy();
    }
  });
});
