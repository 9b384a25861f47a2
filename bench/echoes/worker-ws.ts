// worker-ws — the worker thread of the peer that is built by hand: ws beside the socket, a post for each message each way.
// Started by peers.ts with the URL. Invariant: a message is copied before it is posted: ws gives views of its read buffer.

import { parentPort, workerData } from 'node:worker_threads';
import { WebSocket } from 'ws';

const client = new WebSocket(workerData as string, { perMessageDeflate: false }); // From peers.ts alone.
client.on('open', () => parentPort?.postMessage('open'));
client.on('message', (data: Buffer) => parentPort?.postMessage(new Uint8Array(data)));
parentPort?.on('message', (message: Uint8Array) => client.send(message));
