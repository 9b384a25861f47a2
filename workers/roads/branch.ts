// branch — what is behind a proxy: TLS if the leg has it, then the link that speaks there; and where more proxies follow,
// the tunnel that leads on, hidden from the owner.
// Made by process.ts for the connection's own road, and by link.ts when a proxy has made a tunnel.
// Invariant: a road ends with one link, which serves its lane; whatever fails on the way is told once, with the proxy
// that it failed at; a branch that is stopped tells nothing. Source: gun_tunnel; gun.erl's intermediaries.

import {
  type Code,
  ConnectionError,
  fromRecord,
  type GunportError,
  StreamError,
  withHop,
} from '../../lib/errors.ts';
import { firstLeg, type Hop, type HttpNotice, hostAndPort, type Leg, type Road } from '../../lib/httpwire.ts';
import { load } from '../../lib/modules.ts';
import { LIMIT } from '../../lib/protocol/body.ts';
import { headersOf } from '../../lib/protocol/headers.ts';
import type { Protocol } from '../../lib/types.ts';
import type { Settings } from '../../lib/wire.ts';
import type { Branching } from '../driver.ts';
import { asConnectionError } from '../entry.ts';
import { Exchange, type ExchangeHost } from '../exchange.ts';
import { Front, type FrontHost } from '../front.ts';
import { Lane } from '../lane.ts';
import { Link, type LinkHost, type LinkProcess } from '../link.ts';
import { HIDDEN } from '../place.ts';
import { originChanges, protocolChanges } from '../probes/processprobe.ts';
import { sharedBuffer } from '../slabs.ts';
import type { Sink, Transport } from '../socket.ts';
import type { One } from '../streams.ts';
import { Secure } from './secure.ts';

/** Who travels a road. */
export interface Traveller {
  /** What is served at its end. */
  readonly lane: Lane<One>;
  /** Whose bytes they are, where its end speaks raw. */
  readonly raw: Exchange | undefined;
  /** Of its end. */
  readonly settings: Settings;
  /** The link of a leg is there, before it says anything. */
  reached(link: Link, road: Road): void;
  /** … and its peer speaks the protocol. `last`: that is the end of the road. */
  up(protocol: Protocol, leg: Leg, last: boolean): void;
  /** It is of no use any more; `also`: a stream that ended before. */
  lost(error: GunportError, also?: number): void;
  /** After shutdown(): nothing is left under way. */
  over(): void;
}

/** Settings for what is at the far end of a leg that is not the connection's own end: its headers are not for it. */
export function settingsFor(base: Settings, leg: Leg): Settings {
  const { transport, host, port, origin, authority, tls, checkServerIdentity } = leg;
  return {
    ...base,
    ...{ transport, host, port, origin, authority, tls, checkServerIdentity, socketPath: undefined },
    ws: { ...base.ws, headers: [], path: '/', spans: false },
    http: { ...base.http, protocols: leg.protocols, headers: [] },
  };
}

/** The link for the first leg of a road, on a transport that leads there. */
export function lead(road: Road, transport: Transport, traveller: Traveller, process: LinkProcess): Link {
  const [hop] = road.hops;
  const making = { transport, traveller, process };
  const link = hop ? proxyLink(hop, road, making) : endLink(road.leg, making);
  traveller.reached(link, road);
  return link;
}

/** What a link is made of. */
interface Making {
  readonly transport: Transport;
  readonly traveller: Traveller;
  readonly process: LinkProcess;
}

/** The end of a road. */
function endLink(leg: Leg, { transport, traveller, process }: Making): Link {
  const { settings, lane, raw } = traveller;
  const host = new EndHost(leg, traveller, process);
  return new Link({ transport, settings, lane, raw, speaks: undefined }, host, process);
}

/** Whom the link there tells. */
class EndHost implements LinkHost {
  readonly #leg: Leg;
  readonly #traveller: Traveller;
  readonly #process: LinkProcess;

  constructor(leg: Leg, traveller: Traveller, process: LinkProcess) {
    this.#leg = leg;
    this.#traveller = traveller;
    this.#process = process;
  }

  up(protocol: Protocol): void {
    this.#traveller.up(protocol, this.#leg, true);
  }
  lost(error: GunportError, also?: number): void {
    this.#traveller.lost(error, also);
  }
  over(): void {
    this.#traveller.over();
  }
  branch(...[exchange, ends]: Parameters<LinkHost['branch']>): ReturnType<LinkHost['branch']> {
    return this.#process.branch(exchange, ends);
  }
}

/** A proxy on the way, and the request that leads on. */
function proxyLink(hop: Hop, road: Road, { transport, traveller, process }: Making): Link {
  const next = { hops: road.hops.slice(1), leg: road.leg };
  const lane = hiddenLane();
  const settings = settingsFor(process.settings, hop.leg);
  let through = false;
  const host = {
    up: (protocol: Protocol) => traveller.up(protocol, hop.leg, false),
    lost: (error: GunportError, also?: number) =>
      traveller.lost(through ? withHop(error, hop.leg.origin) : atProxy(error, hop, firstLeg(next)), also),
    over: traveller.over.bind(traveller),
    branch: () => {
      through = true;
      return new Branch(next, traveller, process, hop.kind);
    },
  };
  const speaks = hop.kind === 'socks' ? 'socks' : undefined;
  const link: Link = new Link({ transport, settings, lane, raw: undefined, speaks }, host, process);
  lane.add(
    hidden(
      hop,
      next,
      lane,
      process.hidden((error) => link.lost(error)),
    ),
  );
  return link;
}

/** What went wrong before a proxy had made its tunnel is the proxy's fault, whatever it was. */
function atProxy(error: GunportError, hop: Hop, destination: Leg): GunportError {
  const { origin } = hop.leg;
  if (OF_PROXIES.has(error.code)) return withHop(error, origin);
  const text = `tunnel to ${hostAndPort(destination)} failed: ${error.message}`;
  const reason = error.code === 'ERR_GUNPORT_CLOSED' ? 'closed' : undefined;
  return new ConnectionError('ERR_GUNPORT_PROXY', text, {
    phase: 'connect',
    reason,
    hop: origin,
    cause: error,
  });
}
const OF_PROXIES: ReadonlySet<Code> = new Set(['ERR_GUNPORT_PROXY', 'ERR_GUNPORT_CONNECT_TIMEOUT']);

/** What is in it belongs to nobody but its link. */
function hiddenLane(): Lane<One> {
  return new Lane<One>({
    members: () => [],
    forget: (one) => {
      one.lane.take(one);
      return true;
    },
    failed: (one, error) => one.kind === 'http' && one.fail(error),
  });
}

type HiddenHost = Omit<ExchangeHost, 'tell' | 'ended' | 'replied' | 'sent' | 'timeouts'>;

/** The request that a proxy is asked with for the next leg. */
function hidden(
  hop: Hop,
  road: Road,
  lane: Lane<One>,
  { failed, ...host }: HiddenHost & { failed(error: GunportError): void },
): Exchange {
  const destination = firstLeg(road);
  const connectTimeout = Math.min(hop.leg.connectTimeout, destination.connectTimeout);
  const answer = new Refusal(destination, failed);
  const timeouts = {
    requestTimeout: 0,
    headersTimeout: connectTimeout,
    idleTimeout: connectTimeout,
    continueTimeout: 0,
  };
  const request = { method: 'CONNECT', path: hostAndPort(destination), headers: hop.headers };
  return new Exchange(
    HIDDEN,
    request,
    { lane, tunnel: { destination, credentials: hop.credentials, road } },
    {
      ...host,
      ...{ timeouts, replied: false, sent() {} },
      tell: (notice) => answer.heard(notice),
      ended: (exchange) => {
        if (!exchange.server) lane.take(exchange);
        answer.ended();
      },
    },
  );
}

/** What a proxy says that does not make the tunnel. */
class Refusal {
  readonly #destination: Leg;
  readonly #failed: (error: GunportError) => void;
  #head: (HttpNotice & { type: 'response' }) | undefined;
  #body: Uint8Array[] = [];
  #size = 0;
  #told = false;

  constructor(destination: Leg, failed: (error: GunportError) => void) {
    this.#destination = destination;
    this.#failed = failed;
  }

  heard(notice: HttpNotice): void {
    if (notice.type === 'response' && !notice.tunnel) this.#head = notice;
    else if (notice.type === 'error')
      this.#error(fromRecord(notice.error) as GunportError); // An exchange fails with ours.
    else if (notice.type === 'data') {
      if (this.#size < LIMIT) this.#body.push(notice.data.slice(0, LIMIT - this.#size));
      this.#size += notice.data.length;
      if (this.#size >= LIMIT) this.ended();
    }
  }

  ended(): void {
    const head = this.#head;
    if (!head) return;
    const { status, rawHeaders } = head;
    const text = `tunnel to ${hostAndPort(this.#destination)} was refused: the proxy answered ${status}`;
    const body = new Uint8Array(Buffer.concat(this.#body));
    const details = {
      phase: 'connect',
      status,
      headers: headersOf(rawHeaders),
      body,
      reason: status,
    } as const;
    this.#tell(new ConnectionError('ERR_GUNPORT_PROXY', text, details));
  }

  #error(error: GunportError): void {
    // A head that said no says more than a body that did not come.
    if (this.#head) this.ended();
    else this.#tell(error);
  }

  #tell(error: GunportError): void {
    if (this.#told) return;
    this.#told = true;
    this.#failed(error);
  }
}

export class Branch implements Branching, FrontHost {
  readonly #road: Road;
  readonly #traveller: Traveller;
  readonly #process: LinkProcess;
  readonly #by: Hop['kind'];
  readonly #front: Front;
  #secure: Secure | undefined;
  #link: Link | undefined;
  #transport: Transport | undefined;
  #goodbye: string | undefined;
  /** Its end is told elsewhere. */
  #silent = false;
  #stopped = false;

  /** `by`: how its proxy was asked. */
  constructor(road: Road, traveller: Traveller, process: LinkProcess, by: Hop['kind'] = 'connect') {
    this.#road = road;
    this.#by = by;
    this.#traveller = traveller;
    this.#process = process;
    this.#front = new Front(this);
  }

  /** Who is there, behind TLS if it has that. */
  get front(): Sink {
    return this.#link?.sink ?? this.#lobby;
  }

  guard(run: () => void): void {
    this.#process.guard(run);
  }

  // RFC 9113 §3.4: an HTTP/2 server may send its preface at once. TLS, HTTP/1 and SOCKS wait for their client.
  get listensFirst(): boolean {
    const { tls, protocols } = firstLeg(this.#road);
    return !tls && protocols.length === 1 && protocols[0] !== 'http';
  }

  refuse(error: GunportError): void {
    this.#lost(error);
  }

  get sink(): Sink {
    return this.#secure?.sink ?? this.#front;
  }

  /** Nobody is there yet: a socket that ends then is a failure. */
  readonly #lobby: Sink = {
    buffer: () => sharedBuffer(),
    received: () =>
      this.#lost(new ConnectionError('ERR_GUNPORT_PROTOCOL', 'bytes came before the TLS handshake began')),
    ended: () => this.#lost(new ConnectionError('ERR_GUNPORT_CLOSED', 'the tunnel was closed')),
    lost: (error) => this.#lost(error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the tunnel was closed')),
  };

  /** The tunnel is there. */
  open(transport: Transport): void {
    const leg = firstLeg(this.#road);
    this.#transport = transport;
    originChanges(this.#process.probe, this.#traveller.raw?.stream, this.#by, leg);
    if (!leg.tls) return this.#begin(transport);
    const { checkServerIdentity } = leg;
    if (!checkServerIdentity) return this.#shake(transport, {});
    transport.pause();
    load(checkServerIdentity).then(
      (check) =>
        this.#process.guard(() => {
          if (this.#stopped) return;
          this.#shake(transport, { checkServerIdentity: check });
          transport.resume();
        }),
      (error: unknown) => this.#process.guard(() => this.#lost(asConnectionError(error))),
    );
  }

  #shake(transport: Transport, hooks: ConstructorParameters<typeof Secure>[2]): void {
    const told = { ...hooks, probe: this.#process.probe, tunnel: this.#traveller.raw?.stream };
    this.#secure = new Secure(transport, firstLeg(this.#road), told, this.#front, {
      connected: (above) => this.#process.guard(() => this.#begin(above)),
      failed: (error) => this.#process.guard(() => this.#failed(error)),
    });
  }

  #begin(transport: Transport): void {
    if (this.#stopped) return;
    const traveller = this.#traveller;
    const mine: Traveller = {
      ...{ lane: traveller.lane, raw: traveller.raw, settings: traveller.settings },
      reached: (link, road) => traveller.reached(link, road),
      up: (protocol, leg, last) => {
        protocolChanges(this.#process.probe, traveller.raw?.stream, protocol);
        traveller.up(protocol, leg, last);
      },
      over: () => this.#over(),
      lost: (error, also) => this.#lost(error, also),
    };
    const link = lead(this.#road, transport, mine, this.#process);
    this.#link = link;
    link.start();
    if (this.#goodbye !== undefined) link.shutdown(this.#goodbye);
  }

  /** A proxy that cannot be spoken to is named; the end of the road is what the user asked for. */
  #failed(error: GunportError): void {
    const [hop] = this.#road.hops;
    this.#lost(hop ? withHop(error, hop.leg.origin) : error);
  }

  #lost(error: GunportError, also?: number): void {
    if (this.#stopped) return;
    this.stop();
    if (!this.#silent) this.#traveller.lost(error, also);
  }

  shutdown(reason: string): void {
    this.#goodbye = reason;
    if (this.#link) this.#link.shutdown(reason);
    else this.#over();
  }

  /** Nothing is left under way; nobody else ends its transport, where that is one stream of many. */
  #over(): void {
    if (this.#stopped) return;
    this.stop();
    this.#traveller.over();
  }

  cancel(): void {
    this.#lost(new StreamError('ERR_GUNPORT_CANCELLED', 'the tunnel was cancelled'));
  }

  lost(error: GunportError): void {
    this.#silent = true;
    this.sink.lost(error);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#link?.stop();
    this.#secure?.stop();
    this.#transport?.destroy();
  }
}
