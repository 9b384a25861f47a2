// proxying — what all proxies of tests have in common: what they were asked for, what they hold back, and their end.
// Used by connect-proxy.ts, connect2-proxy.ts and socks-proxy.ts, each of which says how it is asked; see proxies.ts.
// Invariant: whatever was asked is noted before it is answered; a delayed answer waits for release() and for no time;
// close() and drop() leave no socket, neither of a client nor of one that was dialled for it.

import type * as net from 'node:net';
import { certificates } from './certificates.ts';
import { type Peer, peer, type Script } from './peers.ts';
import { type Passed, Relays } from './relay.ts';
import type { ProxyKind } from './tunnel-names.ts';

/** What a client asked a proxy for. */
export interface Asked {
  /** `host:port`, as it was sent. */
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  /** Of CONNECT; names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of CONNECT on HTTP/1.1: the request line, and header lines as they were sent. */
  readonly lines: readonly string[];
  /** Of SOCKS: the methods that were offered, and what was said of the client's name and the host. */
  readonly methods: readonly number[];
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly addressType: 'name' | 'ipv4' | 'ipv6' | undefined;
}

export interface ProxyPeer extends Peer {
  readonly kind: ProxyKind;
  /** Where a client finds it: `localhost` with TLS, for its certificate; else `127.0.0.1`. */
  readonly host: string;
  /** PEM. */
  readonly ca: string;
  /** In order, also what was refused. */
  readonly asked: readonly Asked[];
  /** The next of them that no call of this was given, now or when it comes. */
  next(): Promise<Asked>;
  readonly passed: Readonly<Passed>;
  /** Tunnels that are open. */
  readonly tunnels: number;
  /** Breaks off all tunnels and connections, and listens on. */
  drop(): void;
  /** Gives the answers that are held back. */
  release(): void;
}

export interface ProxyOptions {
  secure?: boolean | undefined;
  /** Listen on this port. Default: a free one. */
  port?: number | undefined;
  /** Answer only when the test says `release()`. */
  delayed?: boolean | undefined;
}

/** What a proxy was asked for, and what waits. */
export class Ledger {
  readonly asked: Asked[] = [];
  readonly relays: Relays = new Relays();
  readonly #delayed: boolean;
  readonly #held: (() => void)[] = [];
  readonly #waiting: ((asked: Asked) => void)[] = [];
  #given = 0;

  constructor(delayed = false) {
    this.#delayed = delayed;
  }

  /** Resolves when it may be answered. */
  note(asked: Pick<Asked, 'authority'> & Partial<Asked>): Promise<void> {
    const { authority } = asked;
    const colon = authority.lastIndexOf(':');
    const host = authority.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    const port = Number(authority.slice(colon + 1));
    const none = { headers: {}, lines: [], methods: [], credentials: undefined, addressType: undefined };
    const whole: Asked = { ...none, host, port, ...asked };
    this.asked.push(whole);
    const waiter = this.#waiting.shift();
    if (waiter) {
      this.#given++;
      waiter(whole);
    }
    return this.#delayed ? new Promise((resolve) => this.#held.push(resolve)) : Promise.resolve();
  }

  next(): Promise<Asked> {
    const asked = this.asked[this.#given];
    if (!asked) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#given++;
    return Promise.resolve(asked);
  }

  release(): void {
    for (const go of this.#held.splice(0)) go();
  }
}

/** A proxy that does with each connection what `serving` gives. `alpn`: what it takes over TLS. */
export async function proxying(
  kind: ProxyKind,
  serving: (ledger: Ledger) => Script,
  { alpn, ...options }: ProxyOptions & { readonly alpn: readonly string[] },
): Promise<ProxyPeer> {
  const { ca, localhost } = await certificates();
  const ledger = new Ledger(options.delayed);
  const { relays } = ledger;
  const serve = serving(ledger);
  const clients = new Set<net.Socket>();
  const secure = options.secure && { ...localhost, ALPNProtocols: [...alpn] };
  const served = await peer(
    (socket) => {
      clients.add(socket.setNoDelay(true));
      socket.on('close', () => clients.delete(socket));
      return serve(socket);
    },
    // On HTTP/2 a tunnel has ends of its own, and node:http2 does not mind its socket's.
    { secure, port: options.port, halfOpen: kind !== 'h2' && kind !== 'h2c' },
  );
  const drop = (): void => {
    relays.close();
    for (const socket of clients) socket.destroy();
  };
  const close = async (): Promise<void> => {
    relays.close();
    await served.close();
  };
  const more = {
    kind,
    ca,
    host: secure ? 'localhost' : '127.0.0.1',
    url: served.url.replace(/^ws/, 'http'),
    asked: ledger.asked,
    next: () => ledger.next(),
    release: () => ledger.release(),
    passed: relays.passed,
    get tunnels() {
      return relays.open;
    },
    drop,
    close,
    [Symbol.asyncDispose]: close,
  };
  // Some are getters.
  return Object.defineProperties({} as ProxyPeer, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}
