import { expect } from 'chai';
import { codeName, goaway, ping, SentFrames } from '../../lib/protocol/http2out.ts';
import * as h2 from '../support/h2frames.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

describe('HTTP/2 on its way out', () => {
  it('has frames of our own that a server takes (RFC 9113 §6.7, §6.8)', () => {
    expect(Buffer.from(goaway(8)).equals(h2.goaway(0, 'CANCEL'))).to.equal(true);
    expect(Buffer.from(ping(Buffer.from('01234567'))).equals(h2.ping('01234567'))).to.equal(true);
  });

  it('has names for error codes (RFC 9113 §7)', () => {
    expect([codeName(0), codeName(13), codeName(14)]).to.deep.equal(['NO_ERROR', 'HTTP_1_1_REQUIRED', '0xe']);
  });

  it('is looked through for GOAWAY, wherever writes are cut', () => {
    const frames = [
      PREFACE,
      h2.settings(),
      h2.headers(1, { ':method': 'GET' }),
      h2.data(1, 'PING GOAWAY'),
      h2.ping(),
    ];
    const before = Buffer.concat([...frames, h2.data(1, '\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01', true)]);
    const all = Buffer.concat([before, h2.goaway(0, 'FLOW_CONTROL_ERROR', 'in words'), h2.settings()]);
    for (let at = 0; at <= all.length; at++) {
      const sent = new SentFrames();
      const codes = [sent.feed(all.subarray(0, at)), sent.feed(all.subarray(at))];
      expect(codes.filter((code) => code !== undefined)).to.deep.equal([3]);
    }
    expect(new SentFrames().feed(before)).to.equal(undefined);
    const bytes = new SentFrames();
    const codes = [...all].map((byte) => bytes.feed(Uint8Array.of(byte)));
    expect(codes.filter((code) => code !== undefined)).to.deep.equal([3]);
  });
});
