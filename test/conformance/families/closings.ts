// closings — family 7: the closing handshake: codes, reasons, and what comes behind a Close frame.
// Source: RFC 6455 §5.5.1, §7; family 7 of the Autobahn test suite.

import { unhex } from '../../support/peers.ts';
import {
  type Case,
  CLOSED,
  chop,
  closes,
  closing,
  echoed,
  FAILED,
  FIN,
  fails,
  fragments,
  frame,
  OP,
  text,
  whole,
  write,
} from '../case.ts';
import { make, numbered, words } from './making.ts';

const SECTION = 'RFC 6455 §5.5.1';
const HELLO = text('Hello World!');

function behind(): Case[] {
  const after = (id: string, title: string, ...frames: Buffer[]): Case =>
    make(id, title, SECTION, { steps: [write(closing(1000), ...frames)], end: closes(1000) });
  const large = text(words(262_144));
  return [
    make('7.1.1', 'text, then close', SECTION, {
      steps: [write(whole(HELLO)), echoed(1), write(closing(1000))],
      messages: [HELLO],
      end: closes(1000),
    }),
    after('7.1.2', 'close twice', closing(1000)),
    after('7.1.3', 'ping behind close', frame(OP.ping)),
    after('7.1.4', 'text behind close', whole(HELLO)),
    make('7.1.5', 'close between two fragments', SECTION, {
      steps: [write(frame(OP.text, 'fragment1', { fin: false }), closing(1000), frame(OP.more, 'fragment2'))],
      end: closes(1000),
    }),
    make('7.1.6', 'text of 256 KiB, close, ping', SECTION, {
      steps: [write(whole(large)), echoed(1), write(closing(1000), frame(OP.ping))],
      messages: [large],
      end: closes(1000),
    }),
    after('7.1.7', 'a reserved opcode behind close', frame(3, 'x')),
    after('7.1.8', 'a text that is no UTF-8 behind close', frame(OP.text, unhex('ff'))),
    after('7.1.9', 'bytes that are no frame behind close', Buffer.alloc(100, 0xff)),
    make('7.1.10', 'texts and a close in one write', SECTION, {
      steps: [write(whole(HELLO), whole(HELLO), closing(1000))],
      perhaps: [HELLO, HELLO],
      end: closes(1000),
    }),
    make('7.1.11', 'close, byte by byte', SECTION, {
      steps: [chop(1, closing(1000, 'bye'))],
      end: closes(1000),
    }),
    make('7.1.12', 'ping, then close, in one write', 'RFC 6455 §5.5.2', {
      steps: [write(frame(OP.ping, 'last'), closing(1001))],
      pongs: [Buffer.from('last')],
      end: closes(1001),
    }),
    make('7.1.13', 'close, and at once the end of TCP', 'RFC 6455 §7.1.1', {
      steps: [write(closing(1000)), FIN],
      end: closes(1000),
    }),
    make('7.1.14', 'the end of TCP without a close', 'RFC 6455 §7.1.5', {
      steps: [write(whole(HELLO)), echoed(1)],
      messages: [HELLO],
      end: { type: 'lost' },
    }),
    make('7.1.15', 'the end of TCP within a frame', 'RFC 6455 §7.1.5', {
      steps: [write(frame(OP.text, 'Hel', { length: 5n }))],
      end: { type: 'lost' },
    }),
    make('7.1.16', 'the end of TCP between two fragments', 'RFC 6455 §7.1.5', {
      steps: [write(frame(OP.text, 'Hel', { fin: false }))],
      end: { type: 'lost' },
    }),
  ];
}

/** The client says Close first. */
function first(): Case[] {
  const mine = (id: string, title: string, code: number, reason: string, ...between: Buffer[]): Case =>
    make(id, title, SECTION, {
      client: { closes: { after: 1, code, reason } },
      steps: [
        write(whole(HELLO)),
        echoed(1),
        CLOSED,
        ...between.map((one) => write(one)),
        write(closing(code)),
        FIN,
      ],
      messages: [HELLO],
      end: closes(code, reason),
    });
  return [
    mine('7.2.1', 'the client closes', 1000, ''),
    mine('7.2.2', 'the client closes with a reason', 1000, 'bye'),
    mine('7.2.3', 'the client closes with a code of its own', 4321, 'κόσμε'),
    mine('7.2.4', 'the client closes, and texts come before the answer', 1000, 'bye', whole(HELLO)),
    mine('7.2.5', 'the client closes, and a ping comes before the answer', 1000, 'bye', frame(OP.ping, 'x')),
    mine(
      '7.2.6',
      'the client closes, and fragments come before the answer',
      1000,
      'bye',
      ...fragments(OP.text, ['a', 'b']),
    ),
    mine(
      '7.2.7',
      'the client closes, and half a message comes before the answer',
      1000,
      'bye',
      frame(OP.text, 'a', { fin: false }),
    ),
    mine('7.2.8', 'the client closes with a reason of 123 bytes', 1000, 'x'.repeat(123)),
  ];
}

function payloads(): Case[] {
  const fine = (id: string, title: string, code: number | undefined, reason: Buffer): Case =>
    make(id, title, SECTION, { steps: [write(closing(code, reason))], end: closes(code) });
  const wrong = (id: string, title: string, bytes: Buffer, ...codes: number[]): Case =>
    make(id, title, SECTION, { steps: [write(frame(OP.close, bytes))], end: fails(...codes) });
  const reason = (bytes: Buffer): Buffer => Buffer.concat([Buffer.of(3, 232), bytes]);
  return [
    fine('7.3.1', 'close without payload', undefined, Buffer.alloc(0)),
    wrong('7.3.2', 'close with a payload of one byte', Buffer.of(3), 1002),
    fine('7.3.3', 'close with a code', 1000, Buffer.alloc(0)),
    fine('7.3.4', 'close with a reason', 1000, Buffer.from('Hello World!')),
    fine('7.3.5', 'close with a reason of 123 bytes', 1000, Buffer.alloc(123, '*')),
    wrong('7.3.6', 'close with a reason of 124 bytes', reason(Buffer.alloc(124, '*')), 1002),
    fine('7.3.7', 'close with a reason in characters of one to four bytes', 1000, Buffer.from('aä€😀')),
    make('7.3.8', 'header of a close of 300 bytes, of which the payload never comes', 'RFC 6455 §5.5', {
      steps: [write(frame(OP.close, '', { length: 300n })), FAILED],
      end: fails(1002),
    }),
    wrong(
      '7.5.1',
      'close with a reason that is no UTF-8',
      reason(unhex('cebae1bdb9cf83cebcceb5eda080656469746564')),
      1007,
    ),
    wrong('7.5.2', 'close with a reason that ends within a character', reason(unhex('e2 82')), 1007),
    wrong('7.5.3', 'close with a reason of one byte that is no UTF-8', reason(unhex('ff')), 1007),
  ];
}

const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
/** Registered since (IANA, WebSocket Close Code Number Registry). */
const REGISTERED = [1012, 1013, 1014];
const INVALID = [0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999];
const BEYOND = [5000, 65_535];

function codes(): Case[] {
  const section = 'RFC 6455 §7.4';
  const refused = (id: string, code: number, informational?: true): Case =>
    make(id, `close with code ${code}, which nobody may use`, section, {
      ...(informational && { informational }),
      steps: [write(closing(code))],
      end: fails(1002),
    });
  return [
    ...numbered('7.7', VALID, (id, code) =>
      make(id, `close with code ${code}`, section, { steps: [write(closing(code))], end: closes(code) }),
    ),
    ...numbered('7.8', REGISTERED, (id, code) =>
      make(id, `close with code ${code}, registered later`, section, {
        informational: true,
        steps: [write(closing(code))],
        end: closes(code),
      }),
    ),
    ...numbered('7.9', INVALID, (id, code) => refused(id, code)),
    ...numbered('7.13', BEYOND, (id, code) => refused(id, code, true)),
    make('7.10.1', 'close with code 1005 and a reason', section, {
      steps: [write(closing(1005, 'reason'))],
      end: fails(1002),
    }),
  ];
}

export const CLOSINGS: readonly Case[] = [...behind(), ...first(), ...payloads(), ...codes()];
