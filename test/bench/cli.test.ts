// cli.test — `gunport bench` as a user runs it: in a process of its own, against servers of this test.
// Invariant: every process ends by itself; what it left alive would keep it from ending.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import type { Report, ReportRow } from '../../bench/instruments/report.ts';
import { ended, type Ran } from '../support/child.ts';
import { wellFormed } from '../support/markup.ts';
import { wsServer } from '../support/peers.ts';

const GUNPORT = fileURLToPath(new URL('../../scripts/gunport.js', import.meta.url));

interface Running {
  readonly ended: Promise<Ran>;
  readonly interrupt: () => void;
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [GUNPORT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return { ended: ended(child, 30_000), interrupt: () => void child.kill('SIGINT') };
}

function gunport(...args: readonly string[]): Promise<Ran> {
  return start(args).ended;
}

/** The report that is told on stdout, and the figures of its first row. */
async function reported(
  ...args: readonly string[]
): Promise<{ report: Report; figures: ReportRow['medians']; code: unknown }> {
  const { code, output, errors } = await gunport('bench', ...args, '--json', '-');
  expect(errors).to.equal('');
  const report = JSON.parse(output) as Report; // Its own words; what is in it is looked at.
  const figures = report.works[0]?.rows[0]?.medians ?? expect.fail('it has no row');
  return { report, figures, code };
}

const SHORT = ['--duration', '400ms', '--warmup', '100ms'];

describe('gunport bench', function () {
  this.timeout(20_000);
  this.slow(5_000);
  let server: Awaited<ReturnType<typeof wsServer>>;
  const heard: string[] = [];

  /** What the server does with each client. */
  async function serve(script: (client: WebSocket) => void, options = {}): Promise<string> {
    server = await wsServer(options);
    server.server.on('connection', (client, request) => {
      heard.push(`${request.headers['x-who']} ${client.protocol} ${client.extensions}`);
      client.on('message', (data) => heard.push(String(data)));
      script(client);
    });
    return `${server.url}/`;
  }

  const echo = (client: WebSocket): void =>
    void client.on('message', (data, binary) => client.send(data, { binary }));

  /** Messages of 10, 20 … 100 bytes, ten a millisecond or so. */
  const feed = (client: WebSocket): void => {
    const timer = setInterval(() => {
      for (let length = 10; length <= 100; length += 10) client.send('x'.repeat(length));
    }, 1);
    client.on('close', () => clearInterval(timer));
  };

  beforeEach(() => void heard.splice(0));
  afterEach(async () => server?.close());

  it('says what is wrong in one line, and leaves with 2', async () => {
    const { code, output, errors } = await gunport('bench', 'ws://127.0.0.1:1/', '--duration', 'soon');
    expect(errors).to.match(/^gunport: --duration must be .*, got 'soon'; see gunport --help\n$/);
    expect({ code, output }).to.deep.equal({ code: 2, output: '' });
  });

  it('says that a server is not there in one line, and leaves with 1', async () => {
    for (const url of ['ws://me:secret@127.0.0.1:1/?key=secret', 'http://127.0.0.1:1/']) {
      const { code, output, errors } = await gunport('bench', url);
      expect(errors).to.match(/^gunport: (ws|http):\/\/127\.0\.0\.1:1\/.*ECONNREFUSED\n$/);
      expect(errors).to.not.include('secret');
      expect({ code, output }).to.deep.equal({ code: 1, output: '' });
    }
    const ws = await gunport('bench', 'ws://127.0.0.1:1/', '--peers', 'ws');
    expect(ws.errors).to.match(/^gunport: .*ECONNREFUSED.*\n$/);
    expect(ws.code).to.equal(1);
  });

  it('has a help and a version', async () => {
    expect((await gunport('--help')).output).to.match(/^usage: gunport bench URL/);
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect(await gunport('--version')).to.include({ code: 0, output: `${version}\n`, errors: '' });
  });

  it('measures a feed as it comes, in any way of reading', async () => {
    const url = await serve(feed);
    const ways = ['events', 'for-await', 'batches', 'borrowed'];
    const all = await Promise.all(ways.map((reading) => reported(url, ...SHORT, '--read', reading)));
    for (const { report, figures, code } of all) {
      expect(code).to.equal(0);
      expect(figures).to.include({ sizeMin: 10, sizeP99: 100, sizeMax: 100 });
      // The window may end in the midst of ten.
      expect(figures.sizeP50).to.be.within(50, 60);
      const { rate = 0, bytesRate = 0, activeNs, cpuNs, peakBytes } = figures;
      expect(rate).to.be.above(100);
      expect(bytesRate / rate).to.be.within(50, 60);
      for (const figure of [activeNs, cpuNs, peakBytes]) expect(figure).to.be.above(0);
      const sizes = report.works[0]?.curves?.find(({ kind }) => kind === 'sizes');
      expect(sizes?.series[0]?.points.map(([from]) => from)).to.deep.equal([8, 16, 32, 64]);
      expect(figures).to.not.have.property('p50');
    }
  });

  it('asks as it is told to: headers, subprotocol, compression, texts to begin with', async () => {
    const options = { perMessageDeflate: true, handleProtocols: () => 'v2' };
    const url = await serve(feed, options);
    await reported(
      ...[url, ...SHORT, '--header', 'x-who: me', '--subprotocol', 'v1', '--subprotocol', 'v2', '--compress'],
      ...['--send', 'first', '--send', 'second', '--connections', '2'],
    );
    expect(heard.filter((one) => one.startsWith('me v2 permessage-deflate'))).to.have.length(2);
    expect(heard.filter((one) => one === 'first' || one === 'second')).to.have.length(4);
  });

  it('times echoes at a rate: a stall shows as it was felt, and not in what is counted as sent', async () => {
    let came = 0;
    const url = await serve((client) => {
      let after = Promise.resolve();
      client.on('message', (data) => {
        const stall = ++came === 100;
        after = after
          .then(() => (stall ? new Promise((resolve) => setTimeout(resolve, 300)) : undefined))
          .then(() => client.send(data, { binary: false }));
      });
    });
    const { figures, code } = await reported(
      ...[url, '--echo', '--rate', '200', '--size', '33', '--duration', '2s', '--warmup', '0ms'],
    );
    expect(code).to.equal(0);
    // 60 of 400 were due in those 300 ms.
    expect(figures.p99).to.be.above(200_000);
    expect(figures.sentP99).to.be.below(150_000);
    expect(figures.sentMax).to.be.above(290_000);
    expect(figures).to.include({ sizeMin: 33, sizeMax: 33 });
    expect(figures.rate).to.be.within(150, 250);
  });

  it('times echoes one after the other, and with several under way', async () => {
    const url = await serve(echo);
    const alone = await reported(url, '--echo', ...SHORT, '--message', 'hello');
    expect(alone.figures.p50).to.be.above(0);
    expect(alone.figures).to.not.have.property('sentP50');
    expect(new Set(heard.slice(1))).to.deep.equal(new Set(['hello']));
    const several = await reported(url, '--echo', ...SHORT, '--connections', '2', '--concurrency', '8');
    expect(several.figures.p50).to.be.above(0);
    expect(server.taken).to.equal(3);
  });

  it('takes a certificate that nobody vouches for where it is told to', async () => {
    const url = await serve(echo, { secure: true });
    const meets = async (peer: string): Promise<void> => {
      const refused = await gunport('bench', url, '--peers', peer, ...SHORT);
      expect(refused.errors).to.match(/^gunport: wss:\/\/localhost:\d+\/: .*(certificate|TLS).*\n$/);
      expect(refused.code).to.equal(1);
      const { figures } = await reported(url, '--echo', '--peers', peer, '--insecure', ...SHORT);
      expect(figures.p50).to.be.above(0);
    };
    await Promise.all(['gunport', 'ws'].map(meets));
  });

  it('times pings beside a feed', async () => {
    const { figures } = await reported(await serve(feed), '--ping', '--rate', '100', ...SHORT);
    expect(figures.rate).to.be.above(100);
    expect(figures.p50).to.be.above(0);
    expect(figures.sentP50).to.be.above(0);
  });

  it('lets peers take turns, in one table', async () => {
    const url = await serve(echo);
    const turns = [url, '--peers', 'gunport,ws', '--rounds', '2'];
    const brief = ['--duration', '400ms', '--warmup', '50ms'];
    const [{ output }, ...all] = await Promise.all([
      gunport('bench', ...turns, '--echo', ...SHORT),
      ...['--echo', '--ping'].map((mode) => reported(...turns, mode, ...brief)),
    ]);
    for (const { report } of all) {
      const rows = report.works[0]?.rows ?? [];
      expect(rows.map(({ peer }) => peer)).to.deep.equal(['gunport', 'ws']);
      for (const { samples, medians } of rows) {
        expect(samples).to.have.length(2);
        expect(medians.p50).to.be.above(0);
      }
    }
    expect(output)
      .to.match(/^ +gunport +ws on main$/m)
      .and.to.match(/^- spread of the rates: gunport/m);
  });

  it('tells it in plain lines, and on a page with the same figures', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gunport-bench-'));
    try {
      const [html, json] = [join(folder, 'page.html'), join(folder, 'report.json')];
      const url = await serve(echo);
      const args = [url, '--echo', '--rate', '100', ...SHORT, '--html', html, '--json', json];
      const { output, errors, code } = await gunport('bench', ...args);
      expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
      expect(output).to.not.include('\u001b');
      expect(output)
        .to.match(/^rate +[\d.]+ msg\/s$/m)
        .and.to.match(/^size, p50 +64 B$/m);
      expect(output).to.match(/^from when it should have been sent( +\d[\d ]* (us|ms)){5}$/m);
      expect(output).to.match(/^from when it was sent( +\d[\d ]* (us|ms)){5}$/m);
      const page = readFileSync(html, 'utf8');
      wellFormed(page);
      const report = JSON.parse(readFileSync(json, 'utf8')) as Report; // As above.
      expect(page).to.include('latency by percentile').and.to.include(report.machine);
      const { p50 = 0, p99 = 0, rate = 0 } = report.works[0]?.rows[0]?.medians ?? {};
      const cells = [...page.matchAll(/<td>([^<]*)<\/td>/g)].map(([, cell = '']) => cell.replaceAll(' ', ''));
      for (const figure of [p50, p99]) expect(cells).to.include(String(Math.round(figure)));
      expect(cells).to.include(rate < 100 ? rate.toPrecision(3) : String(Math.round(rate)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('reports what it has when it is interrupted, and leaves with 0', async () => {
    let opened: () => void = () => {};
    const open = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const url = await serve((client) => {
      feed(client);
      opened();
    });
    const running = start(['bench', url, '--duration', '1h', '--warmup', '0ms']);
    await open;
    running.interrupt();
    const { code, output, errors } = await running.ended;
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(output).to.match(/^rate /m);
  });

  it('says when the server has left, and leaves with 1', async () => {
    const url = await serve((client) => {
      client.send('one');
      setTimeout(() => client.close(1001, 'going home'), 200);
    });
    const { output, code } = await gunport('bench', url, '--duration', '1h', '--warmup', '0ms');
    expect(output).to.include('it ended early: the server closed with 1001 (going home)');
    expect(code).to.equal(1);
  });

  it('says of a file that it cannot be written, and has told the figures', async () => {
    const { code, output, errors } = await gunport(
      'bench',
      await serve(feed),
      ...SHORT,
      '--json',
      '/no/such/file',
    );
    expect(output).to.match(/^rate /m);
    expect(errors).to.match(/^gunport: ENOENT.*'\/no\/such\/file'\n$/);
    expect(code).to.equal(1);
  });

  describe('of http:', () => {
    let web: Server;
    let url: string;
    beforeEach(async () => {
      let count = 0;
      web = createServer((request, response) => {
        heard.push(String(request.headers['x-who']));
        response.statusCode = ++count % 2 ? 200 : 503;
        // Each connection ends after some answers, as servers have it.
        if (count % 50 === 0) response.setHeader('connection', 'close');
        response.end('x'.repeat(100));
      });
      await once(web.listen(0, '127.0.0.1'), 'listening');
      url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`; // As of every server with a port.
    });
    afterEach(async () => {
      web.closeAllConnections();
      await once(web.close(), 'close');
    });

    it('times GETs, one after the other on each connection, or at a rate', async () => {
      const ways = [
        ['--connections', '2'],
        ['--rate', '200'],
        ['--concurrency', '4'],
      ];
      const all = await Promise.all(
        ways.map((how) => reported(url, ...SHORT, ...how, '--header', 'x-who: me')),
      );
      for (const { report, figures, code } of all) {
        expect(code).to.equal(0);
        expect(figures).to.include({ sizeMin: 100, sizeMax: 100 });
        expect(figures.p50).to.be.above(0);
        expect(figures.rate).to.be.above(20);
        expect(report.works[0]?.notes?.join()).to.match(/200: \d+, 503: \d+/);
      }
      expect(new Set(heard)).to.deep.equal(new Set(['me']));
    });

    it('ends where the server does not answer any more', async () => {
      web.removeAllListeners('request').on('request', (_, response) => {
        if (heard.push('asked') < 20) response.end('x');
      });
      const { report, figures } = await reported(url, ...SHORT, '--rate', '100', '--warmup', '0ms');
      expect(report.works[0]?.notes?.join()).to.match(/\d+ requests had no answer by the end/);
      // It waited for them for two seconds.
      expect(figures.max).to.be.above(1_900_000);
    });
  });
});
