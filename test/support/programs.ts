// programs — where the programs that tests start are, on this machine.
// Used by real.ts. Invariant: what it names can be run: a program by its path, a library of Python's by the path of an
// interpreter that has it, which is asked once.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Program = 'nginx' | 'haproxy' | 'nghttpd' | 'chromium' | RealProxy | PythonLibrary;
export type RealProxy = 'squid' | 'tinyproxy' | 'nghttpx' | 'danted' | 'microsocks' | 'stunnel4';
export type PythonLibrary = 'websockets' | 'autobahn';

const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/bin'];
/** Where its name is not the only one. */
const NAMES: Partial<Record<Program, readonly string[]>> = {
  chromium: ['chromium-headless-shell', 'chromium', 'google-chrome'],
};
/** What of a library must be there. */
const MODULES: Record<PythonLibrary, string> = {
  websockets: 'websockets.legacy.server',
  autobahn: 'autobahn.asyncio.websocket',
};

const known = new Map<Program, string | undefined>();

/** Its path, where it is installed. */
export function find(program: Program): string | undefined {
  if (!known.has(program)) known.set(program, look(program));
  return known.get(program);
}

function look(program: Program): string | undefined {
  if (isLibrary(program)) return interpreter(MODULES[program]);
  return (NAMES[program] ?? [program]).flatMap(paths)[0];
}

function isLibrary(program: Program): program is PythonLibrary {
  return program in MODULES;
}

/** Debian's is not always the first, and its packages are its own. */
function interpreter(module: string): string | undefined {
  return paths('python3').find(
    (python) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0,
  );
}

/** All that there are, those of PATH first. */
function paths(name: string): string[] {
  const all = FOLDERS.filter((folder) => folder !== '').map((folder) => join(folder, name));
  return [...new Set(all)].filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // It is not here; the next folder may have it.
  }
}
