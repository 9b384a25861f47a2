// run.test — the kit as people run it: a table by family, each case that is not OK with its reason, and an exit code.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ended, type Ran } from '../support/child.ts';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

function run(...args: readonly string[]): Promise<Ran> {
  return ended(spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }), 30_000);
}

describe('the command that runs the fuzzing server', function () {
  this.timeout(40_000);
  this.slow(5_000);

  it('prints a table of the families that were asked for, of gunport by default', async () => {
    const { code, output, errors } = await run('2', '3.1');
    expect(errors).to.equal('');
    const rows = output.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(rows[0]).to.deep.equal(['gunport', 'OK', 'NON-STRICT', 'INFORMATIONAL', 'FAILED']);
    expect(rows[1]).to.deep.equal(['2 pings and pongs', '16', '0', '0', '0']);
    expect(rows[2]).to.deep.equal(['3 reserved bits', '1', '0', '0', '0']);
    expect(rows[3]).to.deep.equal(['total', '17', '0', '0', '0']);
    expect(rows[4]?.[0]).to.match(/^17 cases in \d+\.\d s$/);
    expect(code).to.equal(0);
  });

  it('names each case that a wrong client fails, and exits with 1', async () => {
    const { code, output } = await run('--client', 'answers-pongs', '2.8');
    expect(output).to.include('FAILED 2.8 pong that nobody asked for (RFC 6455 §5.5.3): sent a pong that');
    expect(code).to.equal(1);
  });

  it('says which clients there are when it is given another, and that a case is not known', async () => {
    const other = await run('--client', 'netscape');
    expect(other.errors).to.include('no client is called netscape').and.to.include('one-key: masks all with');
    expect(other.code).to.equal(1);
    const none = await run('99.1');
    expect(none.errors).to.equal('no case is called 99.1\n');
    expect(none.code).to.equal(1);
  });
});
