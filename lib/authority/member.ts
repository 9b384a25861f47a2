// member — one connection of an authority: whether it may be given a request, and how many more.
// Made by authority.ts, which chooses among them; a Place is what a request or a checkout holds of one.
// Invariant: its load is the number of places that are held; closing, going away or lost it gives no more of them; it
// ends once, when its process has, and never comes back. Source: gun_pool's event handler, which counts; RFC 9112 §9.6.

import { wait } from '../await.ts';
import type { Connection } from '../connection.ts';
import { awaitError } from '../down.ts';
import { asError, ConnectionError, type GunportError } from '../errors.ts';
import type { ConnectionStatus, DownReason, Headers, Protocol } from '../types.ts';
import type { AuthorityName, AuthoritySettings } from './authorityoptions.ts';
import type { Rank } from './ranks.ts';

/** What a member tells its authority. @internal */
export interface MemberHost {
  /** What has load keeps the process alive. */
  readonly keepsAlive: boolean;
  /** It may be used, or may be given more or less than before. */
  changed(member: Member): void;
  /** It has answered for the first time. */
  served(member: Member): void;
  /** A place is free. */
  freed(member: Member): void;
  /** It is given nothing more. */
  leaving(member: Member): void;
  /** Its process has ended. `failed`: it was of no use, and by no doing of ours. */
  gone(member: Member, error: GunportError | undefined, failed: boolean): void;
}

/** What is told of it. */
export interface MemberInfo {
  readonly id: string;
  readonly status: ConnectionStatus;
  /** Once it is up. */
  readonly protocol: Protocol | undefined;
  /** The thread that holds its socket; -1 until that is known. */
  readonly threadId: number;
  /** Requests and leases on it now. */
  readonly load: number;
  /** And at most: on HTTP/1 one, on HTTP/2 what the server allows; 0 until it is up. */
  readonly capacity: number;
}

/** Whose doing an end is. */
export type Doing = 'ours' | 'theirs';

type State = 'opening' | 'setup' | 'up' | 'leaving' | 'gone';

/** After so many milliseconds a connection was of use, whether anything was asked of it or not. @internal */
export const STABLE_AFTER = 5_000;
/** What a server says about its patience is cut short by so many milliseconds: the way there takes time. */
const EARLIER = 1_000;

/** @internal */
export class Member {
  readonly connection: Connection;
  readonly rank: Rank<Member> = { one: this, load: 0, at: -1 };
  readonly #host: MemberHost;
  readonly #settings: AuthoritySettings;
  readonly #name: AuthorityName;
  #state: State = 'opening';
  #protocol: Protocol | undefined;
  #load = 0;
  #capacity = 0;
  #meta: unknown;
  #upSince = 0;
  #idleSince = 0;
  /** When its server may close it, if nobody uses it. */
  #staleAt: number = Number.POSITIVE_INFINITY;
  #closes = false;
  #served = false;
  #doing: Doing = 'theirs';
  #failure: GunportError | undefined;

  constructor(connection: Connection, settings: AuthoritySettings, name: AuthorityName, host: MemberHost) {
    this.connection = connection;
    this.#settings = settings;
    this.#name = name;
    this.#host = host;
    connection.unref();
    connection.on('up', ({ protocol }) => this.#up(protocol));
    connection.on('notify', ({ settings: { maxConcurrentStreams } }) => this.#allowed(maxConcurrentStreams));
    connection.on('down', () => this.leave('theirs'));
    // Undefined: it was given away by whoever had checked it out.
    void connection.monitor().down.then((down) => this.#gone(down?.reason));
  }

  get state(): State {
    return this.#state;
  }
  get protocol(): Protocol | undefined {
    return this.#protocol;
  }
  get load(): number {
    return this.#load;
  }
  get capacity(): number {
    return this.#capacity;
  }
  get meta(): unknown {
    return this.#meta;
  }
  /** On performance.now()'s clock; of one that has no load. */
  get idleSince(): number {
    return this.#idleSince;
  }
  get info(): MemberInfo {
    const { id, status, threadId } = this.connection;
    return { id, status, protocol: this.#protocol, threadId, load: this.#load, capacity: this.#capacity };
  }
  get hasRoom(): boolean {
    return this.#state === 'up' && this.#load < this.#capacity;
  }

  /** It ends by no doing of ours, and nothing says that it was of use. */
  get isDoubtful(): boolean {
    return this.#doing === 'theirs' && !this.#wasUseful;
  }
  get #wasUseful(): boolean {
    return this.#served || (this.#upSince > 0 && performance.now() - this.#upSince >= STABLE_AFTER);
  }

  /** It is as good as it seems: else it leaves. */
  isSound(now: number): boolean {
    if (this.connection.status === 'up' && (this.#load > 0 || now < this.#staleAt)) return true;
    this.leave(now < this.#staleAt ? 'theirs' : 'ours');
    return false;
  }

  // ── coming up ─────────────────────────────────────────────────────────────────────────────────────────────

  #up(protocol: Protocol): void {
    if (this.#state !== 'opening') return;
    this.#protocol = protocol;
    this.#upSince = performance.now();
    // What HTTP/2 allows is said right behind this.
    if (protocol !== 'http2') this.#ready();
  }

  /** So many streams at a time. */
  #allowed(streams: number): void {
    this.#capacity = Math.min(streams, this.#settings.maxStreams);
    if (this.#state === 'opening') this.#ready();
    else if (this.#state === 'up') this.#host.changed(this);
  }

  #ready(): void {
    const { setup } = this.#settings;
    if (setup) return void this.#setUp(setup);
    this.#use();
  }

  #use(): void {
    if (this.#protocol !== 'http2') this.#capacity = this.#protocol === 'http' ? 1 : Number.POSITIVE_INFINITY;
    this.#state = 'up';
    this.#idleSince = performance.now();
    this.#host.changed(this);
  }

  async #setUp(setup: NonNullable<AuthoritySettings['setup']>): Promise<void> {
    const { connection } = this;
    this.#state = 'setup';
    connection.ref();
    try {
      const run = async (): Promise<unknown> => setup(connection, this.#name);
      this.#meta = await wait<unknown>('setup()', { timeout: this.#settings.setupTimeout }, (settle) => {
        run().then(
          (meta) => settle(undefined, meta),
          (error: unknown) => settle(asError(error)),
        );
        return undefined;
      });
      // It may have been upgraded.
      this.#protocol = (await connection.info()).protocol ?? this.#protocol;
      connection.unref();
      if (this.#is('setup')) this.#use();
    } catch (cause) {
      if (this.#is('gone')) return;
      const text = `the setup of a connection failed: ${asError(cause).message}`;
      this.#failure ??= new ConnectionError('ERR_GUNPORT_CONNECT', text, { phase: 'connect', cause });
      this.close();
    }
  }

  /** A method: what it is changes while something is awaited. */
  #is(state: State): boolean {
    return this.#state === state;
  }

  // ── its places ────────────────────────────────────────────────────────────────────────────────────────────

  take(): MemberPlace {
    if (this.#load++ === 0 && this.#host.keepsAlive) this.connection.ref();
    return new MemberPlace(this);
  }

  /** It has been of use; `headers`: of an answer. */
  answered(headers: Headers | undefined): void {
    if (!this.#served) {
      this.#served = true;
      this.#host.served(this);
    }
    if (this.#protocol !== 'http' || !headers) return;
    // RFC 9112 §9.6: after "close" the client "MUST NOT send further requests on that connection".
    if (hasToken(headers['connection'], 'close')) this.#closes = true;
    const [, seconds] = /\btimeout=(\d{1,9})/.exec(String(headers['keep-alive'] ?? '')) ?? [];
    const patience = Number(seconds) * 1_000 - EARLIER;
    this.#staleAt = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + patience;
  }

  /** A place is given back; `spoilt`: nothing more is to be asked on the connection, by whose doing. */
  free(spoilt: Doing | undefined): void {
    this.#load--;
    if (this.#load === 0) {
      this.#idleSince = performance.now();
      this.connection.unref();
    }
    const doing = this.#closes ? 'theirs' : spoilt;
    if (doing) this.leave(doing);
    if (this.#state === 'leaving' && this.#load === 0) this.#end();
    this.#host.freed(this);
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** It is given nothing more, and is shut down once nothing is under way. */
  leave(doing: Doing): void {
    if (this.#state === 'leaving' || this.#state === 'gone') return;
    this.#state = 'leaving';
    this.#doing = doing;
    this.#host.leaving(this);
    if (this.#load === 0) this.#end();
  }

  #end(): void {
    // Its end is told by its Down; who holds it elsewhere ends it himself.
    this.connection.shutdown().catch(() => this.#gone(undefined));
  }

  /** Now. */
  close(): void {
    if (this.#state !== 'leaving') this.leave('ours');
    this.connection.close().catch(() => this.#gone(undefined));
  }

  #gone(reason: DownReason | undefined): void {
    if (this.#state === 'gone') return;
    const innocent = this.#doing === 'ours' || !reason || INNOCENT.has(reason.kind);
    this.#state = 'gone';
    const error = this.#failure ?? (reason && awaitError(reason));
    this.#host.gone(this, error, this.#failure !== undefined || (!innocent && !this.#wasUseful));
  }
}

/** Ends that say nothing of the server. */
const INNOCENT: ReadonlySet<string> = new Set(['terminated', 'shutdown', 'owner-gone']);

/** One of the places of a connection, until it is given back. @internal */
export class MemberPlace {
  readonly #member: Member;
  #held = true;

  constructor(member: Member) {
    this.#member = member;
  }

  get connection(): Connection {
    return this.#member.connection;
  }
  get protocol(): Protocol | undefined {
    return this.#member.protocol;
  }
  get meta(): unknown {
    return this.#member.meta;
  }
  /** It has not been given back, and its connection lives. */
  get isHeld(): boolean {
    return this.#held && this.#member.state !== 'gone';
  }

  answered(headers?: Headers): void {
    if (this.#held) this.#member.answered(headers);
  }

  /** Once; later calls do nothing. */
  release(spoilt?: Doing): void {
    if (!this.#held) return;
    this.#held = false;
    this.#member.free(spoilt);
  }
}

function hasToken(value: string | string[] | undefined, token: string): boolean {
  if (value === undefined) return false;
  return String(value)
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === token);
}
