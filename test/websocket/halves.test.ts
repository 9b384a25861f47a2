// halves.test — texts that are not whole: what no text can have ends the WebSocket where it stands, and the first fault
// counts, however the bytes are cut.

import { expect } from 'chai';
import { drain, feeds, frame, plain, type Talk, take, untilClose } from '../support/feeds.ts';
import { unhex } from '../support/peers.ts';

/** The header of a frame, and what has come of its payload. */
function half(first: number, length: number, payload: string | Uint8Array): Buffer {
  return Buffer.concat([frame(first, Buffer.alloc(length)).subarray(0, -length), Buffer.from(payload)]);
}

describe('a text that is not whole', () => {
  const { talk } = feeds();

  /** Sends these, of which nothing is to complete a message, and has the feed fail; what the client has said. */
  async function failsAt({ feed, server }: Talk, ...parts: Uint8Array[]): Promise<string[]> {
    const told = untilClose(server);
    for (const part of parts) server.send(part);
    const { messages, error } = await drain(feed);
    expect(messages.map(plain)).to.deep.equal([]);
    expect(error).to.include({ code: 'ERR_GUNPORT_UTF8', phase: 'protocol', reason: 1007 });
    return told;
  }

  it('fails in the midst of a frame, whose rest never comes (RFC 6455 §8.1)', async () => {
    const told = await failsAt(await talk(), half(0x81, 100, unhex('48 ed a0')));
    expect(told).to.deep.equal(['close 1007']);
  });

  it('fails in the midst of a frame of a compressed WebSocket that is not compressed', async () => {
    const headers = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';
    const made = await talk({ compress: true }, { headers });
    expect(await failsAt(made, half(0x81, 100, unhex('48 ff')))).to.deep.equal(['close 1007']);
  });

  it('fails with a fragment that is not the last', async () => {
    const told = await failsAt(await talk(), frame(0x01, 'ok'), frame(0x00, unhex('f4 90')));
    expect(told).to.deep.equal(['close 1007']);
  });

  it('fails where a character goes on wrong in the next fragment, which is not whole', async () => {
    const told = await failsAt(await talk(), frame(0x01, unhex('e2 82')), half(0x80, 10, 'A'));
    expect(told).to.deep.equal(['close 1007']);
  });

  it('goes on where a character does, over frames and pings, and binaries may have any bytes', async () => {
    const { feed, server } = await talk();
    const euro = unhex('e2 82 ac');
    server.send(Buffer.concat([frame(0x01, euro.subarray(0, 1)), frame(0x89, unhex('ff'))]));
    server.send(half(0x00, 3, euro.subarray(1, 2)));
    expect(await server.read()).to.include({ opcode: 10 });
    server.send(Buffer.concat([euro.subarray(2), Buffer.from('!'), frame(0x80)]));
    server.send(half(0x82, 3, unhex('ff fe')));
    server.send(unhex('fd'));
    server.send(Buffer.concat([frame(0x81, euro), half(0x81, 3, euro.subarray(0, 2))]));
    server.send(euro.subarray(2));
    expect((await take(feed, 4)).map(plain)).to.deep.equal(['€!', '<fffefd>', '€', '€']);
  });

  it('is the first fault, whatever comes behind it in the same read: nothing of that is answered', async () => {
    const bad = frame(0x81, unhex('48 c0 80'));
    for (const behind of [frame(0x89, 'ping'), frame(0x83), frame(0x88, unhex('03e8')), frame(0xc1, 'x')]) {
      const { feed, server } = await talk();
      const told = untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'ok'), bad, behind]));
      const { messages, error } = await drain(feed);
      expect(messages.map(plain)).to.deep.equal(['ok']);
      expect(error).to.include({ code: 'ERR_GUNPORT_UTF8', reason: 1007 });
      expect(await told).to.deep.equal(['close 1007']);
    }
  });
});
