// foreign — peers that are no JavaScript: the floor in C, and Erlang's Gun; each a process of its own that measures itself.
// Looked for once by works.ts; floor.c and gun_feed.escript are the programs.
// Invariant: what is not installed is no error: it is missing, and says why.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { settle, type Times } from '../instruments/measure.ts';
import type { Peer, Sample } from '../instruments/work.ts';
import type { Payload, Source } from './payloads.ts';

export const FOREIGN_NAMES = ['c-floor', 'gun'] as const;
type ForeignName = (typeof FOREIGN_NAMES)[number];

/** What runs, or why it does not. */
export interface Foreign {
  readonly name: ForeignName;
  readonly label: string;
  /** Why it is not here. */
  readonly missing?: string;
  readonly skips: (payload: Payload) => boolean;
  /** Its command, for one round. */
  readonly command: (source: Source, times: Times) => readonly [file: string, ...args: string[]];
}

export interface Foreigners extends AsyncDisposable {
  readonly all: readonly Foreign[];
}

const run = promisify(execFile);
/** For a compiler, and for a runtime to start, in ms. */
const PATIENCE = 30_000;

/** Compiles, and asks for versions. What it has compiled goes with its scope. */
export async function findForeigners(): Promise<Foreigners> {
  const folder = await mkdtemp(join(tmpdir(), 'gunport-bench-'));
  const all = await Promise.all([floor(join(folder, 'floor')), gun()]);
  return { all, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** One round of it. */
export function foreignPeer({ name, label, command }: Foreign, source: Source, times: Times): Peer {
  const measure = async (): Promise<Sample> => {
    await settle();
    const [file, ...args] = command(source, times);
    const { stdout } = await run(file, args, { timeout: PATIENCE + times.warmup + times.window });
    const { messages, ms, cpuUs } = JSON.parse(stdout) as Found; // Our own programs print it.
    if (messages === 0) throw new Error(`no message in ${ms} ms`);
    return { rate: (messages / ms) * 1_000, cpuNs: (cpuUs / messages) * 1_000 };
  };
  return { name, label, measure };
}

interface Found {
  readonly messages: number;
  readonly ms: number;
  readonly cpuUs: number;
}

async function floor(program: string): Promise<Foreign> {
  const compiler = process.env['CC'] ?? 'cc';
  const about = {
    name: 'c-floor',
    label: '(C, recv() and a frame walk: the floor)',
    // It neither decrypts nor inflates.
    skips: ({ compressed, secure }: Payload) => compressed || secure,
    command: ({ url }: Source, { warmup, window }: Times) => {
      const { port, pathname } = new URL(url);
      return [program, port, pathname, String(warmup), String(window)] as const;
    },
  } as const;
  try {
    await run(compiler, ['-O2', '-o', program, source('floor.c')], { timeout: PATIENCE });
    return about;
  } catch (error) {
    return { ...about, missing: `the floor in C is missing: ${compiler}: ${reason(error)}` };
  }
}

async function gun(): Promise<Foreign> {
  const script = source('gun_feed.escript');
  const about = {
    name: 'gun',
    skips: ({ secure }: Payload) => secure,
    command: ({ url, payload }: Source, { warmup, window }: Times) => {
      const { port, pathname } = new URL(url);
      const rest = [String(payload.compressed), String(warmup), String(window)];
      return ['escript', script, port, pathname, ...rest] as const;
    },
  } as const;
  try {
    const { stdout } = await run('escript', [script, 'version'], { timeout: PATIENCE });
    return { ...about, label: `Gun ${stdout.trim()} (Erlang), messages to its owner` };
  } catch (error) {
    const missing = `Erlang's Gun is missing (escript, and Gun and cowlib in ERL_LIBS): ${reason(error)}`;
    return { ...about, label: 'Gun', missing };
  }
}

/** In the folder of sources: nothing copies it to where this is compiled to. */
function source(name: string): string {
  const built = !import.meta.url.endsWith('.ts');
  return fileURLToPath(new URL(`${built ? '../../../bench/feeds' : '.'}/${name}`, import.meta.url));
}

function reason(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message?: string };
  return (stderr?.trim() || message || String(error)).split('\n')[0] ?? '';
}
