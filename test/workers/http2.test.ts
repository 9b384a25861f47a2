import { expect } from 'chai';
import type { RequestSettings } from '../../lib/httpwire.ts';
import type { OpenOptions } from '../../lib/options.ts';
import * as h2 from '../support/h2frames.ts';
import { Http2Stand } from '../support/http2-stand.ts';

const OK = { ':status': 200 } as const;
const text = (bytes: string): Uint8Array => new Uint8Array(Buffer.from(bytes));

const stands: Http2Stand[] = [];
const stand = (options: OpenOptions = {}): Http2Stand => {
  const made = new Http2Stand(options);
  stands.push(made);
  return made;
};
const upStand = async (options: OpenOptions = {}, settings: h2.SettingValues = {}): Promise<Http2Stand> => {
  const made = stand(options);
  await made.begin(settings);
  return made;
};
afterEach(() => {
  for (const one of stands.splice(0)) one.stop();
});

describe('an HTTP/2 driver before the SETTINGS of the server', () => {
  it('sends requests without a body; the others wait (RFC 9113 §3.4)', async () => {
    const made = stand();
    for (let i = 0; i < 3; i++) made.get(`/${i}`);
    made.get('/body', { method: 'POST', body: text('body') });
    made.get('/after');
    await made.rest();
    expect(made.sent('headers').map(({ fields }) => fields[':path'])).to.deep.equal([
      '/0',
      '/1',
      '/2',
      '/after',
    ]);
    expect(made.ends).to.deep.equal([]);
    await made.begin();
    expect(made.ends).to.deep.equal(['up']);
    expect(made.sent('headers').at(-1)?.fields).to.include({ ':path': '/body', 'content-length': '4' });
  });

  it('sends 100 of them, as many as a server should allow (RFC 9113 §6.5.2)', async () => {
    const made = stand();
    for (let i = 0; i < 150; i++) made.get(`/${i}`);
    await made.rest();
    expect(made.sent('headers')).to.have.lengthOf(100);
    await made.begin();
    expect(made.sent('headers')).to.have.lengthOf(150);
  });

  it('asks again for what was one too many, in its turn (RFC 9113 §8.7)', async () => {
    const made = stand();
    const asked = ['/0', '/1', '/2', '/3'].map((path) => made.get(path));
    await made.rest();
    const refused = [7, 5, 3].map((id) => h2.reset(id, 'REFUSED_STREAM'));
    await made.give(h2.settings({ maxConcurrentStreams: 1 }), h2.settingsAck(), ...refused);
    for (let id = 9; id <= 13; id += 2) {
      await made.give(h2.headers(id === 9 ? 1 : id - 2, OK, { fin: true }));
      expect(made.sent('headers').at(-1)?.fields[':path']).to.equal(`/${(id - 7) / 2}`);
    }
    await made.give(h2.headers(13, OK, { fin: true }));
    for (const { stream } of asked) expect(made.words(stream)).to.deep.equal(['200 fin']);
    const late = made.get('/late');
    await made.rest();
    await made.give(h2.reset(15, 'REFUSED_STREAM'));
    expect(made.words(late.stream)).to.deep.equal(['ERR_GUNPORT_RESET REFUSED_STREAM']);
  });

  it('takes them late, or their acknowledgement, for a loss (RFC 9113 §6.5.3)', async () => {
    const none = stand({ settingsTimeout: 1 });
    const half = stand({ settingsTimeout: 30 });
    await half.give(h2.settings());
    while (!none.lost || !half.lost) await none.rest();
    for (const { lost, ends } of [none, half]) {
      expect(lost?.code).to.equal('ERR_GUNPORT_SETTINGS_TIMEOUT');
      expect(ends.at(-1)).to.match(/^lost/);
    }
    expect(none.lost?.message).to.match(/sent no SETTINGS/);
    expect(half.lost?.message).to.match(/did not acknowledge/);
    expect(half.sent('goaway').map(({ code }) => code)).to.deep.equal(['SETTINGS_TIMEOUT']);
  });
});

describe('an HTTP/2 driver that has no stream ids left', () => {
  it('lets what is under way end, and leaves the rest to the next connection (RFC 9113 §5.1.1)', async () => {
    const made = await upStand();
    const last = 2 ** 31 - 1;
    made.nextId(last);
    const asked = ['/last', '/next', '/other'].map((path) => made.get(path));
    await made.rest();
    expect(made.sent('headers').map(({ stream }) => stream)).to.deep.equal([last]);
    await made.give(h2.headers(last, OK, { fin: true }));
    expect(asked.map(({ stream }) => made.words(stream))).to.deep.equal([['200 fin'], [], []]);
    expect(made.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_CLOSED normal']);
    expect(made.streams.root.waiting.map(({ stream }) => stream)).to.deep.equal([2, 3]);
  });
});

describe('an answer, as an HTTP/2 driver tells it', () => {
  const answered = async (
    frames: (id: number) => Uint8Array[],
    options: OpenOptions = {},
    more: Partial<RequestSettings> = {},
  ): Promise<string[]> => {
    const made = await upStand(options);
    const { stream } = made.get('/', more);
    await made.rest();
    await made.give(...frames(1));
    return made.words(stream);
  };

  it('has its last part marked, where its end came with it', async () => {
    const words = await answered((id) => [h2.headers(id, OK), h2.data(id, 'one '), h2.data(id, 'two', true)]);
    expect(words).to.deep.equal(['200', 'one two fin']);
  });

  it('has interim heads, a head, a body and trailers, in order', async () => {
    const words = await answered((id) => [
      ...[h2.headers(id, { ':status': 103 }), h2.headers(id, OK), h2.data(id, 'x')],
      h2.headers(id, { a: 'b' }, { fin: true }),
    ]);
    expect(words).to.deep.equal(['103', '200', 'x', 'trailers a b']);
  });

  it('is complete by RST_STREAM(NO_ERROR) where its length does not say otherwise', async () => {
    const cut = (fields: object) => (id: number) => [
      ...[h2.headers(id, { ...OK, ...fields }), h2.data(id, 'four'), h2.reset(id, 'NO_ERROR')],
    ];
    expect(await answered(cut({}))).to.deep.equal(['200', 'four fin']);
    expect(await answered(cut({ 'content-length': 4 }))).to.deep.equal(['200', 'four fin']);
    const short = await answered(cut({ 'content-length': 5 }));
    expect(short).to.deep.equal(['200', 'four', 'ERR_GUNPORT_RESET NO_ERROR']);
  });

  it('keeps its memory from being moved with that of another, where flow may hold it back', async () => {
    const made = await upStand();
    const [free, held] = [made.get('/free'), made.get('/held', { flow: 1 })];
    await made.rest();
    const parts = [1, 3].flatMap((id) => [h2.headers(id, OK), h2.data(id, `first of ${id}`)]);
    await made.give(...parts);
    await made.give(h2.data(3, 'second of 3'), h2.data(1, 'second of 1', true));
    expect(made.words(free.stream)).to.deep.equal(['200', 'first of 1', 'second of 1 fin']);
    expect(made.words(held.stream)).to.deep.equal(['200', 'first of 3']);
    held.topUp(1);
    await made.rest();
    expect(made.words(held.stream)).to.deep.equal(['second of 3']);
  });

  it('that is all here is told, when the connection ends in the same turn', async () => {
    for (const slow of [false, true]) {
      const made = await upStand();
      made.transport.slow = slow;
      const [whole, part] = [made.get('/whole'), made.get('/part')];
      await made.rest();
      made.read(h2.headers(1, OK), h2.headers(3, OK), h2.data(1, 'whole', true), h2.data(3, 'part'));
      made.driver.ended();
      await made.rest();
      expect(made.words(whole.stream)).to.deep.equal(['200', 'whole fin']);
      expect(made.words(part.stream)).to.deep.equal(['200', 'part', 'ERR_GUNPORT_CLOSED']);
      expect(made.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_CLOSED']);
    }
  });

  it('that is all here is told, before what breaks the connection in the same read', async () => {
    const made = await upStand();
    const { stream } = made.get('/');
    await made.rest();
    await made.give(h2.headers(1, OK), h2.data(1, 'whole', true), h2.frame(0, 0, 3, Buffer.alloc(16_385)));
    expect(made.words(stream)).to.deep.equal(['200', 'whole fin']);
    expect(made.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_PROTOCOL']);
    expect(made.sent('goaway').map(({ code }) => code)).to.deep.equal(['FRAME_SIZE_ERROR']);
  });
});

describe('the end of an HTTP/2 driver', () => {
  it('by shutdown() says GOAWAY behind what was just asked, and waits for that', async () => {
    const made = await upStand();
    const { stream } = made.get('/');
    made.driver.shutdown('shutdown');
    await made.rest();
    expect(made.transport.frames.map(({ type }) => type).slice(-2)).to.deep.equal(['headers', 'goaway']);
    expect(made.ends).to.deep.equal(['up']);
    await made.give(h2.headers(1, OK, { fin: true }));
    expect(made.words(stream)).to.deep.equal(['200 fin']);
    expect(made.ends).to.deep.equal(['up', 'over']);
  });

  it('by shutdown() is at once where nothing was asked', async () => {
    const made = await upStand();
    made.driver.shutdown('shutdown');
    expect(made.ends).to.deep.equal(['up', 'over']);
    expect(made.sent('goaway').map(({ code }) => code)).to.deep.equal(['NO_ERROR']);
  });

  it('by GOAWAY is no failure, also where the server closes before it was answered', async () => {
    const made = await upStand();
    const { stream } = made.get('/');
    await made.rest();
    made.read(h2.goaway(1), h2.headers(1, OK, { fin: true }));
    made.driver.ended();
    await made.rest();
    expect(made.words(stream)).to.deep.equal(['200 fin']);
    expect(made.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_CLOSED normal']);
  });

  it('sends no RST_STREAM for what a GOAWAY leaves out, and was sent whole', async () => {
    const made = await upStand();
    const asked = [made.get('/in'), made.get('/out'), made.get('/out', { method: 'POST', streamed: true })];
    await made.rest();
    await made.give(h2.goaway(1, 'ENHANCE_YOUR_CALM'));
    const words = asked.map(({ stream }) => made.words(stream));
    expect(words).to.deep.equal([[], ...Array(2).fill(['ERR_GUNPORT_GOAWAY ENHANCE_YOUR_CALM'])]);
    expect(made.sent('reset').map(({ stream }) => stream)).to.deep.equal([5]);
    await made.give(h2.headers(1, OK, { fin: true }));
    expect(made.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_GOAWAY']);
  });

  it('by stop() is silent, whatever comes then', async () => {
    const made = await upStand({ keepalive: 1 });
    const asked = [made.get('/'), made.get('/')];
    const entry = made.upgrade('/ws');
    await made.rest();
    made.read(h2.headers(1, OK), h2.data(1, 'x'));
    made.driver.stop();
    const frames = made.transport.frames.length;
    made.driver.received(9);
    made.driver.ended();
    made.driver.lost(undefined);
    await made.rest();
    for (const { stream } of [...asked, entry]) expect(made.words(stream)).to.deep.equal([]);
    expect(made.ends).to.deep.equal(['up']);
    expect(made.transport.frames).to.have.lengthOf(frames);
  });
});

describe('a WebSocket on an HTTP/2 driver (RFC 8441)', () => {
  it('waits for SETTINGS, and is asked for as they allow', async () => {
    const made = stand();
    made.upgrade('/ws');
    await made.rest();
    expect(made.sent('headers')).to.deep.equal([]);
    await made.begin({ enableConnectProtocol: 1 });
    const [head] = made.sent('headers');
    expect(head?.fin).to.equal(false);
    expect(head?.fields).to.include({
      ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws' },
      ...{ ':authority': 'example.com', 'sec-websocket-version': '13' },
    });
    await made.give(h2.headers(1, OK));
    expect(made.ends).to.deep.equal(['up', 'opened 1']);
  });

  it('ends alone where they do not allow it; for connect() the attempt does', async () => {
    const made = stand();
    const { stream } = made.upgrade('/ws');
    await made.begin();
    expect(made.notices.filter((notice) => notice.type === 'error')).to.have.lengthOf(1);
    expect(made.ends).to.deep.equal(['up']);
    expect(made.streams.webSocket(stream)).to.equal(undefined);
    const spanning = stand();
    spanning.upgrade('/ws', true);
    await spanning.begin();
    expect(spanning.ends).to.deep.equal(['up', 'lost ERR_GUNPORT_UNSUPPORTED']);
  });

  it('waits for a stream no longer than upgradeTimeout', async () => {
    const made = await upStand({ upgradeTimeout: 20 }, { enableConnectProtocol: 1, maxConcurrentStreams: 0 });
    const { stream } = made.upgrade('/ws');
    while (made.streams.webSocket(stream)) await made.rest();
    const error = made.notices.find((notice) => notice.type === 'error');
    expect(error?.error.code).to.equal('ERR_GUNPORT_UPGRADE_TIMEOUT');
  });
});
