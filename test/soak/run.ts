// run — `npm run soak`: everything at random for as long as asked, or single long runs by name; see arguments.ts.
// Invariant: each run ends with one line, ✔ with its figures or ✖ with what was violated; the exit code is 1 if any was.
// The mixed soak runs in a process of its own, in which the C library keeps two arenas of memory: with one for each of the
// threads that come and go, RSS says more of those than of what is held (MALLOC_ARENA_MAX, mallopt(3)).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { seedOf } from '../support/chance.ts';
import { type Asked, type Mixed, parse, USAGE } from './arguments.ts';
import { type Job, jobs, named } from './jobs.ts';
import { tellResult } from './mixed/report.ts';
import { soak } from './mixed/soak.ts';

const given = process.argv.slice(2);
const INSIDE = 'GUNPORT_SOAK_INSIDE';
/** How long the process may take to end by itself, in milliseconds. */
const GRACE = 10_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function asked(): Asked | undefined {
  try {
    return parse(given);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

async function runMixed(mixed: Mixed): Promise<void> {
  const seed = mixed.seed ?? seedOf();
  say(`everything at random for ${mixed.seconds} s, seed ${seed}`);
  const result = await soak({ ...mixed, seed }, (line) => say(`  ${line}`));
  const { text, isGood } = tellResult(result, { ...mixed, seed });
  say(text);
  if (!isGood) process.exit(1); // What hangs is not waited for.
  // A process that does not end is a leak: name it rather than hang. The timer itself keeps nothing alive.
  setTimeout(() => {
    say(`✖ the process does not end: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, GRACE).unref();
}

/** The same in a process of its own. */
async function runInside(): Promise<void> {
  const [, script = ''] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, script, ...given], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1', MALLOC_ARENA_MAX: '2' },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (signal) say(`✖ killed by ${signal}`);
  process.exit(code ?? 1);
}

async function runJob(job: Job): Promise<void> {
  const began = performance.now();
  try {
    const line = await job.run((progress) => say(`  ${progress}`));
    say(`✔ ${job.name} (${((performance.now() - began) / 1_000).toFixed(1)} s)\n  ${line}`);
  } catch (error) {
    process.exitCode = 1;
    say(`✖ ${job.name}`);
    process.stderr.write(`${inspect(error)}\n`);
  }
}

async function run(what: Asked): Promise<void> {
  if (what.type === 'list')
    say(
      `${USAGE}\n\njobs:\n${jobs()
        .map(({ name }) => `  ${name}`)
        .join('\n')}`,
    );
  else if (what.type === 'mixed') await (process.env[INSIDE] ? runMixed(what) : runInside());
  else {
    let chosen: readonly Job[] = [];
    try {
      chosen = named(what.words);
    } catch (error) {
      process.stderr.write(`${(error as Error).message}\n`);
      process.exitCode = 1;
    }
    for (const job of chosen) await runJob(job);
  }
}

const what = asked();
if (what) await run(what);
