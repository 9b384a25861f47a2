// server — the process that answers the requests of the HTTP works: prebuilt answers, for next to nothing.
// Forked by works.ts with the length of the large answer; tells its ports. HTTP/1.1 is counted, not parsed: a request ends with an empty line, and has no
// body. HTTP/2 is in http2-server.ts.
// Invariant: two blocks of a large answer wait in the socket at most; it leaves when its parent does.

import { createServer, type Server, type Socket } from 'node:net';
import { type HttpReady, headOf, SMALL_ANSWER } from './answers.ts';
import { acceptHttp2 } from './http2-server.ts';

/** Answers that are sent at once. */
const MOST = 128;
const SMALL_ANSWERS = Buffer.concat(Array.from({ length: MOST }, () => SMALL_ANSWER));
const BLOCK = Buffer.alloc(1024 * 1024, 'x');
const END = '\r\n\r\n';

const large = Number(process.argv[2]);
const ports = async (accept: (socket: Socket, large: number) => void) => ({
  small: await portOf(createServer({ noDelay: true }, (socket) => accept(socket, 0))),
  large: await portOf(createServer({ noDelay: true }, (socket) => accept(socket, large))),
});
process.send?.({ http: await ports(acceptHttp1), http2: await ports(acceptHttp2) } satisfies HttpReady);
process.on('disconnect', () => process.exit());

function portOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      if (typeof address !== 'object' || !address) throw new Error('the server has no port');
      resolve(address.port);
    });
  });
}

function acceptHttp1(socket: Socket, large: number): void {
  let tail = Buffer.alloc(0);
  let isFirst = true;
  socket.on('error', () => {}); // A client may leave in the middle of an answer.
  socket.on('data', (chunk: Buffer) => {
    const bytes = tail.length > 0 ? Buffer.concat([tail, chunk]) : chunk;
    let count = 0;
    let from = 0;
    for (let at = bytes.indexOf(END); at >= 0; at = bytes.indexOf(END, from)) {
      from = at + END.length;
      if (large > 0 && !isFirst) sendLarge(socket, large);
      else count++;
      isFirst = false;
    }
    tail = from < bytes.length ? Buffer.from(bytes.subarray(from)) : Buffer.alloc(0);
    for (; count > 0; count -= MOST)
      socket.write(SMALL_ANSWERS.subarray(0, Math.min(count, MOST) * SMALL_ANSWER.length));
  });
}

/** Two blocks are on their way at any time, so that the kernel never waits for this loop's next turn. */
function sendLarge(socket: Socket, bytes: number): void {
  let left = bytes;
  const write = (): void => {
    const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
    if (block.length === 0 || !socket.writable) return;
    left -= block.length;
    socket.write(block, write);
  };
  socket.write(headOf(bytes));
  write();
  write();
}
