// readme.test — README.md cannot go stale: its samples run, its commands exist, its tables are those of the source.
// Each `js` block is a module; one whose first line is `// name.js` is written under that name, and one that another
// block loads by that name is not run by itself. The feed that the samples speak of is a server of this test.
// Invariant: every sample ends by itself, with exit code 0 and nothing on stderr.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import * as gunport from '../lib/index.ts';
import { checkOpen, OPEN_OPTIONS, WS_OPTIONS } from '../lib/settings.ts';
import { type Script, serve } from '../lib/testing/index.ts';
import { connectProxy } from './support/connect-proxy.ts';
import { type Peer, peer, wsServer } from './support/peers.ts';
import { socksProxy } from './support/socks-proxy.ts';

/** The package's root: above dist, or above any other outDir. */
const ROOT = new URL('../../', import.meta.url);
const ENTRY = new URL('../lib/index.js', import.meta.url).href;
/** The other doors that samples come in by. */
const DOORS: readonly (readonly [name: string, file: string])[] = [
  ['gunport/parts', '../lib/parts/index.js'],
  ['gunport/testing', '../lib/testing/index.js'],
  ['gunport/adapters/echo', '../lib/adapters/echo.js'],
  ['gunport/prometheus', '../lib/exporters/prometheus.js'],
];
/** What a sample finds in its own node_modules. */
const PACKAGES = ['pino', 'prom-client'];
const README = read('README.md');
/** The samples' feed. */
const FEED = 'wss://feed.example';
/** The samples' API. */
const API = 'https://api.example';
/** The proxies that samples go through, and the server of bytes behind them. */
const PROXY = 'http://proxy.example:3128';
const SOCKS = 'socks5://socks.example:1080';
const ECHO = "host: 'echo.example', port: 7";
/** The exchange that a client speaks to, and a server that says what it hears. */
const EXCHANGE = 'wss://exchange.example/ws';
const ECHO_FEED = 'wss://echo.example';
/** Messages that the test's feed has. */
const MESSAGES = 300;

interface Block {
  readonly heading: string;
  readonly language: string;
  /** Name of its file, if it says one. */
  readonly name: string | undefined;
  readonly text: string;
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** All fenced blocks, with the heading they stand under. */
function blocks(): Block[] {
  const found: Block[] = [];
  let heading = '';
  for (const [, title, language = '', text = ''] of README.matchAll(
    /^#+ (.+)$|^```(\w*)\n([\s\S]*?)^```$/gm,
  )) {
    if (title === undefined)
      found.push({ heading, language, name: /^\/\/ (\S+\.js)$/m.exec(text)?.[1], text });
    else heading = title;
  }
  return found;
}

/** Rows of the table under a heading whose head begins with `first`, cells trimmed. */
function table(heading: string, first: string): string[][] {
  const section =
    README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ??
    expect.fail(`no section ${heading}`);
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  const from = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  expect(from, `a table with ${first}`).to.be.at.least(0);
  return lines.slice(from + 2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands in a cell as code. */
function code(cell = ''): string {
  return /`([^`]+)`/.exec(cell)?.[1] ?? expect.fail(`no code in ${cell}`);
}

interface Ran {
  readonly exit: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
}

/** Runs a module to its end; `heard` is told of all it has printed so far. */
function run(file: string, heard: (output: string) => void): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      heard(output);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (exit) => resolve({ exit, lines: output.trimEnd().split('\n'), errors }));
  });
}

/** What the feed does beside sending. */
interface Plot {
  /** It sends nothing before it was sent something. */
  readonly asked?: boolean;
  /** The first client is dropped after so many messages; the next one gets the rest. */
  readonly lossAt?: number;
  /** After half of the messages it waits until the sample has printed this. */
  readonly holdFor?: RegExp;
}

const PLOTS: Readonly<Record<string, Plot>> = {
  gunport: { asked: true },
  'Hand-over': { holdFor: /^consumer/m },
  Monitors: { holdFor: /terminated/ },
  'Proxies and tunnels': { asked: true },
  'Awaits that cannot hang': { holdFor: /upgrade/ },
  'Retry, down and up': { lossAt: 50 },
  'Your code beside the socket': { holdFor: /^last|^contains/m },
  'The fast lane, and flow': { asked: true },
  Threads: { holdFor: /open/ },
};

/** Sends numbered trades, and closes with 1000 after the last. */
function feedOf(
  { asked, lossAt, holdFor }: Plot,
  printed: (what: RegExp) => Promise<void>,
): (client: WebSocket) => void {
  let lost = 0;
  return async (client) => {
    if (asked) await new Promise((resolve) => client.once('message', resolve));
    for (let sequence = lost; sequence < MESSAGES; sequence++) {
      if (sequence === MESSAGES / 2 && holdFor) await printed(holdFor);
      client.send(JSON.stringify({ sequence, price: 100 + (sequence % 7) }));
      if (sequence + 1 === lossAt && lost === 0) {
        lost = lossAt;
        return client.close(1012, 'restart');
      }
    }
    client.close(1000, 'end of day');
  };
}

/** The sequence numbers in those lines that begin with `prefix`. */
function sequence(lines: readonly string[], prefix = ''): number[] {
  return lines
    .filter((line) => line.startsWith(`${prefix}{`))
    .map((line) => JSON.parse(line.slice(prefix.length)).sequence);
}

function upTo(end: number, from = 0): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

/** What the samples' API answers: trades as JSON, orders with trailers, an archive that is put and got, who has logged in,
 *  and prices as server-sent events, once. */
function apiServer(): Server {
  let archive = '';
  return createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (request.url === '/prices') return prices(request.headers['last-event-id'], response);
    if (request.url === '/login') response.setHeader('set-cookie', `who=${body}; Path=/`);
    if (request.url === '/whoami') return response.end(request.headers.cookie);
    if (request.method === 'PUT') archive = body;
    response.statusCode = { GET: 200, PUT: 204, POST: 201 }[request.method ?? ''] ?? 405;
    response.setHeader('content-type', request.headers.accept ?? '');
    if (request.method === 'POST') response.setHeader('trailer', 'sum');
    if (request.method === 'POST') response.addTrailers({ sum: String(body.length) });
    if (request.method === 'PUT') response.end();
    else response.end(request.url === '/trades' ? '[{"price":100},{"price":101}]' : archive || body);
  });
}

/** An exchange: it asks for a login, demands heartbeats, sends 300 trades, and cuts the first connection half way. */
function exchangeScript(): Script {
  let sent = 0;
  return (connection) => {
    let alive = false;
    const reply = (id: unknown, result: unknown): boolean => connection.send({ id, result });
    connection.send({ method: 'heartbeat' });
    connection.onMessage((data) => {
      const { id, method, params } = JSON.parse(String(data));
      if (method === 'alive') alive = true;
      if (method === 'name') {
        reply(id, 'the exchange');
        // Not before the sample has its answer, however busy the machine is.
        setTimeout(() => connection.drop(), 50);
      }
      if (method === 'login') reply(id, params.key === 'k-123456' ? { expiresIn: 900_000 } : null);
      if (method !== 'subscribe') return;
      reply(id, alive);
      const half = MESSAGES / 2;
      const end = sent < half ? half : MESSAGES;
      for (; sent < end; sent++) connection.send({ method: 'trade', params: { sequence: sent } });
    });
  };
}

/** Says what it hears. */
const echoScript: Script = (connection) => void connection.onMessage((data) => connection.send(data));

function doorOf(name: string): string | undefined {
  const [, file] = DOORS.find(([door]) => door === name) ?? [];
  return file && `from '${new URL(file, import.meta.url).href}'`;
}

/** Gives back what it gets. */
function echoServer(): Promise<Peer> {
  return peer((socket) => void socket.pipe(socket));
}

/** The rest of the day's prices, which ends for good with the third. */
function prices(last: string | string[] | undefined, response: ServerResponse): void {
  if (last === '3') return void response.writeHead(204).end();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const id of [1, 2, 3]) response.write(`retry: 1\nevent: price\nid: ${id}\ndata: ${100 + id}\n\n`);
  response.end();
}

/** What a sample under this heading must have printed. */
const PRINTS: Readonly<Record<string, (lines: readonly string[]) => void>> = {
  gunport: (lines) => {
    expect(sequence(lines)).to.deep.equal(upTo(MESSAGES));
    expect(lines.at(-1)).to.equal('closed with 1000 end of day');
  },
  Requests: (lines) =>
    expect(lines).to.deep.equal([
      "2 201 14 [Object: null prototype] { sum: '14' } 204",
      'a day of trades',
      '200 application/json 2',
    ]),
  'Pools by authority': (lines) => expect(lines).to.deep.equal(['2 {"id":1} {"id":2} {"id":3} 200 2', '200']),
  'Proxies and tunnels': (lines) =>
    expect(lines).to.deep.equal(["open [ 'connect', 'socks5' ]", 'http 2', 'half closed']),
  Cookies: ([sent, shown]) => {
    expect(sent).to.equal('who=me');
    expect(shown).to.match(/^CookieJar \{ size: 1, replicas: \d \} true$/);
  },
  'Server-sent events': (lines) => expect(lines).to.deep.equal(['price 101 1', 'price 102 2', 'price 103 3']),
  'Event hooks': (lines) => expect(lines).to.deep.equal(['1 GET /trades', '1 200']),
  'Hand-over': (lines) => {
    expect(sequence(lines, 'main ')).to.deep.equal(upTo(100));
    expect(sequence(lines, 'consumer, since 100 ')).to.deep.equal(upTo(MESSAGES, 100));
    expect(lines).to.include('main hears: normal');
  },
  Monitors: (lines) =>
    expect(lines).to.have.members([
      'a thread is gone: terminated with 1 connection(s)',
      'true true terminated 1',
    ]),
  'Awaits that cannot hang': ([line]) => expect(line).to.equal('http upgrade ws {"sequence":0,"price":100}'),
  'Retry, down and up': (lines) => {
    expect(sequence(lines)).to.deep.equal(upTo(MESSAGES));
    const [lost, ...marks] = lines.filter((line) => !line.startsWith('{'));
    const told = lost === 'up again 2' ? [lost] : ['lost 1 ERR_GUNPORT_CLOSED', 'up again 2'];
    expect([lost, ...marks]).to.deep.equal(told);
    expect(lines.indexOf(told[0] ?? '')).to.equal(50);
  },
  'Your code beside the socket': (lines) => {
    const piped = ['contains json filter gaps', '43'];
    expect(lines).to.deep.equal(lines[0] === piped[0] ? piped : ['last true 106', '42 of 300']);
  },
  'A client that stays connected': (lines) =>
    expect(lines).to.deep.equal(['ready 1 ', 'the exchange', 'ready 2 trades', 'websocketConnected 200 1']),
  'Rate limits, logs and metrics': (lines) => expect(lines).to.deep.equal(['true 2']),
  'Testing your program': (lines) => expect(lines).to.deep.equal(['welcome', 'back 2']),
  'The fast lane, and flow': ([line]) => expect(line).to.match(/^\{ messages: 300, bytes: \d+ \}$/),
  Threads: ([line]) => expect(line).to.match(/^\[ false, true \] open open$/),
  'A thread that does not answer': (lines) => expect(lines).to.deep.equal(['open']),
};

describe('README', function () {
  this.timeout(20_000);
  this.slow(5_000);

  describe('its samples', () => {
    let folder = '';
    let server: (Peer & Awaited<ReturnType<typeof wsServer>>) | undefined;
    let api: Server;
    const others: { close(): Promise<void> }[] = [];
    const samples = blocks().filter(({ language }) => language === 'js');
    const loaded = samples.filter(({ name }) => samples.some(({ text }) => text.includes(`'./${name}'`)));

    beforeEach(() => {
      api = apiServer();
      folder = mkdtempSync(join(tmpdir(), 'gunport-readme-'));
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      mkdirSync(join(folder, 'node_modules'));
      for (const name of PACKAGES) {
        symlinkSync(fileURLToPath(new URL(`node_modules/${name}`, ROOT)), join(folder, 'node_modules', name));
      }
    });

    afterEach(async () => {
      await server?.close();
      for (const one of others.splice(0)) await one.close();
      api.closeAllConnections();
      if (api.listening) await once(api.close(), 'close');
      rmSync(folder, { recursive: true });
    });

    for (const sample of samples) {
      if (loaded.includes(sample)) continue;
      it(`runs the one under "${sample.heading}"`, async () => {
        const waiting: { readonly what: RegExp; readonly resolve: () => void }[] = [];
        const printed = (what: RegExp) => new Promise<void>((resolve) => waiting.push({ what, resolve }));
        const heard = (output: string): void => {
          for (const { what, resolve } of waiting) if (what.test(output)) resolve();
        };
        server = await wsServer({ perMessageDeflate: true });
        server.server.on('connection', feedOf(PLOTS[sample.heading] ?? {}, printed));
        const { url } = server;
        await once(api.listen(0, '127.0.0.1'), 'listening');
        const { port } = api.address() as AddressInfo; // As of every server that listens on a port.
        const [proxy, socks, echo] = await Promise.all([connectProxy(), socksProxy(), echoServer()]);
        const [exchange, echoing] = await Promise.all([serve(exchangeScript()), serve(echoScript)]);
        others.push(proxy, socks, echo, ...[exchange, echoing].map((one) => ({ close: () => one.stop() })));
        const write = ({ name = 'sample.js', text }: Block): string => {
          const here = text
            .replaceAll("from 'gunport'", `from '${ENTRY}'`)
            .replace(/from '(gunport\/[\w/]+)'/g, (whole, door) => doorOf(door) ?? whole)
            .replaceAll(FEED, url)
            .replaceAll(EXCHANGE, exchange.url)
            .replaceAll(ECHO_FEED, echoing.url)
            .replaceAll(API, `http://127.0.0.1:${port}`)
            .replaceAll(PROXY, proxy.url)
            .replaceAll(SOCKS, `socks5://127.0.0.1:${socks.port}`)
            .replaceAll(ECHO, `host: '127.0.0.1', port: ${echo.port}`);
          if (name === 'sample.js') expect(here, 'its import').to.include(ENTRY);
          writeFileSync(join(folder, name), here);
          return join(folder, name);
        };
        for (const block of loaded) write(block);
        const { exit, lines, errors } = await run(write(sample), heard);
        expect(errors).to.equal('');
        expect(exit).to.equal(0);
        (PRINTS[sample.heading] ?? expect.fail(`nothing is known of "${sample.heading}"`))(lines);
      });
    }

    it('are all checked by what they print', () => {
      expect(samples.map(({ heading }) => heading)).to.include.members(Object.keys(PRINTS));
    });
  });

  it('uses commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const lines = blocks()
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => text.trimEnd().split('\n'));
    expect(lines).to.not.be.empty;
    for (const line of lines) {
      for (const command of line.replace(/#.*/, '').split('&&')) {
        const [npm, verb = '', name = ''] = command.trim().split(/\s+/);
        if (npm === 'npx') continue; // They are run by bench/readme.test.ts.
        expect(npm).to.equal('npm');
        if (verb !== 'install') expect(scripts, command).to.have.property(verb === 'run' ? name : verb);
      }
    }
  });

  it('has no block of another kind', () => {
    expect([...new Set(blocks().map(({ language }) => language))]).to.have.members(['js', 'sh', 'text']);
  });

  it('lists every option once, with its default', () => {
    const rows = table('Options', 'Option');
    const names = rows.map(([cell]) => code(cell));
    expect(names).to.have.members([...OPEN_OPTIONS, 'pool']);
    const both = rows.filter(([cell]) => cell?.includes('†')).map(([cell]) => code(cell));
    expect(both).to.have.members([...WS_OPTIONS]);

    const { settings, isolated } = checkOpen('ws://feed.example', undefined, false);
    const standards: Record<string, unknown> = {
      ...{ ...settings, ...settings.http, ...settings.http.timeouts, ...settings.ws, isolated },
      ...{ httpVersion: settings.http.version },
    };
    for (const [cell, , standard = ''] of rows) {
      const value = standards[code(cell)];
      if (typeof value !== 'number' && typeof value !== 'boolean') continue;
      expect(standard.replaceAll(' ', ''), code(cell)).to.equal(String(value));
    }
  });

  it('lists every error code once, with a class and phases that exist', () => {
    const source = read('lib/errors.ts');
    const union = (name: string): string[] => {
      const body = new RegExp(`^export type ${name} =\\n([^;]+);`, 'm').exec(source)?.[1] ?? '';
      return [...body.matchAll(/'(\w+)'/g)].map(([, word = '']) => word);
    };
    const rows = table('Errors', 'Code');
    expect(rows.map(([cell]) => code(cell))).to.have.members(union('Code'));
    for (const [name, classes = '', phases = ''] of rows) {
      for (const one of classes.split(', ')) expect(gunport, name).to.have.property(code(one));
      if (phases !== 'of the cause') expect(union('Phase'), name).to.include.members(phases.split(', '));
    }
  });

  it('lists every kind of Down once', () => {
    const body = /^export type DownKind =\n([^;]+);/m.exec(read('lib/types.ts'))?.[1] ?? '';
    const kinds = [...body.matchAll(/'([\w-]+)'/g)].map(([, kind]) => kind);
    expect(table('Monitors', '`reason.kind`').map(([cell]) => code(cell))).to.have.members(kinds);
  });

  it('names methods that exist, in its table of functions', () => {
    const rows = table('From Gun to gunport', 'Gun');
    for (const [, cell = ''] of rows) {
      for (const [, face, method = ''] of cell.matchAll(/`(connection|stream)\.(\w+)/g)) {
        const classes = face === 'stream' ? [gunport.WsStream, gunport.Stream] : [gunport.Connection];
        // Made by the constructor; chai's property() would read getters of a prototype.
        const known = classes.some(({ prototype }) => method in prototype);
        if (method !== 'streams') expect(known, `${face}.${method}`).to.equal(true);
      }
    }
  });

  it('points at files that exist', () => {
    const links = [...README.matchAll(/\]\((?!https:|#)([^)]+)\)/g)].map(([, target = '']) => target);
    expect(links.filter((target) => !existsSync(new URL(target, ROOT)))).to.deep.equal([]);
    for (const [, target = ''] of README.matchAll(/\]\(#([^)]+)\)/g)) {
      const headings = [...README.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      expect(headings).to.include(target);
    }
  });
});
