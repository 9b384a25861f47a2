// memory — resident memory of this process: now, and at its most since it was asked to forget.
// Called by measure.ts at the two ends of a window.
// Source: Linux, Documentation/filesystems/proc.rst: clear_refs (5 resets the peak), VmHWM in status.

import { readFileSync, writeFileSync } from 'node:fs';

/** Forgets the peak so far. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed: the peak is then that of the whole run, which is not told either.
  }
}

/** In bytes, since `resetPeak`; undefined where the system does not tell. */
export function peakMemory(): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
