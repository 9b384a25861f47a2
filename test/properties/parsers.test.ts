import { expect } from 'chai';
import fc from 'fast-check';
import { ConnectionError } from '../../lib/errors.ts';
import { delayOf } from '../../lib/protocol/backoff.ts';
import { BodyReader } from '../../lib/protocol/body.ts';
import { negotiate, offerExtensions, parseExtensions } from '../../lib/protocol/extensions.ts';
import { acceptOf, checkUpgrade, NEED_DATA, newScan, parseHead } from '../../lib/protocol/handshake.ts';
import { Retries } from '../../lib/protocol/retry.ts';
import { AnswerParser } from '../../workers/http1/parser.ts';
import { cuts, holds, pieces } from '../support/property.ts';

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_!'), minLength: 1, maxLength: 8 });
const value = fc.string({ unit: fc.constantFrom(...'ab ,;="\\:\té1'), maxLength: 12 });
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(token, value).map(([name, text]) => `${name}: ${text}`) },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
);
const status = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom('HTTP/1.1 101 Switching', 'HTTP/1.1 200 OK', 'HTTP/1.0 404', 'HTTP/1.1 103 x'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 14 }) },
);
const head = fc
  .tuple(status, fc.array(line, { maxLength: 6 }), fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'))
  .map(([first, lines, end]) => [first, ...lines, '', ''].join(end));

describe('the head of an answer to an upgrade', () => {
  /** What it comes to, fed in pieces. */
  function parsed(bytes: Uint8Array, at: readonly number[], most: number): unknown {
    const scan = newScan();
    let to = 0;
    for (const piece of pieces(bytes, at)) {
      to += piece.length;
      const found = parseHead(bytes, 0, to, most, scan);
      if (found === NEED_DATA) continue;
      return 'error' in found ? found.error.message.replace(/, it begins with .*/, '') : { ...found };
    }
    return 'more';
  }

  it('is the same however it is cut, and no error depends on that (RFC 9112 §2.2)', () => {
    const most = fc.constantFrom(40, 100_000);
    holds(fc.tuple(fc.array(head, { minLength: 1, maxLength: 3 }), cuts, most), ([heads, at, limit]) => {
      const bytes = Buffer.from(heads.join(''), 'latin1');
      expect(parsed(bytes, at, limit)).to.deep.equal(parsed(bytes, [], limit));
    });
  });

  it('opens a WebSocket only with all that RFC 6455 §4.1 asks for', () => {
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    const good = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': acceptOf(key) };
    const changed = fc.dictionary(
      fc.constantFrom(...Object.keys(good)),
      fc.option(value, { nil: undefined }),
    );
    holds(fc.tuple(changed, fc.constantFrom(101, 101, 200)), ([changes, status]) => {
      const headers = { ...good, ...changes };
      const fields = Object.entries(headers).filter((one): one is [string, string] => one[1] !== undefined);
      const answer = {
        ...{ status, version: '1.1' as const, reason: '', rawHeaders: [], end: 0 },
        headers: Object.fromEntries(fields),
      };
      const agreed = checkUpgrade(answer, { subprotocols: [], compress: undefined }, key);
      const isOpen =
        status === 101 &&
        headers.upgrade?.toLowerCase() === 'websocket' &&
        (headers.connection ?? '').split(',').some((one) => one.trim().toLowerCase() === 'upgrade') &&
        headers['sec-websocket-accept'] === good['sec-websocket-accept'];
      expect(agreed instanceof ConnectionError).to.equal(!isOpen);
    });
  });
});

describe('Sec-WebSocket-Extensions (RFC 6455 §9.1)', () => {
  const quoted = token.map((text) => `"${text.replace(/(.)/g, '\\$1')}"`);
  const parameter = fc.tuple(token, fc.option(fc.tuple(fc.boolean(), token), { nil: undefined }));
  const extension = fc.tuple(token, fc.uniqueArray(parameter, { selector: ([name]) => name, maxLength: 4 }));

  it('is read as it was written, spaces and quotes or not', () => {
    holds(
      fc.tuple(fc.array(extension, { minLength: 1, maxLength: 4 }), fc.constantFrom('', ' ', '\t ')),
      ([list, gap]) => {
        const written = list.map(([name, parameters]) => {
          const words = parameters.map(([key, given]) => {
            if (!given) return key;
            const [isQuoted, text] = given;
            return `${key}${gap}=${gap}${isQuoted ? `"${text}"` : text}`;
          });
          return [name, ...words].join(`${gap};${gap}`);
        });
        const read = parseExtensions(gap + written.join(`${gap},${gap}`) + gap);
        expect(read?.map(({ name, parameters }) => [name, Object.entries(parameters).sort()])).to.deep.equal(
          list.map(([name, parameters]) => [
            name,
            parameters.map(([key, given]) => [key, given ? given[1] : true]).sort(),
          ]),
        );
      },
    );
  });

  it('of any text is a list or nothing, without a throw, and never with a prototype', () => {
    const text = fc.oneof(
      fc.string(),
      value,
      fc.array(fc.oneof(quoted, value, token)).map((all) => all.join('')),
    );
    holds(text, (header) => {
      for (const { name, parameters } of parseExtensions(header) ?? []) {
        expect(name).to.not.equal('');
        expect(Object.getPrototypeOf(parameters)).to.equal(null);
      }
    });
  });

  it('is agreed on only within what was offered (RFC 7692 §7.1)', () => {
    const bits = fc.integer({ min: 9, max: 15 });
    const offer = fc.record({
      serverNoContextTakeover: fc.boolean(),
      clientNoContextTakeover: fc.boolean(),
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
    });
    const number = fc.oneof(fc.integer({ min: 6, max: 17 }).map(String), fc.constantFrom('08', '', '1e1'));
    const answer = fc.record(
      {
        server_no_context_takeover: fc.constant(''),
        client_no_context_takeover: fc.constant(''),
        server_max_window_bits: number,
        client_max_window_bits: number,
      },
      { requiredKeys: [] },
    );
    holds(fc.tuple(offer, answer), ([given, words]) => {
      const compress = { ...given, level: -1, threshold: 0 };
      expect(offerExtensions(compress)).to.match(/^permessage-deflate/);
      const written = Object.entries(words).map(([name, text]) => (text === '' ? name : `${name}=${text}`));
      const agreed = negotiate(['permessage-deflate', ...written].join('; '), compress);
      if (agreed instanceof ConnectionError || !agreed) return;
      expect(agreed.serverMaxWindowBits).to.be.within(8, given.serverMaxWindowBits);
      expect(agreed.clientMaxWindowBits).to.be.within(9, given.clientMaxWindowBits);
      if (given.serverNoContextTakeover) expect(agreed.serverNoContextTakeover).to.equal(true);
      if (given.clientNoContextTakeover) expect(agreed.clientNoContextTakeover).to.equal(true);
    });
  });
});

/** A body in chunks, as HTTP/1.1 has it; some with extensions. */
const chunks = fc.array(
  fc.tuple(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 30 }), fc.boolean()),
  { maxLength: 5 },
);
const chunked = (parts: readonly (readonly [string, boolean])[], trailer: string): string =>
  [
    ...parts.map(([text, extended]) => `${text.length.toString(16)}${extended ? ';x=1' : ''}\r\n${text}\r\n`),
    '0\r\n',
    trailer,
    '\r\n',
  ].join('');

describe('bodies of HTTP/1.1 (RFC 9112 §7.1)', () => {
  it('of a refusal are what was sent, however they are cut', () => {
    holds(fc.tuple(chunks, cuts, fc.boolean()), ([parts, at, isChunked]) => {
      const body = parts.map(([text]) => text).join('');
      const headers = isChunked
        ? { 'transfer-encoding': 'chunked' }
        : { 'content-length': String(body.length) };
      const reader = new BodyReader({ status: 400, headers });
      const wire = Buffer.from(isChunked ? chunked(parts, '') : body, 'latin1');
      for (const piece of pieces(wire, at)) reader.feed(piece, 0, piece.length);
      expect(Buffer.from(reader.bytes).toString('latin1')).to.equal(body);
      expect(reader.done).to.equal(true);
    });
  });

  it('of a refusal never throw, whatever comes, and stop at their limit', () => {
    holds(
      fc.tuple(
        fc.array(
          fc.oneof(
            fc.uint8Array(),
            value.map((text) => Buffer.from(text)),
          ),
        ),
        fc.boolean(),
      ),
      ([all, isChunked]) => {
        const reader = new BodyReader({
          status: 400,
          headers: isChunked ? { 'transfer-encoding': 'chunked' } : {},
        });
        for (const piece of all) reader.feed(piece, 0, piece.length);
        expect(reader.bytes.length).to.be.at.most(all.reduce((sum, { length }) => sum + length, 0));
      },
    );
  });
});

describe('answers of HTTP/1.1 in a row', () => {
  const answer = fc.tuple(
    fc.constantFrom('200 OK', '404 Not Found', '204 No Content', '100 Continue'),
    fc.array(fc.tuple(token, token), { maxLength: 3 }),
    chunks,
    fc.constantFrom('chunked', 'length', 'trailers'),
  );

  function told(wire: Buffer, at: readonly number[]): string[] {
    const events: string[] = [];
    let piece: Uint8Array = wire;
    let status = 0;
    const parser = new AnswerParser(
      {
        begin: () => true,
        head: (head) => {
          status = head.status;
          events.push(`head ${status} ${head.rawHeaders.join(' ')} ${head.length}`);
          return status < 200 || status === 204 ? 'none' : 'body';
        },
        body: (from, to) => {
          const text = Buffer.from(piece.subarray(from, to)).toString('latin1');
          if (events.at(-1)?.startsWith('body ')) events.push(`${events.pop()}${text}`);
          else events.push(`body ${text}`);
        },
        complete: (trailers) => events.push(`complete ${trailers?.join(' ')}`) > 0,
      },
      { maxHeaderSize: 4_096, maxTrailerSize: 4_096 },
    );
    for (const one of pieces(wire, at)) {
      piece = one;
      const result = parser.execute(one);
      if (!(result instanceof Error)) continue;
      events.push(result.code);
      break;
    }
    parser.free();
    return events;
  }

  it('are told the same however they are cut, garbage behind them too', () => {
    const garbage = fc.oneof(fc.constant(''), fc.string({ maxLength: 8 }));
    holds(
      fc.tuple(fc.array(answer, { maxLength: 4 }), cuts, garbage),
      ([answers, at, rest]) => {
        const texts = answers.map(([status, fields, parts, framing]) => {
          const isBare = status.startsWith('204') || status.startsWith('100');
          const body = parts.map(([text]) => text).join('');
          const framed =
            framing === 'length' ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked';
          // Names that mean something to HTTP itself are not made by `token`.
          const lines = [...fields.map(([name, text]) => `x-${name}: ${text}`), ...(isBare ? [] : [framed])];
          const wire =
            framing === 'length' ? body : chunked(parts, framing === 'trailers' ? 'x-t: 1\r\n' : '');
          return `HTTP/1.1 ${status}\r\n${lines.map((one) => `${one}\r\n`).join('')}\r\n${isBare ? '' : wire}`;
        });
        const bytes = Buffer.from(texts.join('') + rest, 'latin1');
        const whole = told(bytes, []);
        expect(told(bytes, at)).to.deep.equal(whole);
        expect(whole.filter((event) => event.startsWith('complete'))).to.have.lengthOf(answers.length);
      },
      500,
    );
  });
});

describe('retries, whatever fails', () => {
  const backoff = fc.record({
    strategy: fc.constantFrom('exponential' as const, 'linear' as const, 'decorrelated' as const),
    first: fc.integer({ min: 1, max: 10_000 }),
    longest: fc.integer({ min: 10_000, max: 100_000 }),
    factor: fc.integer({ min: 1, max: 10 }),
    step: fc.nat(5_000),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    immediate: fc.boolean(),
    stableAfter: fc.nat(10_000),
  });
  const random = fc.double({ min: 0, max: 1, noNaN: true });
  const failure = fc.record({
    error: fc.constant(new ConnectionError('ERR_GUNPORT_CONNECT', 'refused')),
    wasUp: fc.boolean(),
    upFor: fc.nat(20_000),
    everUp: fc.boolean(),
    random,
  });

  it('wait within their bounds, and no more often in a row than was allowed', () => {
    holds(fc.tuple(backoff, fc.nat(8), fc.array(failure, { maxLength: 40 })), ([policy, retry, failures]) => {
      const retries = new Retries({ retry, retryFirst: true, retryTimeout: undefined, backoff: policy });
      let inRow = 0;
      for (const one of failures) {
        const isStable = one.wasUp && one.upFor >= policy.stableAfter;
        inRow = isStable ? 1 : inRow + 1;
        const decision = retries.failed(one);
        if ('giveUp' in decision) {
          expect(inRow).to.be.above(retry);
          return;
        }
        expect(inRow).to.be.at.most(retry);
        expect(decision.delay).to.be.within(0, policy.longest);
        expect(retries.failures).to.equal(inRow);
      }
    });
  });

  it('never wait longer than the longest, nor a part of a millisecond', () => {
    holds(fc.tuple(backoff, fc.nat(5_000), fc.nat(100_000), random), ([policy, steps, last, chance]) => {
      const delay = delayOf(policy, steps, last, chance);
      expect(Number.isInteger(delay)).to.equal(true);
      expect(delay).to.be.within(0, policy.longest);
    });
  });
});
