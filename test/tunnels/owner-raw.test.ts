import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { HttpNotice } from '../../lib/httpwire.ts';
import { type Connection, receiveReply } from '../../lib/index.ts';
import { FakeProcess, part } from '../support/fake-process.ts';
import { errorOf } from '../support/stage.ts';

const BAD_STATE = { code: 'ERR_GUNPORT_BAD_STATE', name: 'StreamError' };

describe('a raw stream, at its owner', () => {
  let process: FakeProcess;
  let connection: Connection;

  beforeEach(async () => {
    process = new FakeProcess({ host: 'localhost', port: 7 }, { protocols: ['raw'] });
    ({ connection } = process);
    await process.tell({ type: 'up', protocol: 'raw', attempt: 1 });
  });
  afterEach(async () => {
    process.end();
    await process.connection.monitor().down;
  });

  const sent = (bytes: number) => ({ type: 'sent', stream: 1, bytes }) as const;
  const failed = (code: string): HttpNotice => {
    return { type: 'error', stream: 1, error: { name: 'StreamError', message: 'broken', code } };
  };

  it('is asked for at once, without a head', async () => {
    const stream = connection.raw({ flow: 3 });
    expect(stream).to.include({ method: 'RAW', path: '', state: 'answered', url: 'tcp://localhost:7' });
    expect(stream.status).to.equal(undefined);
    expect(await errorOf(stream.response())).to.include(BAD_STATE);
    expect(await errorOf(stream.established())).to.include(BAD_STATE);
    await process.settle();
    expect(process.request(1).request).to.include({ method: 'RAW', streamed: true, flow: 3 });
  });

  it('is read part by part, and its bytes are told', async () => {
    const stream = connection.raw();
    expect(stream.data(false, 'abc')).to.equal(true);
    expect(stream.bufferedAmount).to.equal(3);
    const drained = stream.drained();
    await process.tell(part(1, 'one'), part(1, 'two'), sent(3));
    await drained;
    expect(stream.bufferedAmount).to.equal(0);
    expect(await connection.await(stream)).to.deep.include({ type: 'data', fin: false });
    await process.tell(part(1, 'three', true));
    const parts: string[] = [];
    for await (const chunk of stream) parts.push(Buffer.from(chunk).toString());
    expect(parts).to.deep.equal(['two', 'three']);
  });

  it('has no trailers', () => {
    const stream = connection.raw();
    expect(() => stream.data(true, '', { trailers: { a: 'b' } })).to.throw(/trailers/);
  });

  it('goes on to be read after our side has ended', async () => {
    const stream = connection.raw();
    stream.data('fin', 'abc');
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.tell(sent(3));
    expect(stream.state).to.equal('answered');
    await process.tell(part(1, 'late', true));
    expect(await stream.text()).to.equal('late');
    expect(stream.state).to.equal('ended');
  });

  it('has ended with the peer’s side, unless it may be half open', async () => {
    const stream = connection.raw();
    await process.tell(part(1, '', true));
    expect(stream.state).to.equal('ended');
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
  });

  // ── half open ──

  it('half open, takes bytes after the peer’s side has ended', async () => {
    const stream = connection.raw({ halfOpen: true });
    await process.tell(part(1, 'all', true));
    expect(process.request(1).request).to.include({ halfOpen: true });
    expect(await stream.text()).to.equal('all');
    expect(await stream.text()).to.equal('');
    expect(stream.state).to.equal('answered');
    expect(await errorOf(connection.await(stream))).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect(stream.data(false, 'abc')).to.equal(true);
    expect(stream.data('fin', 'de')).to.equal(true);
    await process.tell(sent(3));
    expect(stream.state).to.equal('answered');
    const drained = stream.drained();
    await process.tell(sent(5));
    await drained;
    expect(stream.state).to.equal('ended');
  });

  it('half open, has ended with the peer’s side when ours had before', async () => {
    const stream = connection.raw({ halfOpen: true });
    stream.data('fin', 'abc');
    await process.tell(sent(3), part(1, 'all', true));
    expect(stream.state).to.equal('ended');
  });

  it('half open, has ended with ours at once, when nothing waits to be sent', async () => {
    const stream = connection.raw({ halfOpen: true });
    await process.tell(part(1, '', true));
    stream.data('fin');
    expect(stream.state).to.equal('ended');
    await process.settle();
    expect(process.cast('data')).to.have.length(1);
  });

  it('half open, fails what is sent when it breaks; what was read to its end stays so', async () => {
    const stream = connection.raw({ halfOpen: true });
    await process.tell(part(1, 'all', true));
    stream.data(false, 'abc');
    const drained = errorOf(stream.drained());
    await process.tell(failed('ERR_GUNPORT_RESET'));
    expect(await drained).to.include({ code: 'ERR_GUNPORT_RESET' });
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_RESET');
    expect(await stream.text()).to.equal('all');
  });

  it('half open, is cancelled: nothing is given any more', async () => {
    const stream = connection.raw({ halfOpen: true });
    await process.tell(part(1, 'all', true));
    stream.cancel();
    expect(stream.state).to.equal('ended');
    expect(await errorOf(stream.text())).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    await process.settle();
    expect(process.cast('cancel')).to.have.length(1);
  });

  it('half open, is handed over: before and after its last part was taken (O5)', async () => {
    const stream = connection.raw({ halfOpen: true });
    await process.tell(part(1, 'all', true));
    stream.data(false, 'abc');
    const second = await process.handOver(stream);
    expect(second).to.include({ state: 'answered', bufferedAmount: 3 });
    expect(await second.text()).to.equal('all');
    const third = await process.handOver(second);
    expect(third.state).to.equal('answered');
    expect(await third.text()).to.equal('');
    third.data('fin', 'de');
    await process.tell(sent(5));
    expect(third.state).to.equal('ended');
  });

  it('half open with replyTo, is read there and written here', async () => {
    const { port1, port2 } = new MessageChannel();
    const stream = connection.raw({ halfOpen: true, replyTo: port1 });
    await process.settle();
    const port = process.request(1).reply!;
    const reply = receiveReply(port2);
    expect(await errorOf(reply.response({ timeout: 1 }))).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    port.postMessage(part(1, 'all', true));
    expect(await reply.text()).to.equal('all');
    await process.tell(part(1, '', true));
    expect(stream.state).to.equal('answered');
    stream.data('fin', 'abc');
    await process.tell(sent(3));
    expect(stream.state).to.equal('ended');
    port.close();
  });

  it('has no head for who reads its reply', async () => {
    const { port1, port2 } = new MessageChannel();
    connection.raw({ replyTo: port1 });
    await process.settle();
    const port = process.request(1).reply!;
    const reply = receiveReply(port2);
    const error = errorOf(reply.response());
    port.postMessage(part(1, 'all', false));
    expect(await error).to.include(BAD_STATE);
    port.close();
  });
});

describe('a request that switches protocols, at its owner', () => {
  let process: FakeProcess;
  let connection: Connection;

  beforeEach(async () => {
    process = new FakeProcess('http://localhost:7');
    ({ connection } = process);
    await process.up();
  });
  afterEach(async () => {
    process.end();
    await process.connection.monitor().down;
  });

  const headers = { connection: 'upgrade', upgrade: 'echo' };
  const upgrade: HttpNotice = {
    ...{ type: 'upgrade', stream: 1, protocols: ['echo'] },
    rawHeaders: ['upgrade', 'echo', 'x-a', 'b'],
  };

  it('is told as gun_upgrade, and takes bytes again (RFC 9110 §7.8)', async () => {
    const stream = connection.get('/', { headers });
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.tell(upgrade, part(1, 'behind the 101'));
    expect(stream).to.include({ state: 'answered', status: 101 });
    const notice = await connection.await(stream);
    expect(notice).to.deep.include({ type: 'upgrade', protocols: ['echo'] });
    expect(notice).to.have.nested.property('headers.x-a', 'b');
    expect(await stream.response()).to.include({ type: 'response', status: 101, fin: false });
    stream.data(false, 'abc');
    expect(() => stream.data(true, '', { trailers: { a: 'b' } })).to.throw(/trailers/);
    stream.data('fin');
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    await process.tell(part(1, '!', true));
    expect(await stream.text()).to.equal('behind the 101!');
    expect(process.cast('data')).to.have.length(2);
  });

  it('has a head in the 101, for who asks for that first', async () => {
    const stream = connection.post('/', { headers, body: 'x' });
    const head = stream.response();
    await process.tell(upgrade, part(1, 'hello'));
    expect(await head).to.include({ type: 'response', status: 101 });
    expect((await head).headers).to.include({ upgrade: 'echo' });
    for await (const chunk of stream) {
      expect(Buffer.from(chunk).toString()).to.equal('hello');
      break;
    }
  });

  it('is handed over: untaken, and taken (O5)', async () => {
    const first = connection.get('/', { headers });
    await process.tell(upgrade);
    let stream = first;
    for (const turn of [1, 2]) {
      stream = await process.handOver(stream);
      expect(await stream.response()).to.include({ status: 101 });
      expect(stream.data(false, `turn ${turn}`)).to.equal(true);
    }
    await process.tell(part(1, 'bye', true));
    expect(await stream.text()).to.equal('bye');
  });

  it('has no words in fetch', async () => {
    const response = errorOf(connection.fetch('/', { headers }));
    await process.tell(upgrade);
    expect(await response).to.include({ code: 'ERR_GUNPORT_UNSUPPORTED', status: 101 });
    await process.settle();
    expect(process.cast('cancel')).to.have.length(1);
  });
});
