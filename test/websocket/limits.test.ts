import { constants, deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import type { Code, OpenOptions } from '../../lib/index.ts';
import { drain, feeds, frame, plain, type Talk, take, untilClose } from '../support/feeds.ts';
import { unhex } from '../support/peers.ts';

const DEFLATE = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';

/** One message of permessage-deflate: a whole number of blocks, without the tail (RFC 7692 §7.2.1). */
function deflated(bytes: Uint8Array): Buffer {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

describe('limits of a WebSocket', () => {
  const { talk } = feeds();

  async function refuses(
    { feed, server }: Talk,
    bytes: Uint8Array,
    { code, error, before = [] }: { code: number; error: Code; before?: string[] },
  ): Promise<Error> {
    const told = untilClose(server);
    server.send(bytes);
    const end = await drain(feed);
    expect(end.messages.map(plain)).to.deep.equal(before);
    expect(end.error).to.include({ code: error, phase: 'protocol', reason: code });
    expect((await told).at(-1)).to.equal(`close ${code}`);
    expect((await feed.closed).error).to.include({ code: error });
    return end.error as Error;
  }
  const TOO_BIG = { code: 1009, error: 'ERR_GUNPORT_TOO_BIG' } as const;

  it('let a message of maxPayload bytes pass, whole, in fragments, and inflated', async () => {
    const options: OpenOptions = { maxPayload: 300, compress: true };
    const { feed, server } = await talk(options, { headers: DEFLATE });
    const most = Buffer.alloc(300, 'm');
    server.send(Buffer.concat([frame(0x81, most), frame(0x01, most.subarray(1)), frame(0x80, 'm')]));
    server.send(frame(0xc1, deflated(most)));
    expect((await take(feed, 3)).map(String)).to.deep.equal(Array(3).fill(String(most)));
  });

  it('fail a message above maxPayload with 1009, after those before it', async () => {
    const bytes = Buffer.concat([frame(0x81, 'fine'), frame(0x81, 'x'.repeat(301))]);
    const error = await refuses(await talk({ maxPayload: 300 }), bytes, { ...TOO_BIG, before: ['fine'] });
    expect(error.message).to.equal('a message exceeds maxPayload (300 bytes)');
  });

  it('fail a length that is only declared, whatever it is, before its payload comes', async () => {
    for (const header of [
      '82 7e 012d',
      '82 7f 0000000000010000',
      '02 7f 7fffffffffffffff',
      '82 7f ffffffffffffffff',
    ]) {
      await refuses(await talk({ maxPayload: 300 }), unhex(header), TOO_BIG);
    }
    await refuses(await talk(), unhex('82 7f 0000000006400001'), TOO_BIG);
  });

  it('fail fragments that add up to more than maxPayload, before the last has come', async () => {
    const bytes = Buffer.concat([frame(0x01, 'x'.repeat(200)), frame(0x00, 'x'.repeat(100)), unhex('80 01')]);
    await refuses(await talk({ maxPayload: 300 }), bytes, TOO_BIG);
  });

  it('fail more than maxFragments with 1009, empty ones included', async () => {
    const { feed, server } = await talk({ maxFragments: 3 });
    server.send('01 01 61  00 01 62  80 01 63');
    expect(await take(feed, 1)).to.deep.equal(['abc']);
    await refuses(await talk({ maxFragments: 3 }), unhex('01 00  00 00  00 00  00 00'), TOO_BIG);
    const endless = Buffer.concat([unhex('01 00'), Buffer.concat(Array(20_000).fill(unhex('00 00')))]);
    await refuses(await talk(), endless, TOO_BIG);
  });

  it('fail a message that inflates to more than maxPayload with 1009, without inflating it all', async () => {
    const bomb = deflated(Buffer.alloc(128 * 1024 * 1024));
    expect(bomb.length).to.be.below(150_000);
    const before = process.memoryUsage.rss();
    const options = { compress: true, maxPayload: 1024 * 1024 };
    const error = await refuses(await talk(options, { headers: DEFLATE }), frame(0xc2, bomb), TOO_BIG);
    expect(error.message).to.equal('a message inflates to more than maxPayload (1048576 bytes)');
    expect(process.memoryUsage.rss() - before).to.be.below(64 * 1024 * 1024);
  });

  it('fail a bomb in fragments as well, and one of many messages at once', async () => {
    const bomb = deflated(Buffer.alloc(8 * 1024 * 1024));
    const half = bomb.length >> 1;
    const options = { compress: true, maxPayload: 1024 * 1024 };
    const fragments = [frame(0x42, bomb.subarray(0, half)), frame(0x80, bomb.subarray(half))];
    await refuses(await talk(options, { headers: DEFLATE }), Buffer.concat(fragments), TOO_BIG);
    const fine = frame(0xc1, deflated(Buffer.from('fine')));
    const mixed = Buffer.concat([fine, frame(0x81, 'plain'), frame(0xc2, bomb), fine]);
    const before = ['fine', 'plain'];
    await refuses(await talk(options, { headers: DEFLATE }), mixed, { ...TOO_BIG, before });
  });

  for (const [what, first] of [
    ['pings', '89 00'],
    ['pongs', '8a 00'],
  ] as const) {
    it(`fail a flood of ${what} with 1008 and ERR_GUNPORT_FLOOD`, async () => {
      const flood = Buffer.concat([frame(0x81, 'fine'), ...Array(1_500).fill(unhex(first))]);
      await refuses(await talk(), flood, { code: 1008, error: 'ERR_GUNPORT_FLOOD', before: ['fine'] });
    });
  }

  it('take a thousand pings at a time, and answer each', async () => {
    const { feed, server } = await talk();
    server.send(Buffer.concat([...Array(1_000).fill(unhex('89 00')), frame(0x88)]));
    expect(await untilClose(server)).to.deep.equal([...Array(1_000).fill('pong'), 'close']);
    expect(await feed.closed).to.include({ code: 1005, wasClean: true });
  });
});
