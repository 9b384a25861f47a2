// failures — every way in which a connect can fail, as a table.
// Driven by failing.ts, for connect-failures.test.ts and test/soak.
// Invariant: only loopback is dialled; a connect that nobody answers meets a listener whose backlog is full.

import { once } from 'node:events';
import * as net from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Code, OpenOptions, Phase } from '../../lib/index.ts';
import { certificates } from './certificates.ts';
import {
  answers,
  closing,
  garbage,
  halfAnswer,
  headerFlood,
  peer,
  refusing,
  says,
  silent,
  tlsRefusing,
  wrongAccept,
  wsPeer,
} from './peers.ts';

/** Who a connect fails at. */
export interface Culprit {
  readonly url: string;
  readonly open?: number;
  close(): Promise<void>;
}

export interface Failure {
  readonly name: string;
  readonly code: Code;
  readonly phase: Phase;
  /** `code` of Node's error at the end of the chain of causes; undefined: there is none. */
  readonly cause?: string | readonly string[];
  /** Of the answer that refused. */
  readonly status?: number;
  readonly body?: string;
  readonly options?: OpenOptions | (() => Promise<OpenOptions>);
  culprit(): Promise<Culprit>;
}

/** A module that is loaded beside the socket, out of its source. */
export function moduleOf(source: string): { module: string } {
  return { module: `data:text/javascript,${encodeURIComponent(source)}` };
}

const notFound = moduleOf(`export default (host, options, callback) =>
  setImmediate(callback, Object.assign(new Error('getaddrinfo ENOTFOUND ' + host), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }));`);
const throwing = moduleOf(
  `export default () => { throw Object.assign(new Error('no'), { code: 'EAI_AGAIN' }); };`,
);
const never = moduleOf('export default () => {};');
const nowhere = async (): Promise<Culprit> => ({ url: 'ws://nowhere.invalid:80/', close: async () => {} });
const trusting = async (): Promise<OpenOptions> => ({ tls: { ca: (await certificates()).ca } });
const soon = 60;

const refusals: Failure[] = [200, 301, 401, 404, 500].flatMap((status) =>
  (['length', 'chunked', 'close'] as const).map((framing) => ({
    name: `${status}, its body framed by ${framing}`,
    code: 'ERR_GUNPORT_UPGRADE_REFUSED',
    phase: 'upgrade',
    status,
    body: `status ${status}`,
    culprit: () => peer(answers(status, framing)),
  })),
);

/** One line each. */
export const FAILURES: readonly Failure[] = [
  {
    name: 'name not found',
    code: 'ERR_GUNPORT_LOOKUP',
    phase: 'dns',
    cause: 'ENOTFOUND',
    options: { lookup: notFound },
    culprit: nowhere,
  },
  {
    name: 'a lookup that throws',
    code: 'ERR_GUNPORT_LOOKUP',
    phase: 'dns',
    cause: 'EAI_AGAIN',
    options: { lookup: throwing },
    culprit: nowhere,
  },
  {
    name: 'a lookup that never answers',
    code: 'ERR_GUNPORT_LOOKUP_TIMEOUT',
    phase: 'dns',
    options: { lookup: never, lookupTimeout: soon },
    culprit: nowhere,
  },
  {
    name: 'refused',
    code: 'ERR_GUNPORT_CONNECT',
    phase: 'connect',
    cause: 'ECONNREFUSED',
    culprit: () => refusing(),
  },
  {
    name: 'no such unix socket',
    code: 'ERR_GUNPORT_CONNECT',
    phase: 'connect',
    cause: 'ENOENT',
    options: { socketPath: '/nonexistent/gunport.sock' },
    culprit: nowhere,
  },
  {
    name: 'a connect that nobody answers',
    code: 'ERR_GUNPORT_CONNECT_TIMEOUT',
    phase: 'connect',
    options: { connectTimeout: soon },
    culprit: () => fullBacklog(),
  },
  {
    name: 'a certificate signed by itself',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    options: trusting,
    culprit: async () => peer(silent, { secure: (await certificates()).selfSigned }),
  },
  {
    name: 'a certificate of nobody that is trusted',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    culprit: () => peer(silent, { secure: true }),
  },
  {
    name: 'a certificate for another host',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: 'ERR_TLS_CERT_ALTNAME_INVALID',
    options: trusting,
    culprit: async () => peer(silent, { secure: (await certificates()).wrongHost }),
  },
  {
    name: 'a certificate that has expired',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: 'CERT_HAS_EXPIRED',
    options: trusting,
    culprit: async () => peer(silent, { secure: (await certificates()).expired }),
  },
  {
    name: 'a TLS alert',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
    culprit: () => peer(tlsRefusing, { scheme: 'wss' }),
  },
  {
    name: 'TLS to a plain server',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
    culprit: () =>
      peer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).resume(), {
        scheme: 'wss',
      }),
  },
  {
    name: 'a close within the TLS handshake',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: 'ECONNRESET',
    culprit: () => peer(closing, { scheme: 'wss' }),
  },
  {
    name: 'a client certificate that is missing',
    code: 'ERR_GUNPORT_TLS',
    phase: 'tls',
    cause: ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
    options: async () => ({ tls: { ca: (await certificates()).ca, maxVersion: 'TLSv1.2' } }),
    culprit: async () => {
      const { ca, localhost } = await certificates();
      return peer(silent, { secure: { ...localhost, ca, requestCert: true, rejectUnauthorized: true } });
    },
  },
  {
    name: 'a TLS handshake that never begins',
    code: 'ERR_GUNPORT_TLS_TIMEOUT',
    phase: 'tls',
    options: { tlsTimeout: soon },
    culprit: () => peer(silent, { scheme: 'wss' }),
  },
  ...refusals,
  {
    name: 'garbage',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    culprit: () => peer(garbage),
  },
  {
    name: 'a wrong Sec-WebSocket-Accept',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    status: 101,
    culprit: () => peer(wrongAccept),
  },
  {
    name: 'a subprotocol that was not offered',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    status: 101,
    options: { subprotocols: ['chat'] },
    culprit: () => wsPeer(() => {}, { headers: 'Sec-WebSocket-Protocol: other\r\n' }),
  },
  {
    name: 'an extension that was not offered',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    status: 101,
    culprit: () => wsPeer(() => {}, { headers: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' }),
  },
  {
    name: 'headers without end',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    culprit: () => peer(headerFlood),
  },
  {
    name: 'a close before the answer',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    culprit: () => peer(closing),
  },
  {
    name: 'a close in the midst of the answer',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    culprit: () => peer(says('HTTP/1.1 101 Switch', 'end')),
  },
  {
    name: 'a reset before the answer',
    code: 'ERR_GUNPORT_HANDSHAKE',
    phase: 'upgrade',
    cause: 'ECONNRESET',
    culprit: () => peer(says('', 'reset')),
  },
  {
    name: 'silence',
    code: 'ERR_GUNPORT_UPGRADE_TIMEOUT',
    phase: 'upgrade',
    options: { upgradeTimeout: soon },
    culprit: () => peer(silent),
  },
  {
    name: 'half an answer, then silence',
    code: 'ERR_GUNPORT_UPGRADE_TIMEOUT',
    phase: 'upgrade',
    options: { upgradeTimeout: soon },
    culprit: () => peer(halfAnswer),
  },
];

/** A port that neither refuses nor accepts: its queue is full. */
export async function fullBacklog(): Promise<Culprit> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  // A listener whose loop is blocked takes nothing out of its queue, which Linux lets grow to backlog + 1.
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => { Atomics.wait(workerData, 0, 0); process.exit(); });
     });`,
    { eval: true, workerData: gate },
  );
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
  await once(fillers[0] as net.Socket, 'connect');
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  return {
    url: `ws://127.0.0.1:${port}`,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      const exit = once(worker, 'exit');
      // The worker waits on this word, and nobody else.
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await exit;
    },
  };
}
