// acts — what hooks have a session do next, and what follows when something went wrong.
// Held by session.ts, which asks it when a connection was lost whether to come back.
// Invariant: the first decision counts for one loss; a stop, and a close, are for good.
// Source: WebsockexNova's callback returns and its ErrorHandler.

import { GunportError, StreamError } from '../errors.ts';
import type { HandlerContext, RetryChoice } from '../handler.ts';
import type { Act, Adapter, ErrorContext, MessageAct } from './adapter.ts';
import type { Reports } from './reports.ts';
import type { Saying } from './saying.ts';

/** @internal */
export interface ActsHost {
  readonly adapter: Adapter;
  readonly context: Pick<HandlerContext, 'close' | 'drop'>;
  readonly reports: Reports;
  readonly saying: Saying;
  /** Counts the connections, and the losses between them. */
  readonly epoch: number;
}

/** @internal */
export class Acts {
  readonly #host: ActsHost;
  #decided: Promise<Act> | undefined;
  #stopped: GunportError | undefined;
  #finished = false;

  constructor(host: ActsHost) {
    this.#host = host;
  }

  /** Why it has given up, if a hook said so. */
  get stopped(): GunportError | undefined {
    return this.#stopped;
  }

  /** Its end is wanted: by its owner, or by a hook. */
  get finished(): boolean {
    return this.#finished;
  }
  finish(): void {
    this.#finished = true;
  }

  /** Another connection is open. */
  opened(): void {
    this.#decided = undefined;
  }

  /** What a hook says of something that happened on this connection; on another it means that no more, unless it is for
   *  good. */
  ask(name: string, hook: () => MessageAct | Promise<MessageAct>, otherwise?: () => void): void {
    const { reports, epoch } = this.#host;
    reports.hooks.act(name, hook, (act) => {
      if (act !== undefined) this.do(asAct(act), epoch);
      else if (epoch === this.#host.epoch) otherwise?.();
    });
  }

  /** `epoch`: of the connection that it was said of. */
  do(act: Act, epoch: number = this.#host.epoch, cause?: Error): void {
    const { context } = this.#host;
    const isOld = epoch !== this.#host.epoch;
    switch (act?.type) {
      case undefined:
      case 'ok':
        return;
      case 'reply':
        return isOld ? this.#late() : this.#reply(act.message);
      case 'replyMany':
        if (isOld) return this.#late();
        for (const message of act.messages) this.#reply(message);
        return;
      case 'close':
        return this.#close(act.code ?? 1000, act.reason ?? '');
      case 'stop':
        this.#stopped ??= stopError(act.reason, cause);
        return context.close(1000, '');
      case 'retry':
      case 'reconnect':
        if (isOld) return;
        this.#decided ??= Promise.resolve(act);
        return context.drop(act.type === 'retry' ? 'the adapter said retry' : (act.reason ?? 'reconnect'));
      default:
        act satisfies never;
    }
  }

  #reply(message: unknown): void {
    const { saying } = this.#host;
    saying
      .send(message, { session: true })
      .catch((error: unknown) => void this.failed('message', error, 'reply'));
  }

  #close(code: number, reason: string): void {
    const { context, reports } = this.#host;
    try {
      context.close(code, reason);
      this.#finished = true;
    } catch (error) {
      reports.hookFailed(error, 'close');
    }
  }

  #late(): void {
    const error = new StreamError('ERR_GUNPORT_CLOSED', 'the connection that a reply was for is gone', {
      phase: 'closed',
    });
    this.#host.reports.error('message', error, 'reply');
  }

  /** Something went wrong: told, and followed by what the adapter says, or `otherwise`. Resolves with that. */
  async failed(where: ErrorContext['where'], given: unknown, detail: string, otherwise?: Act): Promise<Act> {
    const { error, context } = this.#host.reports.error(where, given, detail);
    return this.#handle(error, context, otherwise);
  }

  /** A hook of the adapter has failed, and that was told. */
  hookFailed(error: Error, hook: string): void {
    // What fails while failures are dealt with is told, and that is all.
    if (hook.startsWith('error.')) return;
    const context: ErrorContext = { where: 'hook', detail: hook, class: 'normal' };
    void this.#handle(error, context, undefined);
  }

  async #handle(error: Error, context: ErrorContext, otherwise: Act): Promise<Act> {
    const { reports, adapter, epoch } = this.#host;
    const standard: Act =
      otherwise ?? (context.class === 'critical' ? { type: 'stop', reason: context.detail } : undefined);
    const handle = adapter.error?.handle;
    const said = handle && (await reports.hooks.acted('error.handle', () => handle(error, context)));
    // What nobody wants to go on after is the end itself.
    if (!said && standard?.type === 'stop' && error instanceof GunportError) this.#stopped ??= error;
    this.do(said ?? standard, epoch, error);
    return said ?? standard;
  }

  /** Of a connection that was lost: what a hook says, unless one has decided before. */
  lost(hook: (() => Act | Promise<Act>) | undefined): void {
    if (!hook) return;
    const { reports } = this.#host;
    const said = reports.hooks.acted('connection.down', hook).then((act) => {
      if (act?.type === 'reply' || act?.type === 'replyMany') this.#late();
      return act;
    });
    const before = this.#decided;
    this.#decided = before ? before.then(async (act) => act ?? said) : said;
  }

  /** What was decided of the failure that is dealt with now; `undefined`: nothing. */
  async decision(failure: GunportError): Promise<RetryChoice> {
    const decided = await this.#decided;
    this.#decided = undefined;
    if (decided?.type === 'stop') this.#stopped ??= stopError(decided.reason, failure);
    if (decided?.type === 'close') this.#finished = true;
    if (decided?.type === 'stop' || decided?.type === 'close') return false;
    if (decided?.type === 'retry') return { delay: decided.delay };
    return decided?.type === 'reconnect' ? { delay: 0 } : undefined;
  }
}

/** What becomes of a message is not for all hooks to say. */
function asAct(act: MessageAct): Act {
  return act?.type === 'deliver' || act?.type === 'drop' ? undefined : act;
}

function stopError(reason: string | undefined, cause: Error | undefined): StreamError {
  return new StreamError('ERR_GUNPORT_GAVE_UP', reason ?? 'the adapter said stop', {
    phase: 'closed',
    cause,
  });
}
