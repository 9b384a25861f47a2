// turns — the turns of a handler's thread in which its hooks run, and what they emit: shipped at the end of each, while the
// owner has room for it; else kept together, until it has, or until there is a whole parcel of it.
// Held by runner.ts. Invariant: nothing waits where there is room; thousands of small parcels would each be posted alone.
// Source: measured: what a handler makes of a read is small, and posted read by read to an owner that is slower it costs five
// times as much.

import type { MessagePort } from 'node:worker_threads';
import { Outlet } from './outlet.ts';
import type { RunnerHost } from './runnerhost.ts';

/** @internal */
export class Turns {
  readonly outlet: Outlet;
  readonly #host: RunnerHost;
  readonly #over: () => void;
  #inside = false;
  #due = false;
  /** Who emits was told that manual flow leaves no room for what is kept here. */
  #denied = false;

  /** `over`: a turn has ended. */
  constructor(host: RunnerHost, over: () => void) {
    this.#host = host;
    this.#over = over;
    this.outlet = new Outlet((parcel) => host.deliver(parcel));
  }

  /** What is emitted now is posted at the end of this turn. */
  get ready(): boolean {
    const { flow = Number.POSITIVE_INFINITY } = this.#host;
    if (this.outlet.count < flow) return this.#host.ready;
    this.#denied = true;
    return false;
  }

  run(run: () => void): void {
    const outer = this.#inside;
    this.#inside = true;
    try {
      run();
    } finally {
      this.#inside = outer;
      if (!outer) {
        this.#ship();
        this.#over();
      }
    }
  }

  #ship(): void {
    // Asked, its host tells when there is room again.
    if (!this.outlet.empty && this.#host.ready) this.outlet.ship();
    if (!this.#denied) return;
    this.#denied = false;
    void this.#host.ready;
  }

  /** @throws {DataCloneError} */
  emit(value: unknown, transfer: readonly (ArrayBuffer | MessagePort)[] | undefined): boolean {
    if (transfer && transfer.length > 0) this.outlet.carry(value, transfer);
    else if (value !== undefined) this.outlet.add(value);
    if (!this.#inside && !this.#due) {
      this.#due = true;
      // Not a microtask: a loop that awaits would post one value at a time.
      process.nextTick(() =>
        this.#host.guard(() => {
          this.#due = false;
          this.run(() => {});
        }),
      );
    }
    return this.ready;
  }
}
