// owner — one hand-over from the giver's side: the call is the cut, one post is the commit.
// Called by connection.ts, which seals and unseals itself as it is told here.
// Invariant: decided once, here. Before the commit the giver can take everything back without asking anybody;
// after it the handle is inert. A thread whose main is blocked hands over all the same.
// Source: promises O1 to O4; Gun's set_owner is a cast without any of this.

import { MessageChannel, MessagePort, threadId as ownThreadId, Worker } from 'node:worker_threads';
import { checkWait, type WaitOptions, wait } from './await.ts';
import { contact } from './contact.ts';
import { DownError, describe, GunportError, OptionError, OwnerError, TimeoutError } from './errors.ts';
import { now } from './events/events.ts';
import { tellHandover } from './events/handovers.ts';
import { lay, lineTo } from './lifeline.ts';
import { isFromTaker } from './shapes.ts';
import type { Commit, ConnectionState, FromTaker, Offer } from './wire.ts';

/** Who may be given a connection. */
export type TransferTarget = Worker | MessagePort | { readonly threadId: number };

export interface TransferOptions extends WaitOptions {
  /** How long the target may take to adopt, in milliseconds. Default 5 000. */
  timeout?: number | undefined;
  /** Yours, cloned at the call; it arrives with the connection. */
  data?: unknown;
  /** Transferables in `data`. They are gone from here from the call on, whatever becomes of it. */
  transfer?: readonly (MessagePort | ArrayBuffer)[] | undefined;
}

/** What the giver's connection does when it is told. */
export interface Giver {
  readonly id: string;
  readonly origin: string;
  /** The thread of the process: the connection's own far end. */
  readonly threadId: number;
  readonly host: string;
  /** Detaches the port and takes all that is untaken; `transfer` lists the memory in it. From here on the
   *  handle is inert. */
  give(): {
    readonly port: MessagePort;
    readonly state: ConnectionState;
    readonly transfer: (ArrayBuffer | MessagePort)[];
  };
  /** The commit could not be posted: back as it was. */
  takeBack(state: ConnectionState): void;
}

/** How to interrupt a transfer from outside: the connection closed, or died. */
export interface Underway {
  readonly done: Promise<void>;
  /** Takes it back with this error, unless it is decided already. */
  interrupt(error: GunportError): void;
}

/** @throws {OptionError} @throws {OwnerError} target dead, own far end, data not cloneable: with nothing sent. @internal */
export function transfer(
  giver: Giver,
  target: TransferTarget,
  feed: number | undefined,
  options: TransferOptions,
): Underway {
  const { timeout = 5_000, signal } = options;
  checkWait(timeout, signal);
  checkTarget(target, giver.threadId);
  const data = cloned(options);

  const offered = tellOffered(giver, target, feed, timeout);
  let interrupt: (error: GunportError) => void = () => {};
  const done = wait<void>('the hand-over', { timeout, signal }, (settle) => {
    interrupt = settle;
    const { port1: handshake, port2: far } = new MessageChannel();
    handshake.on('message', (message: unknown) => {
      if (!isFromTaker(message)) return; // Nobody's: the target may still adopt.
      if (message.type === 'refuse') {
        return settle(
          new OwnerError(
            'ERR_GUNPORT_REFUSED',
            `the target refused the connection: ${message.message.slice(0, 200)}`,
          ),
        );
      }
      try {
        commit(giver, handshake, message, { feed, offered, ...data });
        settle(undefined, undefined);
      } catch (error) {
        settle(error as GunportError); // commit() throws nothing else.
      }
    });
    handshake.on('close', () =>
      settle(
        new OwnerError('ERR_GUNPORT_TARGET_DEAD', 'the target ended, or closed its port, before it adopted'),
      ),
    );
    const offer: Offer = {
      'gunport:offer': 1,
      id: giver.id,
      origin: giver.origin,
      threadId: ownThreadId,
      handshake: far,
    };
    const stop = send(target, offer, settle);
    return () => {
      stop();
      handshake.removeAllListeners();
      handshake.close();
    };
  });
  const named = done.catch((error: unknown) => {
    // Nobody has them, here or there: who holds their other ends hears of it.
    for (const one of data.list) if (one instanceof MessagePort) one.close();
    const late = error instanceof TimeoutError && error.code === 'ERR_GUNPORT_TIMEOUT';
    const told = late ? transferLate(timeout) : error;
    tellRevoked(giver, told, offered);
    throw told;
  });
  return { done: named, interrupt: (error) => interrupt(error) };
}

/** @returns when, in milliseconds since the epoch. */
function tellOffered(
  giver: Giver,
  target: TransferTarget,
  feed: number | undefined,
  timeout: number,
): number {
  tellHandover(giver.host, 'gunport:ownership:offered', giver.id, () => {
    const to = target instanceof MessagePort ? {} : { to: target.threadId };
    return { from: ownThreadId, ...to, ...(feed !== undefined && { stream: feed }), timeout };
  });
  return now();
}

function tellRevoked({ host, id }: Giver, error: unknown, offered: number): void {
  tellHandover(host, 'gunport:ownership:revoked', id, () => {
    // All that a hand-over rejects with is ours.
    const reason = error instanceof GunportError ? error.code : describe(error);
    return { from: ownThreadId, reason, duration: now() - offered };
  });
}

/** What goes with a connection. */
interface Given {
  /** The stream that is given by name. */
  readonly feed: number | undefined;
  /** When it was offered. */
  readonly offered: number;
  /** The user's own, cloned, and what moves with it. */
  readonly value: unknown;
  readonly list: readonly (MessagePort | ArrayBuffer)[];
}

/** The one post that decides. A port delivers in order and moves with all it holds: nothing can overtake. */
function commit(
  giver: Giver,
  handshake: MessagePort,
  adopt: FromTaker & { type: 'adopt' },
  { feed, offered, value: data, list }: Given,
): void {
  const lifeline = adopt.hosts.includes(giver.host) ? undefined : lay(giver.host);
  // The memory behind the host's word is shared, as it was here.
  const listens = lifeline && (lineTo(giver.host)?.listens.buffer as SharedArrayBuffer | undefined);
  const { port, state, transfer: memory } = giver.give();
  const message: Commit = { type: 'commit', port, lifeline, listens, offered, state, feed, data };
  try {
    handshake.postMessage(message, [port, ...(lifeline ? [lifeline] : []), ...memory, ...list]);
  } catch (error) {
    // A failed post is atomic: port and memory are still here.
    lifeline?.close();
    giver.takeBack(state);
    // Everything in it was cloneable before: the port itself is dead.
    throw new DownError('ERR_GUNPORT_DOWN', 'the connection process died during the hand-over', {
      cause: error,
    });
  }
}

function transferLate(timeout: number): OwnerError {
  const text = `the target did not adopt within ${timeout} ms`;
  return new OwnerError('ERR_GUNPORT_TRANSFER_TIMEOUT', text, { phase: 'timeout' });
}

function checkTarget(target: TransferTarget, farThreadId: number): void {
  const named = (): number | undefined => {
    if (target instanceof MessagePort) return undefined;
    // A Worker has one, too.
    const id: unknown = typeof target === 'object' && target !== null ? target.threadId : undefined;
    if (typeof id === 'number' && Number.isInteger(id)) return id;
    throw new OptionError(`target must be a Worker, a MessagePort or { threadId }, got ${describe(target)}`);
  };
  const id = named();
  // An exited Worker has threadId -1 and swallows every post without a word.
  if (id !== undefined && id < 0)
    throw new OwnerError('ERR_GUNPORT_TARGET_DEAD', 'the target thread has ended');
  if (id === farThreadId) {
    throw new OwnerError('ERR_GUNPORT_OWN_FAR_END', `thread ${id} holds the connection's own socket`);
  }
}

/** Cloned at the call: what the user does to it afterwards does not matter, and a failure costs nothing. */
function cloned(options: TransferOptions): { value: unknown; list: readonly (MessagePort | ArrayBuffer)[] } {
  const list = [...(options.transfer ?? [])];
  try {
    // The list goes along, so that its members can be found again in the clone.
    return structuredClone({ value: options.data, list }, { transfer: list });
  } catch (error) {
    throw new OwnerError('ERR_GUNPORT_NOT_CLONEABLE', 'data cannot be cloned', { cause: error });
  }
}

function send(target: TransferTarget, offer: Offer, settle: (error: Error) => void): () => void {
  try {
    if (target instanceof Worker || target instanceof MessagePort) {
      target.postMessage(offer, [offer.handshake]);
      return () => {};
    }
  } catch (error) {
    settle(new OwnerError('ERR_GUNPORT_TARGET_DEAD', 'the offer could not be posted', { cause: error }));
    return () => {};
  }
  return contact(target.threadId, offer, settle);
}
