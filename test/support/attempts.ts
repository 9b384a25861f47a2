// attempts — servers for tests about retries: each client is another attempt.
// Used by retry.test.ts and test/retry/*, which close them after each test.

import { acceptOf } from '../../lib/protocol/handshake.ts';
import { frame } from './feeds.ts';
import { type Conversation, type Peer, peer, type Script, wsPeer } from './peers.ts';

/** Upgrades each client and says its number, from 1: `said` decides what becomes of it then. */
export function counting(said: (server: Conversation, number: number) => unknown): Promise<Peer> {
  let number = 0;
  return wsPeer((server) => {
    server.socket.setNoDelay(true);
    server.send(frame(0x81, String(++number)));
    return said(server, number);
  });
}

/** The same, and drops each before number `last`. */
export function dropping(last: number = Number.POSITIVE_INFINITY): Promise<Peer> {
  return counting((server, number) => {
    if (number < last) server.end();
  });
}

/** Runs one script a client, the last one for all that follow. */
export function scripts(...list: Script[]): Promise<Peer> {
  let at = 0;
  return peer((socket) => list[Math.min(at++, list.length - 1)]?.(socket));
}

/** A good answer to the upgrade, and a FIN. */
export function upgradeAndDrop(socket: Parameters<Script>[0]): void {
  socket.once('data', (request: Buffer) => {
    const key = /Sec-WebSocket-Key: (.*)\r/.exec(request.toString())?.[1] ?? '';
    socket.end(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    );
  });
}
