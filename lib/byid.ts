// byid — things that come and go in great number, each by an id that counts on: a Map whose garbage is young.
// Held by roster.ts at the owner, by streams.ts in the worker.
// Invariant: an id is in the ring, at the place that its low bits name, or among the others; never in both.
// A Map that is old has its entries moved to a new table every few deletions, and each table it has left points to the
// next: once the first of them is in the old generation, all that was ever held outlives each minor collection.
// Source: V8's OrderedHashTable (NextTable); measured: 655 against 74 ns an entry.

/** Places of the ring at first: most connections have one stream. */
const LEAST = 4;
/** Nothing stands at a place. */
const NONE = 0;

/** `id`: an integer, and not 0. @internal */
export class ById<T> implements ReadonlyMap<number, T> {
  #ids: number[] = new Array<number>(LEAST).fill(NONE);
  #values: (T | undefined)[] = new Array<undefined>(LEAST).fill(undefined);
  #inRing = 0;
  /** Those that have stayed for so long that their places were needed. */
  #others: Map<number, T> | undefined;

  get size(): number {
    return this.#inRing + (this.#others?.size ?? 0);
  }

  get(id: number): T | undefined {
    const place = id & (this.#ids.length - 1);
    if (this.#ids[place] === id) return this.#values[place];
    return this.#others?.get(id);
  }

  has(id: number): boolean {
    return this.#ids[id & (this.#ids.length - 1)] === id || this.#others?.has(id) === true;
  }

  set(id: number, value: T): this {
    if (this.#others?.has(id)) {
      this.#others.set(id, value);
      return this;
    }
    let place = id & (this.#ids.length - 1);
    if (this.#ids[place] !== NONE && this.#ids[place] !== id) {
      if (this.#inRing > this.#ids.length / 2) this.#grow();
      else this.#moveOut(place);
      place = id & (this.#ids.length - 1);
      // In a larger ring it may be taken still.
      if (this.#ids[place] !== NONE) this.#moveOut(place);
    }
    if (this.#ids[place] === NONE) this.#inRing++;
    this.#ids[place] = id;
    this.#values[place] = value;
    return this;
  }

  delete(id: number): boolean {
    const place = id & (this.#ids.length - 1);
    if (this.#ids[place] !== id) return this.#others?.delete(id) === true;
    this.#empty(place);
    return true;
  }

  /** Calls back for each, in any order, and costs nothing but that; any may be deleted meanwhile. */
  each(callback: (value: T, id: number) => void): void {
    const [ids, values] = [this.#ids, this.#values];
    for (let place = 0; place < ids.length; place++) {
      const id = ids[place] ?? NONE;
      if (id !== NONE) callback(values[place] as T, id); // Something stands there.
    }
    if (this.#others) for (const [id, value] of this.#others) callback(value, id);
  }

  /** By id, upwards. */
  *entries(): MapIterator<[number, T]> {
    const ids = this.#ids.filter((id) => id !== NONE);
    for (const id of [...ids, ...(this.#others?.keys() ?? [])].sort((a, b) => a - b)) {
      const value = this.get(id);
      if (value !== undefined) yield [id, value];
    }
  }

  *keys(): MapIterator<number> {
    for (const [id] of this.entries()) yield id;
  }

  *values(): MapIterator<T> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[number, T]> {
    return this.entries();
  }

  forEach(callback: (value: T, id: number, map: ReadonlyMap<number, T>) => void, self?: unknown): void {
    for (const [id, value] of this.entries()) callback.call(self, value, id, this);
  }

  #empty(place: number): void {
    this.#ids[place] = NONE;
    this.#values[place] = undefined;
    this.#inRing--;
  }

  /** To the others. */
  #moveOut(place: number): void {
    this.#others ??= new Map();
    this.#others.set(this.#ids[place] ?? NONE, this.#values[place] as T); // Something stands there.
    this.#empty(place);
  }

  /** Of two that stood in one ring no two stand at one place of a larger one. */
  #grow(): void {
    const [ids, values] = [this.#ids, this.#values];
    const length = 2 * ids.length;
    this.#ids = new Array<number>(length).fill(NONE);
    this.#values = new Array<undefined>(length).fill(undefined);
    for (const [at, id] of ids.entries()) {
      if (id === NONE) continue;
      const place = id & (length - 1);
      this.#ids[place] = id;
      this.#values[place] = values[at];
    }
  }
}
