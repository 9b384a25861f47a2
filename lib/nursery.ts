// nursery — memory that came from another thread, as the garbage collector sees it.
// Held by owned.ts, told of every slab and part of a body that arrives.
// V8 counts moved memory against the whole heap only: every 64 MiB of it it marks all that this thread has. Only an
// allocation of memory within the thread makes it look at what the young generation holds, and from 32 MiB of that on
// collect those alone, which costs next to nothing. So there is one, of a byte, for so many that arrive.
// After such a collection V8 asks whether the heap has outgrown its limit, and 32 MiB that are not freed yet count. A
// limit that was set while the heap was small and quiet is too low for that, and would be set anew as low each time.
// So where all is marked in spite of the looks, the heap is made heavy for the next time; and if that is of no use, let
// be for a while. Source: V8's Heap::AllocateExternalBackingStore, ReportExternalMemoryPressure and MemoryController;
// measured: bench/RESULTS.md.

const MIB = 1024 * 1024;
/** Bytes that arrive between two looks. */
const LOOK_EVERY = MIB;
/** Bytes after which it is asked whether all was marked; once may be chance. */
const JUDGE_EVERY = 64 * MIB;
const CHANCES = 2;
/** What the heap is made heavier by, in MiB; then it is let be for REST bytes. */
const WEIGHTS: readonly number[] = [16, 32, 32];
const REST = 1024 * MIB;

/** @internal */
export class Nursery {
  #bytes = 0;
  #judged = 0;
  #rest = 0;
  #failures = 0;
  #tries = 0;
  /** What it points to dies when all is marked, and not before. */
  #canary = new WeakRef({});
  /** Numbers that are not looked at when all is marked; kept until then. */
  #weight: number[] | undefined;

  /** So many bytes have come. */
  arrived(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < LOOK_EVERY) return;
    this.#judged += this.#bytes;
    this.#bytes = 0;
    if (this.#judged < this.#rest) return;
    void new ArrayBuffer(1);
    if (this.#judged >= this.#rest + JUDGE_EVERY) this.#judge();
  }

  #judge(): void {
    this.#judged = 0;
    const rested = this.#rest > 0;
    this.#rest = 0;
    const marked = this.#canary.deref() === undefined;
    if (marked) this.#canary = new WeakRef({});
    // The limit was set with it.
    if (marked && this.#weight) this.#weight = undefined;
    // While it was let be, all was marked, of course.
    this.#failures = marked && !rested ? this.#failures + 1 : 0;
    if (this.#failures < CHANCES) return;
    this.#failures = 0;
    const weight = WEIGHTS[this.#tries++];
    if (weight !== undefined) {
      this.#weight = new Array<number>((weight * MIB) / 8).fill(0.5);
      return;
    }
    this.#tries = 0;
    this.#rest = REST;
  }
}
