// accepting — the server's side of an upgrade, for the small servers that are faster than any client.
// Used by the server.ts of works that send; it speaks just enough WebSocket for that. Source: RFC 6455 §4.2.2.

import { createHash } from 'node:crypto';
import type { Server, Socket } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Answers the request that comes on `socket`, and calls back with its path. */
export function acceptWebSocket(socket: Socket, accepted: (path: string) => void): void {
  let head = '';
  const read = (chunk: Buffer): void => {
    head += chunk.toString('latin1');
    // A client sends nothing behind it before it has the answer.
    if (!head.endsWith('\r\n\r\n')) return;
    socket.off('data', read);
    const path = /^GET (\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? '';
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    accepted(path);
  };
  socket.on('data', read);
  socket.on('error', () => {}); // A client may leave at any time.
}

/** Listens on a port that is free and tells the parent of it; leaves with the parent. */
export function listenForParent(server: Server): void {
  server.listen({ host: '127.0.0.1', port: 0 }, () => {
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('the server has no port');
    process.send?.({ port: address.port } satisfies PortReady);
  });
  process.on('disconnect', () => process.exit());
}

/** What such a server says once it listens. */
export interface PortReady {
  readonly port: number;
}
