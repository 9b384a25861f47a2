// handshakes — family 14: answers to the opening handshake, right and wrong, and extensions that were not agreed on.
// A wrong answer is followed by a text: a client that takes it echoes it.
// Source: RFC 6455 §4.1, "the client MUST validate the server's response as follows"; RFC 7692 §5, §7.1; RFC 9112.

import { acceptFor } from '../../support/peers.ts';
import { type Case, type ClientOptions, frame, OP, REFUSED, text, whole, write } from '../case.ts';
import { PLAIN } from '../deflate.ts';
import { acceptTo, answer, type Request, rightAnswer } from '../request.ts';
import { make, numbered } from './making.ts';

const SECTION = 'RFC 6455 §4.1';
const HELLO = text('Hello');
type Answer = (request: Request) => Buffer;

function refused(
  id: string,
  title: string,
  of: Answer,
  section: string = SECTION,
  client: ClientOptions = {},
): Case {
  return make(id, title, section, { client, answer: of, steps: [write(whole(HELLO))], end: REFUSED });
}

function taken(
  id: string,
  title: string,
  of: Answer,
  section: string = SECTION,
  client: ClientOptions = {},
): Case {
  return make(id, title, section, { client, answer: of, steps: [write(whole(HELLO))], messages: [HELLO] });
}

/** The lines of the right answer, by name. */
const LINES = {
  status: () => 'HTTP/1.1 101 Switching Protocols',
  upgrade: () => 'Upgrade: websocket',
  connection: () => 'Connection: Upgrade',
  accept: (request: Request) => `Sec-WebSocket-Accept: ${acceptTo(request)}`,
} as const;

/** The right answer with one line otherwise, or left out. */
function but(name: keyof typeof LINES, ...lines: string[]): Answer {
  return (request) =>
    answer(Object.entries(LINES).flatMap(([key, line]) => (key === name ? lines : [line(request)])));
}

function with_(...more: string[]): Answer {
  return (request) => rightAnswer(request, ...more);
}

const STATUS: readonly string[] = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 500 Internal Server Error',
  'HTTP/1.0 101 Switching Protocols',
  'HTTP/1.1 1010 Switching Protocols',
  'HTTP/2 101 Switching Protocols',
  'HTTP/1.1 10',
  'ICY 101 Switching Protocols',
];

function heads(): Case[] {
  return [
    // Where it is an answer of HTTP, it has no body to wait for.
    ...numbered('14.1', STATUS, (id, line) =>
      refused(id, `status line ${line}`, but('status', line, 'Content-Length: 0')),
    ),
    refused('14.2.1', 'no Upgrade', but('upgrade')),
    refused('14.2.2', 'Upgrade is h2c', but('upgrade', 'Upgrade: h2c')),
    refused('14.2.3', 'Upgrade is empty', but('upgrade', 'Upgrade:')),
    taken('14.2.4', 'Upgrade is WebSocket, in any case', but('upgrade', 'UPGRADE: WebSocket')),
    refused('14.3.1', 'no Connection', but('connection')),
    refused('14.3.2', 'Connection is close', but('connection', 'Connection: close')),
    refused(
      '14.3.3',
      'Connection has a token that only begins as Upgrade',
      but('connection', 'Connection: Upgraded'),
    ),
    taken('14.3.4', 'Connection is upgrade, in any case', but('connection', 'CONNECTION:   uPGRADE  ')),
    make('14.3.5', 'Connection lists Upgrade among others', SECTION, {
      informational: true,
      answer: but('connection', 'Connection: keep-alive, Upgrade'),
      steps: [write(whole(HELLO))],
      messages: [HELLO],
    }),
    refused('14.4.1', 'no Sec-WebSocket-Accept', but('accept')),
    refused(
      '14.4.2',
      'Sec-WebSocket-Accept of another key',
      but('accept', `Sec-WebSocket-Accept: ${acceptFor('dGhlIHNhbXBsZSBub25jZQ==')}`),
    ),
    refused('14.4.3', 'Sec-WebSocket-Accept is empty', but('accept', 'Sec-WebSocket-Accept:')),
    refused('14.4.4', 'Sec-WebSocket-Accept in upper case', (request) =>
      but('accept', `Sec-WebSocket-Accept: ${acceptTo(request).toUpperCase()}`)(request),
    ),
    refused('14.4.5', 'Sec-WebSocket-Accept is the key', (request) =>
      but('accept', `Sec-WebSocket-Accept: ${request.headers.get('sec-websocket-key')?.[0]}`)(request),
    ),
    refused('14.4.6', 'Sec-WebSocket-Accept cut short', (request) =>
      but('accept', `Sec-WebSocket-Accept: ${acceptTo(request).slice(0, -1)}`)(request),
    ),
    taken('14.4.7', 'Sec-WebSocket-Accept between white space', (request) =>
      but('accept', `Sec-WebSocket-Accept: \t ${acceptTo(request)} \t`)(request),
    ),
  ];
}

function subprotocols(): Case[] {
  const two = { subprotocols: ['chat', 'superchat'] };
  const section = 'RFC 6455 §4.1, point 6';
  return [
    refused(
      '14.5.1',
      'a subprotocol, where none was offered',
      with_('Sec-WebSocket-Protocol: chat'),
      section,
    ),
    refused(
      '14.5.2',
      'a subprotocol that was not offered',
      with_('Sec-WebSocket-Protocol: mqtt'),
      section,
      two,
    ),
    refused('14.5.3', 'two of those offered', with_('Sec-WebSocket-Protocol: chat, superchat'), section, two),
    taken('14.5.4', 'the second of those offered', with_('Sec-WebSocket-Protocol: superchat'), section, two),
    make('14.5.5', 'none of those offered', section, {
      // ws and browsers end it; RFC 6455 §4.2.2 lets a server agree on none.
      informational: true,
      client: two,
      answer: with_(),
      steps: [write(whole(HELLO))],
      messages: [HELLO],
    }),
    refused(
      '14.5.6',
      'one of those offered, in another case',
      with_('Sec-WebSocket-Protocol: CHAT'),
      section,
      two,
    ),
  ];
}

/** Answers to an offer of permessage-deflate. */
const BAD_EXTENSIONS: readonly string[] = [
  'x-webkit-deflate-frame',
  'permessage-bzip2',
  'permessage-deflate, permessage-deflate',
  'permessage-deflate; unknown_parameter',
  'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
  'permessage-deflate; client_max_window_bits=10; client_max_window_bits=10',
  'permessage-deflate; server_no_context_takeover=1',
  'permessage-deflate; client_no_context_takeover=true',
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; server_max_window_bits=7',
  'permessage-deflate; server_max_window_bits=16',
  'permessage-deflate; server_max_window_bits=abc',
  'permessage-deflate; client_max_window_bits=7',
  'permessage-deflate; client_max_window_bits=16',
  'permessage-deflate; client_max_window_bits=9x',
  'permessage-deflate; server_max_window_bits=-9',
  'permessage-deflate; =10',
  'permessage-deflate; server_max_window_bits=10 11',
];

/** A client that could go on all the same may. */
function mayRefuse(...args: Parameters<typeof refused>): Case {
  return { ...refused(...args), informational: true };
}

function extensions(): Case[] {
  const offer = { compress: {} };
  const section = 'RFC 6455 §4.1, point 5; RFC 7692 §7.1';
  const header = (value: string): Answer => with_(`Sec-WebSocket-Extensions: ${value}`);
  const deflated = frame(OP.text, Buffer.from('f248cdc9c90700', 'hex'), { rsv: 4 });
  const agreed = (id: string, title: string, value: string, more: Partial<typeof PLAIN> = {}): Case =>
    make(id, title, section, {
      client: offer,
      agreed: { ...PLAIN, ...more },
      answer: header(value),
      steps: [write(deflated)],
      messages: [HELLO],
    });
  return [
    refused('14.6.1', 'permessage-deflate, where nothing was offered', header('permessage-deflate'), section),
    refused('14.6.2', 'an extension, where nothing was offered', header('foo'), section),
    ...BAD_EXTENSIONS.map((value, i) => refused(`14.7.${i + 1}`, value, header(value), section, offer)),
    refused(
      '14.7.19',
      'a larger window at the server than was offered',
      header('permessage-deflate; server_max_window_bits=12'),
      section,
      { compress: { serverMaxWindowBits: 10 } },
    ),
    refused(
      '14.7.20',
      'a larger window at the client than was offered',
      header('permessage-deflate; client_max_window_bits=12'),
      section,
      { compress: { clientMaxWindowBits: 10 } },
    ),
    mayRefuse(
      '14.7.21',
      'no word of the window at the server, which was asked for',
      header('permessage-deflate'),
      section,
      { compress: { serverMaxWindowBits: 10 } },
    ),
    mayRefuse(
      '14.7.22',
      'no word of server_no_context_takeover, which was asked for',
      header('permessage-deflate'),
      section,
      { compress: { serverNoContextTakeover: true } },
    ),
    agreed('14.8.1', 'values between quotes', 'permessage-deflate; client_max_window_bits="10"', {
      clientBits: 10,
    }),
    agreed(
      '14.8.2',
      'white space wherever it may stand',
      ' permessage-deflate ;\tserver_no_context_takeover ',
      {
        serverNoContext: true,
      },
    ),
    agreed(
      '14.8.3',
      'parameters that the server adds',
      'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
      {
        clientNoContext: true,
        serverNoContext: true,
      },
    ),
  ];
}

/** Of HTTP, around what is RFC 6455's. */
function http(): Case[] {
  const section = 'RFC 9112 §5, §6';
  const early = (request: Request): Buffer =>
    Buffer.concat([answer(['HTTP/1.1 103 Early Hints', 'Link: </a>']), rightAnswer(request)]);
  const head = 'X-Long: ';
  return [
    refused('14.9.1', 'a header line that is folded', with_('X-Folded: a', ' b'), 'RFC 9112 §5.2'),
    refused('14.9.2', 'white space before a colon', with_('X-Space : a'), 'RFC 9112 §5.1'),
    refused('14.9.3', 'a header line without a colon', with_('no colon'), section),
    refused('14.9.4', 'a header without a name', with_(': a'), section),
    refused('14.9.5', 'a control character in a value', with_('X-Control: a\u0000b'), 'RFC 9110 §5.5'),
    refused(
      '14.9.6',
      'headers of a megabyte',
      with_(...Array.from({ length: 1_000 }, () => head + 'x'.repeat(1_000))),
      'RFC 6455 §10.4',
    ),
    taken('14.9.7', 'an interim answer before it', early, 'RFC 9110 §15.2'),
    taken('14.9.8', 'headers that nobody knows', with_('X-One: 1', 'X-One: 2', 'Date: today'), section),
    taken('14.9.9', 'no reason behind the status', but('status', 'HTTP/1.1 101 '), 'RFC 9112 §4'),
    refused('14.9.10', 'bytes that are no HTTP', () => Buffer.from('00ff17fe0d0a0d0a', 'hex'), section),
    refused('14.9.11', 'a frame instead of an answer', () => whole(HELLO), section),
  ];
}

/** Frames in the same write as the answer. */
function coalesced(): Case[] {
  const behind =
    (...frames: Buffer[]): Answer =>
    (request) =>
      Buffer.concat([rightAnswer(request), ...frames]);
  const section = 'RFC 6455 §4.1, "the connection is then in the OPEN state"';
  return [
    make('14.10.1', 'a text in the same write as the answer', section, {
      answer: behind(whole(HELLO)),
      messages: [HELLO],
    }),
    make('14.10.2', 'ten texts in the same write as the answer', section, {
      answer: behind(...Array.from({ length: 10 }, () => whole(HELLO))),
      messages: Array.from({ length: 10 }, () => HELLO),
    }),
    make('14.10.3', 'a text of 100000 bytes in the same write as the answer', section, {
      answer: behind(whole(text('x'.repeat(100_000)))),
      messages: [text('x'.repeat(100_000))],
    }),
    make('14.10.4', 'half a text in the same write as the answer', section, {
      answer: behind(whole(HELLO).subarray(0, 4)),
      steps: [write(whole(HELLO).subarray(4))],
      messages: [HELLO],
    }),
    make('14.10.5', 'the first byte of a frame in the same write as the answer', section, {
      answer: behind(whole(HELLO).subarray(0, 1)),
      steps: [write(whole(HELLO).subarray(1))],
      messages: [HELLO],
    }),
    make('14.10.6', 'a ping in the same write as the answer', section, {
      answer: behind(frame(OP.ping, 'early')),
      pongs: [Buffer.from('early')],
    }),
    make('14.10.7', 'a close in the same write as the answer', section, {
      answer: behind(frame(OP.close, Buffer.of(3, 232))),
      end: { type: 'close', code: 1000, said: true },
    }),
    make('14.10.8', 'a frame that is not allowed in the same write as the answer', section, {
      answer: behind(frame(3, 'x')),
      end: { type: 'fail', codes: [1002] },
    }),
  ];
}

export const HANDSHAKES: readonly Case[] = [
  ...heads(),
  ...subprotocols(),
  ...extensions(),
  ...http(),
  ...coalesced(),
];
