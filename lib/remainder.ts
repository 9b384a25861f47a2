// remainder — what is left of a parcel that somebody has begun to read, ready to be handed over.
// Called by stream.ts when a connection changes owners.
// Invariant: nothing that a user may hold a view of is moved. Source: promise O2.

import type { MessagePort } from 'node:worker_threads';
import type { Held, Queue } from './queue.ts';
import type { Parcel, StreamMark } from './wire.ts';

/** Empties a queue into what a commit carries; `memory` collects what moves with it. */
export function untaken(
  queue: Queue<StreamMark>,
  memory: (ArrayBuffer | MessagePort)[],
): (Parcel | StreamMark)[] {
  // The next owner cannot give it back.
  queue.forgetLent();
  return queue.untaken().map((item) => ('mark' in item ? item.mark : remainder(item, memory)));
}

/** Lays what a commit carried, or would have, into a queue. */
export function lay(queue: Queue<StreamMark>, items: readonly (Parcel | StreamMark)[]): void {
  if (items.length > 0)
    queue.lay(items.map((item) => (item.type === 'parcel' ? { parcel: item } : { mark: item })));
}

/** A half-read parcel is copied: moving its slab would detach the views that its reader has been given. */
function remainder({ parcel, next }: Held, memory: (ArrayBuffer | MessagePort)[]): Parcel {
  if (next === 0) {
    // Both are memory of their own, made for this parcel.
    memory.push(parcel.slab.buffer as ArrayBuffer, parcel.index.buffer as ArrayBuffer);
    if (parcel.carried) memory.push(...parcel.carried.transfer);
    return parcel;
  }
  const index = parcel.index.slice(next * 2, parcel.count * 2);
  const from = index[0] ?? 0;
  const slab = new Uint8Array(parcel.slab.subarray(from));
  for (let at = 0; at < index.length; at += 2) index[at] = (index[at] ?? 0) - from;
  memory.push(slab.buffer, index.buffer as ArrayBuffer);
  return { ...parcel, slab, index, count: parcel.count - next };
}
