// run — the kit for people: `node dist/test/conformance/run.js [--client gunport|ws|raw|<fault>] [--all] [ids…]`.
// Plays the cases whose ids begin as told, and prints a table of their verdicts by family, then each that is not OK.
// Invariant: the exit code is 1 if a case FAILED. Source: the reports of the Autobahn test suite.

import { CASES, USUAL } from './cases.ts';
import { type EchoClient, play } from './client.ts';
import { gunportClient } from './clients/gunport.ts';
import { wsClient } from './clients/ws.ts';
import { rawClient } from './raw/client.ts';
import { FAULTS, isFault } from './raw/faults.ts';
import { table } from './report.ts';

function clientOf(name: string): EchoClient | undefined {
  if (name === 'gunport') return gunportClient();
  if (name === 'ws') return wsClient;
  if (name === 'raw') return rawClient();
  return isFault(name) ? rawClient(name) : undefined;
}

const words = process.argv.slice(2);
const at = words.indexOf('--client');
const [, name = 'gunport'] = at === -1 ? [] : words.splice(at, 2);
const all = words.includes('--all');
const ids = words.filter((word) => !word.startsWith('--'));
const cases = (all || ids.length > 0 ? CASES : USUAL).filter(
  ({ id }) => ids.length === 0 || ids.some((one) => id === one || id.startsWith(`${one}.`)),
);
const client = clientOf(name);
if (!client) {
  process.stderr.write(`no client is called ${name}; there are gunport, ws, raw, and with a fault each:\n`);
  for (const [fault, { title }] of Object.entries(FAULTS)) process.stderr.write(`  ${fault}: ${title}\n`);
  process.exitCode = 1;
} else if (cases.length === 0) {
  process.stderr.write(`no case is called ${ids.join(' or ')}\n`);
  process.exitCode = 1;
} else {
  const began = performance.now();
  const verdicts = await play(client, cases, { patience: { must: 10_000, fast: 200 } });
  await client.close();
  process.stdout.write(table(name, cases, verdicts, performance.now() - began));
  if (verdicts.some(({ grade }) => grade === 'FAILED')) process.exitCode = 1;
}
