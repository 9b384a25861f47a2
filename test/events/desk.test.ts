import { expect } from 'chai';
import { StreamError } from '../../lib/errors.ts';
import { REDACTED } from '../../lib/events/eventtypes.ts';
import { BIT, WORD_BYTES } from '../../lib/events/eventwire.ts';
import type { GunportEventName } from '../../lib/index.ts';
import type { ThreadToHost } from '../../lib/wire.ts';
import { EventDesk, Probe } from '../../workers/probes/probe.ts';
import { errorRecord, redacted } from '../../workers/probes/redact.ts';
import { StreamProbe } from '../../workers/probes/streamprobe.ts';

type Posted = ThreadToHost & { type: 'events' };

/** A desk whose posts are kept; `listen` sets who listens. */
function desk(): {
  posts: Posted[];
  probe: Probe;
  desk: EventDesk;
  listen(...names: GunportEventName[]): void;
  turn(): Promise<void>;
} {
  const listens = new SharedArrayBuffer(WORD_BYTES);
  const posts: Posted[] = [];
  const made = new EventDesk(listens, (message) => posts.push(message));
  return {
    posts,
    probe: new Probe(made, '0.1'),
    desk: made,
    listen: (...names) => {
      new Int32Array(listens)[0] = names.reduce((bits, name) => bits | BIT[name], 0);
    },
    turn: () => new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
  };
}

const FRAME = 'gunport:ws:recv-frame:end';
const frame = (bytes: number) => {
  return { stream: 1, replyTo: false, extensions: '', payload: new Uint8Array(bytes) };
};
const protocol = { protocol: 'http' } as const;

describe('the events of a thread', () => {
  it('are not gathered and not posted while nobody listens', async () => {
    const { probe, posts, turn } = desk();
    probe.tell('gunport:protocol-changed', protocol);
    await turn();
    expect(posts).to.deep.equal([]);
  });

  it('go in one post a turn, in order, with when they were', async () => {
    const { probe, posts, turn, listen } = desk();
    listen('gunport:protocol-changed', 'gunport:retry');
    const before = performance.timeOrigin + performance.now();
    for (const name of ['http', 'http2', 'ws'] as const) {
      probe.tell('gunport:protocol-changed', { protocol: name });
      probe.tell('gunport:cancel', { stream: 1, replyTo: false, endpoint: 'local', reason: 'cancel' });
    }
    expect(posts).to.deep.equal([]);
    await turn();
    expect(posts).to.have.lengthOf(1);
    const [{ events } = { events: [] }] = posts;
    expect(events.map(({ fields }) => fields)).to.deep.equal([
      { protocol: 'http' },
      { protocol: 'http2' },
      { protocol: 'ws' },
    ]);
    const times = events.map(({ time }) => time);
    expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    expect(times[0]).to.be.within(before, Date.now() + 1_000);
  });

  it('go before whatever must not overtake them', async () => {
    const { probe, posts, turn, listen, desk: made } = desk();
    listen('gunport:protocol-changed');
    probe.tell('gunport:protocol-changed', protocol);
    made.flush();
    expect(posts).to.have.lengthOf(1);
    await turn();
    expect(posts, 'and only once').to.have.lengthOf(1);
  });

  it('are bounded while the host does not answer: frames first, and what is dropped is counted', async () => {
    const { probe, posts, turn, listen, desk: made } = desk();
    listen(FRAME, 'gunport:protocol-changed');
    for (let i = 0; i < 20; i++) probe.tell(FRAME, frame(1024 * 1024));
    await turn();
    const [first] = posts;
    expect(first?.events).to.have.lengthOf(7);
    probe.tell('gunport:protocol-changed', protocol);
    await turn();
    expect(posts[1]?.events, 'others have room still').to.have.lengthOf(1);
    expect(posts[1]?.dropped, 'told with the next that goes').to.equal(undefined);
    expect(posts[0]?.dropped).to.deep.equal({ [FRAME]: 13 });
    for (const { weight } of [...posts]) made.read(weight);
    probe.tell(FRAME, frame(1));
    await turn();
    expect(posts.at(-1)).to.not.have.property('dropped');
    expect(posts.at(-1)?.events).to.have.lengthOf(1);
  });

  it('that were dropped are told of when the host answers, though nothing else happens', async () => {
    const { probe, posts, turn, listen, desk: made } = desk();
    listen(FRAME);
    probe.tell(FRAME, frame(8 * 1024 * 1024));
    await turn();
    probe.tell(FRAME, frame(10));
    await turn();
    expect(posts).to.have.lengthOf(1);
    made.read(posts[0]?.weight ?? 0);
    expect(posts).to.have.lengthOf(2);
    expect(posts[1]).to.deep.include({ events: [], weight: 0, dropped: { [FRAME]: 1 } });
  });

  it('may be larger than all bounds, one at a time', async () => {
    const { probe, posts, turn, listen, desk: made } = desk();
    listen(FRAME);
    for (let i = 0; i < 3; i++) {
      probe.tell(FRAME, frame(20 * 1024 * 1024));
      await turn();
      made.read(posts.at(-1)?.weight ?? 0);
    }
    expect(posts.map(({ events }) => events.length)).to.deep.equal([1, 1, 1]);
  });
});

describe('the events of a stream', () => {
  const ENDS = ['gunport:request:end', 'gunport:response:start', 'gunport:response:end'] as const;
  const head = 'GET /a?b HTTP/1.1\r\nHost: h:1\r\n\r\n';

  it('end once, and not without a beginning', async () => {
    const { probe, posts, turn, listen } = desk();
    const one = new StreamProbe(probe, { stream: 7 });
    listen('gunport:request:start', ...ENDS);
    one.sent();
    one.heard();
    one.over(undefined);
    one.asked('request', head);
    one.sent();
    one.sent();
    one.over(undefined);
    one.over(undefined);
    await turn();
    const names = posts.flatMap(({ events }) => events.map(({ name }) => name));
    expect(names).to.deep.equal(['gunport:request:start', 'gunport:request:end']);
    expect(posts[0]?.events[0]?.fields).to.deep.equal({
      ...{ stream: 7, replyTo: false, function: 'request', method: 'GET', path: '/a?b' },
      ...{ authority: 'h:1', rawHeaders: ['host', 'h:1'] },
    });
  });

  it('end when it is asked for anew', async () => {
    const { probe, posts, turn, listen } = desk();
    const one = new StreamProbe(probe, { stream: 7 });
    listen('gunport:request:start', 'gunport:request:end');
    one.asked('request', head);
    one.asked('request', head);
    one.failed(new StreamError('ERR_GUNPORT_RESET', 'no'));
    await turn();
    const told = posts.flatMap(({ events }) => events);
    expect(told.map(({ name }) => name.slice(-3))).to.deep.equal(['art', 'end', 'art', 'end']);
    expect(told.map(({ fields }) => (fields as { error?: { code: string } }).error?.code)).to.deep.equal([
      undefined,
      'ERR_GUNPORT_CANCELLED',
      undefined,
      'ERR_GUNPORT_RESET',
    ]);
  });

  it('keep their order when somebody begins to listen in the midst of them', async () => {
    const { probe, posts, turn, listen } = desk();
    const one = new StreamProbe(probe, { stream: 7, replied: true, lane: { tunnel: 3 } });
    one.asked('request', head);
    listen(...ENDS);
    one.sent();
    one.answered(200, ['a', 'b'], true);
    await turn();
    const told = posts.flatMap(({ events }) => events);
    expect(told.map(({ name }) => name)).to.deep.equal(ENDS);
    for (const { fields } of told) expect(fields).to.deep.equal({ stream: 7, tunnel: 3, replyTo: true });
  });
});

describe('what events do not tell', () => {
  it('is the value of a header that carries credentials or cookies', () => {
    const secret = ['Authorization', 'proxy-authorization', 'COOKIE', 'Set-Cookie', 'set-cookie'];
    const headers = ['accept', '*/*', ...secret.flatMap((name) => [name, 's3cret']), 'x', 'authorization'];
    expect(redacted(headers)).to.deep.equal([
      ...['accept', '*/*', ...secret.flatMap((name) => [name, REDACTED])],
      ...['x', 'authorization'],
    ]);
  });

  it('and that holds for the headers in an error, and in its cause', () => {
    const headers = { 'set-cookie': ['a=1', 'b=2'], authorization: 's', server: 'x' };
    const inner = new StreamError('ERR_GUNPORT_UPGRADE_REFUSED', 'no', { headers });
    const record = errorRecord(new StreamError('ERR_GUNPORT_CLOSED', 'no', { cause: inner }));
    expect(record.cause?.headers).to.deep.equal({
      'set-cookie': [REDACTED, REDACTED],
      authorization: REDACTED,
      server: 'x',
    });
    expect(headers.authorization, 'which itself is as it was').to.equal('s');
  });
});
