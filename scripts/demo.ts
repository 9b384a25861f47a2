// demo — `npm start`: everything that was promised, on the screen; or the receiving part on a URL of yours.
// Run compiled, from a checkout; what the command line may be is in demo/command.ts.
// Invariant: it ends by itself, with nothing left to end: only the exit code is set. The first Ctrl-C ends it
// politely, the second one at once.

import { HELP, parse } from './demo/command.ts';
import { listen } from './demo/listener.ts';
import { Screen } from './demo/screen.ts';
import { show } from './demo/show.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
process.once('SIGTERM', () => interrupt.abort());
const screen = new Screen(process.stdout, () => interrupt.abort());

process.exitCode = await run();

async function run(): Promise<number> {
  const command = parse(process.argv.slice(2));
  switch (command.name) {
    case 'help':
      process.stdout.write(HELP);
      return 0;
    case 'wrong':
      process.stderr.write(`gunport: ${command.message}; see --help\n`);
      return 2;
    case 'listen':
      return listen(command.url, command.seconds, screen, interrupt.signal);
    case 'show':
      return (await show(command.seconds, screen, interrupt.signal)) ? 0 : 1;
    default:
      throw command satisfies never;
  }
}
