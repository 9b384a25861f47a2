// demo.test — the demo as a user starts it: in a process of its own, its output in a pipe.
// Invariant: every process ends by itself; what it left alive would keep it from ending.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Peer, wsPeer } from './support/peers.ts';

const DEMO = fileURLToPath(new URL('../scripts/demo.js', import.meta.url));
/** The first character of every escape code. */
const ESCAPE = '\u001b';

interface Ran {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs the demo to its end; sends it Ctrl-C when a line matches `interruptAt`. */
function demo(args: readonly string[], interruptAt?: RegExp): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    let interrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (interrupted || !interruptAt?.test(output)) return;
      interrupted = true;
      child.kill('SIGINT');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, errors }));
  });
}

describe('the demo', function () {
  this.timeout(20_000);
  this.slow(10_000);

  it('keeps every promise, in plain lines, and ends by itself', async () => {
    const { code, output, errors } = await demo(['--seconds', '3']);
    expect(errors).to.equal('');
    expect(output).to.not.include(ESCAPE);
    expect(output).to.match(
      /^ +time +messages\/s +bytes\/s +main busy +delay p99 +owner +hand-overs +gaps$/m,
    );
    expect(output.match(/^ +\d+\.\d +\d[\d ]* .*ms +[AB] +\d+ +0$/gm)).to.have.lengthOf.at.least(2);
    expect(output.match(/main is blocked for 500 ms/g)).to.have.lengthOf(2);
    expect(output.match(/Down \d+ of connection \S+: terminated, .*exit code 1/g)).to.have.lengthOf(1);
    expect(output).to.match(
      /✓ nothing lost, repeated or reordered +\d[\d ]* messages: 0 gaps, 0 repeats, 0 reorders$/m,
    );
    expect(output.split('\n').filter((line) => line.includes('✗'))).to.deep.equal([]);
    expect(output).to.match(/^ {2}all \d+ promises held$/m);
    expect(code).to.equal(0);
  });

  it('says in one line what a bad URL is, and exits with 2', async () => {
    const { code, output, errors } = await demo(['gopher://127.0.0.1/']);
    expect(output).to.equal('');
    expect(errors).to.match(/^gunport: target must be a ws:, wss:, http: or https: URL, got "gopher:"\n$/);
    expect(code).to.equal(2);
  });

  it('says in one line what a bad option is, and exits with 2', async () => {
    const { code, output, errors } = await demo(['--seconds', 'many']);
    expect(output).to.equal('');
    expect(errors).to.match(/^gunport: --seconds must be from 3 to 86400, got 'many'; see --help\n$/);
    expect(code).to.equal(2);
  });

  describe('on a URL', () => {
    let server: Peer;
    let closing = '';
    afterEach(() => server.close());

    /** Says hello, then whatever `last` is, and waits for the client's close frame. */
    async function greeter(last: string): Promise<void> {
      server = await wsPeer(async (peer) => {
        peer.send(`81 05 48656c6c6f ${last}`);
        closing = (await peer.read()).payload.toString('hex');
        if (last === '') peer.send('88 02 03e8');
        peer.end();
      });
    }

    it('receives until the peer closes, and exits with 0', async () => {
      await greeter('81 05 48656c6c6f 88 02 03e8');
      const { code, output, errors } = await demo([server.url]);
      expect(errors).to.equal('');
      expect(output).to.match(/^ {2}2 messages, 0\.0 kB in \d+\.\d s/m);
      expect(output).to.match(/^ {2}closed with 1000$/m);
      expect(closing).to.equal('03e8');
      expect(code).to.equal(0);
    });

    it('says goodbye to the peer at Ctrl-C, and exits with 0', async () => {
      await greeter('');
      const { code, output, errors } = await demo([server.url], /^ +1\.\d /m);
      expect(errors).to.equal('');
      expect(output).to.match(/^ {2}1 message, 0\.0 kB in \d+\.\d s/m);
      expect(closing).to.equal(`03e8${Buffer.from('enough').toString('hex')}`);
      expect(code).to.equal(0);
    });
  });
});
