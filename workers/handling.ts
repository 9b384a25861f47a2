// handling — the road of one WebSocket's messages to its owner where a handler stands on it: read, handled, delivered.
// Made by handlers.ts, one for all attempts; to its driver and its entry it is an outbox like any other.
// Invariant: what was read is handled at once, whether the owner has room or not; what the handler delivers, and the marks
// between, keep their order; the socket is paused while the owner, or an asynchronous hook, leaves too much waiting.
// Source: promises F1, F2 and M1.

import { threadId } from 'node:worker_threads';
import { toRecord } from '../lib/errors.ts';
import type { Fault, HandlerFactory } from '../lib/handler.ts';
import type { Laid } from '../lib/handling/outlet.ts';
import { Runner, type RunnerHost } from '../lib/handling/runner.ts';
import type { StreamState } from '../lib/types.ts';
import type { Notice, Parcel, StreamMark } from '../lib/wire.ts';
import { Outbox, type Post } from './outbox.ts';
import { RemoteEnds } from './remote.ts';
import { type HandledSocket, Speech } from './speech.ts';

/** What it asks of its process. */
export interface HandlingHost {
  readonly maxBuffered: number;
  readonly patience: number;
  readonly url: string;
  readonly state: StreamState;
  /** The number that the attempt under way will have. */
  readonly attempt: number;
  socket(): HandledSocket | undefined;
  /** It is read no more, or again. */
  hold(held: boolean): void;
  /** The closing handshake; what was delivered stays. */
  close(code: number, reason: string): void;
  /** The socket is given up, as if it had been lost. */
  drop(reason: string): void;
  guard(run: () => void): void;
}

/** A hook that fails with every message tells so often a second, and no more: faults need no credit. */
const MOST_FAULTS = 100;

export class HandledOutbox extends Outbox {
  readonly runner: Runner;
  /** What its owners call its handler by. */
  readonly remotes: RemoteEnds;
  readonly #stream: number;
  readonly #host: HandlingHost;
  readonly #speech: Speech;
  /** The owner had no room when something was delivered last. */
  #full = false;
  #heldByOwner = false;
  #heldByHook = false;
  #resumedAt = 0;
  readonly #faults = { told: 0, since: 0 };

  constructor(stream: number, post: Post, host: HandlingHost) {
    const self: { outbox?: HandledOutbox } = {};
    super(post, {
      maxBuffered: host.maxBuffered,
      pause: () => self.outbox?.heldByOwner(true),
      resume: () => self.outbox?.heldByOwner(false),
      credit: () => self.outbox?.hasRoom(),
    });
    self.outbox = this;
    this.#stream = stream;
    this.#host = host;
    this.#speech = new Speech(host);
    this.runner = new Runner(this.#runnerHost());
    this.remotes = new RemoteEnds(this.runner.api);
  }

  /** The upgrade is about to be asked for. */
  connected(): void {
    this.runner.connected(this.#host.attempt);
  }

  /** @throws rejects as `Runner.begin` does. */
  load(load: () => Promise<HandlerFactory>, options: unknown): Promise<void> {
    return this.runner.begin(load, options);
  }

  // ── as an outbox ──────────────────────────────────────────────────────────────────────────────────────────

  /** What is read is handled whether the owner has room or not. */
  override get ready(): boolean {
    return true;
  }
  override get consumes(): boolean {
    return true;
  }
  override get empty(): boolean {
    return super.empty && this.runner.idle;
  }
  override get paused(): boolean {
    return this.#heldByOwner || this.#heldByHook;
  }
  override get resumedAt(): number {
    return this.#resumedAt;
  }

  /** Messages that were read; their memory is used again when this returns. */
  override parcel(parcel: Laid & { readonly stream: number }): void {
    this.runner.feed(parcel, true);
  }

  override ordered(notice: Notice): void {
    if (!isMark(notice)) return super.ordered(notice);
    // At once: what was said on a socket that is gone is answered by nobody.
    if (notice.type !== 'upgrade') this.#speech.lost(undefined);
    if (notice.type === 'closed' || notice.type === 'error') this.remotes.close();
    this.runner.mark(notice);
  }

  override reply(notice: Exclude<Notice, Parcel>): void {
    if (notice.type === 'pong' && notice.id < 0) this.#speech.answered(notice.id, notice.rtt);
    else super.reply(notice);
  }

  override drop(stream?: number): void {
    this.runner.discard();
    super.drop(stream);
  }

  override discard(): void {
    this.runner.discard();
    super.discard();
  }

  override whenDrained(callback: () => void): void {
    this.runner.whenIdle(() => super.whenDrained(callback));
  }

  // ── from its owner ────────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  hasRoom(): void {
    if (!this.#full || !this.#room) return;
    this.#full = false;
    this.runner.ready();
  }

  /** @internal */
  heldByOwner(held: boolean): void {
    this.#heldByOwner = held;
    this.#steer();
  }

  #steer(): void {
    if (!this.paused) this.#resumedAt = performance.now();
    this.#host.hold(this.paused);
  }

  /** What is delivered now is posted at once. */
  get #room(): boolean {
    return super.ready && this.flowOf(this.#stream) !== 0;
  }

  // ── for its handler ───────────────────────────────────────────────────────────────────────────────────────

  #runnerHost(): RunnerHost {
    const [self, host, stream] = [this, this.#host, this.#stream];
    return {
      threadId,
      inline: false,
      maxBuffered: host.maxBuffered,
      patience: host.patience,
      get url() {
        return host.url;
      },
      get state() {
        return host.state;
      },
      get ready() {
        return self.#ready();
      },
      get flow() {
        return self.flowOf(stream);
      },
      deliver: (laid) => super.parcel({ ...laid, stream }),
      mark: (mark) => super.ordered(mark),
      notify: (value) => super.reply({ type: 'notified', stream, value }),
      send: (data, secret) => this.#speech.send(data, secret),
      reveal: () => host.socket()?.reveal(),
      drained: () => this.#speech.drained(),
      ping: async (timeout) => this.#speech.ping(timeout),
      // Behind the hook that wants it: what it may end is in the midst of something.
      close: (code, reason) => this.#later(() => host.close(code, reason)),
      drop: (reason) => this.#later(() => host.drop(reason)),
      fault: (fault) => this.fault(fault),
      hold: (held) => this.#heldByHandler(held),
      guard: (run) => host.guard(run),
    };
  }

  /** Whoever is told that there is no room is told when there is. */
  #ready(): boolean {
    if (!this.#room) this.#full = true;
    return !this.#full;
  }

  #later(run: () => void): void {
    queueMicrotask(() =>
      this.#host.guard(() => {
        this.#speech.flush();
        run();
      }),
    );
  }

  #heldByHandler(held: boolean): void {
    this.#heldByHook = held;
    if (held) return this.#steer();
    // Not within a hook's turn: what the socket has held comes at once.
    setImmediate(() => this.#host.guard(() => this.#heldByHook || this.#steer()));
  }

  /** Told to the owner, unless too many were. */
  fault({ hook, error }: Fault): void {
    const now = performance.now();
    const faults = this.#faults;
    if (now - faults.since >= 1_000) {
      faults.since = now;
      faults.told = 0;
    }
    if (faults.told++ >= MOST_FAULTS) return;
    super.reply({ type: 'fault', stream: this.#stream, hook, error: toRecord(error) });
  }
}

function isMark(notice: Notice): notice is StreamMark {
  return (
    notice.type === 'upgrade' || notice.type === 'gap' || notice.type === 'closed' || notice.type === 'error'
  );
}
