// server — the process that floods: messages of 64 B, each with its number, as fast as the socket takes them.
// Forked by works.ts. It leaves when its parent does.
// Invariant: a block is numbered again only when the kernel has it, so what waits is bounded; each connection counts
// from 0. A number has 32 bits, little-endian, at a message's beginning, and comes round to 0.

import { createServer, type Socket } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';

const SIZE = 64;
const FRAME = 2 + SIZE;
const FRAMES = 2_000;
const BLOCKS = 3;

listenForParent(
  createServer({ noDelay: true }, (socket) => {
    acceptWebSocket(socket, () => {
      // Whatever a client says here is its Close.
      socket.on('data', () => socket.destroy());
      flood(socket);
    });
  }),
);

function flood(socket: Socket): void {
  let next = 0;
  const send = (block: Buffer, numbers: DataView): void => {
    if (!socket.writable) return;
    for (let at = 2; at < block.length; at += FRAME) numbers.setUint32(at, next++, true);
    // From an immediate: a write that the kernel takes at once must not keep this loop from hearing the client.
    socket.write(block, () => setImmediate(send, block, numbers));
  };
  for (let i = 0; i < BLOCKS; i++) {
    const block = Buffer.alloc(FRAME * FRAMES);
    // FIN and opcode binary, then the length.
    for (let at = 0; at < block.length; at += FRAME) block.set([0x82, SIZE], at);
    send(block, new DataView(block.buffer, block.byteOffset, block.length));
  }
}
