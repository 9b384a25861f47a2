// server — the process that wants answers: every few milliseconds a ping and a message, each with a stamp.
// Forked by works.ts. Asked, it tells how old the pings were whose answers have come since it was asked last.
// It leaves when its parent does.

import { createServer, type Socket } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';
import { age, STAMP, stamp } from './stamps.ts';

/** In ms. */
const INTERVAL = 5;
/** A client's frame: FIN and opcode, length, four bytes of mask, a stamp. */
const PONG = 2 + 4 + STAMP;

let pongs: number[] = [];

listenForParent(createServer({ noDelay: true }, (socket) => acceptWebSocket(socket, () => serve(socket))));
process.on('message', () => {
  process.send?.(pongs);
  pongs = [];
});

function serve(socket: Socket): void {
  const timer = setInterval(() => {
    // FIN and opcode ping or binary, then the length.
    socket.write(Buffer.concat([Buffer.from([0x89, STAMP]), stamp(), Buffer.from([0x82, STAMP]), stamp()]));
  }, INTERVAL);
  socket.on('close', () => clearInterval(timer));
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= PONG; rest = rest.subarray(PONG))
      if (!heardPong(rest)) return void socket.destroy();
  });
}

/** False: it is something else, a Close. */
function heardPong(frame: Buffer): boolean {
  if (((frame[0] ?? 0) & 0x0f) !== 0x0a) return false;
  const payload = Buffer.alloc(STAMP);
  for (let i = 0; i < STAMP; i++) payload[i] = (frame[6 + i] ?? 0) ^ (frame[2 + (i & 3)] ?? 0);
  pongs.push(age(payload));
  return true;
}
