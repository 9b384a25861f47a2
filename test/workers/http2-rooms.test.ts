import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { GunportError } from '../../lib/errors.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { checkOpen, checkWs } from '../../lib/settings.ts';
import type { Notice } from '../../lib/wire.ts';
import { Bodies, type Teller } from '../../workers/http2/bodies.ts';
import { connectHeaders, plainFields, requestHeaders, sizeOf } from '../../workers/http2/head.ts';
import { Http2Memory } from '../../workers/http2/memory.ts';
import { Http2Pings } from '../../workers/http2/pings.ts';
import { Outbox } from '../../workers/outbox.ts';
import { sharedBuffer } from '../../workers/slabs.ts';

const settingsOf = (options: OpenOptions = {}, url = 'http://example.com') =>
  checkOpen(url, { protocols: ['http2'], ...options }, false).settings;

describe('the head of a request over HTTP/2', () => {
  const of = (headers: string[], options: OpenOptions = {}, method = 'GET', length?: number) =>
    requestHeaders({ method, path: '/p?q', headers }, settingsOf(options), length);

  it('has the four pseudo-header fields (RFC 9113 §8.3.1)', () => {
    expect(of([])).to.deep.equal({
      ...{ ':method': 'GET', ':scheme': 'http', ':authority': 'example.com', ':path': '/p?q' },
    });
    const secure = requestHeaders(
      { method: 'GET', path: '/', headers: [] },
      settingsOf({}, 'https://example.com:8443'),
      undefined,
    );
    expect(secure).to.include({ ':scheme': 'https', ':authority': 'example.com:8443' });
  });

  it('has none of the fields that HTTP/2 forbids; host is :authority (RFC 9113 §8.2.2)', () => {
    const gone = ['connection', 'close', 'keep-alive', '1', 'proxy-connection', 'x', 'upgrade', 'h2c'];
    const headers = of([...gone, 'transfer-encoding', 'chunked', 'http2-settings', 'x', 'host', 'a.example']);
    expect(Object.keys(headers)).to.deep.equal([':method', ':scheme', ':authority', ':path']);
    expect(headers[':authority']).to.equal('a.example');
    expect(of(['te', 'gzip'])).not.to.have.property('te');
    expect(of(['te', 'Trailers'])).to.include({ te: 'Trailers' });
  });

  it('keeps what comes twice, and lays its own over those of the connection', () => {
    const headers = of(['cookie', 'a=1', 'cookie', 'b=2', 'x', 'mine'], {
      headers: { x: 'base', y: 'base' },
    });
    expect(headers).to.deep.include({ cookie: ['a=1', 'b=2'], x: 'mine', y: 'base' });
  });

  it('says how long a body is that is known, also that of a POST that has none (RFC 9110 §8.6)', () => {
    expect(of([], {}, 'POST', 0)).to.include({ 'content-length': '0' });
    expect(of(['content-length', '9'], {}, 'PUT', 4)).to.include({ 'content-length': '4' });
    expect(of([], {}, 'GET', 0)).not.to.have.property('content-length');
    expect(of(['content-length', '9'], {}, 'POST')).to.include({ 'content-length': '9' });
  });

  it('of a WebSocket is an extended CONNECT (RFC 8441 §5)', () => {
    const settings = settingsOf();
    const { ws } = checkWs('/ws', { subprotocols: ['a', 'b'], headers: { Origin: 'o' } }, settings);
    expect(connectHeaders(ws, settings, 'x-deflate')).to.deep.equal({
      ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws' },
      ...{ ':authority': 'example.com', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'a, b' },
      ...{ 'sec-websocket-extensions': 'x-deflate', origin: 'o' },
    });
  });

  it('of an answer is told without its pseudo-header fields', () => {
    expect(plainFields([':status', '200', 'a', 'b'])).to.deep.equal(['a', 'b']);
    expect(plainFields([])).to.deep.equal([]);
    expect(sizeOf(['name', 'value'])).to.equal('name: value\r\n'.length);
  });
});

describe('the memory of an HTTP/2 socket', () => {
  it('is shared while it is idle, and what is read there is copied', () => {
    const memory = new Http2Memory();
    expect(memory.buffer()).to.equal(sharedBuffer());
    const bytes = memory.filled(10);
    expect(memory.lend(bytes).buffer).not.to.equal(bytes.buffer);
  });

  it('is its own while it is busy, read into again and again unless it is kept', () => {
    const memory = new Http2Memory();
    memory.buffer();
    memory.filled(32_768);
    const own = memory.buffer();
    expect(own).not.to.equal(sharedBuffer());
    const bytes = memory.filled(own.length);
    expect(memory.full(own.length)).to.equal(true);
    expect(memory.lend(bytes)).to.equal(bytes);
    expect(memory.buffer()).to.equal(own);
    memory.filled(own.length);
    memory.keep();
    expect(memory.buffer()).not.to.equal(own);
    memory.filled(100);
    expect(memory.buffer()).to.equal(sharedBuffer());
  });
});

describe('what came for streams of HTTP/2 in one turn', () => {
  const teller = (text: string, shares: boolean, told: (body: Uint8Array | undefined) => void): Teller => ({
    ...{ size: text.length, shares, tell: told },
    fill: (memory) => void memory.set(Buffer.from(text)),
  });

  it('is told when the turn ends, in one piece of memory where it may share one', async () => {
    const bodies: (Uint8Array | undefined)[] = [];
    let rounds = 0;
    const room = new Bodies(
      (run) => run(),
      () => rounds++,
    );
    const tell = (body: Uint8Array | undefined): void => void bodies.push(body);
    for (const one of [teller('one', true, tell), teller('own', false, tell), teller('two', true, tell)])
      room.add(one);
    room.add(teller('', true, tell));
    expect(bodies).to.deep.equal([]);
    await turn();
    expect(bodies.map((body) => body && Buffer.from(body).toString())).to.deep.equal([
      ...['one', 'own', 'two', undefined],
    ]);
    expect(bodies[0]?.buffer).to.equal(bodies[2]?.buffer);
    expect(bodies[0]?.buffer).not.to.equal(bodies[1]?.buffer);
    expect(rounds).to.equal(1);
  });

  it('waits for what is read next at once, up to a megabyte', async () => {
    const told: number[] = [];
    const room = new Bodies(
      (run) => run(),
      () => {},
    );
    const one = teller('x', true, () => told.push(1));
    room.reading(true);
    room.add(one, 1_000);
    await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(told).to.deep.equal([]);
    room.add(one, 2_000_000);
    await new Promise<void>((resolve) =>
      process.nextTick(() => queueMicrotask(() => process.nextTick(resolve))),
    );
    expect(told).to.deep.equal([1]);
    room.reading(true);
    room.add(one);
    await turn();
    await turn();
    expect(told).to.deep.equal([1, 1]);
    room.reading(true);
    room.add(one);
    room.stop();
    await turn();
    expect(told).to.deep.equal([1, 1]);
  });
});

describe('pings of HTTP/2', () => {
  const made: Http2Pings[] = [];
  afterEach(() => {
    for (const one of made.splice(0)) one.stop(new Error('over'));
  });

  function pinging(options: OpenOptions = {}) {
    const notices: Notice[] = [];
    const sent: Uint8Array[] = [];
    const late: GunportError[] = [];
    const idle = { maxBuffered: 1e9, pause: () => {}, resume: () => {}, credit: () => {} };
    const pings = new Http2Pings({
      settings: settingsOf(options),
      outbox: new Outbox((notice) => void notices.push(notice), idle),
      guard: (run) => run(),
      ping: (payload) => void sent.push(payload),
      late: (error) => void late.push(error),
    });
    made.push(pings);
    return { pings, notices, sent, late };
  }

  it('are answered each by its own payload, in any order', () => {
    const { pings, notices, sent } = pinging();
    for (const id of [1, 2]) pings.ping(id);
    pings.pong(new Uint8Array(8));
    for (const payload of [sent[1], sent[0], sent[0]]) if (payload) pings.pong(payload);
    expect(notices.map((notice) => 'id' in notice && notice.id)).to.deep.equal([2, 1]);
    expect(sent[0]).to.have.lengthOf(8);
  });

  it('that have no answer fail when they stop, and when there are too many', () => {
    const { pings, notices } = pinging();
    for (let id = 1; id <= 1_025; id++) pings.ping(id);
    expect(notices.map((notice) => notice.type)).to.deep.equal(['failedCall']);
    pings.stop(new Error('over'));
    expect(notices).to.have.lengthOf(1_025);
  });

  it('of our own are as many as the tolerance, then nobody answers (keepalive_tolerance)', async () => {
    const { pings, sent, late } = pinging({ keepalive: 5, keepaliveTolerance: 2 });
    pings.begin();
    while (late.length === 0) await pause(1);
    expect(sent).to.have.lengthOf(2);
    expect(late[0]).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT', phase: 'timeout' });
  });

  it('of our own go on while they are answered, at the last moment too', async () => {
    const { pings, sent, late } = pinging({ keepalive: 2, keepaliveTolerance: 1, pongTimeout: 1 });
    pings.begin();
    let answered = 0;
    while (sent.length < 5) {
      await pause(1);
      for (; answered < sent.length; answered++) pings.pong(sent[answered] as Uint8Array);
    }
    expect(late).to.deep.equal([]);
  });

  it('of our own have a deadline each where there is no tolerance', async () => {
    const { pings, sent, late } = pinging({ keepalive: 2, pongTimeout: 20 });
    pings.begin();
    while (late.length === 0) await pause(1);
    expect(sent).to.have.lengthOf(1);
    expect(late[0]?.message).to.match(/within 20 ms/);
  });
});
