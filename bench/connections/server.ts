// server — the process that all connections lead to: it answers each upgrade, and says nothing more.
// Forked by works.ts, one for each round: a client that has held ten thousand leaves as many ports in TIME_WAIT.

import { createServer } from 'node:net';
import { acceptWebSocket, listenForParent } from '../instruments/accepting.ts';

listenForParent(createServer({ noDelay: true }, (socket) => acceptWebSocket(socket, () => socket.resume())));
