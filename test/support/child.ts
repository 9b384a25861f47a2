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
  /** A command that runs node, whose own command line stands behind this one. */
  readonly under?: readonly string[] | undefined;
}

/** For `under`: at most so many descriptors, or threads and processes of its user. */
export function limited(option: '-n' | '-u', most: number): string[] {
  return ['bash', '-c', `ulimit ${option} ${most}; exec "$@"`, 'bash'];
}

/** URL of gunport's entry, as compiled with the tests. */
export const GUNPORT: string = new URL('../../lib/index.js', import.meta.url).href;

/** Runs an ES module of these lines; it has all exports of gunport as `gunport`, and `args`. */
export function run(
  source: string,
  { node = [], args = [], timeout = 8_000, under = [] }: RunOptions = {},
): Promise<Ran> {
  const program = `import * as gunport from ${JSON.stringify(GUNPORT)};
    const args = ${JSON.stringify(args)};
    ${source}`;
  return runModule(program, node, timeout, under);
}

/** The same without gunport. */
export function runModule(
  program: string,
  node: readonly string[] = [],
  timeout = 8_000,
  under: readonly string[] = [],
): Promise<Ran> {
  const line = [...under, process.execPath, ...node, '--input-type=module', '--eval', program];
  const child = spawn(line[0] ?? process.execPath, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
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
