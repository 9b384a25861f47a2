// server — all servers of the soak, in a process of their own.
// Forked by servers.ts with a seed; tells its ports and its authority, then what it is asked. It leaves with its parent.

import * as http from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import * as tls from 'node:tls';
import { certificates } from '../../support/certificates.ts';
import { chance } from '../../support/chance.ts';
import { type Faults, faultProxy } from '../../support/faultproxy.ts';
import { Relays } from '../../support/relay.ts';
import { FeedServer } from './feedserver.ts';
import { answer } from './httpserver.ts';

/** What it is told. `lose`: to leave messages out. */
export type ToServer = 'hush' | 'speak' | 'lose' | 'tell';

/** Ports on 127.0.0.1, by what is spoken there. */
export interface Ports {
  readonly http: number;
  readonly https: number;
  readonly h2c: number;
  readonly h2: number;
  /** A bad line to `http`. */
  readonly line: number;
}

export type FromServer =
  | { readonly type: 'ready'; readonly ports: Ports; readonly ca: string }
  | { readonly type: 'told'; readonly drops: number }
  | { readonly type: 'fault'; readonly message: string };

const random = chance(Number(process.argv[2]));
let hushed = false;
let losing = false;
const feeds = new FeedServer({
  random,
  get hushed() {
    return hushed;
  },
  loses: () => losing && random(50) === 0,
});

const { ca, localhost } = await certificates();
const respond = (request: unknown, response: unknown): void =>
  // Those of HTTP/2 have the same face.
  answer(request as http.IncomingMessage, response as http.ServerResponse, random);
/** What befalls one connection: it breaks somewhere, or is just slow. */
function badLine(next: (n: number) => number): Faults {
  const at = next(3) === 0 ? next(400) : next(300_000);
  const faults: readonly Faults[] = [
    { down: { cut: at } },
    { down: { reset: at } },
    { down: { halfClose: at } },
    { down: { stall: at } },
    { down: { trickle: { bytes: 1_000 } } },
    { down: { delay: 5 }, up: { delay: 5 } },
    { down: { coalesce: 40_000 } },
    { up: { cut: next(600) } },
  ];
  return faults[next(faults.length)] ?? {};
}

const tell = (message: FromServer): void => void process.send?.(message);
const plain = { keepAliveTimeout: 0, requestTimeout: 0, noDelay: true };
const ports: Record<string, number> = {};
const relays = new Relays();
/**
 * TLS, and `http` behind it. An HTTP/1.1 server of Node's that reads TLS itself drops a connection now and then on which a
 * request comes before it has heard that its last answer left (HPE_PAUSED: 1 of 100,000, without pipelining, and whoever
 * the client is).
 */
const secured = (client: tls.TLSSocket): void => {
  client.on('error', () => {}); // A client may leave, at any time.
  relays.dial('127.0.0.1', ports['http'] ?? 0).then(
    (far) => relays.join(client, far),
    (error: Error) => tell({ type: 'fault', message: `nobody behind TLS: ${error.message}` }),
  );
};
const servers = {
  http: http
    .createServer(plain, respond)
    // What listens on TCP has these.
    .on('upgrade', (request, socket, head) => feeds.upgrade(request, socket as net.Socket, head)),
  https: tls.createServer({ ...localhost, ALPNProtocols: ['http/1.1'], noDelay: true }, secured),
  h2c: http2.createServer(respond),
  h2: http2.createSecureServer(localhost, respond),
};
for (const server of Object.values(servers)) {
  // A client may leave, at any time.
  server.on('connection', (socket: net.Socket) => socket.on('error', () => {}));
  server
    .on('tlsClientError', () => {})
    .on('clientError', (error: Error & { code?: string }, socket) => {
      if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE')
        tell({ type: 'fault', message: `${error.code}: ${error.message}` });
      socket.destroy();
    })
    .on('sessionError', () => {});
}

process.on('disconnect', () => process.exit());
process.on('message', (message: ToServer) => {
  switch (message) {
    case 'hush':
    case 'speak':
      hushed = message === 'hush';
      return;
    case 'lose':
      losing = true;
      return;
    case 'tell':
      return tell({ type: 'told', drops: feeds.drops });
    default:
      message satisfies never;
  }
});

for (const [name, server] of Object.entries(servers)) {
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0, backlog: 511 }, resolve));
  const address = server.address();
  ports[name] = typeof address === 'object' && address ? address.port : 0;
}
const line = await faultProxy(ports['http'] ?? 0, () => badLine(random));
ports['line'] = line.port;
tell({ type: 'ready', ports: ports as unknown as Ports, ca }); // Each of them has been asked.
