// server — the process that gives back what all peers send, one message at a time.
// Forked by works.ts. Invariant: a read brings whole frames: the next message is sent when the last has come back.

import { createServer } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';

listenForParent(
  createServer({ noDelay: true }, (socket) => {
    acceptWebSocket(socket, () => {
      socket.on('data', (chunk: Buffer) => {
        // A small frame of a client: FIN and opcode, length, four bytes of mask.
        const length = (chunk[1] ?? 0) & 0x7f;
        if (((chunk[0] ?? 0) & 0x0f) === 8 || chunk.length !== 6 + length) return void socket.destroy();
        const answer = Buffer.allocUnsafe(2 + length);
        answer[0] = chunk[0] ?? 0;
        answer[1] = length;
        for (let i = 0; i < length; i++) answer[2 + i] = (chunk[6 + i] ?? 0) ^ (chunk[2 + (i & 3)] ?? 0);
        socket.write(answer);
      });
    });
  }),
);
