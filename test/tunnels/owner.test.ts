import { expect } from 'chai';
import type { Connection, GunportError, Stream } from '../../lib/index.ts';
import { FAR, FakeProcess, made, part, RAW, refusal, said, tunnelUp } from '../support/fake-process.ts';
import { errorOf } from '../support/stage.ts';

const BAD_STATE = { code: 'ERR_GUNPORT_BAD_STATE', name: 'StreamError' };

describe('a tunnel, at its owner', () => {
  let process: FakeProcess;
  let connection: Connection;

  beforeEach(async () => {
    process = new FakeProcess();
    ({ connection } = process);
    await process.up();
  });
  afterEach(async () => {
    process.end();
    await process.connection.monitor().down;
  });

  const raw = () => connection.connect({ host: 'example.com', port: 9, protocols: ['raw'] });

  it('is asked for at once, and its notices come one by one (gun:connect/4)', async () => {
    const tunnel = connection.connect('http://example.com', { headers: { 'x-a': 'b' } });
    expect(tunnel).to.include({ method: 'CONNECT', path: 'example.com:80', state: 'requested' });
    expect(tunnel).to.include({ origin: FAR, url: FAR, protocol: undefined });
    await process.tell(made(1), tunnelUp(1, 'http', FAR));
    expect(process.request(1)).to.deep.include({ type: 'request', stream: 1 });
    expect(process.request(1).road?.leg).to.include({ host: 'example.com', port: 80 });
    expect(await connection.await(tunnel)).to.include({ type: 'response', fin: true, status: 200 });
    expect(await connection.await(tunnel)).to.deep.equal({
      ...{ type: 'tunnelUp', protocol: 'http', origin: FAR },
    });
    expect(tunnel).to.include({ state: 'answered', status: 200, protocol: 'http' });
  });

  it('is established with its last leg, and nothing is taken from who awaits', async () => {
    const tunnel = connection.connect({
      ...{ host: 'socks.example', port: 1080 },
      protocols: [{ name: 'socks', host: 'example.com', port: 80 }],
    });
    const first = tunnel.established();
    await process.tell(made(1), tunnelUp(1, 'socks', 'socks5://socks.example:1080'));
    expect(tunnel.protocol).to.equal(undefined);
    await process.tell(tunnelUp(1, 'http', FAR));
    const up = { type: 'tunnelUp', protocol: 'http', origin: FAR };
    expect(await first).to.deep.equal(up);
    expect(await tunnel.established()).to.deep.equal(up);
    const notices = [1, 2, 3].map(() => connection.await(tunnel));
    expect((await Promise.all(notices)).map(({ type }) => type)).to.deep.equal([
      ...['response', 'tunnelUp', 'tunnelUp'],
    ]);
  });

  it('is not established between the loss of its connection and its return', async () => {
    const tunnel = connection.connect('http://example.com');
    await process.tell(made(1), tunnelUp(1, 'http', FAR));
    await tunnel.established();
    await process.lost();
    expect(await errorOf(tunnel.established({ timeout: 1 }))).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    expect(tunnel.protocol).to.equal(undefined);
    const again = tunnel.established();
    await process.up(2);
    await process.tell(made(1, 201), tunnelUp(1, 'http', FAR));
    expect(await again).to.include({ protocol: 'http' });
    expect(tunnel.status).to.equal(201);
    // Nobody has taken what was told the first time.
    const types = await Promise.all([1, 2].map(() => connection.await(tunnel)));
    expect(types.map(said)).to.deep.equal(['response', 'tunnelUp']);
    expect(await tunnel.response()).to.include({ status: 201 });
    expect(await errorOf(connection.await(tunnel, { timeout: 1 }))).to.include({
      code: 'ERR_GUNPORT_TIMEOUT',
    });
  });

  it('tells who awaits each time that it is made', async () => {
    const tunnel = connection.connect('http://example.com');
    for (const [i, status] of [200, 201, 202].entries()) {
      await process.up(i + 1);
      await process.tell(made(1, status), tunnelUp(1, 'http', FAR));
      expect(await connection.await(tunnel)).to.include({ type: 'response', status });
      expect(await connection.await(tunnel)).to.include({ type: 'tunnelUp' });
      expect(await tunnel.response()).to.include({ status });
      await process.lost(i + 1);
    }
  });

  it('tells what a proxy refused it with, which is read as any answer too', async () => {
    const tunnel = connection.connect('http://example.com');
    const failed = errorOf(tunnel.established());
    await process.tell(refusal(1), part(1, 'go '), part(1, 'away', true));
    const error = (await failed) as GunportError;
    expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', name: 'StreamError', status: 403 });
    expect(error.headers).to.deep.include({ 'x-why': 'no' });
    expect(Buffer.from(error.body ?? []).toString()).to.equal('go away');
    expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
    expect(await tunnel.response()).to.include({ status: 403, fin: false });
    expect(await tunnel.text()).to.equal('go away');
    expect(tunnel.state).to.equal('ended');
  });

  it('keeps 64 KiB of a refusal, and does not wait for the rest of it', async () => {
    const tunnel = connection.connect('http://example.com');
    const failed = errorOf(tunnel.established());
    await process.tell(refusal(1), part(1, 'a'.repeat(60_000)), part(1, 'b'.repeat(60_000)));
    const { body } = (await failed) as GunportError;
    expect(Buffer.from(body ?? []).toString()).to.equal('a'.repeat(60_000) + 'b'.repeat(5_536));
  });

  it('names a refusal as the cause, where the rest of it is late', async () => {
    const tunnel = connection.connect('http://example.com');
    await process.tell(refusal(1), part(1, 'go '));
    const error = (await errorOf(tunnel.established({ timeout: 1 }))) as GunportError;
    expect(error).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    expect(error.cause).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
  });

  it('is refused without a body', async () => {
    const tunnel = connection.connect('http://example.com');
    const failed = errorOf(tunnel.established());
    await process.tell(refusal(1, true));
    expect(await failed).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
    expect(tunnel.state).to.equal('ended');
  });

  it('is established by no other stream', async () => {
    expect(await errorOf(connection.get('/').established())).to.include(BAD_STATE);
  });

  it('fails who waits for it with what its stream ends with', async () => {
    const tunnel = connection.connect('http://example.com');
    const failed = errorOf(tunnel.established());
    tunnel.cancel();
    expect(await failed).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    await process.settle();
    expect(process.cast('cancel')).to.deep.equal([{ type: 'cancel', stream: 1 }]);
  });

  it('has ended for who waits, when its process does', async () => {
    const tunnel = connection.connect('http://example.com');
    const failed = errorOf(tunnel.established());
    process.end();
    expect(await failed).to.include({ code: 'ERR_GUNPORT_CLOSED' });
  });

  // ── what goes through it ──

  it('is named in what goes through it, which goes to its far end', async () => {
    const tunnel = connection.connect('http://example.com');
    const made = [
      connection.get('/a', { tunnel }),
      connection.wsUpgrade('/b', { tunnel }),
      connection.connect('http://other.example', { tunnel }),
      connection.raw({ tunnel }),
    ];
    void connection.fetch('http://example.com/c', { tunnel }).catch(() => {});
    void connection.ping({ tunnel }).catch(() => {});
    await process.settle();
    expect(process.cast('request').map(({ stream, tunnel }) => [stream, tunnel])).to.deep.equal([
      ...[
        [1, undefined],
        [2, 1],
        [4, 1],
        [5, 1],
        [6, 1],
      ],
    ]);
    expect(process.cast('upgrade')[0]).to.include({ stream: 3, tunnel: 1 });
    expect(process.cast('pingConnection')[0]).to.include({ tunnel: 1 });
    expect(made.map(({ url }) => url)).to.deep.equal([
      ...[`${FAR}/a`, 'ws://example.com/b', 'http://other.example', FAR],
    ]);
  });

  it('does not carry the headers of its connection to a WebSocket of the far end', async () => {
    const with_ = new FakeProcess('http://me:secret@proxy.example', { headers: { 'x-mine': 'y' } });
    const tunnel = with_.connection.connect('http://example.com');
    with_.connection.wsUpgrade('/', { tunnel });
    with_.connection.wsUpgrade('/');
    await with_.settle();
    const headers = with_.cast('upgrade').map(({ ws }) => ws?.headers);
    expect(headers[0]).to.deep.equal([]);
    expect(headers[1]).to.include('x-mine');
    with_.end();
    await with_.connection.monitor().down;
  });

  it('takes a fetch of the origin that it leads to, and of no other', async () => {
    const tunnel = connection.connect('http://example.com');
    const wrong = errorOf(connection.fetch('http://proxy.example:3128/', { tunnel }));
    expect(await wrong).to.include({ code: 'ERR_GUNPORT_OPTION' });
    expect(await errorOf(connection.fetch('http://example.com/'))).to.include({ code: 'ERR_GUNPORT_OPTION' });
  });

  it('must be one of this connection that has not ended', async () => {
    const other = new FakeProcess();
    const theirs = other.connection.connect('http://example.com');
    const request = connection.get('/');
    const ws = connection.wsUpgrade('/');
    // Whatever is no tunnel, by whatever way.
    for (const tunnel of [theirs, request, ws, { id: 99 }, { id: '1' }, 1, null]) {
      const given = { tunnel } as { tunnel: { id: number } };
      for (const call of [
        () => connection.get('/', given),
        () => connection.wsUpgrade('/', given),
        () => connection.connect('http://x.example', given),
        () => connection.raw(given),
      ]) {
        expect(call).to.throw().with.property('code', 'ERR_GUNPORT_OPTION');
      }
      expect(await errorOf(connection.ping(given))).to.include({ code: 'ERR_GUNPORT_OPTION' });
      expect(await errorOf(connection.fetch('/', given))).to.include({ code: 'ERR_GUNPORT_OPTION' });
    }
    const tunnel = connection.connect('http://example.com');
    tunnel.cancel();
    expect(() => connection.get('/', { tunnel }))
      .to.throw()
      .that.includes(BAD_STATE);
    expect(await errorOf(connection.ping({ tunnel }))).to.include(BAD_STATE);
    await process.settle();
    expect(process.cast('request').map(({ stream }) => stream)).to.deep.equal([1, 3]);
    other.end();
    await other.connection.monitor().down;
  });

  it('gives what a server pushes through it the far end’s URL', async () => {
    const tunnel = connection.connect('http://example.com');
    const stream = connection.get('/', { tunnel });
    const push = {
      type: 'push',
      promised: -1,
      method: 'GET',
      uri: `${FAR}/style.css`,
      rawHeaders: [],
    } as const;
    await process.tell({ ...push, stream: 2 });
    const notice = await connection.await(stream);
    expect((notice as { stream: Stream }).stream).to.include({ url: `${FAR}/style.css` });
  });

  // ── raw ──

  it('takes bytes once it leads to a raw stream, and not before', async () => {
    const tunnel = raw();
    expect(() => tunnel.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.tell(made(1));
    expect(() => tunnel.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.tell(tunnelUp(1, 'raw', RAW));
    expect(tunnel.data(false, 'hello')).to.equal(true);
    expect(() => tunnel.data(true, 'x', { trailers: { a: 'b' } })).to.throw(/trailers/);
    expect(tunnel.data('fin')).to.equal(true);
    expect(() => tunnel.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.settle();
    expect(process.cast('data').map(({ fin, bytes }) => [fin, bytes?.byteLength])).to.deep.equal([
      ...[
        [false, 5],
        [true, undefined],
      ],
    ]);
    await process.tell(part(1, 'still '), part(1, 'here', true));
    expect(await tunnel.text()).to.equal('still here');
    expect(tunnel.state).to.equal('ended');
  });

  it('takes none where it leads to HTTP', async () => {
    const tunnel = connection.connect('http://example.com');
    await process.tell(made(1), tunnelUp(1, 'http', FAR));
    expect(() => tunnel.data(false, 'x')).to.throw(/speaks http/);
  });

  it('has ended for both sides when the peer’s has', async () => {
    const tunnel = raw();
    await process.tell(made(1), tunnelUp(1, 'raw', RAW), part(1, 'bye', true));
    expect(tunnel.state).to.equal('ended');
    expect(() => tunnel.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    expect(await tunnel.text()).to.equal('bye');
    expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_CLOSED' });
  });

  // ── the connection's own road ──

  it('of the connection’s own road is an event, and its protocol', async () => {
    const told: unknown[] = [];
    connection.on('tunnelUp', (notice) => told.push(notice));
    await process.tell({ type: 'tunnelUp', protocol: 'http2', origin: 'https://example.com' });
    expect(told).to.deep.equal([{ type: 'tunnelUp', protocol: 'http2', origin: 'https://example.com' }]);
    expect(await connection.awaitUp()).to.include({ protocol: 'http2' });
  });
});
