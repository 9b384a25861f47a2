// slabs — the memory of this thread that sockets read into.
// Used by intake.ts and process.ts; slabs that owners borrowed come home through process.ts.
// Invariant: what Node holds as a socket's read buffer is never given away. The lobby is shared by all sockets that are
// idle: a read fills it and is dealt with in the same turn, so that an idle socket costs no memory of its own.
// Source: measured (512 KiB; 64 KiB −29 % at 64 B; 1 MiB −19 % at 16 KiB).

/** Size of a slab for a busy socket, in bytes. */
export const SLAB: number = 512 * 1024;
/** Size of the lobby; a read that fills it tells of a busy socket. */
const LOBBY = 64 * 1024;
/** Slabs kept for the next socket that is busy: 8 MiB a thread at most. */
const KEPT = 16;

// Per thread, as it must be: the memory of its sockets.
let lobby: Uint8Array<ArrayBuffer> | undefined;
const free: Uint8Array<ArrayBuffer>[] = [];

/** The buffer that idle sockets share; nothing in it outlives the turn it was read in. */
export function sharedBuffer(): Uint8Array<ArrayBuffer> {
  lobby ??= fresh(LOBBY);
  return lobby;
}

/** Memory for one socket, of `size` bytes: a slab unless given. */
export function takeSlab(size: number = SLAB): Uint8Array<ArrayBuffer> {
  return (size === SLAB ? free.pop() : undefined) ?? fresh(size);
}

/** A slab is free again: its socket is idle, or its borrower has read it. Only memory of the usual size is kept. */
export function giveSlab(slab: Uint8Array): void {
  const { buffer } = slab;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== SLAB || free.length >= KEPT) return;
  free.push(new Uint8Array(buffer));
}

/** Not zeroed, and not of Node's pool: it may be transferred away. */
export function fresh(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}
