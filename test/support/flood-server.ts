// flood-server — a process that sends numbered messages as fast as the socket takes them, and pings between them.
// Forked by flood.ts, which tells it what to do; its memory is not the test's.
// Invariant: message n of a connection is binary and begins with n as a 32-bit number, so a loss, a repeat or a change
// of order shows. Two blocks wait in the socket at most: TCP's push-back is honoured.

import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import * as tls from 'node:tls';
import type { FloodCommand, FloodReport } from './flood.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Payload of a message: two bytes of length in its header. */
const SIZE = 1_024;
const FRAME = SIZE + 4;
const PER_BLOCK = 256;
/** So long must no write have been taken for the flood to count as stalled, in milliseconds. */
const STALL = 150;

/** Whoever asked may have gone in the meantime. */
const report = (message: FloodReport): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};

/** One client at a time. */
let client: Socket | undefined;
let sent = 0;
let pings = 0;
let pongs = 0;
let goal = 0;
let writing = false;
let stall: NodeJS.Timeout | undefined;

/** Key and certificate, for a flood over TLS. */
const pair = process.env['GUNPORT_FLOOD_TLS'];
const server = pair
  ? tls.createServer({ noDelay: true, ...JSON.parse(pair) }, accept)
  : createServer({ noDelay: true }, accept);
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the server has no port');
  report({ type: 'listening', port: address.port });
});
process.on('disconnect', () => process.exit());
process.on('message', (command: FloodCommand) => {
  switch (command.type) {
    case 'send':
      goal = command.upTo;
      return write();
    case 'ping':
      pings++;
      return void client?.write(Buffer.from([0x89, 4, ...numbered(pings)]));
    case 'reset':
      return void client?.destroy();
    case 'tell':
      return tell('told');
    default:
      command satisfies never;
  }
});

function accept(socket: Socket): void {
  let head = '';
  [sent, pings, pongs, goal, writing] = [0, 0, 0, 0, false];
  client = socket;
  socket.on('error', () => {}); // A client may leave in the middle of a block.
  socket.on('close', () => {
    if (client !== socket) return;
    clearTimeout(stall);
    client = undefined;
    tell('gone');
  });
  socket.on('data', (chunk: Buffer) => {
    if (head.endsWith('\r\n\r\n')) return heard(chunk);
    head += chunk.toString('latin1');
    if (!head.endsWith('\r\n\r\n')) return;
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
    const accepted = createHash('sha1').update(`${key}${GUID}`).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accepted}\r\n\r\n`,
    );
    tell('up');
  });
}

/** Frames of the client: pongs of ten bytes (head, mask, four of payload), and its Close. */
function heard(chunk: Buffer): void {
  for (let at = 0; at < chunk.length; at += 6 + ((chunk[at + 1] ?? 0) & 0x7f)) {
    const opcode = (chunk[at] ?? 0) & 0x0f;
    if (opcode === 8) return void client?.end(Buffer.from('880203e8', 'hex'));
    if (opcode !== 10) continue;
    pongs++;
    tell('pong');
  }
}

function write(): void {
  if (writing || !client || client.destroyed || sent >= goal) return;
  writing = true;
  clearTimeout(stall);
  stall = setTimeout(() => tell('stalled'), STALL);
  const count = Math.min(PER_BLOCK, goal - sent);
  const block = Buffer.alloc(count * FRAME, 0x2e);
  for (let i = 0; i < count; i++) {
    block.writeUInt32BE((0x827e0000 | SIZE) >>> 0, i * FRAME);
    block.writeUInt32BE(sent + i, i * FRAME + 4);
  }
  const socket = client;
  // From an immediate: a write that the kernel takes at once must not keep this loop from hearing anything else.
  socket.write(block, () =>
    setImmediate(() => {
      if (socket !== client) return;
      writing = false;
      sent += count;
      if (sent >= goal) {
        clearTimeout(stall);
        tell('sent');
      }
      write();
    }),
  );
}

function tell(type: Exclude<FloodReport['type'], 'listening'>): void {
  report({ type, sent, pings, pongs });
}

function numbered(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
