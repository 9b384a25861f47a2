// reset — a TCP connection broken off by an RST and nothing else.
// Used by faultproxy.ts, origin.ts, the soak's servers, and tests of a peer that breaks off.
// socket.resetAndDestroy() ends the socket first: its FIN comes before the RST, and the peer reads a polite end
// (Linux: ECONNRESET is not told once the FIN was there). What is written and not yet in the kernel is lost.
// Source: lib/net.js of Node, _reset, destroySoon and _destroy; RFC 9293 §3.10.7.4.

import type { Socket } from 'node:net';

/** Sends an RST, at once. The socket below a TLS one is not ours to reset, nor is one whose own FIN is under way (libuv
 *  would refuse, and Node never close it): those are destroyed. */
export function reset(socket: Socket): void {
  if (socket.connecting) return void socket.once('connect', () => reset(socket)).once('error', () => {});
  if ('encrypted' in socket || socket.writableEnded) return void socket.destroy();
  // What _destroy looks at; @types/node leaves it out.
  Object.assign(socket, { resetAndClosing: true }).destroy();
}
