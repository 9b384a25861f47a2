// machine — where the figures are from, and whether others were at work there.
// Asked by run.ts before the first window and after the last, while nothing of ours runs.

import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `Node ${process.version} on ${process.platform}, ${availableParallelism()} cores (${model})`;
}

/** Share of all cores that others keep busy now, 0 to 1; takes a second. */
export async function neighbours(): Promise<number> {
  const before = times();
  await delay(1_000);
  const after = times();
  const all = after.all - before.all;
  return all > 0 ? 1 - (after.idle - before.idle) / all : 0;
}

/** Since the machine began, over all cores, in ms. */
function times(): { idle: number; all: number } {
  const sum = { idle: 0, all: 0 };
  for (const core of cpus()) {
    sum.idle += core.times.idle;
    for (const time of Object.values(core.times)) sum.all += time;
  }
  return sum;
}

/** Of what is compared, as it is installed. */
export function versions(): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const found: Record<string, string> = { node: process.versions.node };
  for (const name of ['ws', 'undici', 'websocket', 'comlink']) {
    try {
      const { version } = require(`${name}/package.json`) as { version: string }; // npm's own file.
      found[name] = version;
    } catch {
      // Not installed, or it keeps that file to itself: then it is not told.
    }
  }
  return found;
}
