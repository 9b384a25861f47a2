// reply — the other end of a `replyTo` port: the answer to a request that another thread may own.
// Made by users, in any thread. Invariant: what the process posts is given once, in order; what was read is told to it,
// so that no more than 4 MiB are under way; a port that closes before the end is an error, after all that had come.
// Source: Gun's reply_to; workers/requests.ts is the far side.

import { MessagePort } from 'node:worker_threads';
import { Answer } from './answer.ts';
import type { WaitOptions } from './await.ts';
import { checkMessages } from './checks.ts';
import { describe, OptionError, StreamError } from './errors.ts';
import type { HttpNotice, ReplyCast } from './httpwire.ts';
import { hasEnded } from './inbox.ts';
import { type AnyEvent, packed } from './sentevents.ts';
import type { StreamNotice } from './types.ts';

/** What a process posts to a `replyTo` port. */
const TYPES: ReadonlySet<unknown> = new Set([
  ...['inform', 'response', 'data', 'sse', 'trailers', 'tunnelUp', 'upgrade', 'error'],
]);

/** An answer that comes by a port of its own. Read it as a `Stream`, in one way at a time. */
export class Reply extends Answer implements AsyncDisposable {
  readonly #port: MessagePort;
  #id: number | undefined;

  /** @internal */
  constructor(port: MessagePort) {
    super();
    this.#port = port;
    const lost = (): void =>
      this.finish(
        new StreamError('ERR_GUNPORT_CLOSED', 'the port closed before the answer was complete', {
          phase: 'closed',
        }),
      );
    port.on('close', lost);
    port.on('message', (message: unknown) => this.#message(message));
    // Then it has said so to nobody.
    if (hasEnded(port)) lost();
  }

  /** The stream's, once its first notice has come. */
  get id(): number | undefined {
    return this.#id;
  }

  /** The next notice: `inform`, `response`, `data`, `trailers`, `tunnelUp`, `upgrade`. Default timeout 5 000. Source: gun:await/3.
   *  @throws {TimeoutError} @throws what the answer ended with, after its last notice. */
  async await(options: WaitOptions = {}): Promise<StreamNotice> {
    return this.next(options);
  }

  /** Tops up the credit of a request with `flow: number`. Source: gun:update_flow/3. */
  updateFlow(messages: number): void {
    checkMessages(messages);
    this.#post({ type: 'flow', add: messages });
  }

  /** Nothing more comes for it, and the request is cancelled. */
  cancel(): void {
    if (this.state === 'ended') return;
    this.#post({ type: 'cancel' });
    this.discard();
    this.finish(new StreamError('ERR_GUNPORT_CANCELLED', 'the reply was cancelled'), true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
  }

  /** @internal */
  override finish(error: StreamError | undefined, told = false): void {
    super.finish(error, told);
    this.#port.close();
  }

  protected override readable(): void {}

  protected override reading(): void {}

  protected override tellRead(bytes: number): void {
    this.#post({ type: 'read', bytes });
  }

  #post(cast: ReplyCast): void {
    this.#port.postMessage(cast);
  }

  #message(message: unknown): void {
    // Whoever has held the other end may have posted anything.
    if (typeof message !== 'object' || message === null || !('type' in message)) return;
    if (!TYPES.has(message.type)) return;
    const notice = message as HttpNotice; // Its process posts nothing else of these types.
    this.#id ??= notice.stream;
    if (notice.type === 'sse')
      this.arrived({ ...notice, events: packed(eventsOf(message)) }, () => undefined);
    else this.arrived(notice, () => undefined);
  }
}

/** As they are posted: workers/requests.ts. */
function eventsOf(message: object): readonly AnyEvent[] {
  return (message as { readonly events: readonly AnyEvent[] }).events;
}

/** Reads the answer to a request whose `replyTo` was the other end of `port`, in any thread: pass the port on as you
 *  like before. From here on the port is the reply's: it keeps the thread alive until the answer is complete, and closes
 *  with it. Interim answers, body and trailers come here; a push goes to the owner of the connection, who also knows the
 *  stream's end. Dropping the port, or `cancel()`, cancels the request; a port that closes too early ends it with
 *  ERR_GUNPORT_CLOSED, after all that had come.
 *
 *  Without it, `port.on('message')` is given plain objects: `{ type: 'inform' | 'response' | 'data' | 'trailers' | 'error',
 *  stream }` with what the notices of a stream have (`tunnelUp` and `upgrade` too, of a tunnel and of a switch of
 *  protocols, whose bytes are written by the owner): `status`, `fin`, `headers` and `rawHeaders`, `data`, and for `error`
 *  the last one, a record `{ name, code, message, … }`. The port closes behind the last of them. Who reads so must tell
 *  how far he has got, for each `data`: `port.postMessage({ type: 'read', bytes: data.byteLength + 128 })`. With 4 MiB
 *  untold no more comes. An `sse` has several `events`; each counts 128 and the length of
 *  its texts. Also understood: `{ type: 'flow', add: messages }` and `{ type: 'cancel' }`.
 *  @throws {OptionError} it is no MessagePort.
 *  @example
 *  const { port1, port2 } = new MessageChannel();
 *  connection.get('/x', { replyTo: port1 });
 *  const text = await receiveReply(port2).text(); */
export function receiveReply(port: MessagePort): Reply {
  if (port instanceof MessagePort) return new Reply(port);
  throw new OptionError(`port must be a MessagePort, got ${describe(port)}`);
}
