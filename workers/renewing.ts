// renewing — what an attempt is made with: the handler is asked, and the user's `renew`, before each.
// Held by process.ts; the Adviser is what a handler beside the socket offers it (and retrying.ts).
// Invariant: each attempt has settings or an error, in bounded time: a hook beside the socket may take `connectTimeout`; of
// an owner that does not answer, or is gone, the last answer counts. Hooks are asked one attempt at a time.
// Source: nova.md, forty features: "async hook may refresh URL/headers".

import { ConnectionError, fromRecord, type GunportError, toRecord } from '../lib/errors.ts';
import { load } from '../lib/modules.ts';
import type { ModuleReference, Renewal } from '../lib/options.ts';
import { checkRenewal, renewed } from '../lib/renewal.ts';
import type { AdviceQuestion, RenewalAnswer, RenewalRecord } from '../lib/retrywire.ts';
import type { AttemptInfo, FailureInfo, RetryChoice } from '../lib/types.ts';
import type { Settings } from '../lib/wire.ts';
import { Asking, OWNER_DEADLINE } from './asking.ts';

/** What a handler beside the socket has to say of attempts. */
export interface Adviser {
  /** Before each. A rejection fails the attempt. */
  connecting?(info: AttemptInfo): Promise<Renewal | undefined>;
  /** After a failure or a loss, or a close that the policy takes for the end; it reports its faults itself, and one that
   *  rejects or gives no choice leaves it to the policy. */
  retrying?(info: FailureInfo): Promise<RetryChoice>;
  /** Another attempt follows in `delay` ms. */
  waiting?(wait: { readonly delay: number; readonly error: GunportError }): void;
}

/** What they ask of their process. */
export interface RenewingHost {
  adviser(): Adviser | undefined;
  /** A question for the owner. */
  ask(question: AdviceQuestion): void;
}

type Outcome = { readonly value: unknown } | { readonly thrown: unknown };

export class Renewing {
  readonly #settings: Settings;
  readonly #host: RenewingHost;
  #asking: { settle(answer: undefined): void } | undefined;
  #question: Asking<RenewalAnswer> | undefined;
  /** The owner's last answer. */
  #last: readonly RenewalRecord[] = [];
  #cancelled = false;

  constructor(settings: Settings, host: RenewingHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** The settings of the next attempt; undefined: nobody is there to be asked. */
  prepare(info: () => AttemptInfo): Promise<Settings> | undefined {
    const { renew, advised } = this.#settings;
    const adviser = this.#host.adviser();
    if (renew === undefined && !advised && !adviser?.connecting) return undefined;
    return this.#prepare(info(), adviser);
  }

  async #prepare(info: AttemptInfo, adviser: Adviser | undefined): Promise<Settings> {
    const { renew, advised } = this.#settings;
    const renewals: RenewalRecord[] = [];
    if (renew !== undefined && renew !== 'ask') renewals.push(...(await this.#byModule(renew, info)));
    if (renew === 'ask' || advised) renewals.push(...(await this.#byOwner(info)));
    if (adviser?.connecting) {
      renewals.push(...(await this.#beside('connecting', async () => adviser.connecting?.(info))));
    }
    return renewed(this.#settings, renewals);
  }

  async #byModule(reference: ModuleReference, info: AttemptInfo): Promise<readonly RenewalRecord[]> {
    const renew = await load(reference);
    return this.#beside('renew', async () => renew(info));
  }

  /** A hook in this thread. */
  async #beside(name: string, run: () => Promise<unknown>): Promise<readonly RenewalRecord[]> {
    const { connectTimeout } = this.#settings;
    const asking = new Asking<Outcome>(connectTimeout);
    this.#asking = asking;
    run().then(
      (value) => asking.settle({ value }),
      (thrown: unknown) => asking.settle({ thrown }),
    );
    const outcome = await asking.answer;
    if (outcome === undefined) throw renewalFailed(name, `it took longer than ${connectTimeout} ms`);
    if ('thrown' in outcome) throw renewalFailed(name, outcome.thrown);
    const record = checkRenewal(outcome.value);
    return record ? [record] : [];
  }

  async #byOwner({ attempt, failures, url, lastError }: AttemptInfo): Promise<readonly RenewalRecord[]> {
    const question = new Asking<RenewalAnswer>(OWNER_DEADLINE);
    this.#question = question;
    this.#asking = question;
    const error = lastError && toRecord(lastError);
    this.#host.ask({ type: 'askRenewal', id: question.id, attempt, failures, url, error });
    const answer = await question.answer;
    this.#question = undefined;
    if (this.#cancelled) throw renewalFailed('renew', 'the connection has ended');
    if (answer && 'error' in answer) throw fromRecord(answer.error);
    if (answer && 'renewals' in answer) this.#last = answer.renewals;
    return this.#last;
  }

  /** What the owner said; an answer to another question is none. */
  answer(id: number, answer: RenewalAnswer): void {
    if (id === this.#question?.id) this.#question.settle(answer);
  }

  /** Who was asked is not the owner any more. */
  ownerChanged(): void {
    this.#question?.settle(undefined);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.#cancelled = true;
    this.#asking?.settle(undefined);
  }
}

/** A hook failed an attempt. */
function renewalFailed(name: string, why: unknown): ConnectionError {
  const cause = why instanceof Error ? why : undefined;
  const text = `${name} failed: ${cause ? cause.message : String(why)}`;
  return new ConnectionError('ERR_GUNPORT_HANDLER', text, { phase: 'connect', cause: cause ?? why });
}
