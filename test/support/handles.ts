// handles — two counts more for tests that kill threads: ports of this thread, and what Node itself leaves open.
// Used by kills.ts beside leaks.ts.

import { readdirSync, readlinkSync } from 'node:fs';
import { queryObjects } from 'node:v8';
import { MessagePort } from 'node:worker_threads';

/** Descriptors of modules: Node 20 leaves one open that a thread was reading when it was terminated, and no program
 *  can close it. Everything else must be closed. */
export function openModules(): number {
  if (process.platform !== 'linux') return 0;
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // The descriptor of this very reading.
    }
  });
  return links.filter((link) => link.endsWith('.js')).length;
}

/** MessagePorts of this thread, whether they keep it alive or not. */
export function livePorts(): number {
  return queryObjects(MessagePort, { format: 'count' });
}
