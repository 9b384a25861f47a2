// readme.test — what README.md says of `gunport bench` holds: its commands run, and print what it shows.
// The servers that they speak of are of this test; each run is as short as can be.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ended } from '../support/child.ts';
import { type Peer, wsServer } from '../support/peers.ts';

const GUNPORT = fileURLToPath(new URL('../../scripts/gunport.js', import.meta.url));
const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
/** Given after those of the command, they are what counts. */
const SHORT = ['--duration', '300ms', '--warmup', '50ms'];

const [, section = ''] = /^## Measuring your server\n([\s\S]*?)^## /m.exec(README) ?? [];
const [, commands = ''] = /^```sh\n([\s\S]*?)^```/m.exec(section) ?? [];
const [, shown = ''] = /^```text\n([\s\S]*?)^```/m.exec(section) ?? [];

describe('README on measuring a server', function () {
  this.timeout(20_000);
  this.slow(5_000);
  const servers: Peer[] = [];
  let web: Server;
  let folder = '';

  beforeEach(async () => {
    const [feed, echo] = await Promise.all([wsServer(), wsServer()]);
    servers.push(feed, echo);
    feed.server.on('connection', (client) => {
      const timer = setInterval(() => client.send('a trade'), 1);
      client.on('close', () => clearInterval(timer));
    });
    echo.server.on('connection', (client) => client.on('message', (data) => client.send(String(data))));
    web = createServer((_, response) => void response.end('[]'));
    await once(web.listen(0, '127.0.0.1'), 'listening');
    folder = mkdtempSync(join(tmpdir(), 'gunport-readme-'));
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    web.closeAllConnections();
    await once(web.close(), 'close');
    rmSync(folder, { recursive: true });
  });

  /** Runs it in a folder of its own, with the test's servers in place of those that it names. */
  async function run(line: string): Promise<string> {
    const [feed, echo] = servers;
    const { port } = web.address() as AddressInfo; // As of every server that listens on a port.
    const [npx, name, ...args] = line
      .replace(/#.*/, '')
      .trim()
      .replace('wss://feed.example', feed?.url ?? '')
      .replace('wss://echo.example', echo?.url ?? '')
      .replace('https://api.example', `http://127.0.0.1:${port}`)
      .split(/\s+/);
    expect([npx, name]).to.deep.equal(['npx', 'gunport']);
    const child = spawn(process.execPath, [GUNPORT, ...args, ...SHORT], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, errors, output } = await ended(child, 30_000);
    expect({ code, errors }, line).to.deep.equal({ code: 0, errors: '' });
    return output;
  }

  it('has commands that run, and write what they are asked for', async () => {
    const lines = commands.trimEnd().split('\n');
    expect(lines).to.have.length(4);
    for (const line of lines) {
      const output = await run(line);
      if (line.includes('--json -')) expect(JSON.parse(output)).to.have.property('works');
      else expect(output).to.match(/^rate +/m);
      if (line.includes('--html')) expect(readdirSync(folder)).to.include('feed.html');
    }
  });

  it('shows lines that are printed', async () => {
    const line = commands.split('\n').find((one) => one.includes('--echo')) ?? expect.fail('it has no such');
    const printed = (await run(line)).split('\n').map(nameOf);
    const names = shown
      .trimEnd()
      .split('\n')
      .slice(2)
      .map(nameOf)
      .filter((name) => name !== '…');
    expect(names).to.have.length.above(5);
    expect(printed).to.include.members(names);
  });
});

/** What stands before the figures. */
function nameOf(line: string): string {
  return line.replace(/ {2,}\S.*/, '').trim();
}
