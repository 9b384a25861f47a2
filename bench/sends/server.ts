// server — the process that all peers send to: it counts bytes, and looks at one frame of each read.
// Forked by works.ts; asked over IPC for what it has counted. The path names the size of a message.
// Invariant: what is counted has been read from the socket: what waits in a client or in the kernel does not count.

import { createServer, type Socket } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';
import { type Count, frameSize } from './messages.ts';

// Of the connection of the moment.
let bytes = 0;
let wrong: string | undefined;

listenForParent(createServer({ noDelay: true }, (socket) => accept(socket)));
process.on('message', () => {
  const at = Number(process.hrtime.bigint()) / 1e6;
  process.send?.({ bytes, at, wrong } satisfies Count);
});

function accept(socket: Socket): void {
  acceptWebSocket(socket, (path) => {
    const size = Number(path.slice(1));
    const frame = frameSize(size);
    const header = frame - size;
    const expected = size < 126 ? 0x80 | size : 0x80 | 126;
    let own = 0;
    bytes = 0;
    wrong = undefined;
    socket.on('data', (chunk: Buffer) => {
      const at = (frame - (own % frame)) % frame;
      own += chunk.length;
      bytes = own;
      if (at + header + 2 > chunk.length) return;
      // Opcode 8, a Close frame: the client has its figures.
      if (chunk[at] === 0x88) return void socket.destroy();
      const mask = at + header - 4;
      // Its payload begins with 0, 1.
      const [zero, one] = [chunk[at + header], chunk[at + header + 1]];
      const isAsSent = zero === chunk[mask] && one === ((chunk[mask + 1] ?? 0) ^ 1);
      if (chunk[at] === 0x82 && chunk[at + 1] === expected && isAsSent) return;
      wrong ??= `a frame begins with ${chunk.toString('hex', at, at + header + 2)}`;
    });
  });
}
