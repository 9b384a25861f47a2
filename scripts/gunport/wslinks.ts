// wslinks — WebSockets by ws on the main thread, as the other peer.
// Opened by probe.ts for a round. Each message is taken in hand as gunport gives it: a text as a string.

import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { BenchCommand } from './command.ts';
import type { Intake } from './intake.ts';
import { Answers, CLOSING, type Links, lastOf } from './link.ts';
import type { Lane } from './load.ts';

export async function openWs(command: BenchCommand, intake: Intake): Promise<Links> {
  const sockets = Array.from({ length: command.connections }, () => socketOf(command));
  const ends = sockets.map(endOf);
  const answers = sockets.map(() => new Answers(intake));
  for (const [index, socket] of sockets.entries()) {
    socket.on('message', (data, isBinary) => {
      const bytes = data as Buffer; // binaryType is 'nodebuffer' unless asked otherwise.
      if (!isBinary) bytes.toString();
      answers[index]?.came(bytes.length);
    });
  }
  const settled = await Promise.allSettled(sockets.map((socket) => once(socket, 'open')));
  const failed = settled.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') {
    await closeAll(sockets);
    throw failed.reason;
  }
  return {
    lanes: sockets.map((socket, index) => laneOf(socket, command, answers[index])),
    say: (text) => {
      for (const socket of sockets) socket.send(text);
    },
    gone: lastOf(ends),
    notes: () => [],
    close: () => closeAll(sockets),
  };
}

function socketOf({ url, headers, subprotocols, compress, insecure }: BenchCommand): WebSocket {
  const fields: Record<string, string[]> = {};
  for (const [name, value] of headers) fields[name] = [...(fields[name] ?? []), value];
  return new WebSocket(url, [...subprotocols], {
    headers: fields,
    perMessageDeflate: compress,
    rejectUnauthorized: !insecure,
    handshakeTimeout: 10_000,
  });
}

function endOf(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', ({ message }) => resolve(message));
    socket.on('close', (code, reason) => {
      resolve(`the server closed with ${code}${reason.length === 0 ? '' : ` (${reason})`}`);
    });
  });
}

function laneOf(socket: WebSocket, { kind, message }: BenchCommand, answers: Answers | undefined): Lane {
  const waiting: (() => void)[] = [];
  socket.on('pong', () => waiting.shift()?.());
  return {
    exchange: (done) => {
      if (socket.readyState !== WebSocket.OPEN) throw new Error('the WebSocket is closed');
      if (kind === 'ping') {
        waiting.push(done);
        socket.ping();
      } else {
        socket.send(message);
        answers?.wait(done);
      }
    },
  };
}

async function closeAll(sockets: readonly WebSocket[]): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      if (socket.readyState === WebSocket.CLOSED) return;
      const late = new AbortController();
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.close(1000);
      await Promise.race([closed, delay(CLOSING, undefined, { signal: late.signal }).catch(() => {})]);
      late.abort();
      socket.terminate();
    }),
  );
}
