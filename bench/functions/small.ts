// small — the functions that an echo goes through, to the micro benchmarks: what crosses as a tuple, and whether to stay awake.
// Listed by functions.ts. Both ends in one thread, without the post between them.

import { packFrames, packParcel, unpackCast, unpackNotice } from '../../lib/smallwire.ts';
import type { Parcel } from '../../lib/wire.ts';
import { Dialogue } from '../../workers/dialogue.ts';
import type { Case } from './http.ts';

/** Times in one call. */
const TIMES = 1_000;

export function smallCases(): Case[] {
  const slab = new Uint8Array(64).fill(7);
  const parcel: Parcel = {
    type: 'parcel',
    stream: 1,
    seq: 1,
    slab,
    index: Int32Array.of(0, 64),
    count: 1,
    texts: false,
    ascii: true,
    bytes: 64,
  };
  const image = new Uint8Array(70).fill(7);
  const dialogue = new Dialogue();
  const times = (name: string, run: () => unknown): Case => ({
    name,
    messages: TIMES,
    call: () => {
      let last: unknown;
      for (let i = 0; i < TIMES; i++) last = run();
      return last;
    },
  });
  return [
    times('packParcel and unpackNotice, 64 B', () => {
      const packed = packParcel(parcel);
      return packed && unpackNotice(packed);
    }),
    times('packFrames and unpackCast, 64 B', () =>
      unpackCast(packFrames({ type: 'send', stream: 1, image, messages: 1, unhurried: true, read: [1, 1] })),
    ),
    // From one side: an answer that never comes, so that no loop turns.
    times('Dialogue.heard', () => dialogue.heard('owner')),
  ];
}
