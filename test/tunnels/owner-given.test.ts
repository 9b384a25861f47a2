import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, GunportError } from '../../lib/index.ts';
import { FAR, FakeProcess, made, part, RAW, refusal, said, tunnelUp } from '../support/fake-process.ts';
import { errorOf } from '../support/stage.ts';

const BAD_STATE = { code: 'ERR_GUNPORT_BAD_STATE', name: 'StreamError' };

describe('a tunnel that is another’s, at its owner', () => {
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

  // ── its answer elsewhere ──

  it('with replyTo is followed here, and read there (tunnel_SUITE connect_raw_reply_to)', async () => {
    const { port1, port2 } = new MessageChannel();
    const tunnel = connection.connect(
      { host: 'example.com', port: 9, protocols: ['raw'] },
      { replyTo: port1 },
    );
    const up = tunnel.established();
    await process.tell(made(1), tunnelUp(1, 'raw', RAW));
    expect(await up).to.include({ protocol: 'raw' });
    expect(tunnel.data(false, 'x')).to.equal(true);
    expect(await errorOf(tunnel.response())).to.include(BAD_STATE);
    await process.tell(part(1, '', true));
    expect(tunnel.state).to.equal('ended');
    process.request(1).reply?.close();
    port2.close();
  });

  it('with replyTo is refused without a word of it here', async () => {
    const { port1, port2 } = new MessageChannel();
    const tunnel = connection.connect('http://example.com', { replyTo: port1 });
    const failed = errorOf(tunnel.established());
    await process.tell(part(1, '', true));
    const error = (await failed) as GunportError;
    expect(error).to.include({ code: 'ERR_GUNPORT_PROXY' });
    expect(error.status).to.equal(undefined);
    process.request(1).reply?.close();
    port2.close();
  });

  // ── handed over ──

  it('is handed over before it is up, with what has not been taken (O5)', async () => {
    const tunnel = raw();
    const waiting = errorOf(tunnel.established());
    await process.tell(made(1));
    const there = await process.handOver(tunnel);
    expect(await waiting).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
    expect(await errorOf(tunnel.established())).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
    expect(there).to.include({ method: 'CONNECT', state: 'answered', status: 200, origin: RAW });
    const up = there.established();
    await process.tell(tunnelUp(1, 'raw', RAW));
    expect(await up).to.include({ protocol: 'raw' });
    expect(said(await there.connection.await(there))).to.equal('response');
    expect(said(await there.connection.await(there))).to.equal('tunnelUp');
    there.data('fin', 'x');
    expect(() => there.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
  });

  it('is handed over while bytes go through it (O1, O5)', async () => {
    const tunnel = raw();
    await process.tell(made(1), tunnelUp(1, 'raw', RAW), part(1, 'one'));
    for (const type of ['response', 'tunnelUp', 'one'])
      expect(said(await connection.await(tunnel))).to.equal(type);
    tunnel.data(false, 'abc');
    await process.tell(part(1, 'two'));
    const there = await process.handOver(tunnel);
    expect(there).to.include({ protocol: 'raw', bufferedAmount: 3 });
    expect(await there.established()).to.deep.equal({ type: 'tunnelUp', protocol: 'raw', origin: RAW });
    expect(there.data('fin', 'def')).to.equal(true);
    await process.tell(part(1, 'three', true));
    expect(await there.text()).to.equal('twothree');
  });

  it('is handed over with the untaken answer that made it, which is no end', async () => {
    const tunnel = raw();
    await process.tell(made(1), tunnelUp(1, 'raw', RAW), part(1, 'one'));
    const there = await process.handOver(await process.handOver(tunnel));
    expect(there.state).to.equal('answered');
    await process.tell(part(1, 'two', true));
    expect(await there.response()).to.include({ status: 200, fin: true });
    expect(await there.text()).to.equal('onetwo');
  });

  it('is handed over with what goes through it, and takes more there', async () => {
    const tunnel = connection.connect('http://example.com');
    const stream = connection.get('/a', { tunnel });
    const ws = connection.wsUpgrade('/b', { tunnel });
    await process.tell(made(1), tunnelUp(1, 'http', FAR));
    const there = await process.handOver(stream);
    expect(there.url).to.equal(`${FAR}/a`);
    expect((there.connection.streams.get(ws.id) as typeof ws).url).to.equal('ws://example.com/b');
    const tunnelThere = there.connection.streams.get(tunnel.id);
    expect(() => there.connection.get('/', { tunnel }))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_OPTION');
    const more = there.connection.get('/c', { tunnel: tunnelThere });
    await process.settle();
    expect(process.request(more.id)).to.include({ tunnel: 1 });
    expect(more.url).to.equal(`${FAR}/c`);
  });

  it('is handed over with a refusal', async () => {
    const tunnel = connection.connect('http://example.com');
    await process.tell(refusal(1), part(1, 'go '));
    const there = await process.handOver(tunnel);
    const failed = errorOf(there.established());
    await process.tell(part(1, 'away', true));
    const error = (await failed) as GunportError;
    expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
    expect(Buffer.from(error.body ?? []).toString()).to.equal('go away');
    const last = await process.handOver(there);
    expect(await errorOf(last.established())).to.include({ code: 'ERR_GUNPORT_PROXY', status: 403 });
    expect(await last.text()).to.equal('go away');
  });
});
