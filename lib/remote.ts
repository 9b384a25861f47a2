// remote — calls from a stream's owner to the `api` of its handler.
// Made by handled.ts for each stream that has a handler; spoken with workers/remote.ts on a channel of its own, or, where
// the handler runs on this thread, with its api itself.
// Invariant: every call settles: with its answer, the end of the stream, the Down of its connection, its hand-over or its
// timeout; nothing is left open after close(). Source: comlink, of which design.md has what it leaves undone; promise S1.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as comlink from 'comlink';
import { checkWait, wait } from './await.ts';
import { LONGEST, own } from './checks.ts';
import { describe, type GunportError, OptionError } from './errors.ts';
import { AskingEnd, Proxies } from './remoting/line.ts';
import { asThrown, callAt, nameOf, type Path, type Thrown, valueAt } from './remoting/reach.ts';

/** Options of `stream.remote()`. */
export interface RemoteOptions {
  /** How long each call may take, in milliseconds; 0: as long as it likes. Default 0. */
  timeout?: number | undefined;
}

/** A handler's `api`, from the owner's thread: calls give promises, and other properties are read by `await`. */
export type Remote<Api> = {
  readonly [Name in keyof Api]: RemoteProperty<Api[Name]>;
};

type RemoteProperty<Value> = Value extends (...parameters: infer Parameters) => infer Result
  ? (...parameters: Parameters) => Promise<RemoteResult<Awaited<Result>>>
  : Value extends object
    ? Remote<Value> & PromiseLike<Value>
    : PromiseLike<Value>;

/** What comes as a `comlink.proxy()` is one here. */
type RemoteResult<Result> = Result extends comlink.ProxyMarked ? comlink.Remote<Result> : Result;

/** Who answers. @internal */
export interface Answerer {
  call(path: Path, parameters: readonly unknown[]): Promise<unknown>;
  get(path: Path): Promise<unknown>;
  /** Nothing more will be asked. */
  close(error: GunportError): void;
}

/** What `workers/remote.ts` exposes. */
interface Exposed {
  call(path: Path, ...parameters: unknown[]): Promise<unknown>;
  get(path: Path): Promise<unknown>;
}

type Outcome = { readonly value: unknown } | { readonly thrown: unknown };

/** @internal */
export class RemoteCalls {
  readonly #usable: () => void;
  readonly #connect: () => Answerer;
  readonly #waiting = new Set<(error: GunportError) => void>();
  #answerer: Answerer | undefined;
  #over: GunportError | undefined;

  /** `usable` throws where its owner may not ask; `connect` is called for the first question. */
  constructor(usable: () => void, connect: () => Answerer) {
    this.#usable = usable;
    this.#connect = connect;
  }

  /** @throws {OptionError} */
  remote(options: RemoteOptions | undefined): unknown {
    const timeout = own(options, NAMES, '')['timeout'] ?? 0;
    if (!Number.isInteger(timeout)) {
      throw new OptionError(`timeout must be an integer from 0 to ${LONGEST}, got ${describe(timeout)}`);
    }
    checkWait(timeout, undefined);
    return this.#at([], timeout as number); // An integer, as was just seen.
  }

  /** Whatever waits, and is asked later, has this for an answer. */
  close(error: GunportError): void {
    if (this.#over) return;
    this.#over = error;
    for (const settle of [...this.#waiting]) settle(error);
    this.#answerer?.close(error);
    this.#answerer = undefined;
  }

  /** Any name leads on, a call asks, and so does `await`; but not at its root, which a function may return. */
  #at(path: Path, timeout: number): unknown {
    const get = (_: unknown, name: string | symbol): unknown => {
      if (typeof name === 'symbol') return undefined;
      if (name !== 'then') return this.#at([...path, name], timeout);
      if (path.length === 0) return undefined;
      const read = (): Promise<unknown> => this.#ask(path, timeout, (from) => from.get(path));
      return (...then: Parameters<Promise<unknown>['then']>) => read().then(...then);
    };
    const apply = (_: unknown, __: unknown, parameters: readonly unknown[]): Promise<unknown> =>
      this.#ask(path, timeout, (from) => from.call(path, parameters));
    const refuse = (): boolean => false;
    return new Proxy(() => {}, { get, apply, set: refuse, defineProperty: refuse, deleteProperty: refuse });
  }

  async #ask(path: Path, timeout: number, ask: (from: Answerer) => Promise<unknown>): Promise<unknown> {
    if (this.#over) throw this.#over;
    this.#usable();
    this.#answerer ??= this.#connect();
    const answer = ask(this.#answerer);
    const within = { timeout: timeout === 0 ? Number.POSITIVE_INFINITY : timeout };
    const outcome = await wait<Outcome>(nameOf(path), within, (settle) => {
      this.#waiting.add(settle);
      answer.then(
        (value) => settle(undefined, { value }),
        (thrown: unknown) => settle(undefined, { thrown }),
      );
      return () => this.#waiting.delete(settle);
    });
    if ('thrown' in outcome) throw outcome.thrown;
    return outcome.value;
  }
}

const NAMES: ReadonlySet<string> = new Set(['timeout']);

/** Asks over a channel; `give` has one end of it sent to the handler's thread. @internal */
export function answererAfar(give: (port: MessagePort) => void): Answerer {
  const { port1, port2 } = new MessageChannel();
  const end = new AskingEnd(port1);
  const far = comlink.wrap<Exposed>(end);
  const proxies = new Proxies();
  give(port2);
  return {
    async call(path, parameters) {
      const packed = parameters.map((one) => proxies.pack(one));
      return proxies.unpack(await far.call(path, ...packed).catch((thrown) => rethrow(thrown, path)));
    },
    get: (path) => far.get(path).catch((thrown) => rethrow(thrown, path)),
    close(error) {
      proxies.close({ error });
      end.close({ error });
    },
  };
}

/** The other thread has thrown a `Thrown`; anything else is comlink's own. */
function rethrow(thrown: unknown, path: Path): never {
  if (thrown instanceof DOMException) throw thrown;
  if (thrown instanceof Error) throw new TypeError(`the result of ${nameOf(path)} cannot be cloned`);
  throw asThrown(thrown as Thrown);
}

/** Asks an api on this thread. @internal */
export function answererHere(api: Promise<object | undefined>): Answerer {
  return {
    call: async (path, parameters) => callAt(await api, path, parameters),
    get: async (path) => valueAt(await api, path),
    close() {},
  };
}
