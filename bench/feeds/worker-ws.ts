// worker-ws — the worker thread of the peers that are built by hand: ws beside the socket, a post for each message.
// Started by thread-peers.ts with a Task.
// Bytes are copied before they are posted: ws gives views of its read buffer, and structured clone would copy all
// of that buffer with each of them.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import { WebSocket } from 'ws';

/** With `url`: post each message to the parent. With `port`: serve FeedApi there. */
export interface Task {
  readonly url?: string;
  readonly compressed?: boolean;
  /** PEM of a certificate to trust. */
  readonly ca?: string;
  readonly port?: MessagePort;
}

export type OnMessage = (message: string | Uint8Array) => void;

/** What comlink exposes of this thread. */
export interface FeedApi {
  open(url: string, compressed: boolean, ca: string | undefined, onMessage: OnMessage): Promise<void>;
}

const { url, compressed = false, ca, port } = workerData as Task; // Made by thread-peers.ts alone.
if (port) comlink.expose({ open } satisfies FeedApi, port);
else if (url !== undefined) await open(url, compressed, ca, (message) => parentPort?.postMessage(message));

function open(
  feedUrl: string,
  perMessageDeflate: boolean,
  authority: string | undefined,
  onMessage: OnMessage,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(feedUrl, { perMessageDeflate, ca: authority });
    socket.on('message', (data, isBinary) => {
      const bytes = data as Buffer; // binaryType is 'nodebuffer' unless asked otherwise.
      onMessage(isBinary ? new Uint8Array(bytes) : bytes.toString());
    });
    socket.on('open', resolve);
    socket.on('error', reject);
  });
}
