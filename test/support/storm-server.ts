// storm-server — a numbered feed in a process of its own, faster than any client: `/count/bytes` sends so many frames
// of 64 or 1024 bytes, header included; `/count/bytes/close` closes behind them.
// Forked by storm.ts; tells its port. It leaves when its parent does.
// A frame's number (32 bits, little-endian) is at its byte 4, so that it is aligned: numbering a block is one store a
// frame.
// Invariant: a block is numbered again only when the kernel has it, and at most BLOCKS wait in the socket.
// Source: RFC 6455 §4.2.2 and §5.2.

import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const BLOCK = 128 * 1024;
const BLOCKS = 3;

const server = createServer({ noDelay: true }, accept);
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
process.on('disconnect', () => process.exit());

function accept(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let open = false;
  socket.on('error', () => {}); // The client may leave in the middle of a block.
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (!open) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      open = true;
      answer(socket, rest.toString('latin1', 0, end));
      rest = rest.subarray(end + 4);
    }
    rest = frames(socket, rest);
  });
}

function answer(socket: Socket, head: string): void {
  const [, count, bytes, close] = /^GET \/(\d+)\/(\d+)(\/close)? /.exec(head) ?? [];
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
  const accepted = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n\r\n`,
  );
  flood(socket, { count: Number(count), bytes: Number(bytes), close: close !== undefined });
}

function flood(socket: Socket, feed: { count: number; bytes: number; close: boolean }): void {
  const { count, bytes, close } = feed;
  let next = 0;
  const send = (words: Uint32Array): void => {
    const frames = Math.min(BLOCK / bytes, count - next);
    if (frames === 0 || !socket.writable) return;
    for (let i = 0; i < frames; i++) words[(i * bytes) / 4 + 1] = next++;
    // From an immediate: a write that the kernel takes at once must not keep this loop from hearing the client.
    socket.write(new Uint8Array(words.buffer, 0, frames * bytes), () => setImmediate(send, words));
    if (next === count && close) socket.write(Buffer.from('880203e8', 'hex'));
  };
  const length = bytes - 4;
  const header = bytes === 64 ? [0x82, bytes - 2] : [0x82, 126, length >> 8, length & 0xff];
  for (let i = 0; i < BLOCKS; i++) {
    const block = new Uint8Array(BLOCK);
    for (let at = 0; at < BLOCK; at += bytes) block.set(header, at);
    send(new Uint32Array(block.buffer));
  }
}

/** The client's frames, which are short: pings are answered, a close as well. Returns what is left. */
function frames(socket: Socket, bytes: Buffer): Buffer {
  let at = 0;
  while (bytes.length - at >= 6) {
    const length = (bytes[at + 1] ?? 0) & 0x7f;
    if (bytes.length - at < 6 + length) break;
    const opcode = (bytes[at] ?? 0) & 0x0f;
    const payload = Buffer.from(bytes.subarray(at + 6, at + 6 + length));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[at + 2 + (i & 3)] ?? 0);
    if (opcode === 9) socket.write(Buffer.concat([Buffer.from([0x8a, length]), payload]));
    if (opcode === 8) socket.end(Buffer.concat([Buffer.from([0x88, length]), payload]));
    at += 6 + length;
  }
  return bytes.subarray(at);
}
