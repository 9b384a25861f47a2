// sizes — how long the messages were: a count for each length, exact up to 64 KiB, to 1/256 above.
// Filled by intake.ts once a message, which must cost next to nothing: a histogram of perf_hooks takes 30 to 50 ns a call,
// as much as gunport takes for a small message itself; adding one to a word takes 2 to 6.

const EXACT = 65_536;

export class Sizes {
  readonly #exact = new Float64Array(EXACT);
  readonly #large = new Map<number, number>();

  add(size: number): void {
    if (size < EXACT) this.#exact[size] = (this.#exact[size] ?? 0) + 1;
    else this.#addLarge(size, 1);
  }

  addAll(other: Sizes): void {
    for (const [size, count] of other.#entries()) {
      if (size < EXACT) this.#exact[size] = (this.#exact[size] ?? 0) + count;
      else this.#addLarge(size, count);
    }
  }

  /** As of now. */
  copy(): Sizes {
    const copy = new Sizes();
    copy.addAll(this);
    return copy;
  }

  clear(): void {
    this.#exact.fill(0);
    this.#large.clear();
  }

  /** The sizes at these shares, from 0 to 1; empty where nothing came. */
  at(...shares: readonly number[]): number[] {
    const entries = [...this.#entries()];
    const all = entries.reduce((sum, [, count]) => sum + count, 0);
    if (all === 0) return [];
    return shares.map((share) => {
      let below = 0;
      const found = entries.find(([, count]) => {
        below += count;
        return below >= share * all;
      });
      return found?.[0] ?? 0;
    });
  }

  /** How many by powers of two: [0, 1), [1, 2), [2, 4) … from the first to the last that has any. */
  buckets(): { readonly from: number; readonly count: number }[] {
    const counts = new Map<number, number>();
    for (const [size, count] of this.#entries()) {
      const power = size === 0 ? -1 : Math.floor(Math.log2(size));
      counts.set(power, (counts.get(power) ?? 0) + count);
    }
    const powers = [...counts.keys()];
    if (powers.length === 0) return [];
    const first = Math.min(...powers);
    return Array.from({ length: Math.max(...powers) - first + 1 }, (_, i) => ({
      from: first + i < 0 ? 0 : 2 ** (first + i),
      count: counts.get(first + i) ?? 0,
    }));
  }

  /** With a count, in ascending order. */
  *#entries(): Generator<readonly [size: number, count: number]> {
    for (let size = 0; size < EXACT; size++) {
      const count = this.#exact[size] ?? 0;
      if (count > 0) yield [size, count];
    }
    yield* [...this.#large].sort(([a], [b]) => a - b);
  }

  #addLarge(size: number, count: number): void {
    const step = 2 ** (Math.floor(Math.log2(size)) - 8);
    const rounded = Math.floor(size / step) * step;
    this.#large.set(rounded, (this.#large.get(rounded) ?? 0) + count);
  }
}
