// version — of this package, as its own file has it.
// Called by gunport.ts for --version, and by bench.ts for the report.

import { readFileSync } from 'node:fs';

/** Its file is above dist/scripts/gunport. */
export function ownVersion(): string {
  const path = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }; // npm's own file.
  return version;
}
