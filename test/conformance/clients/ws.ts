// ws — the client of the `ws` package as an echo client.
// Source: ws 8, doc/ws.md.

import { WebSocket } from 'ws';
import type { ClientOptions } from '../case.ts';
import type { EchoClient } from '../client.ts';
import type { Outcome } from '../judge.ts';

export const wsClient: EchoClient = {
  name: 'ws',
  echo: (url, options) => new Promise((resolve) => begin(url, options, resolve)),
  close: () => Promise.resolve(),
};

function begin(
  url: string,
  { compress, subprotocols = [], maxPayload, maxFragments, closes }: ClientOptions,
  done: (outcome: Outcome) => void,
): void {
  // As the server of a case expects: every message is compressed.
  const perMessageDeflate = compress ? { ...compress, threshold: 0 } : false;
  const socket = new WebSocket(url, [...subprotocols], {
    perMessageDeflate,
    ...(maxPayload !== undefined && { maxPayload }),
    ...(maxFragments !== undefined && { maxFragments }),
  });
  let opened = false;
  let echoes = 0;
  let fault = '';
  socket.on('open', () => {
    opened = true;
  });
  socket.on('message', (data: Buffer, isBinary) => {
    socket.send(data, { binary: isBinary });
    if (++echoes === closes?.after) socket.close(closes.code, closes.reason);
  });
  socket.on('error', ({ message }) => {
    fault = message;
  });
  socket.on('close', (code) => done({ opened, end: fault || `closed ${code}` }));
}
