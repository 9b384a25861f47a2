// child — a program of a few lines in a process of its own, run to its end.
// Used by tests about what ends, what stays alive and what a whole process does.
// Invariant: it always ends: by itself, or killed after `timeout`, which the test sees as a signal.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface Ran {
  readonly code: number | null;
  /** What killed it, if it did not end by itself. */
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

export interface RunOptions {
  /** Options of node itself. */
  readonly node?: readonly string[] | undefined;
  /** In the program: `args`. */
  readonly args?: readonly unknown[] | undefined;
  /** Milliseconds until it is killed. Default 8 000. */
  readonly timeout?: number | undefined;
}

/** URL of gunport's entry, as compiled with the tests. */
export const GUNPORT: string = new URL('../../lib/index.js', import.meta.url).href;

/** Runs an ES module of these lines; it has all exports of gunport as `gunport`, and `args`. */
export function run(
  source: string,
  { node = [], args = [], timeout = 8_000 }: RunOptions = {},
): Promise<Ran> {
  const program = `import * as gunport from ${JSON.stringify(GUNPORT)};
    const args = ${JSON.stringify(args)};
    ${source}`;
  return runModule(program, node, timeout);
}

/** The same without gunport. */
export function runModule(program: string, node: readonly string[] = [], timeout = 8_000): Promise<Ran> {
  const child = spawn(process.execPath, [...node, '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return ended(child, timeout);
}

/** What it wrote, and how it ended; killed after `timeout` ms. */
export function ended(child: ChildProcessByStdio<null, Readable, Readable>, timeout: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const late = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(late);
      resolve({ code, signal, output, errors });
    });
  });
}
