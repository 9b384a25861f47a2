// hostile-answers — answers of HTTP/1 that are none, as a table: one line each.
// Driven by test/http/hostile-http1.test.ts: each costs one connection and gives the error that is named.
// Invariant: after such an answer the server says nothing more and keeps the connection open, so that what ends it is the
// client. Source: RFC 9112 §2 to §7 and §11.

import type { Code } from '../../lib/index.ts';

export interface HostileAnswer {
  readonly name: string;
  /** Latin1. */
  readonly bytes: string;
  readonly code: Code;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const EMPTY = 'content-length: 0\r\n\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

const status = (name: string, line: string): HostileAnswer => ({
  name: `a status line ${name}`,
  bytes: `${line}\r\n${EMPTY}`,
  code: 'ERR_GUNPORT_PROTOCOL',
});
const field = (name: string, line: string): HostileAnswer => ({
  name: `a header ${name}`,
  bytes: `${OK}${line}\r\n${EMPTY}`,
  code: 'ERR_GUNPORT_PROTOCOL',
});
const length = (name: string, lines: string): HostileAnswer => ({
  name: `a content-length ${name}`,
  bytes: `${OK}${lines}\r\n\r\nHello`,
  code: 'ERR_GUNPORT_PROTOCOL',
});
const chunk = (name: string, bytes: string): HostileAnswer => ({
  name: `a chunk ${name}`,
  bytes: CHUNKED + bytes,
  code: 'ERR_GUNPORT_PROTOCOL',
});
const whole = (name: string, bytes: string, code: Code = 'ERR_GUNPORT_PROTOCOL'): HostileAnswer => ({
  name,
  bytes,
  code,
});

export const HOSTILE_ANSWERS: readonly HostileAnswer[] = [
  // RFC 9112 §4
  status('without a status', 'HTTP/1.1'),
  status('without a status, but its space', 'HTTP/1.1 '),
  status('of two digits', 'HTTP/1.1 20 OK'),
  status('of four digits', 'HTTP/1.1 2000 OK'),
  status('with a huge status', 'HTTP/1.1 99999999999999999999 OK'),
  status('with a negative status', 'HTTP/1.1 -20 OK'),
  status('with a signed status', 'HTTP/1.1 +20 OK'),
  status('with letters for a status', 'HTTP/1.1 2x0 OK'),
  status('with a status below 100', 'HTTP/1.1 099 OK'),
  status('with the status 000', 'HTTP/1.1 000 OK'),
  status('with a space before it', ' HTTP/1.1 200 OK'),
  status('with two spaces', 'HTTP/1.1  200 OK'),
  status('with a tab', 'HTTP/1.1\t200 OK'),
  status('in lower case', 'http/1.1 200 OK'),
  status('of another name', 'HTTQ/1.1 200 OK'),
  status('of RTSP', 'RTSP/1.0 200 OK'),
  status('of ICE', 'ICE/1.0 200 OK'),
  status('of HTTP/2.0', 'HTTP/2.0 200 OK'),
  status('of HTTP/0.9', 'HTTP/0.9 200 OK'),
  status('of HTTP/1.10', 'HTTP/1.10 200 OK'),
  status('of HTTP/11', 'HTTP/11 200 OK'),
  status('with a bare CR', 'HTTP/1.1 200 O\rK'),
  // RFC 9112 §5
  field('without a colon', 'nothing here'),
  field('without a name', ': a'),
  field('with a space in its name', 'x y: a'),
  field('with a space before its colon', 'x : a'),
  field('with NUL in its name', 'x\0y: a'),
  field('with a bracket in its name', 'x(y): a'),
  field('with a byte above ASCII in its name', 'x\xe9: a'),
  field('with NUL in its value', 'x: a\0b'),
  field('with a bare CR in its value', 'x: a\rb'),
  field('with a bare CR at its end', 'x: a\r\ry: b'),
  field('with DEL in its value', 'x: a\x7fb'),
  field('with a control character in its value', 'x: a\x01b'),
  field('behind a bare LF', 'x: a\nevil'),
  whole('a first header that begins with a space', `${OK} x: a\r\n${EMPTY}`),
  whole('lines that end with a bare LF', 'HTTP/1.1 200 OK\ncontent-length: 5\n\nHello'),
  whole('lines that end with a bare CR', 'HTTP/1.1 200 OK\rcontent-length: 5\r\rHello'),
  // RFC 9112 §6.3
  length('of two differing values', 'content-length: 5\r\ncontent-length: 6'),
  length('that is a list of two', 'content-length: 5, 6'),
  length('that is negative', 'content-length: -5'),
  length('with a sign', 'content-length: +5'),
  length('in hex', 'content-length: 0x5'),
  length('that is a fraction', 'content-length: 5.0'),
  length('with an exponent', 'content-length: 1e3'),
  length('with a space', 'content-length: 5 5'),
  length('that is empty', 'content-length: '),
  length('that is a word', 'content-length: five'),
  length('beyond 64 bits', 'content-length: 99999999999999999999999999'),
  length('beyond 64 bits by one', 'content-length: 18446744073709551616'),
  // RFC 9112 §7.1
  chunk('with a size that is no hex', 'xyz\r\nHello\r\n0\r\n\r\n'),
  chunk('with a size of 0x', '0x5\r\nHello\r\n0\r\n\r\n'),
  chunk('with a negative size', '-5\r\nHello\r\n0\r\n\r\n'),
  chunk('with a signed size', '+5\r\nHello\r\n0\r\n\r\n'),
  chunk('without a size', '\r\nHello\r\n0\r\n\r\n'),
  chunk('with a size beyond 64 bits', 'fffffffffffffffff\r\nHello'),
  chunk('with a size of many zeros before one beyond 64 bits', '00000010000000000000000\r\nHello'),
  chunk('with words behind its size', '5 junk\r\nHello\r\n0\r\n\r\n'),
  chunk('with a control character in an extension', '5;a\0b\r\nHello\r\n0\r\n\r\n'),
  chunk('whose size ends with a bare LF', '5\nHello\r\n0\r\n\r\n'),
  chunk('whose size ends with a bare CR', '5\rHello\r\n0\r\n\r\n'),
  chunk('longer than its size', '5\r\nHello World\r\n0\r\n\r\n'),
  chunk('whose data ends with a bare LF', '5\r\nHello\n0\r\n\r\n'),
  chunk('whose data ends without CRLF', '5\r\nHello0\r\n\r\n'),
  chunk('that is followed by a bad trailer', '5\r\nHello\r\n0\r\nno colon\r\n\r\n'),
  chunk('that is followed by a trailer with NUL', '5\r\nHello\r\n0\r\nx: a\0\r\n\r\n'),
  // what is no HTTP/1
  whole('nothing but a body (HTTP/0.9)', '<html>Hello</html>'),
  whole('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  whole('SETTINGS of HTTP/2', '\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff\0\x05\0\0\x40\0'),
  whole('a request', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
  whole('the greeting of SSH', 'SSH-2.0-OpenSSH_9.2\r\n'),
  whole('an alert of TLS', '\x15\x03\x01\0\x02\x02\x28'),
  whole('NULs', '\0'.repeat(100)),
  // floods
  whole('a head of too many bytes', `${OK}x: ${'a'.repeat(100_001)}`, 'ERR_GUNPORT_TOO_BIG'),
  whole('a head of too many fields', OK + 'a:\r\n'.repeat(30_000), 'ERR_GUNPORT_TOO_BIG'),
  whole('a reason without end', `HTTP/1.1 200 ${'a'.repeat(100_001)}`, 'ERR_GUNPORT_TOO_BIG'),
  whole('a name without end', OK + 'a'.repeat(100_001), 'ERR_GUNPORT_TOO_BIG'),
  whole('trailers of too many bytes', `${CHUNKED}0\r\nx: ${'a'.repeat(10_001)}`, 'ERR_GUNPORT_TOO_BIG'),
  whole('trailers of too many fields', `${CHUNKED}0\r\n${'a:\r\n'.repeat(5_000)}`, 'ERR_GUNPORT_TOO_BIG'),
  whole('an extension of a chunk without end', `${CHUNKED}5;${'a'.repeat(100_001)}`, 'ERR_GUNPORT_TOO_BIG'),
  whole(
    'interim answers that are too long together',
    `HTTP/1.1 103 Early Hints\r\nx: ${'a'.repeat(100_001)}`,
    'ERR_GUNPORT_TOO_BIG',
  ),
  // RFC 9110 §15.2.2: 101 answers an Upgrade, and there was none
  whole(
    'an unrequested 101',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ),
  whole('an unrequested 101 without an upgrade field', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'),
];
