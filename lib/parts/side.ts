// side — one side of an order book: prices in order, with the size at each.
// Held by orderbook.ts, two for each book.
// Invariant: prices ascend by `sign * price`, so that the best one is the last: most changes are near the best, and
// there little has to be moved. No price stands twice; no size is 0.
// Source: binary search over sorted arrays; figures in bench/RESULTS.md.

/** What a price level is: its price and its size. */
export type Level = readonly [price: number, size: number];

const LEAST = 64;

/** @internal */
export class Side {
  readonly #sign: 1 | -1;
  readonly #most: number;
  /** `sign * price`, ascending. */
  #keys = new Float64Array(LEAST);
  #sizes = new Float64Array(LEAST);
  #length = 0;

  /** `sign`: 1 where the highest price is the best, -1 where the lowest is. `most`: levels that are kept. */
  constructor(sign: 1 | -1, most: number) {
    this.#sign = sign;
    this.#most = most;
  }

  get length(): number {
    return this.#length;
  }

  /** Sets the size at a price, 0 for none. Gives how far from the best it was, 0 for the best itself; -1 when nothing
   *  has changed. The worst level goes where there are more than `most`. */
  set(price: number, size: number): number {
    const key = this.#sign * price;
    const place = this.#find(key);
    const there = place < this.#length && this.#keys[place] === key;
    if (!there) return size === 0 ? -1 : this.#insert(place, key, size);
    if (this.#sizes[place] === size) return -1;
    const depth = this.#length - 1 - place;
    if (size === 0) this.#remove(place);
    else this.#sizes[place] = size;
    return depth;
  }

  clear(): void {
    this.#length = 0;
  }

  /** The level that is so far from the best. */
  at(depth: number): Level | undefined {
    const place = this.#length - 1 - depth;
    if (place < 0) return undefined;
    return [this.#sign * (this.#keys[place] as number), this.#sizes[place] as number]; // In bounds.
  }

  /** The size at a price; 0: none. */
  size(price: number): number {
    const key = this.#sign * price;
    const place = this.#find(key);
    return place < this.#length && this.#keys[place] === key ? (this.#sizes[place] as number) : 0; // In bounds.
  }

  /** The best levels, best first. */
  top(depth: number): Level[] {
    const levels: Level[] = [];
    const last = Math.max(0, this.#length - depth);
    for (let place = this.#length - 1; place >= last; place--) {
      levels.push([this.#sign * (this.#keys[place] as number), this.#sizes[place] as number]); // In bounds.
    }
    return levels;
  }

  /** Where it stands, or would. */
  #find(key: number): number {
    const keys = this.#keys;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as number) < key)
        low = middle + 1; // In bounds.
      else high = middle;
    }
    return low;
  }

  #insert(place: number, key: number, size: number): number {
    if (this.#length === this.#most) {
      if (place === 0) return -1; // It is the worst itself.
      this.#remove(0);
      place--;
    }
    if (this.#length === this.#keys.length) this.#grow();
    shift(this.#keys, place, this.#length, 1);
    shift(this.#sizes, place, this.#length, 1);
    this.#keys[place] = key;
    this.#sizes[place] = size;
    return this.#length++ - place;
  }

  #remove(place: number): void {
    shift(this.#keys, place + 1, this.#length, -1);
    shift(this.#sizes, place + 1, this.#length, -1);
    this.#length--;
  }

  #grow(): void {
    const [keys, sizes] = [this.#keys, this.#sizes];
    this.#keys = new Float64Array(2 * keys.length);
    this.#sizes = new Float64Array(2 * keys.length);
    this.#keys.set(keys);
    this.#sizes.set(sizes);
  }
}

/** Few are moved here: a call into copyWithin costs more. */
const FEW = 24;

function shift(list: Float64Array, from: number, to: number, by: 1 | -1): void {
  if (to - from > FEW) list.copyWithin(from + by, from, to);
  else if (by === 1)
    for (let i = to; i > from; i--) list[i] = list[i - 1] as number; // In bounds, as below.
  else for (let i = from; i < to; i++) list[i - 1] = list[i] as number;
}
