// stamps — when something was sent, in the payload itself: one clock for all processes of a machine.
// Written by server.ts, read by whoever has the message.
// Source: clock_gettime(2), CLOCK_MONOTONIC, which process.hrtime reads; elsewhere than on Linux a clock may begin with
// its process, and then the figures are none.

/** Bytes of a stamp. */
export const STAMP = 8;

export function stamp(): Buffer {
  const bytes = Buffer.alloc(STAMP);
  bytes.writeBigInt64LE(process.hrtime.bigint());
  return bytes;
}

/** Since it was sent, in us. */
export function age(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, STAMP);
  return Number(process.hrtime.bigint() - view.getBigInt64(0, true)) / 1_000;
}
