// server — the process that greets: one message of 64 B to whoever opens a WebSocket, and nothing after it.
// Forked by works.ts. It leaves when its parent does.

import { createServer } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';

const SIZE = 64;
// FIN and opcode binary, then the length.
const GREETING = Buffer.concat([Buffer.from([0x82, SIZE]), Buffer.alloc(SIZE, 0x2a)]);

listenForParent(
  createServer({ noDelay: true }, (socket) => {
    acceptWebSocket(socket, () => {
      socket.write(GREETING);
      socket.on('data', () => socket.destroy()); // Its Close: nothing else is sent here.
    });
  }),
);
