// server — the process that sends the feed of server-sent events: one prebuilt chunk, as fast as the socket takes it.
// Forked by works.ts; tells its port, and how many bytes of the wire an event is. Known to works.ts is what an event has.
// Invariant: two chunks wait in the socket at most; it leaves when its parent does. Source: RFC 9112 §7.1.

import { createServer, type Socket } from 'node:net';
import { eventText, type SseReady } from './works.ts';

/** In one chunk. */
const EVENTS = 2_048;

const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n';
const body = Buffer.from(Array.from({ length: EVENTS }, (_, i) => eventText(i)).join(''), 'latin1');
const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {}); // A client may leave in the middle of a chunk.
  socket.once('data', () => flood(socket));
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the server has no port');
  process.send?.({ port: address.port, wireBytes: chunk.length / EVENTS } satisfies SseReady);
});
process.on('disconnect', () => process.exit());

/** Two chunks are on their way at any time, so that the kernel never waits for this loop's next turn. */
function flood(socket: Socket): void {
  const write = (): void => {
    // From an immediate: a write that the kernel takes at once must not keep this loop from hearing the end.
    if (socket.writable) socket.write(chunk, () => setImmediate(write));
  };
  socket.write(HEAD);
  write();
  write();
}
