import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
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
    const { port } = server.address() as AddressInfo; // It listens on a port.
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
