// server — the process that all peers receive from: prebuilt blocks, as fast as the socket takes them.
// Forked by works.ts with the names of its payloads as arguments; tells its port once all blocks are built.
// Invariant: two blocks wait in the socket at most, so TCP's push-back is honoured and memory bounded; a Close frame
// or the end of the socket ends the sending. It leaves when its parent does.
// It speaks just enough WebSocket to be faster than any client. Source: RFC 6455 §4.2.2.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { generate } from 'selfsigned';
import { buildBookBlock } from '../books/messages.ts';
import {
  type Block,
  buildBlock,
  type FeedReady,
  PAYLOAD_NAMES,
  PAYLOADS,
  type PayloadName,
} from './payloads.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const names = PAYLOAD_NAMES.filter((name) => process.argv.includes(name));
const blocks = new Map<string, Block>();
for (const name of names) blocks.set(`/${name}`, await buildBlock(PAYLOADS[name]));
if (process.argv.includes('book')) blocks.set('/book', buildBookBlock());

const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
  keyType: 'ec',
  curve: 'P-256',
  algorithm: 'sha256',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
});
const port = await listening(createServer({ noDelay: true }, accept));
const securePort = await listening(
  createSecureServer({ key: pair.private, cert: pair.cert, noDelay: true }, accept),
);
const frameBytes: Partial<Record<PayloadName, number>> = {};
for (const name of names) frameBytes[name] = meanFrame(name);
process.send?.({ port, securePort, ca: pair.cert, frameBytes } satisfies FeedReady);
process.on('disconnect', () => process.exit());

async function listening(server: Server): Promise<number> {
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // No pipe: a port was asked for.
}

function meanFrame(name: PayloadName): number {
  const block = blocks.get(`/${name}`);
  return block ? block.bytes.length / block.messages : 0;
}

function accept(socket: Socket): void {
  let head = '';
  socket.on('error', () => {}); // A client may leave in the middle of a block.
  socket.on('data', (chunk: Buffer) => {
    if (head.endsWith('\r\n\r\n')) {
      // Opcode 8, a Close frame: the client has its figures, what is still on its way is of no use.
      if (((chunk[0] ?? 0) & 0x0f) === 8) socket.destroy();
      return;
    }
    head += chunk.toString('latin1');
    if (head.endsWith('\r\n\r\n')) answer(socket, head);
  });
}

function answer(socket: Socket, head: string): void {
  const path = /^GET (\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? '';
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1];
  const block = blocks.get(path);
  if (!block || key === undefined) {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${createHash('sha1')
      .update(key + GUID)
      .digest('base64')}`,
  ];
  const compressed = path === '/deflate';
  if (compressed && !/^sec-websocket-extensions:.*permessage-deflate/im.test(head)) {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  if (compressed) lines.push('Sec-WebSocket-Extensions: permessage-deflate');
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  flood(socket, block.bytes);
}

/** Two blocks are on their way at any time, so that the kernel never waits for this loop's next turn. */
function flood(socket: Socket, bytes: Buffer): void {
  const write = (): void => {
    // From an immediate: a write that the kernel takes at once must not keep this loop from hearing the Close.
    if (socket.writable) socket.write(bytes, () => setImmediate(write));
  };
  write();
  write();
}
