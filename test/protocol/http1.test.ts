import { expect } from 'chai';
import { OptionError, StreamError } from '../../lib/errors.ts';
import type { RequestSettings } from '../../lib/httpwire.ts';
import {
  chunkHead,
  closesAfter,
  type HeadSettings,
  lastChunk,
  layoutHead,
  type NameTransform,
  type RequestHead,
} from '../../lib/protocol/http1.ts';

const BODY = new Uint8Array(3);

function settings(version: '1.0' | '1.1' = '1.1', headers: readonly string[] = []): HeadSettings {
  return { authority: 'example.com:8080', http: { headers, version } };
}

function lay(request: Partial<RequestSettings>, of = settings(), transform?: NameTransform): RequestHead {
  return layoutHead({ method: 'GET', path: '/', headers: [], ...request }, of, transform);
}

/** Its lines behind the first two, which are the same for all: the request line and host. */
function lines(request: Partial<RequestSettings>, of?: HeadSettings): string[] {
  const all = lay(request, of).text.split('\r\n');
  expect(all.splice(-2)).to.deep.equal(['', '']);
  return all.slice(2);
}

describe('layoutHead', () => {
  it('lays out a request without a body', () => {
    expect(lay({ path: '/a?b', headers: ['accept', '*/*'] })).to.deep.equal({
      text: 'GET /a?b HTTP/1.1\r\nhost: example.com:8080\r\naccept: */*\r\n\r\n',
      ...{ framing: 'none', length: 0, expects: false, closes: false, alone: false },
    });
  });

  it('lays headers of the request over those of the connection', () => {
    const of = settings('1.1', ['user-agent', 'a', 'accept', 'b', 'cookie', 'c']);
    expect(lines({ headers: ['accept', 'd', 'accept', 'e'] }, of)).to.deep.equal([
      ...['user-agent: a', 'cookie: c', 'accept: d', 'accept: e'],
    ]);
  });

  it('puts a host that was given in place of the authority', () => {
    expect(lay({ headers: ['a', 'b', 'host', 'other'] }).text).to.equal(
      'GET / HTTP/1.1\r\nhost: other\r\na: b\r\n\r\n',
    );
  });

  it('gives a whole body its length, whatever was given (RFC 9110 §8.6)', () => {
    const headers = ['content-length', '7'];
    expect(lines({ method: 'POST', body: BODY, headers })).to.deep.equal(['content-length: 3']);
    expect(lines({ method: 'GET', body: BODY })).to.deep.equal(['content-length: 3']);
    expect(lay({ method: 'POST', body: BODY })).to.include({ framing: 'length', length: 3 });
  });

  it('says that there is no body where one is expected, and nothing elsewhere', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'QUERY']) {
      expect(lines({ method }), method).to.deep.equal(['content-length: 0']);
    }
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']) {
      expect(lines({ method, headers: ['content-length', '4'] }), method).to.deep.equal([]);
    }
  });

  it('sends a body that follows in chunks, or by its length', () => {
    const request = { method: 'POST', streamed: true };
    expect(lines(request)).to.deep.equal(['transfer-encoding: chunked']);
    expect(lay(request)).to.include({ framing: 'chunked' });
    const known = { ...request, headers: ['content-length', '12'] };
    expect(lines(known)).to.deep.equal(['content-length: 12']);
    expect(lay(known)).to.include({ framing: 'length', length: 12 });
  });

  it('never sends a Transfer-Encoding that was given', () => {
    const headers = ['transfer-encoding', 'gzip, chunked', 'te', 'trailers'];
    expect(lines({ headers })).to.deep.equal(['te: trailers']);
    expect(lines({ method: 'POST', body: BODY, headers })).to.deep.equal([
      'te: trailers',
      'content-length: 3',
    ]);
  });

  it('sends a body with trailers in chunks (RFC 9112 §7.1.2)', () => {
    const request = { method: 'POST', body: BODY, trailers: ['a', 'b'], headers: ['content-length', '3'] };
    expect(lines(request)).to.deep.equal(['transfer-encoding: chunked']);
    expect(lines({ ...request, trailers: [] })).to.deep.equal(['content-length: 3']);
  });

  it('knows what asks for 100 (Continue), and what ends the connection', () => {
    expect(lay({ headers: ['expect', '100-Continue'] })).to.include({ expects: true, closes: false });
    expect(lay({ headers: ['connection', 'TE, Close'] })).to.include({ expects: false, closes: true });
    expect(lay({ headers: ['connection', 'close-not'] }).closes).to.equal(false);
    expect(lines({ headers: ['connection', 'TE, Close'] })).to.deep.equal(['connection: TE, Close']);
  });

  it('speaks HTTP/1.0, which has no chunks', () => {
    const of = settings('1.0');
    const head = lay({ method: 'POST', body: BODY }, of);
    expect(head.text).to.match(/^POST \/ HTTP\/1\.0\r\n/);
    expect(head.closes).to.equal(true);
    expect(lines({ method: 'POST', streamed: true, headers: ['content-length', '1'] }, of)).to.deep.equal([
      'content-length: 1',
    ]);
    for (const more of [{ streamed: true }, { body: BODY, trailers: ['a', 'b'] }]) {
      expect(() => lay({ method: 'POST', ...more }, of))
        .to.throw(StreamError)
        .with.property('code', 'ERR_GUNPORT_BAD_STATE');
    }
  });

  it('has names transformed (gun_SUITE transform_header_name)', () => {
    const upper: NameTransform = (name) => name.toUpperCase();
    const request = { method: 'POST', headers: ['a', 'b'] };
    expect(lay(request, settings(), upper).text).to.equal(
      'POST / HTTP/1.1\r\nHOST: example.com:8080\r\nA: b\r\nCONTENT-LENGTH: 0\r\n\r\n',
    );
    expect(lastChunk(['x-y', 'z'], upper)).to.equal('0\r\nX-Y: z\r\n\r\n');
  });

  it('refuses what is no name', () => {
    for (const result of ['', 'a b', 'a:', 'a\r\nb', 7, undefined, Promise.resolve('a')]) {
      expect(() => lay({}, settings(), () => result)).to.throw(
        OptionError,
        /transformHeaderName must give a token for "host"/,
      );
    }
    const thrown = new Error('no');
    const transform: NameTransform = () => {
      throw thrown;
    };
    expect(() => lay({}, settings(), transform))
      .to.throw(OptionError)
      .with.property('cause', thrown);
  });
});

describe('chunks', () => {
  it('are framed by their size (RFC 9112 §7.1)', () => {
    expect([chunkHead(1), chunkHead(255), chunkHead(65_536)]).to.deep.equal(['1\r\n', 'ff\r\n', '10000\r\n']);
  });

  it('end with the last one and its trailers', () => {
    expect(lastChunk()).to.equal('0\r\n\r\n');
    expect(lastChunk(['a', 'b', 'c', 'd'])).to.equal('0\r\na: b\r\nc: d\r\n\r\n');
  });
});

describe('closesAfter', () => {
  const head = (minor: number, keepAlive: boolean, ...rawHeaders: string[]) => ({
    minor,
    keepAlive,
    rawHeaders,
  });

  it('goes by the framing of a body (RFC 9112 §9.3)', () => {
    expect(closesAfter(head(1, true), false)).to.equal(false);
    expect(closesAfter(head(1, false), false)).to.equal(true);
  });

  it('goes by the Connection header where there is none', () => {
    expect(closesAfter(head(1, false), true)).to.equal(false);
    expect(closesAfter(head(1, false, 'connection', 'x, CLOSE'), true)).to.equal(true);
    expect(closesAfter(head(0, false), true)).to.equal(true);
    expect(closesAfter(head(0, false, 'Connection', 'a', 'Connection', 'Keep-Alive'), true)).to.equal(false);
  });
});
