// soak.test — the command itself, for some seconds, and that it finds what is planted. What it judges by is tested in
// soak/checks.test.ts. Each runs in a process of its own.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ended, type Ran } from './support/child.ts';

const SOAK = fileURLToPath(new URL('./soak/run.js', import.meta.url));

function soak(...given: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [SOAK, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  return ended(child, 60_000);
}

describe('npm run soak', function () {
  this.timeout(90_000);
  this.slow(20_000);

  it('does everything at random for as long as asked, loses nothing and leaves nothing', async () => {
    const { code, output, errors } = await soak('--seconds', '5', '--rest', '1.5', '--allowed', '60');
    expect({ code, errors }, output).to.deep.equal({ code: 0, errors: '' });
    expect(output).to.match(/^everything at random for 5 s, seed \d+$/m);
    expect(output).to.match(/^✔ nothing lost, nothing hung.*--seed \d+$/m);
    for (const count of ['messages', 'hand overs', 'requests', 'events', 'promises']) {
      expect(output).to.match(new RegExp(`^  ${count} +[1-9]`, 'm'));
    }
  });

  it('finds a message that is left out, and says which', async () => {
    const { code, output } = await soak('--seconds', '5', '--plant', 'loss');
    expect(code, output).to.equal(1);
    expect(output).to.match(/✖ .*page \d+.*: lost.*: \d+ of \d+ came in place of \d+ of \d+/);
    expect(output).to.match(/^✖ \d+ faults; again: npm run soak -- --seconds 5 --seed \d+$/m);
  });

  it('finds a port that each hand-over leaves behind', async () => {
    const { code, output } = await soak('--seconds', '2', '--rest', '0.5', '--plant', 'port');
    expect(code, output).to.equal(1);
    expect(output).to.match(/✖ \d+ ports of main instead of \d+/);
  });

  it('refuses what it does not understand', async () => {
    const { code, output, errors } = await soak('--forever');
    expect({ code, output }).to.deep.equal({ code: 1, output: '' });
    expect(errors).to.match(/^there is no option --forever\nusage: npm run soak/);
  });

  it('names its single jobs, and runs none by another name', async () => {
    const { code, output } = await soak('--list');
    expect(code).to.equal(0);
    for (const word of ['storm: full speed', 'tunnels:', 'kills:', 'clients:', 'flow:'])
      expect(output).to.contain(word);
    const none = await soak('nothing');
    expect({ code: none.code, errors: none.errors }).to.deep.equal({
      code: 1,
      errors: 'no job is called nothing; --list names them\n',
    });
  });
});
