// socks-proxy — a proxy of SOCKS5, with or without user name and password, in clear or over TLS.
// Used through proxies.ts, or with options: `await keep(socksProxy({ credentials: { username: 'a', password: 'b' } }))`.
// Invariant: it reads no byte more than the handshake has, so that what a client sends right behind goes on to the far
// end; a refusal is said, and the connection ends.
// Source: RFC 1928, RFC 1929; the proxy of Gun's socks_SUITE.

import type * as net from 'node:net';
import { type Ledger, type ProxyOptions, type ProxyPeer, proxying } from './proxying.ts';
import { exactly } from './relay.ts';

export interface SocksProxyOptions extends ProxyOptions {
  /** Who may come. Default: everybody, without a name. */
  credentials?: { readonly username: string; readonly password: string } | undefined;
  /** REP of its answer (RFC 1928 §6); only 0 makes a tunnel. Default 0; 5 when nobody is there. */
  reply?: number | undefined;
  /** BND of its answer, with ATYP. Default: 0.0.0.0:0. */
  bound?: Uint8Array | undefined;
  /** Bytes in the same write as a good answer. */
  early?: string | Uint8Array | undefined;
  /** Lead there, whatever is asked for. */
  to?: { readonly host: string; readonly port: number } | undefined;
}

const TYPES: Readonly<Record<number, 'ipv4' | 'name' | 'ipv6'>> = { 1: 'ipv4', 3: 'name', 4: 'ipv6' };
const [NO_AUTHENTICATION, BY_PASSWORD, NONE_ACCEPTABLE] = [0, 2, 0xff];
const ANYWHERE = Buffer.from('01000000000000', 'hex');
const CONNECTION_REFUSED = 5;

export function socksProxy(options: SocksProxyOptions = {}): Promise<ProxyPeer> {
  const serving = (ledger: Ledger) => (socket: net.Socket) => serve(socket, ledger, options);
  return proxying(options.secure ? 'socks5tls' : 'socks5', serving, { ...options, alpn: [] });
}

async function serve(socket: net.Socket, ledger: Ledger, options: SocksProxyOptions): Promise<void> {
  const [version, count = 0] = await exactly(socket, 2);
  const methods = [...(await exactly(socket, count))];
  const wanted = options.credentials ? BY_PASSWORD : NO_AUTHENTICATION;
  if (version !== 5 || !methods.includes(wanted)) return void socket.end(Buffer.of(5, NONE_ACCEPTABLE));
  socket.write(Buffer.of(5, wanted));
  const credentials = options.credentials && (await login(socket));
  if (credentials) {
    const { username, password } = options.credentials ?? {};
    const known = credentials.username === username && credentials.password === password;
    // RFC 1929 §2: "If the server returns a `failure' … it MUST close the connection."
    if (!known) return void socket.end(Buffer.of(1, 1));
    socket.write(Buffer.of(1, 0));
  }
  const target = await targetOf(socket);
  await ledger.note({ ...target, methods, credentials });
  const { reply = 0, bound = ANYWHERE, early = '', to = target } = options;
  const far = reply === 0 ? await ledger.relays.dial(to.host, to.port).catch(() => undefined) : undefined;
  if (!far) return void socket.end(Buffer.concat([Buffer.of(5, reply || CONNECTION_REFUSED, 0), bound]));
  socket.write(Buffer.concat([Buffer.of(5, 0, 0), bound, Buffer.from(early as string)]));
  ledger.relays.join(socket, far);
}

async function login(socket: net.Socket): Promise<{ username: string; password: string }> {
  const [, length = 0] = await exactly(socket, 2);
  const username = (await exactly(socket, length)).toString();
  const [rest = 0] = await exactly(socket, 1);
  return { username, password: (await exactly(socket, rest)).toString() };
}

async function targetOf(socket: net.Socket) {
  const [version, command, , type = 0] = await exactly(socket, 4);
  const addressType = TYPES[type];
  if (version !== 5 || command !== 1 || !addressType) throw new Error('no CONNECT of SOCKS5');
  const [length = 0] = addressType === 'name' ? await exactly(socket, 1) : [addressType === 'ipv4' ? 4 : 16];
  const address = await exactly(socket, length);
  const port = (await exactly(socket, 2)).readUInt16BE();
  const host =
    addressType === 'name'
      ? address.toString('latin1')
      : addressType === 'ipv4'
        ? address.join('.')
        : address
            .toString('hex')
            .match(/.{4}/g)!
            .map((word) => Number.parseInt(word, 16).toString(16))
            .join(':');
  return { host, port, addressType, authority: `${host}:${port}` };
}
