// http2/session — the session of node:http2 on a stream of ours, with every event of it heard.
// Made by http2/driver.ts. Invariant: no event of a session is left without a listener, so that none becomes an uncaught error.
// Source: Node lib/internal/http2/core.js.

import * as http2 from 'node:http2';
import type { PeerSettings } from '../../lib/types.ts';
import type { Settings } from '../../lib/wire.ts';
import { rawOf, schemeOf } from './head.ts';
import type { Http2Socket } from './socket.ts';

export interface SessionHost {
  /** The peer's settings have come, or changed. */
  settings(settings: PeerSettings): void;
  /** It has acknowledged ours. */
  acknowledged(): void;
  /** It will answer a request that nobody made. */
  pushed(stream: http2.ClientHttp2Stream, rawHeaders: readonly string[]): void;
  /** The session is over. */
  failed(error: Error | undefined): void;
}

/** Bytes of one request's head, compressed; beyond, node:http2 would end the session. */
const MOST_HEAD = 16 * 1024 * 1024;
/** Header fields of one section; their bytes are bounded by maxHeaderSize. */
const MOST_FIELDS = 4_096;
/** MB; what it counts (windows, what waits to be written) is bounded elsewhere, and beyond it streams are refused. */
const SESSION_MEMORY = 1_024;

export function openSession(
  settings: Settings,
  socket: Http2Socket,
  host: SessionHost,
): http2.ClientHttp2Session {
  const { http, maxHeaderSize } = settings;
  const session = http2.connect(`${schemeOf(settings)}://localhost`, {
    createConnection: () => socket,
    maxHeaderListPairs: MOST_FIELDS,
    maxReservedRemoteStreams: http.maxConcurrentPushes,
    maxSendHeaderBlockLength: MOST_HEAD,
    maxSessionMemory: SESSION_MEMORY,
    settings: {
      enablePush: http.push,
      initialWindowSize: http.streamWindow,
      maxConcurrentStreams: http.maxConcurrentPushes,
      maxHeaderListSize: maxHeaderSize,
    },
  });
  session.setLocalWindowSize(http.connectionWindow);
  session.on('remoteSettings', (theirs) => host.settings(peerSettings(theirs)));
  session.on('localSettings', () => host.acknowledged());
  session.on('stream', (stream, _headers, _flags, raw?: unknown) => host.pushed(stream, rawOf(raw)));
  session.on('error', (error) => host.failed(error));
  session.on('close', () => host.failed(undefined));
  const { destroy } = session;
  // Its 'error' comes when the socket has closed, which may never be; this is where node:http2 decides it.
  session.destroy = (error, code) => {
    host.failed(typeof error === 'object' ? error : undefined);
    destroy.call(session, error, code);
  };
  return session;
}

function peerSettings(theirs: http2.Settings): PeerSettings {
  return {
    headerTableSize: theirs.headerTableSize ?? 4_096,
    maxConcurrentStreams: theirs.maxConcurrentStreams ?? 2 ** 32 - 1,
    initialWindowSize: theirs.initialWindowSize ?? 65_535,
    maxFrameSize: theirs.maxFrameSize ?? 16_384,
    maxHeaderListSize: theirs.maxHeaderListSize ?? 2 ** 32 - 1,
    enableConnectProtocol: theirs.enableConnectProtocol ?? false,
  };
}
