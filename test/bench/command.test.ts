// command.test — the command line of `gunport`: taken as it is meant, or named in one line with its value.

import { expect } from 'chai';
import { type BenchCommand, parse } from '../../scripts/gunport/command.ts';
import { BENCH_HELP } from '../../scripts/gunport/help.ts';

const WS = 'ws://127.0.0.1:1/';
const HTTP = 'http://127.0.0.1:1/';

function benchOf(...args: readonly string[]): BenchCommand {
  const command = parse(['bench', ...args]);
  if (command.name !== 'bench') return expect.fail(`not taken: ${JSON.stringify(command)}`);
  return command;
}

function wrong(args: readonly string[]): string {
  const command = parse(args);
  return command.name === 'wrong' ? command.message : expect.fail(`taken: ${args.join(' ')}`);
}

/** Arguments, and the one line that they are answered with. */
const WRONG: readonly (readonly [args: readonly string[], message: string])[] = [
  [[], 'a command is missing'],
  [['soak'], "the command must be bench, got 'soak'"],
  [['bench'], 'bench takes a URL, got none'],
  [['bench', WS, 'more'], `bench takes one URL, got '${WS}' and 'more'`],
  [['bench', 'feed'], "the URL must be one of ws:, wss:, http: or https:, got 'feed'"],
  [['bench', 'ftp://x/'], "the URL must be one of ws:, wss:, http: or https:, got 'ftp://x/'"],
  [['bench', WS, '--fast'], "Unknown option '--fast'"],
  [['bench', WS, '--rate'], "Option '--rate <value>' argument missing"],
  [['bench', WS, '--echo', '--ping'], '--echo and --ping cannot go together: each times its own'],
  [['bench', WS, '--echo', '--rate', '0'], "--rate must be a number above 0, up to 1000000, got '0'"],
  [['bench', WS, '--echo', '--rate', '1e3'], "--rate must be a number above 0, up to 1000000, got '1e3'"],
  [['bench', WS, '--rate', '5'], "--rate is for --echo, --ping and http: URLs, got '5'"],
  [['bench', WS, '--echo', '--size', '-1'], "Option '--size' argument is ambiguous"],
  [['bench', WS, '--echo', '--size=-1'], "--size must be an integer from 0 to 100000000, got '-1'"],
  [['bench', WS, '--size', '5'], "--size is for --echo, got '5'"],
  [['bench', WS, '--message', 'a'], "--message is for --echo, got 'a'"],
  [
    ['bench', WS, '--echo', '--size', '5', '--message', 'a'],
    "--size and --message cannot go together, got '5' and a message",
  ],
  [['bench', WS, '--connections', '0'], "--connections must be an integer from 1 to 100000, got '0'"],
  [['bench', WS, '--concurrency', '4'], "--concurrency is for --echo and http: URLs, got '4'"],
  [
    ['bench', HTTP, '--connections', '4', '--concurrency', '2'],
    "--concurrency must be at least --connections (4), got '2'",
  ],
  [['bench', WS, '--threads', 'two'], "--threads must be an integer from 1 to 1024, got 'two'"],
  [
    ['bench', WS, '--duration', '10'],
    "--duration must be a time like 500ms, 10s or 2m, from 10 ms to 86400 s, got '10'",
  ],
  [
    ['bench', WS, '--duration', '2d'],
    "--duration must be a time like 500ms, 10s or 2m, from 10 ms to 86400 s, got '2d'",
  ],
  [
    ['bench', WS, '--warmup', 'no'],
    "--warmup must be a time like 500ms, 10s or 2m, from 0 ms to 3600 s, got 'no'",
  ],
  [['bench', WS, '--rounds', '0'], "--rounds must be an integer from 1 to 1000, got '0'"],
  [['bench', WS, '--header', 'nothing'], "--header must be like 'name: value', got 'nothing'"],
  [['bench', WS, '--header', 'a b: c'], "--header must be like 'name: value', got 'a b: c'"],
  [['bench', WS, '--insecure'], "--insecure is for wss: and https: URLs, got 'ws:'"],
  [['bench', WS, '--read', 'all'], "--read must be one of events, for-await, batches, borrowed, got 'all'"],
  [['bench', WS, '--peers', 'gunport,curl'], "--peers takes a list of gunport, ws, got 'curl'"],
  [['bench', HTTP, '--peers', 'ws'], "--peers is for ws: and wss: URLs, got 'ws'"],
  [['bench', HTTP, '--echo'], '--echo is for ws: and wss: URLs'],
  [['bench', HTTP, '--ping'], '--ping is for ws: and wss: URLs'],
  [['bench', HTTP, '--send', 'a'], "--send is for ws: and wss: URLs, got 'a'"],
  [['bench', HTTP, '--compress'], '--compress is for ws: and wss: URLs'],
  [['bench', HTTP, '--read', 'events'], "--read is for ws: and wss: URLs, got 'events'"],
  [['bench', HTTP, '--subprotocol', 'a'], "--subprotocol is for ws: and wss: URLs, got 'a'"],
  [['bench', WS, '--json', ''], "--json takes a file name, got ''"],
  [['bench', WS, '--html', '-'], "--html takes a file name, got '-'"],
];

describe('the command line of gunport', () => {
  for (const [args, message] of WRONG) {
    it(`says of "${args.join(' ')}": ${message}`, () => {
      expect(wrong(args)).to.equal(message);
    });
  }

  it('has a help for each command, and a version', () => {
    expect(parse(['--help']))
      .to.have.property('text')
      .that.includes('gunport bench URL');
    expect(parse(['bench', '--help'])).to.have.property('text', BENCH_HELP);
    expect(parse(['-v'])).to.deep.equal({ name: 'version' });
  });

  it('says all options in its help', () => {
    const names = WRONG.flatMap(([args]) => args.filter((one) => /^--(?!fast)[a-z]+$/.test(one)));
    for (const name of names) expect(BENCH_HELP).to.include(` ${name}`);
  });

  it('takes a feed as it comes, where nothing is said', () => {
    const { kind, rate, connections, concurrency, duration, warmup, rounds, peers, reading } = benchOf(WS);
    expect({ kind, rate, connections, concurrency, reading }).to.deep.equal({
      kind: 'feed',
      rate: undefined,
      connections: 1,
      concurrency: 1,
      reading: 'events',
    });
    expect({ duration, warmup, rounds, peers }).to.deep.equal({
      duration: 10_000,
      warmup: 500,
      rounds: 1,
      peers: ['gunport'],
    });
  });

  it('takes times with their units, lists, and what is given several times', () => {
    const command = benchOf(
      ...[WS, '--duration', '1.5m', '--warmup', '0ms', '--peers', 'ws,gunport', '--read', 'batches'],
      ...[
        '--send',
        'a',
        '--send',
        'b',
        '--header',
        'X-A:  b: c ',
        '--subprotocol',
        'v1',
        '--subprotocol',
        'v2',
      ],
    );
    expect(command).to.deep.include({ duration: 90_000, warmup: 0, rounds: 5, peers: ['gunport', 'ws'] });
    expect(command).to.deep.include({ sends: ['a', 'b'], subprotocols: ['v1', 'v2'], reading: 'batches' });
    expect(command.headers).to.deep.equal([['X-A', 'b: c']]);
  });

  it('times messages of a size, or these, and pings ten times a second', () => {
    expect(benchOf(WS, '--echo')).to.include({ kind: 'echo', message: 'x'.repeat(64), rate: undefined });
    expect(benchOf(WS, '--echo', '--size', '3', '--rate', '2.5')).to.include({ message: 'xxx', rate: 2.5 });
    expect(benchOf(WS, '--echo', '--message', '{}')).to.include({ message: '{}' });
    expect(benchOf(WS, '--ping')).to.include({ kind: 'ping', rate: 10 });
    expect(benchOf(HTTP, '--connections', '2', '--concurrency', '8')).to.include({
      kind: 'get',
      concurrency: 4,
    });
  });

  it('keeps to itself what may be secret', () => {
    const { typed } = benchOf(
      ...['wss://me:secret@host:1/path?key=secret', '--header', 'authorization: secret', '--send', 'secret'],
      ...['--echo', '--message', 'secret', '--rate', '5'],
    );
    expect(typed).to.not.include('secret');
    expect(typed).to.include('wss://host:1/path?…').and.to.include("--header 'authorization: …'");
    expect(typed).to.include('--rate 5');
  });
});
