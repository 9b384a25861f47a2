import { expect } from 'chai';
import { ConnectionError } from '../../lib/errors.ts';
import {
  acceptOf,
  checkUpgrade,
  type Head,
  keyOf,
  NEED_DATA,
  newScan,
  parseHead,
  refusal,
  requestHead,
} from '../../lib/protocol/handshake.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const LIMIT = 1000;

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** The same whole, and cut in two at each of its bytes. */
function parse(text: string, limit = LIMIT): ReturnType<typeof parseHead> {
  const bytes = bytesOf(text);
  const whole = parseHead(bytes, 0, bytes.length, limit);
  for (let cut = 0; cut < Math.min(bytes.length, 400); cut++) {
    const scan = newScan();
    const early = parseHead(bytes, 0, cut, limit, scan);
    const cutInTwo = early === NEED_DATA ? parseHead(bytes, 0, bytes.length, limit, scan) : early;
    expect(tell(cutInTwo), `${JSON.stringify(text)} cut at ${cut}`).to.deep.equal(tell(whole));
  }
  return whole;
}

/** A head, or which error: how much of a line that is wrong can be quoted depends on how much is there. */
function tell(result: ReturnType<typeof parseHead>): unknown {
  if (result === NEED_DATA || !('error' in result)) return result;
  const [what] = result.error.message.split(/,| "/);
  return [result.error.code, what];
}

function headOf(text: string, limit = LIMIT): Head {
  const head = parse(text, limit);
  if (head === NEED_DATA || 'error' in head)
    throw new Error(head === NEED_DATA ? 'it needs data' : head.error.message);
  return head;
}

function errorOf(text: string, limit = LIMIT): ConnectionError {
  const result = parse(text, limit);
  if (result === NEED_DATA || !('error' in result)) throw new Error('no error');
  return result.error;
}

/** One byte more at a time, in memory that moves, with the same scan. */
function dribble(text: string, limit = LIMIT) {
  const scan = newScan();
  for (let to = 0; to <= text.length; to++) {
    const memory = bytesOf(`??${text.slice(0, to)}!!`);
    const result = parseHead(memory, 2, 2 + to, limit, scan);
    if (result !== NEED_DATA) return result;
  }
  return NEED_DATA;
}

const OPENING = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`;

describe('handshake', () => {
  describe('request', () => {
    const ws = { path: '/chat?x=1', headers: [], subprotocols: [] };

    it('is laid out as RFC 6455 §4.1 says', () => {
      const head = requestHead(
        { authority: 'server.example.com' },
        { ...ws, headers: ['Origin', 'http://example.com'], subprotocols: ['chat', 'superchat'] },
        KEY,
        'permessage-deflate',
      );
      expect(Buffer.from(head).toString('latin1').split('\r\n')).to.deep.equal([
        'GET /chat?x=1 HTTP/1.1',
        'Host: server.example.com',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${KEY}`,
        'Sec-WebSocket-Extensions: permessage-deflate',
        'Sec-WebSocket-Protocol: chat, superchat',
        'Origin: http://example.com',
        '',
        '',
      ]);
      expect(head.buffer.byteLength).to.equal(head.length);
    });

    it('leaves out what is not asked for, and lets the user name the host', () => {
      const head = Buffer.from(
        requestHead(
          { authority: 'a.example' },
          { ...ws, headers: ['HOST', 'b.example', 'x', 'é'] },
          KEY,
          undefined,
        ),
      );
      expect(head.toString('latin1'))
        .to.include('\r\nHOST: b.example\r\nx: é\r\n\r\n')
        .and.not.match(/a\.example|Extensions|Protocol:/);
    });

    it('answers keys as in RFC 6455 §1.3', () => {
      expect(acceptOf(KEY)).to.equal(ACCEPT);
      expect(keyOf(Buffer.from('the sample nonce'))).to.equal(KEY);
    });
  });

  describe('head', () => {
    it('reads status, reason and headers, and says where it ends', () => {
      const text =
        'HTTP/1.1 200 Fine, thanks\r\nA: 1\r\nSet-Cookie:a=b \r\nset-cookie:\tc=d\r\nEmpty:\r\n\r\n';
      const head = headOf(`${text}body`);
      expect(head).to.include({ status: 200, version: '1.1', reason: 'Fine, thanks', end: text.length });
      expect(Object.getPrototypeOf(head.headers)).to.equal(null);
      expect({ ...head.headers }).to.deep.equal({ a: '1', 'set-cookie': ['a=b', 'c=d'], empty: '' });
      expect(head.rawHeaders).to.deep.equal([
        'A',
        '1',
        'Set-Cookie',
        'a=b',
        'set-cookie',
        'c=d',
        'Empty',
        '',
      ]);
    });

    it('reads HTTP/1.0, no reason, latin1, and names of Object.prototype', () => {
      expect(headOf('HTTP/1.0 404 \r\n\r\n')).to.include({ version: '1.0', status: 404, reason: '' });
      expect(headOf('HTTP/1.1 404\r\n\r\n')).to.include({ status: 404, reason: '' });
      const { headers } = headOf(
        'HTTP/1.1 200 é\r\n__proto__: x\r\nconstructor: y\r\nconstructor: z\r\nv: é\r\n\r\n',
      );
      expect(Object.entries(headers)).to.deep.equal([
        ['__proto__', 'x'],
        ['constructor', ['y', 'z']],
        ['v', 'é'],
      ]);
    });

    it('skips interim answers, a bounded number of them (RFC 9110 §15.2)', () => {
      const early = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n';
      const { headers, status, rawHeaders } = headOf(`${early}${OPENING}\r\n`);
      expect(status).to.equal(101);
      expect(headers['link']).to.equal(undefined);
      expect(rawHeaders).to.have.length(6);
      expect(errorOf('HTTP/1.1 100 Continue\r\n\r\n'.repeat(9)).message).to.equal(
        'server sent more than 8 interim answers',
      );
      expect(headOf(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(8)}HTTP/1.1 200 OK\r\n\r\n`).status).to.equal(
        200,
      );
    });

    const bad: [string, string, RegExp][] = [
      ['bytes that are not HTTP', '\0\xff\x17', /^answer is not HTTP\/1, it begins with /],
      ['another protocol', 'SSH-2.0-OpenSSH\r\n', /not HTTP\/1/],
      ['HTTP/2', 'HTTP/2 200 OK\r\n', /not HTTP\/1/],
      ['lower case', 'http/1.1 200 OK\r\n', /not HTTP\/1/],
      ['an empty line first', '\r\nHTTP/1.1 200 OK\r\n\r\n', /not HTTP\/1/],
      ['another minor version', 'HTTP/1.2 200 OK\r\n', /status line/],
      ['a status of four digits', 'HTTP/1.1 2000 OK\r\n', /status line/],
      ['a status of two digits', 'HTTP/1.1 20 OK\r\n', /status line/],
      ['a status below 100', 'HTTP/1.1 099 OK\r\n', /status line/],
      ['two spaces', 'HTTP/1.1  200 OK\r\n', /status line/],
      ['no space before the reason', 'HTTP/1.1 200OK\r\n', /status line/],
      ['a NUL in the reason', 'HTTP/1.1 200 O\0K\r\n', /status line/],
      ['a bare line feed after the status line', 'HTTP/1.1 200 OK\n', /bare line feed/],
      ['a bare line feed after a header', 'HTTP/1.1 200 OK\r\na: b\n', /bare line feed/],
      ['a bare line feed at the end', 'HTTP/1.1 200 OK\r\na: b\r\n\n', /bare line feed/],
      ['a carriage return in a value', 'HTTP/1.1 200 OK\r\na: b\rc\r\n', /header a has a control character/],
      ['a NUL in a value', 'HTTP/1.1 200 OK\r\na: b\0c\r\n', /header a has a control character/],
      ['a folded line', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n', /folded line/],
      ['a space before the colon', 'HTTP/1.1 200 OK\r\na : b\r\n', /has the line "a : b"/],
      ['no colon', 'HTTP/1.1 200 OK\r\nab\r\n', /has the line "ab"/],
      ['no name', 'HTTP/1.1 200 OK\r\n: b\r\n', /has the line ": b"/],
      ['a name that is no token', 'HTTP/1.1 200 OK\r\na@b: c\r\n', /has the line "a@b: c"/],
      ['a second status line', 'HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n', /has the line/],
      ['no status line after an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n\0', /not HTTP\/1/],
    ];
    for (const [what, text, expected] of bad) {
      it(`refuses ${what}, at the first byte that shows it`, () => {
        const error = errorOf(text);
        expect(error)
          .to.be.instanceOf(ConnectionError)
          .and.include({ code: 'ERR_GUNPORT_HANDSHAKE', phase: 'upgrade' });
        expect(error.message).to.match(expected);
        const slow = dribble(text);
        expect(slow).to.have.property('error');
      });
    }

    it('is the same however it was cut up', () => {
      const text = `HTTP/1.1 102 Processing\r\n\r\n${OPENING}X: 1\r\nx: 2\r\n\r\n`;
      const whole = headOf(text);
      const slow = dribble(`${text}`);
      expect(slow).to.deep.equal({ ...whole, end: whole.end + 2 });
      for (let cut = 0; cut < text.length; cut++) {
        const scan = newScan();
        const bytes = bytesOf(`${text}\x81\x00`);
        expect(parseHead(bytes, 0, cut, LIMIT, scan)).to.equal(NEED_DATA);
        expect(parseHead(bytes, 0, bytes.length, LIMIT, scan)).to.deep.equal(whole);
      }
    });

    it('bounds the head, over interim answers too', () => {
      const exact = `HTTP/1.1 200 OK\r\na: ${'x'.repeat(100)}\r\n\r\n`;
      expect(headOf(exact, exact.length).status).to.equal(200);
      const error = errorOf(exact, exact.length - 1);
      expect(error).to.include({ code: 'ERR_GUNPORT_HANDSHAKE', phase: 'upgrade' });
      expect(error.message).to.equal(`answer's headers exceed maxHeaderSize (${exact.length - 1})`);
      expect(errorOf(`HTTP/1.1 200 ${'x'.repeat(100)}`, 50).message).to.match(/exceed maxHeaderSize \(50\)/);
      // What comes first is told, however much more is there.
      const informed = 'HTTP/1.1 103 x\r\naa: aaa\r\n\r\n';
      expect(errorOf(`${informed}${'a'.repeat(20)}`, 40).message).to.match(/not HTTP\/1/);
      expect(errorOf(`${informed}HTTP/1.1 200 OK\r\n`, 40).message).to.match(/exceed maxHeaderSize \(40\)/);
      expect(errorOf(`HTTP/1.1 100 Continue\r\n\r\n${exact}`, exact.length).message).to.match(
        /exceed maxHeaderSize/,
      );
    });

    it('looks at each byte once', () => {
      const bytes = bytesOf(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(15_000)}c: ${'d'.repeat(9_000)}`);
      const scan = newScan();
      const began = performance.now();
      for (let to = 0; to <= bytes.length; to++)
        expect(parseHead(bytes, 0, to, 100_000, scan) === NEED_DATA).to.equal(true);
      expect(performance.now() - began).to.be.lessThan(2000);
    });
  });

  describe('verdict', () => {
    const ws = { subprotocols: ['v2', 'v1'], compress: undefined };
    const verdict = (text: string, offered: Parameters<typeof checkUpgrade>[1] = ws) =>
      checkUpgrade(headOf(text), offered, KEY);

    it('opens on the answer of RFC 6455 §1.3', () => {
      expect(verdict(`${OPENING}\r\n`)).to.deep.equal({
        protocol: '',
        extensions: '',
        negotiated: undefined,
      });
      expect(verdict(`${OPENING}Sec-WebSocket-Protocol: v1\r\n\r\n`)).to.include({ protocol: 'v1' });
      const odd = `HTTP/1.1 101 \r\nUPGRADE: WebSocket\r\nConnection: keep-alive\r\nconnection: x, UPGRADE\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;
      expect(verdict(odd)).to.include({ protocol: '' });
    });

    it('hands over what permessage-deflate came to', () => {
      const compress = {
        serverNoContextTakeover: false,
        clientNoContextTakeover: false,
        serverMaxWindowBits: 15,
        clientMaxWindowBits: 15,
        threshold: 0,
        level: 1,
      };
      const agreed = verdict(
        `${OPENING}Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n`,
        { ...ws, compress },
      );
      expect(agreed).to.deep.include({ extensions: 'permessage-deflate; server_max_window_bits=10' });
      expect(agreed).to.have.nested.property('negotiated.serverMaxWindowBits', 10);
    });

    const without = (name: string) =>
      OPENING.split('\r\n')
        .filter((line) => !line.startsWith(name))
        .join('\r\n');
    const wrong: [string, string, RegExp][] = [
      ['no Upgrade', without('Upgrade'), /Upgrade must be websocket, got undefined/],
      ['another Upgrade', OPENING.replace('websocket', 'h2c'), /Upgrade must be websocket, got "h2c"/],
      ['two Upgrades', `${OPENING}Upgrade: websocket\r\n`, /Upgrade must be websocket/],
      ['no Connection', without('Connection'), /Connection must have upgrade, got undefined/],
      [
        'another Connection',
        OPENING.replace('Connection: Upgrade', 'Connection: keep-alive'),
        /Connection must have upgrade/,
      ],
      [
        'no accept',
        without('Sec-WebSocket-Accept'),
        /Sec-WebSocket-Accept does not answer the key, got undefined/,
      ],
      ['a wrong accept', OPENING.replace('s3pP', 's3pp'), /does not answer the key/],
      ['two accepts', `${OPENING}Sec-WebSocket-Accept: ${ACCEPT}\r\n`, /does not answer the key/],
      [
        'a subprotocol that was not offered',
        `${OPENING}Sec-WebSocket-Protocol: v3\r\n`,
        /must be one that was offered, got "v3"/,
      ],
      [
        'a subprotocol in another case',
        `${OPENING}Sec-WebSocket-Protocol: V1\r\n`,
        /must be one that was offered/,
      ],
      [
        'two subprotocols',
        `${OPENING}Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n`,
        /must be one that was offered/,
      ],
      [
        'a list of subprotocols',
        `${OPENING}Sec-WebSocket-Protocol: v1, v2\r\n`,
        /must be one that was offered/,
      ],
      [
        'an extension that was not offered',
        `${OPENING}Sec-WebSocket-Extensions: permessage-deflate\r\n`,
        /nothing was offered/,
      ],
      ['HTTP/1.0', OPENING.replace('HTTP/1.1', 'HTTP/1.0'), /answered in HTTP\/1\.0/],
    ];
    for (const [what, text, expected] of wrong) {
      it(`refuses ${what} (RFC 6455 §4.1)`, () => {
        const error = verdict(`${text}\r\n`);
        expect(error)
          .to.be.instanceOf(ConnectionError)
          .and.include({ code: 'ERR_GUNPORT_HANDSHAKE', phase: 'upgrade', status: 101 });
        expect((error as ConnectionError).message).to.match(expected);
      });
    }

    it('takes no subprotocol where none was offered', () => {
      const error = verdict(`${OPENING}Sec-WebSocket-Protocol: v1\r\n\r\n`, { ...ws, subprotocols: [] });
      expect(error).to.be.instanceOf(ConnectionError);
    });

    it('reports another status with its headers, and with its body when it is there', () => {
      const error = verdict(
        'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n',
      ) as ConnectionError;
      expect(error).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', phase: 'upgrade', status: 401 });
      expect(error.message).to.equal('upgrade was refused with status 401 Unauthorized');
      expect(error.headers?.['www-authenticate']).to.equal('Basic');
      expect(error.body).to.equal(undefined);
      const head = headOf('HTTP/1.1 500 \r\n\r\n');
      expect(refusal(head, bytesOf('why'))).to.deep.include({ status: 500, body: bytesOf('why') });
      expect(refusal(head).message).to.equal('upgrade was refused with status 500');
    });
  });
});
