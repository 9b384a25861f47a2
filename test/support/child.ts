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
  return runModule(programOf(source, args), node, timeout, under);
}

/** One that runs beside a test, which is told line by line what it writes. */
export interface Running {
  /** The next line of its output; rejects when it ends before. */
  line(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly pid: number;
  readonly ran: Promise<Ran>;
}

/** As `run`; what it says with `say(text)` is heard at once, though its thread be blocked right after it. */
export function begin(source: string, { node = [], args = [], timeout = 8_000 }: RunOptions = {}): Running {
  const program = `import { writeSync } from 'node:fs';
    const say = (text) => writeSync(1, text + '\\n');
    ${source}`;
  const child = started([process.execPath, ...node], programOf(program, args));
  let rest = '';
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  child.stdout.on('data', (text: string) => {
    const all = (rest + text).split('\n');
    rest = all.pop() ?? '';
    lines.push(...all);
    for (const wake of waiting.splice(0)) wake();
  });
  const ran = ended(child, timeout);
  let over: Ran | undefined;
  void ran.then((end) => {
    over = end;
    for (const wake of waiting.splice(0)) wake();
  });
  return {
    ran,
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async line() {
      while (lines.length === 0) {
        if (over) throw new Error(`it has ended (${over.code ?? over.signal}): ${over.errors}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      return lines.shift() ?? '';
    },
  };
}

function programOf(source: string, args: readonly unknown[]): string {
  return `import * as gunport from ${JSON.stringify(GUNPORT)};
    const args = ${JSON.stringify(args)};
    ${source}`;
}

function started(command: readonly string[], program: string): ChildProcessByStdio<null, Readable, Readable> {
  const [file = process.execPath, ...rest] = [...command, '--input-type=module', '--eval', program];
  return spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The same without gunport. */
export function runModule(
  program: string,
  node: readonly string[] = [],
  timeout = 8_000,
  under: readonly string[] = [],
): Promise<Ran> {
  return ended(started([...under, process.execPath, ...node], program), timeout);
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
