// slabs — the memory of this thread that sockets read into.
// Used by intake.ts and process.ts; slabs that owners borrowed come home through process.ts.
// Invariant: what Node holds as a socket's read buffer is never given away. The lobby is shared by all sockets that are
// idle: a read fills it and is dealt with in the same turn, so that an idle socket costs no memory of its own.
// Source: measured (512 KiB; 64 KiB −29 % at 64 B; 1 MiB −19 % at 16 KiB).

/** Size of a slab for a busy socket, in bytes. */
export const SLAB: number = 512 * 1024;
/** Size of the lobby; a read that fills it tells of a busy socket. */
const LOBBY = 64 * 1024;
/** Bytes of slabs that are kept for the next socket that is busy, a thread. */
const KEPT = 16 * SLAB;
/** All are multiples of this, those for larger messages too: so one fits again. */
const STEP = 64 * 1024;

// Per thread, as it must be: the memory of its sockets. The last that came is the first to go: it may be in a cache.
let lobby: Uint8Array<ArrayBuffer> | undefined;
const free: Uint8Array<ArrayBuffer>[] = [];
let kept = 0;

/** The buffer that idle sockets share; nothing in it outlives the turn it was read in. */
export function sharedBuffer(): Uint8Array<ArrayBuffer> {
  lobby ??= fresh(LOBBY);
  return lobby;
}

/** Memory for one socket, of `size` bytes at least: a slab unless given. */
export function takeSlab(size: number = SLAB): Uint8Array<ArrayBuffer> {
  if (size < SLAB) return fresh(size);
  const wanted = Math.ceil(size / STEP) * STEP;
  const at = free.findLastIndex(({ length }) => length === wanted);
  const [found] = at < 0 ? [] : free.splice(at, 1);
  kept -= found?.length ?? 0;
  return found ?? fresh(wanted);
}

/** A slab is free again: its socket is idle, or its borrower has read it. Those that have waited longest make room. */
export function giveSlab(slab: Uint8Array): void {
  const { buffer } = slab;
  if (!(buffer instanceof ArrayBuffer)) return;
  const { byteLength } = buffer;
  if (byteLength < SLAB || byteLength > KEPT || byteLength % STEP !== 0) return;
  while (kept + byteLength > KEPT) kept -= free.shift()?.length ?? kept;
  free.push(new Uint8Array(buffer));
  kept += byteLength;
}

/** Not zeroed, and not of Node's pool: it may be transferred away. */
export function fresh(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}

/** Who reads, or tells of what was read, from memory that others share. */
interface Reader {
  /** Where more of it stands; undefined: nowhere yet. */
  readonly memory: ArrayBufferLike | undefined;
}

// Per thread; innermost last. Reads wait for nothing, so it is empty between two turns.
const readers: Reader[] = [];

/** Runs it. Its memory stays meanwhile: what is posted of that is copied (bundle.ts). */
export function reading<T>(reader: Reader, run: () => T): T {
  readers.push(reader);
  try {
    return run();
  } finally {
    readers.pop();
  }
}

/** Whether a read under way goes on in this memory. */
export function isBeingRead(memory: ArrayBufferLike): boolean {
  for (const reader of readers) if (reader.memory === memory) return true;
  return false;
}
