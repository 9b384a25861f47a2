// Twins of event_SUITE that look at WebSockets.

import { expect } from 'chai';
import type { Connection, GunportEventName, WsStream } from '../../lib/index.ts';
import { feeds, take } from '../support/feeds.ts';
import { listening } from '../support/listening.ts';
import { unhex } from '../support/peers.ts';
import { type Upgrading, upgrading } from '../support/upgrading.ts';

/** From the request for a WebSocket to its being one. */
const UPGRADE: readonly GunportEventName[] = [
  'gunport:ws:upgrade',
  'gunport:request:start',
  'gunport:request:headers',
  'gunport:request:end',
  'gunport:response:start',
  'gunport:response:inform',
  'gunport:response:headers',
  'gunport:response:end',
  'gunport:protocol-changed',
];

for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
  describe(`the events of a WebSocket over ${version}`, () => {
    const { open, keep } = feeds();
    const heard = listening();
    const one = version === 'HTTP/1.1';
    let server: Upgrading;
    let connection: Connection;
    let stream: WsStream<Connection>;
    beforeEach(async () => {
      server = await keep(upgrading(version));
      connection = open(server.url, { protocols: [one ? 'http' : 'http2'], retry: 0 });
      await connection.awaitUp();
    });
    const upgraded = async (options?: Parameters<Connection['wsUpgrade']>[1]): Promise<void> => {
      stream = connection.wsUpgrade('/', options);
      expect(await connection.await(stream)).to.include({ type: 'upgrade' });
    };
    const origin = () => ({ connection: connection.id, stream: stream.id, replyTo: false });

    it('begin with what is asked for (event_SUITE ws_upgrade)', async () => {
      heard.to('gunport:ws:upgrade');
      await upgraded({ subprotocols: ['echo'], compress: true, headers: { 'x-a': '1', cookie: 'a=secret' } });
      const { headers, ...upgrade } = await heard.next('gunport:ws:upgrade');
      expect(upgrade).to.deep.include({ ...origin(), path: '/', subprotocols: ['echo'], compress: true });
      expect({ ...headers }).to.deep.equal({ 'x-a': '1', cookie: '(redacted)' });
    });

    it('come in the order of what happens (event_SUITE ws_upgrade_all_events)', async () => {
      heard.to(...UPGRADE);
      await upgraded();
      await heard.next('gunport:protocol-changed');
      const answer = one ? 'gunport:response:inform' : 'gunport:response:headers';
      const order = [...UPGRADE.slice(0, 5), answer, 'gunport:response:end', 'gunport:protocol-changed'];
      expect(heard.all.map(({ name }) => name)).to.deep.equal(order);
      for (const { message } of heard.all) expect(message).to.include({ stream: stream.id });
      const [asked] = heard.of('gunport:request:start');
      const [method, authority] = [one ? 'GET' : 'CONNECT', `127.0.0.1:${server.port}`];
      expect(asked).to.include({ function: 'wsUpgrade', method, path: '/', authority });
      if (one) expect(heard.of('gunport:response:inform')[0]).to.include({ status: 101 });
      else expect(heard.of('gunport:response:headers')[0]).to.include({ status: 200 });
    });

    it('tell what is spoken then (event_SUITE ws_protocol_changed)', async () => {
      heard.to('gunport:protocol-changed');
      await upgraded();
      const changed = await heard.next('gunport:protocol-changed');
      expect(changed).to.include({ connection: connection.id, stream: stream.id, protocol: 'ws' });
    });

    it('of an upgrade that is refused are those of a request, and end', async () => {
      heard.to(...UPGRADE);
      stream = connection.wsUpgrade('/reject');
      expect(await connection.await(stream)).to.include({ type: 'response', status: 400 });
      await heard.next('gunport:response:end');
      expect(heard.all.map(({ name }) => name)).to.deep.equal([
        ...UPGRADE.slice(0, 5),
        ...['gunport:response:headers', 'gunport:response:end'],
      ]);
    });

    it('a frame that comes: its beginning (event_SUITE ws_recv_frame_start)', async () => {
      await upgraded();
      heard.to('gunport:ws:recv-frame:start');
      stream.send('Hello');
      expect(await take(stream, 1)).to.deep.equal(['Hello']);
      const start = await heard.next('gunport:ws:recv-frame:start');
      expect(start).to.deep.include({ ...origin(), extensions: '', fragments: 0 });
    });

    it('its header (event_SUITE ws_recv_frame_header)', async () => {
      await upgraded();
      heard.to('gunport:ws:recv-frame:header');
      stream.send('Hello');
      await take(stream, 1);
      const header = await heard.next('gunport:ws:recv-frame:header');
      const read = { type: 'text', fin: true, rsv: 0, length: 5, maskKey: undefined };
      expect(header).to.deep.include({ ...origin(), ...read });
    });

    it('and its end (event_SUITE ws_recv_frame_end)', async () => {
      await upgraded();
      heard.to('gunport:ws:recv-frame:end');
      stream.send('Hello');
      await take(stream, 1);
      const { payload, ...end } = await heard.next('gunport:ws:recv-frame:end');
      expect(end).to.deep.include(origin());
      expect(end).to.not.have.any.keys('closeCode', 'error');
      expect(Buffer.from(payload).toString()).to.equal('Hello');
    });

    it('a frame that goes: its beginning (event_SUITE ws_send_frame_start)', async () => {
      await upgraded({ compress: true });
      heard.to('gunport:ws:send-frame:start');
      stream.send('Hello');
      const { frame, ...start } = await heard.next('gunport:ws:send-frame:start');
      expect(start).to.deep.include(origin());
      expect(start.extensions).to.match(/^permessage-deflate/);
      expect(frame.type).to.equal('text');
      expect(Buffer.from(frame.payload).toString()).to.equal('Hello');
    });

    it('and its end (event_SUITE ws_send_frame_end)', async () => {
      await upgraded();
      heard.to('gunport:ws:send-frame:end');
      stream.send(new Uint8Array([1, 2]));
      stream.send(['a', 'b']);
      const sent: [string, number][] = [];
      for (let i = 0; i < 3; i++) {
        const { frame } = await heard.next('gunport:ws:send-frame:end');
        sent.push([frame.type, frame.payload.byteLength]);
      }
      expect(sent).to.deep.equal([
        ['binary', 2],
        ['text', 1],
        ['text', 1],
      ]);
      expect(await take(stream, 3)).to.have.lengthOf(3);
    });

    it('a goodbye has its code, on both ways', async () => {
      await upgraded();
      heard.to('gunport:ws:send-frame:end', 'gunport:ws:recv-frame:end');
      await stream.close(1000, 'bye');
      expect((await heard.next('gunport:ws:send-frame:end')).frame.type).to.equal('close');
      expect(await heard.next('gunport:ws:recv-frame:end')).to.include({ closeCode: 1000 });
    });

    it('pings and pongs are frames too', async () => {
      await upgraded();
      heard.to('gunport:ws:send-frame:end', 'gunport:ws:recv-frame:header');
      await stream.ping('beep');
      const { frame } = await heard.next('gunport:ws:send-frame:end');
      expect([frame.type, Buffer.from(frame.payload).toString()]).to.deep.equal(['ping', 'beep']);
      expect(await heard.next('gunport:ws:recv-frame:header')).to.include({ type: 'pong', length: 4 });
    });

    it('one that is given up says so', async () => {
      await upgraded();
      heard.to('gunport:cancel');
      stream.cancel();
      const cancel = await heard.next('gunport:cancel');
      expect(cancel).to.deep.include({ ...origin(), endpoint: 'local', reason: 'cancel' });
    });
  });
}

describe('the events of frames as they come', () => {
  const { talk } = feeds();
  const heard = listening();
  const names = (): string[] => heard.all.map(({ name }) => name.split(':').slice(-1)[0] ?? '');
  const RECEIVED = [
    'gunport:ws:recv-frame:start',
    'gunport:ws:recv-frame:header',
    'gunport:ws:recv-frame:end',
  ] as const;

  it('a frame that comes in pieces begins once, and ends when all of it is here', async () => {
    const { feed, server } = await talk();
    heard.to(...RECEIVED);
    server.socket.write(unhex('82 05 01'));
    await heard.next(RECEIVED[1]);
    expect(names()).to.deep.equal(['start', 'header']);
    server.socket.write(unhex('02 03'));
    server.socket.write(unhex('04 05 81 01 61'));
    await take(feed, 2);
    await heard.next(RECEIVED[2], ({ payload }) => payload[0] === 0x61);
    expect(names()).to.deep.equal(['start', 'header', 'end', 'start', 'header', 'end']);
  });

  it('one that never ends, ends with an error', async () => {
    const { feed, server } = await talk({ retry: 0 });
    heard.to(...RECEIVED);
    server.socket.write(unhex('82 05 01'));
    await heard.next(RECEIVED[1]);
    server.socket.end();
    const { error, payload } = await heard.next(RECEIVED[2]);
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect(payload).to.have.lengthOf(0);
    await feed.closed;
  });

  it('one that breaks the protocol, too, with what is wrong', async () => {
    const { feed, server } = await talk({ retry: 0 });
    heard.to(...RECEIVED);
    server.socket.write(unhex('83 00'));
    const { error } = await heard.next(RECEIVED[2]);
    expect(error).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
    expect(heard.of(RECEIVED[1])[0]).to.include({ type: 'reserved' });
    await feed.closed;
  });

  it('fragments tell how many parts came before', async () => {
    const { feed, server } = await talk();
    heard.to(...RECEIVED);
    server.socket.write(unhex('01 01 61 00 01 62 89 00 80 01 63'));
    expect(await take(feed, 1)).to.deep.equal(['abc']);
    await heard.next(RECEIVED[2], ({ payload }) => payload[0] === 0x63);
    expect(heard.of(RECEIVED[0]).map(({ fragments }) => fragments)).to.deep.equal([0, 1, 2, 2]);
    const types = heard.of(RECEIVED[1]).map(({ type }) => type);
    expect(types).to.deep.equal(['text', 'continuation', 'ping', 'continuation']);
  });

  it('what is compressed is told as it is on the wire', async () => {
    const { feed, server } = await talk(
      { compress: true },
      { headers: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' },
    );
    heard.to(...RECEIVED);
    server.socket.write(unhex('c1 07 f2 48 cd c9 c9 07 00'));
    expect(await take(feed, 1)).to.deep.equal(['Hello']);
    const { payload } = await heard.next(RECEIVED[2]);
    expect(Buffer.from(payload).toString('hex')).to.equal('f248cdc9c90700');
    expect(heard.of(RECEIVED[1])[0]).to.include({ rsv: 4, length: 7 });
  });

  it('who begins to listen in the midst of a stream misses nothing of what comes after', async () => {
    const { feed, server } = await talk();
    server.socket.write(unhex('81 01 61 82 05 01'));
    expect(await take(feed, 1)).to.deep.equal(['a']);
    heard.to(...RECEIVED);
    server.socket.write(unhex('02 03 04 05'));
    await heard.next(RECEIVED[2]);
    expect(names()).to.deep.equal(['start', 'header', 'end']);
    heard.stop();
    server.socket.write(unhex('82 02 01'));
    server.socket.write(unhex('02 81 01 62'));
    expect(await take(feed, 3)).to.have.lengthOf(3);
    heard.to(...RECEIVED);
    server.socket.write(unhex('81 01 63'));
    expect(await take(feed, 1)).to.deep.equal(['c']);
    await heard.next(RECEIVED[2]);
    expect(names()).to.deep.equal(['start', 'header', 'end', 'start', 'header', 'end']);
  });
});
