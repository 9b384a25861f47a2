import { expect } from 'chai';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';

const HELLO = 'content-length: 5\r\n\r\nHello';
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
const CODED = 'transfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n';

/** What is strange and allowed, and whether the connection may go on after it. */
const ANSWERS: readonly (readonly [name: string, bytes: string, goesOn: boolean])[] = [
  ['without a reason', `HTTP/1.1 200 \r\n${HELLO}`, true],
  ['without a reason and its space', `HTTP/1.1 200\r\n${HELLO}`, true],
  ['with a reason in latin1', `HTTP/1.1 200 caf\xe9\r\n${HELLO}`, true],
  ['behind empty lines', `\r\n\r\nHTTP/1.1 200 OK\r\n${HELLO}`, true],
  ['with no space behind a colon', `HTTP/1.1 200 OK\r\nx:1\r\n${HELLO}`, true],
  ['with white space around a value', `HTTP/1.1 200 OK\r\nx: \t1 \t\r\n${HELLO}`, true],
  ['with an empty value', `HTTP/1.1 200 OK\r\nx:\r\n${HELLO}`, true],
  ['with names that objects have', `HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\n${HELLO}`, true],
  ['with zeros before its length', 'HTTP/1.1 200 OK\r\ncontent-length: 0005\r\n\r\nHello', true],
  ['with spaces around its length', 'HTTP/1.1 200 OK\r\ncontent-length:   5  \r\n\r\nHello', true],
  ['in upper case', 'HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 5\r\n\r\nHello', true],
  ['with an extension of a chunk', `${CHUNKED}5;a="b;c";d\r\nHello\r\n0;e\r\n\r\n`, true],
  ['with zeros before the size of a chunk', `${CHUNKED}0005\r\nHello\r\n000\r\n\r\n`, true],
  [
    'with a body in one byte a chunk',
    `${CHUNKED}${[...'Hello'].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`,
    true,
  ],
  ['with framing in its trailers', `${CHUNKED}5\r\nHello\r\n0\r\ncontent-length: 3\r\n\r\n`, true],
  [
    'whose coding is in another case',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n',
    true,
  ],
  [
    'behind interim ones with bodies that are none',
    `HTTP/1.1 103 X\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\n${HELLO}`,
    true,
  ],
  [
    'behind an interim one that says close',
    `HTTP/1.1 102 X\r\nconnection: close\r\n\r\nHTTP/1.1 200 OK\r\n${HELLO}`,
    true,
  ],
  ['in HTTP/1.0 that is kept alive', `HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n${HELLO}`, true],
  ['with a status that nobody knows', `HTTP/1.1 599 Odd\r\n${HELLO}`, true],
  // RFC 9112 §9.3
  ['in HTTP/1.0', `HTTP/1.0 200 OK\r\n${HELLO}`, false],
  ['that closes', `HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\n${HELLO}`, false],
  // RFC 9112 §6.1: both framings, or chunks of HTTP/1.0: "close the connection after processing the message"
  ['with both framings', `HTTP/1.1 200 OK\r\ncontent-length: 3\r\n${CODED}`, false],
  ['in chunks of HTTP/1.0', `HTTP/1.0 200 OK\r\n${CODED}`, false],
];

describe('a strange answer of HTTP/1 that is good', () => {
  const { open, keep } = feeds();

  for (const [name, bytes, goesOn] of ANSWERS) {
    const then = goesOn ? 'the connection goes on' : 'the connection does not go on';
    it(`is one ${name}: it is read, and ${then}`, async () => {
      // In one piece, and byte by byte.
      for (const step of [bytes.length, 1]) {
        let bad = true;
        const server = await keep(
          origin(async (talk) => {
            for (;;) {
              const { path } = await talk.request();
              if (!bad) await talk.answer(200, path);
              else
                for (let at = 0; at < bytes.length; at += step) await talk.write(bytes.slice(at, at + step));
              bad = false;
            }
          }),
        );
        const connection = open(server.url, { retryTimeout: 1 });
        expect(await connection.get('/odd').text()).to.equal('Hello');
        expect(await connection.get('/next').text()).to.equal('/next');
        expect(server.taken).to.equal(goesOn ? 1 : 2);
      }
    });
  }
});
