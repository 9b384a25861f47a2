// lanes — what goes on at the same time in a soak: each lane does one act after another, each act by a seed of its own,
// until it is told to rest.
// Made by soak.ts. Invariant: at a rest no act is under way; an act that throws ends the soak, named with its step and seed.

import { chance } from '../../support/chance.ts';
import type { Random } from './stage.ts';

export type Act = (random: Random) => Promise<void>;

export class Lanes {
  readonly #seed: number;
  readonly #fail: (what: string) => void;
  /** Acts under way, with when they began. */
  readonly #busy = new Map<string, number>();
  readonly #ended: Promise<void>[] = [];
  #stopped = false;
  #rest = new AbortController();
  #resume: () => void = () => {};
  #resumed: Promise<void> = Promise.resolve();

  constructor(seed: number, fail: (what: string) => void) {
    this.#seed = seed;
    this.#fail = fail;
  }

  /** Aborted while they rest. */
  get rest(): AbortSignal {
    return this.#rest.signal;
  }

  /** What is under way for longer than so many ms, or at all. */
  busy(ms = 0): string[] {
    const before = performance.now() - ms;
    return [...this.#busy].filter(([, since]) => since <= before).map(([name]) => name);
  }

  add(name: string, act: Act): void {
    this.#ended.push(this.#run(name, act));
  }

  /** Nothing is begun any more. */
  hold(): void {
    if (this.#rest.signal.aborted) return;
    this.#rest.abort();
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  go(): void {
    this.#rest = new AbortController();
    this.#resume();
  }

  /** No further act; resolves when the last is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rest.abort();
    this.#resume();
    await Promise.all(this.#ended);
  }

  async #run(name: string, act: Act): Promise<void> {
    for (let step = 0; ; step++) {
      while (this.#rest.signal.aborted && !this.#stopped) await this.#resumed;
      if (this.#stopped) return;
      const at = `${name}, step ${step}`;
      this.#busy.set(at, performance.now());
      try {
        await act(chance(seedFor(this.#seed, at)));
      } catch (error) {
        this.#fail(`${at}: ${(error as Error)?.stack ?? String(error)}${causes(error)}`);
        return;
      } finally {
        this.#busy.delete(at);
      }
      // One that does nothing must not keep the others from theirs.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Source: FNV-1a. */
function seedFor(seed: number, name: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

function causes(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown };
  if (!(cause instanceof Error)) return '';
  const { code } = cause as { code?: string };
  return `\n  because: ${code ?? ''} ${cause.stack}${causes(cause)}`;
}
