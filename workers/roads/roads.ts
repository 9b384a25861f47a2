// roads — the ways of one connection to where its streams are served: its own, and those behind the tunnels that its owner
// asked for.
// Held by process.ts. Invariant: a tunnel keeps its lane from the owner's cast to its end, whatever becomes of the
// sockets under it: it is built again with its connection. Source: gun's tunnels; promise S2.

import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import { firstLeg, type Leg, type Road } from '../../lib/httpwire.ts';
import { isPermanent } from '../../lib/protocol/retry.ts';
import type { Intermediary, Protocol, StreamInfo } from '../../lib/types.ts';
import type { ProcessInfo, Settings } from '../../lib/wire.ts';
import type { Exchange } from '../exchange.ts';
import type { Lane } from '../lane.ts';
import type { BranchEnds, Link, LinkProcess } from '../link.ts';
import type { Transport } from '../socket.ts';
import type { One } from '../streams.ts';
import { Branch, lead, settingsFor, type Traveller } from './branch.ts';

/** What they ask of their process. */
export interface RoadsHost extends LinkProcess, BranchEnds {
  /** The connection is up. */
  up(protocol: Protocol): void;
  /** A further leg of its road is, where it was up with the first. */
  tunnelUp(protocol: Protocol, origin: string): void;
}

/** What is known of a way: who is asked for the next, and what its end is. */
interface Way {
  road: Road;
  /** Of its legs, as far as they are reached. */
  links: Link[];
  /** Where its tunnel was asked for; undefined: the connection's own. */
  readonly from: Lane<One> | undefined;
}

export class Roads {
  readonly #process: RoadsHost;
  /** Those of tunnels. */
  #ways: WeakMap<Lane<One>, Way> | undefined;
  readonly #own: Way;

  constructor(process: RoadsHost) {
    this.#process = process;
    this.#own = { road: roadOf(process.settings), links: [], from: undefined };
  }

  #wayOf(lane: Lane<One>): Way | undefined {
    return lane === this.#process.streams.root ? this.#own : this.#ways?.get(lane);
  }

  /** The connection's own leads there from now on. Returns what is dialled. */
  lead(settings: Settings): Leg {
    this.#own.road = roadOf(settings);
    return firstLeg(this.#own.road);
  }

  /** The end of the connection's own road, if it is there. */
  get end(): Link | undefined {
    const { links, road } = this.#own;
    return links[road.hops.length];
  }

  /** The first leg is connected. */
  begin(transport: Transport): Link {
    this.#own.links = [];
    return lead(this.#own.road, transport, new OwnTraveller(this.#own, this.#process), this.#process);
  }

  /** The sockets are gone. */
  lost(): void {
    this.#own.links = [];
  }

  /** A tunnel that the owner asks for, in this lane: what will be behind it. */
  tunnel(road: Road, from: Lane<One>): Lane<One> {
    const lane = this.#process.streams.lane(from, road.leg.origin);
    this.#ways ??= new WeakMap();
    this.#ways.set(lane, { road, links: [], from });
    return lane;
  }

  /** A proxy has made it: what is behind it now. */
  branch(exchange: Exchange, ends: BranchEnds): Branch {
    const { streams, settings } = this.#process;
    const lane = streams.laneOf(exchange.stream) ?? streams.lane(); // It is there until its exchange ends.
    const way = this.#wayOf(lane) ?? {
      road: { hops: [], leg: legOf(settings) },
      links: [],
      from: undefined,
    };
    const { leg } = way.road;
    way.links = [];
    let up = false;
    const traveller: Traveller = {
      ...{ lane, raw: exchange, settings: settingsFor(settings, leg) },
      reached: (link) => void way.links.push(link),
      up: (protocol, { origin }, last) => {
        up ||= last;
        exchange.tunnelUp(protocol, origin);
      },
      lost: (error, also) => {
        if (up || !isRefusal(error)) return ends.lost(error, also);
        // It is this tunnel's, and would be the same again: its connection did what it was asked for.
        this.tunnelLost(exchange, error);
        ends.lost(refused(error), also);
      },
      over: () => ends.over(),
    };
    return new Branch(way.road, traveller, this.#process);
  }

  /** A tunnel has ended by itself: all that went through it ends, and it does. */
  tunnelLost(exchange: Exchange, error: GunportError): void {
    const { streams, attempt } = this.#process;
    const lane = streams.laneOf(exchange.stream);
    if (lane) streams.lost(error, attempt, lane);
    streams.failed(exchange, error);
  }

  /** What is known of the connection's own. `first`: the link that is up; undefined: none is. */
  info(first: Link | undefined): Omit<ProcessInfo, 'attempt' | 'counters'> {
    const link = first && (this.end ?? first);
    const intermediaries = this.intermediaries(this.#process.streams.root);
    return { protocol: link?.protocol, intermediaries, ...link?.transport.info() };
  }

  streamInfo(stream: number): StreamInfo | undefined {
    const info = this.#process.streams.info(stream);
    if (!info) return undefined;
    const { lane, ...rest } = info;
    const tunnel = this.#farEnd(stream);
    return { ...rest, intermediaries: this.intermediaries(lane), ...(tunnel && { tunnel }) };
  }

  /** The proxies before what is served in a lane. */
  intermediaries(lane: Lane<One>): Intermediary[] {
    const way = this.#wayOf(lane);
    if (!way) return [];
    const { road, from, links } = way;
    const asked = from ? [...this.intermediaries(from), ...this.#asked(from)] : [];
    return [
      ...asked,
      ...road.hops.map(({ leg, kind }, i) => {
        const protocol = kind === 'socks' ? 'socks' : links[i]?.protocol === 'http2' ? 'http2' : 'http';
        return { ...placeOf(leg), type: kind === 'socks' ? 'socks5' : 'connect', protocol } as const;
      }),
    ];
  }

  /** The proxy that a tunnel was asked of. */
  #asked(lane: Lane<One>): Intermediary[] {
    const way = this.#wayOf(lane);
    if (!way) return [];
    const link = way.links[way.road.hops.length];
    const protocol = link?.protocol === 'http2' ? 'http2' : 'http';
    return [{ ...placeOf(way.road.leg), type: 'connect', protocol }];
  }

  /** Of a stream that is a tunnel: what is at its far end. */
  #farEnd(stream: number): StreamInfo['tunnel'] {
    const lane = this.#process.streams.laneOf(stream);
    const way = lane && this.#wayOf(lane);
    const link = way?.links[way.road.hops.length];
    if (!link) return undefined;
    const { transport, origin } = way.road.leg;
    return { protocol: link.protocol, transport, origin };
  }
}

/** What travels the connection's own road. */
class OwnTraveller implements Traveller {
  readonly lane: Lane<One>;
  readonly raw = undefined;
  readonly settings: Settings;
  readonly #way: Way;
  readonly #process: RoadsHost;
  #isUp = false;

  constructor(way: Way, process: RoadsHost) {
    this.lane = process.streams.root;
    this.settings = process.settings;
    this.#way = way;
    this.#process = process;
  }

  reached(link: Link): void {
    if (this.#way.links.length === 0) this.#way.links = [link];
    else this.#way.links.push(link);
  }

  up(protocol: Protocol, leg: Leg, last: boolean): void {
    const { upAtFirstHop } = this.settings;
    if (this.#isUp) this.#process.tunnelUp(protocol, leg.origin);
    else if (upAtFirstHop || last) this.#process.up(protocol);
    this.#isUp ||= upAtFirstHop;
  }

  lost(error: GunportError, also?: number): void {
    this.#process.lost(error, also);
  }

  over(): void {
    this.#process.over();
  }
}

function placeOf({ host, port, transport }: Leg): Pick<Intermediary, 'host' | 'port' | 'transport'> {
  return { host, port, transport };
}

/** A proxy, or a handshake, has said no, or nothing in its time: not that a socket was lost. */
function isRefusal(error: GunportError): boolean {
  const { code, reason } = error;
  if (code === 'ERR_GUNPORT_PROXY') return reason !== 'closed';
  return code === 'ERR_GUNPORT_CONNECT_TIMEOUT' || code === 'ERR_GUNPORT_TLS_TIMEOUT' || isPermanent(error);
}

function refused(cause: GunportError): ConnectionError {
  const details = { reason: 'normal', cause } as const;
  return new ConnectionError(
    'ERR_GUNPORT_CLOSED',
    'the tunnel that took the connection was refused',
    details,
  );
}

/** A connection's own. */
function roadOf(settings: Settings): Road {
  return { hops: settings.hops, leg: legOf(settings) };
}

/** The end of a connection's own road. */
function legOf(settings: Settings): Leg {
  const { host, port, origin, authority, tls, checkServerIdentity, connectTimeout, tlsTimeout, http } =
    settings;
  const transport = tls ? 'tls' : 'tcp';
  return {
    transport,
    host,
    port,
    origin,
    authority,
    tls,
    checkServerIdentity,
    connectTimeout,
    tlsTimeout,
    protocols: http.protocols,
  };
}
