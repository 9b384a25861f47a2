#!/usr/bin/env node
// gunport — the command that comes with the package: `gunport bench URL` measures a server of yours.
// Run as its bin; what the command line may be is in gunport/command.ts.
// Invariant: it ends by itself, with nothing left to end: only the exit code is set. The first Ctrl-C ends the
// measuring, and it still reports; the second one ends it at once.

import { parse } from './gunport/command.ts';
import { ownVersion } from './gunport/version.ts';

process.stdout.on('error', () => {}); // Whoever read it has gone: `| head`.
process.exitCode = await run();

async function run(): Promise<number> {
  const command = parse(process.argv.slice(2));
  switch (command.name) {
    case 'help':
      process.stdout.write(command.text);
      return 0;
    case 'version':
      process.stdout.write(`${ownVersion()}\n`);
      return 0;
    case 'wrong':
      process.stderr.write(`gunport: ${command.message}; see gunport --help\n`);
      return 2;
    case 'bench': {
      const { bench } = await import('./gunport/bench.ts');
      const interrupt = new AbortController();
      process.once('SIGINT', () => interrupt.abort());
      process.once('SIGTERM', () => interrupt.abort());
      return bench(command, interrupt.signal);
    }
    default:
      throw command satisfies never;
  }
}
