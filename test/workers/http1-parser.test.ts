import { expect } from 'chai';
import { ConnectionError } from '../../lib/errors.ts';
import { type After, AnswerParser, type ParsedHead, type ParserLimits } from '../../workers/http1/parser.ts';

const CRLF = '\r\n';
const LIMITS = { maxHeaderSize: 100_000, maxTrailerSize: 10_000 };

/** What a test wants its answers to be followed by. */
interface Want {
  readonly after?: (head: ParsedHead) => After | undefined;
  readonly limits?: ParserLimits;
  /** The peer sends FIN behind the last piece. */
  readonly fin?: boolean;
  /** Nothing is told behind this many answers. */
  readonly most?: number;
}

function crlf(...lines: readonly string[]): string {
  return lines.join('\r\n');
}

/** All that is told of the pieces, one line each; parts of a body that follow each other as one. */
function parse(pieces: readonly string[], { after, limits = LIMITS, fin, most }: Want = {}): string[] {
  const told: string[] = [];
  let piece = Buffer.alloc(0);
  let answers = 0;
  const parser = new AnswerParser(
    {
      begin: () => {
        if (answers === most) return false;
        told.push('begin');
        return true;
      },
      head: (head) => {
        const { status, minor, reason, keepAlive, ambiguous, length } = head;
        const flags = `${keepAlive ? ' keep' : ''}${ambiguous ? ' ambiguous' : ''}`;
        told.push(`head 1.${minor} ${status} ${reason}|${head.rawHeaders.join(',')}|${length}${flags}`);
        return after ? after(head) : status < 200 || status === 204 || status === 304 ? 'none' : 'body';
      },
      body: (from, to) => {
        const text = piece.toString('latin1', from, to);
        const before = told.at(-1);
        if (before?.startsWith('body ')) told[told.length - 1] = before + text;
        else told.push(`body ${text}`);
      },
      complete: (trailers) => {
        answers++;
        told.push(trailers ? `complete ${trailers.join(',')}` : 'complete');
        return true;
      },
    },
    limits,
  );
  let rest: string | undefined;
  for (const text of pieces) {
    piece = Buffer.from(text, 'latin1');
    if (rest !== undefined) {
      rest += text;
      continue;
    }
    const result = parser.execute(piece);
    if (result instanceof ConnectionError) {
      told.push(`${result.code} ${result.message.replace(/: it begins with .*/, '')}`);
      expect(result.phase).to.equal('protocol');
      parser.free();
      return told;
    }
    if (result !== undefined) rest = piece.toString('latin1', result);
  }
  if (rest !== undefined) told.push(`rest ${rest}`);
  if (fin) told.push(parser.finish() ? 'fin' : 'cut');
  parser.free();
  return told;
}

/** The same, whole, cut in two at each place, and byte by byte: it is told the same. */
function vector(text: string, want?: Want): string[] {
  const whole = parse([text], want);
  for (let cut = 1; cut < text.length; cut++) {
    expect(parse([text.slice(0, cut), text.slice(cut)], want), `cut at ${cut}`).to.deep.equal(whole);
  }
  expect(parse([...text], want), 'byte by byte').to.deep.equal(whole);
  return whole;
}

describe('AnswerParser', () => {
  it('reads answers that follow each other', () => {
    const text = crlf('HTTP/1.1 200 OK', 'Content-Length: 5', 'A:', 'B: \t x y\t ', '', 'hello');
    expect(
      vector(`${text}${crlf('HTTP/1.1 204', '', '')}${crlf('HTTP/1.0 404 Not Found', '', 'gone')}`),
    ).to.deep.equal([
      ...['begin', 'head 1.1 200 OK|Content-Length,5,A,,B,x y|5 keep', 'body hello', 'complete'],
      ...['begin', 'head 1.1 204 ||undefined keep', 'complete'],
      ...['begin', 'head 1.0 404 Not Found||undefined', 'body gone'],
    ]);
  });

  it('takes chunks apart, with extensions and trailers (RFC 9112 §7.1)', () => {
    const text = crlf(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      '',
      '3;a=b',
      'abc',
      'A',
      '0123456789',
      '0',
      'X: y',
      '',
      '',
    );
    expect(vector(text)).to.deep.equal([
      ...[
        'begin',
        'head 1.1 200 OK|Transfer-Encoding,chunked|undefined keep',
        'body abc0123456789',
        'complete X,y',
      ],
    ]);
  });

  it('reads a body without a length until FIN (RFC 9112 §6.3)', () => {
    expect(vector(crlf('HTTP/1.1 200 OK', '', 'abc'), { fin: true })).to.deep.equal([
      ...['begin', 'head 1.1 200 OK||undefined', 'body abc', 'complete', 'fin'],
    ]);
    expect(
      vector(crlf('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip', '', 'abc'), { fin: true }).slice(2),
    ).to.deep.equal([...['body abc', 'complete', 'fin']]);
  });

  it('tells a cut by FIN from an end', () => {
    const cut = { fin: true };
    expect(vector(crlf('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'abc'), cut).at(-1)).to.equal('cut');
    expect(
      vector(crlf('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '3', 'abc', ''), cut).at(-1),
    ).to.equal('cut');
    expect(vector('HTTP/1.1 200 OK\r\nConte', cut).at(-1)).to.equal('cut');
    expect(vector(crlf('HTTP/1.1 200 OK', 'Content-Length: 0', '', ''), cut).at(-1)).to.equal('fin');
    expect(parse([], cut)).to.deep.equal(['fin']);
  });

  it('skips the body that a head speaks of, when told to', () => {
    const text =
      crlf('HTTP/1.1 200 OK', 'Content-Length: 5', '', '') +
      crlf('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked', '', '');
    expect(vector(text, { after: () => 'none' })).to.deep.equal([
      ...['begin', 'head 1.1 200 OK|Content-Length,5|5 keep', 'complete'],
      ...['begin', 'head 1.1 304 Not Modified|Transfer-Encoding,chunked|undefined keep', 'complete'],
    ]);
  });

  it('stops where another protocol begins', () => {
    const text = crlf('HTTP/1.1 101 Switching', 'Upgrade: x', 'Connection: upgrade', '', '\x81\x01a');
    const after = (): After => 'switch';
    expect(vector(text, { after }).at(-1)).to.equal('rest \x81\x01a');
    // Whatever its headers say.
    expect(vector(crlf('HTTP/1.1 101', '', '\x81\x01a'), { after }).at(-1)).to.equal('rest \x81\x01a');
  });

  it('goes on behind an interim answer, even one with Connection: close', () => {
    const text = crlf(
      'HTTP/1.1 100 Continue',
      'Connection: close',
      '',
      'HTTP/1.0 103',
      '',
      'HTTP/1.1 200 OK',
      'Content-Length: 1',
      '',
      'x',
    );
    expect(vector(text)).to.deep.equal([
      ...['begin', 'head 1.1 100 Continue|Connection,close|undefined', 'complete'],
      ...['begin', 'head 1.0 103 ||undefined', 'complete'],
      ...['begin', 'head 1.1 200 OK|Content-Length,1|1 keep', 'body x', 'complete'],
    ]);
  });

  it('lets Transfer-Encoding win over Content-Length (RFC 9112 §6.3; rfc7230_SUITE transfer_encoding_overrides_content_length)', () => {
    const [chunked, length] = ['Transfer-Encoding: chunked', 'Content-Length: 3'];
    for (const pair of [
      [chunked, length],
      [length, chunked],
    ]) {
      const told = vector(crlf('HTTP/1.1 200 OK', ...pair, '', '5', 'hello', '0', '', ''));
      expect(told[1]).to.match(/\|undefined keep ambiguous$/);
      expect(told.slice(2)).to.deep.equal(['body hello', 'complete']);
    }
  });

  it('tells nothing that nobody asked for', () => {
    const answer = crlf('HTTP/1.1 200 OK', 'Content-Length: 0', '', '');
    expect(parse([answer, answer], { most: 1 }).slice(0, 3)).to.deep.equal([
      'begin',
      'head 1.1 200 OK|Content-Length,0|0 keep',
      'complete',
    ]);
    expect(parse([answer + answer], { most: 1 })).to.have.lengthOf(4);
    expect(parse(['junk'], { most: 0 })).to.deep.equal(['rest junk']);
  });

  it('tells what is valid before a fault', () => {
    const good = crlf('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok');
    const told = vector(`${good}junk`);
    expect(told.slice(2, 4)).to.deep.equal(['body ok', 'complete']);
    expect(told.at(-1)).to.match(/^ERR_GUNPORT_PROTOCOL answer is not HTTP\/1$/);
  });

  const fields = (...lines: readonly string[]): string => crlf('HTTP/1.1 200 OK', ...lines, '', '');
  const chunks = (...lines: readonly string[]): string =>
    crlf('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', ...lines);
  const faults: readonly (readonly [string, string])[] = [
    ['text that is no HTTP', 'junk\r\n'],
    ['RTSP', 'RTSP/1.0 200 OK\r\n\r\n'],
    ['ICE', 'ICE/1.0 200 OK\r\n\r\n'],
    ['a status line without a status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a version that is not ours', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['another minor version', 'HTTP/1.9 200 OK\r\n\r\n'],
    ['bare line feeds (RFC 9112 §2.2)', 'HTTP/1.1 200 OK\nA: b\n\n'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n'],
    ['a space before a colon (RFC 9112 §5.1)', fields('A : b')],
    ['a folded line (RFC 9112 §5.2)', fields('A: b', ' c')],
    ['a NUL in a value', fields('A: b\0c')],
    ['a control character in a name', fields('A\x01: b')],
    ['two lengths', fields('Content-Length: 3', 'Content-Length: 4')],
    ['a list of lengths', fields('Content-Length: 3, 3')],
    ['a negative length', fields('Content-Length: -1')],
    ['a length too large', fields('Content-Length: 99999999999999999999999')],
    ['a chunk size that is none', chunks('zz', '')],
    ['a chunk size with a space behind (cowlib#56)', chunks('3 ', 'abc', '')],
    ['a chunk size too large', chunks('fffffffffffffffff', '')],
    ['a chunk longer than its size', chunks('3', 'abcd', '0', '', '')],
  ];
  for (const [what, text] of faults) {
    it(`refuses ${what}`, () => {
      const told = vector(text);
      expect(told.at(-1)).to.match(/^ERR_GUNPORT_PROTOCOL answer /);
    });
  }

  describe('limits', () => {
    const limits = { maxHeaderSize: 1_000, maxTrailerSize: 200 };
    const tooBig = (told: readonly string[]): string | undefined => told.at(-1)?.slice(0, 19);

    it('bounds a head, whether its end comes or not (gun_SUITE max_header_block_size)', () => {
      const head = `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(1_000)}`;
      expect(tooBig(parse([head], { limits }))).to.equal('ERR_GUNPORT_TOO_BIG');
      expect(tooBig(parse([...head], { limits }))).to.equal('ERR_GUNPORT_TOO_BIG');
      expect(tooBig(parse([`${head}\r\n\r\n`], { limits }))).to.equal('ERR_GUNPORT_TOO_BIG');
    });

    it('bounds white space that is no value', () => {
      const text = `HTTP/1.1 200 OK\r\nA:${' '.repeat(2_000)}`;
      expect(tooBig(parse([...text], { limits }))).to.equal('ERR_GUNPORT_TOO_BIG');
    });

    it('bounds all heads of one answer, and starts anew for the next', () => {
      const interim = `HTTP/1.1 103 Early\r\nLink: ${'x'.repeat(400)}\r\n\r\n`;
      const final = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ${'x'.repeat(400)}\r\n\r\n`;
      expect(tooBig(parse([interim + interim + interim], { limits }))).to.equal('ERR_GUNPORT_TOO_BIG');
      expect(vector(final + final + final, { limits }).at(-1)).to.equal('complete');
    });

    it('bounds trailers (gun_SUITE max_trailer_block_size)', () => {
      const trailers = chunks('3', 'abc', '0', `A: ${'x'.repeat(300)}`);
      for (const pieces of [[trailers], [...trailers], [`${trailers}\r\n\r\n`]]) {
        const told = parse(pieces, { limits });
        expect(told[2]).to.equal('body abc');
        expect(told.at(-1)).to.equal("ERR_GUNPORT_TOO_BIG answer's trailers exceed maxTrailerSize (200)");
      }
    });

    it('bounds empty lines, and what frames a chunk (CVE-2024-22019)', () => {
      const answer = fields('Content-Length: 0');
      expect(parse([CRLF.repeat(100) + answer]).at(-1)).to.equal('complete');
      expect(tooBig(parse([answer, ...Array.from({ length: 100 }, () => CRLF.repeat(100))]))).to.equal(
        'ERR_GUNPORT_TOO_BIG',
      );
      const extended = (length: number): string => chunks(`3;${'a'.repeat(length)}`, 'abc', '0', '', '');
      expect(vector(extended(1_000)).slice(2)).to.deep.equal(['body abc', 'complete']);
      const long = extended(17_000);
      for (const pieces of [[long], [...long], [chunks(`${'0'.repeat(17_000)}3`)]]) {
        expect(tooBig(parse(pieces))).to.equal('ERR_GUNPORT_TOO_BIG');
      }
      const many = Array.from({ length: 30 }, () => [`3;${'a'.repeat(1_000)}`, 'abc']).flat();
      expect(parse([chunks(...many, '0', '', '')]).at(-1)).to.equal('complete');
    });

    it('bounds the number of fields', () => {
      const text = `HTTP/1.1 200 OK\r\n${'a:b\r\n'.repeat(2_001)}`;
      expect(tooBig(parse([text]))).to.equal('ERR_GUNPORT_TOO_BIG');
    });
  });

  it('reads more than it parses at once', () => {
    const body = 'abcdefghij'.repeat(30_000);
    const whole = parse([
      crlf('HTTP/1.1 200 OK', `Content-Length: ${body.length}`, '', `${body}HTTP/1.1 204`, '', ''),
    ]);
    expect(whole[2] === `body ${body}`).to.equal(true);
    expect(whole.slice(3)).to.deep.equal(['complete', 'begin', 'head 1.1 204 ||undefined keep', 'complete']);
    const chunked = parse([chunks(body.length.toString(16), body, '0', '', '')]);
    expect(chunked[2] === `body ${body}`).to.equal(true);
    expect(chunked.slice(3)).to.deep.equal(['complete']);
  });

  it('keeps many parsers apart, and may be freed by its own event', () => {
    const bodies: string[] = [];
    const make = (name: string): AnswerParser => {
      const parser: AnswerParser = new AnswerParser(
        {
          begin: () => true,
          head: () => 'body',
          body: (from, to) => bodies.push(`${name} ${to - from}`),
          complete: () => {
            parser.free();
            return false;
          },
        },
        LIMITS,
      );
      return parser;
    };
    const parsers = Array.from({ length: 3_000 }, (_, i) => make(`p${i}`));
    const head = Buffer.from(crlf('HTTP/1.1 200 OK', 'Content-Length: 3', '', ''));
    for (const parser of parsers) parser.execute(head);
    for (const parser of parsers) expect(parser.execute(Buffer.from('abc'))).to.be.a('number');
    expect(bodies).to.deep.equal(parsers.map((_, i) => `p${i} 3`));
    for (const parser of parsers) expect(parser.execute(Buffer.from('abc'))).to.equal(0);
  });
});
