import { expect } from 'chai';
import { OPCODE, readHeader } from '../../lib/protocol/frames.ts';
import {
  close,
  ended,
  failed,
  judge,
  lost,
  MOST_CONTROL,
  notDeflate,
  notUtf8,
  OPEN,
  received,
  tooBig,
  type WsCommand,
  type WsLimits,
  type WsState,
} from '../../lib/protocol/websocket.ts';
import { unhex } from '../support/peers.ts';

const LIMITS: WsLimits = { maxPayload: 1000, maxFragments: 4, deflate: false };

interface Talk {
  readonly state: WsState;
  readonly commands: readonly WsCommand[];
}

interface Given {
  readonly limits?: Partial<WsLimits>;
  readonly state?: WsState;
  readonly now?: number;
  readonly expected?: boolean;
}

/** Feeds frames, in hex, to the machine as its driver does: judged by header, then received whole. */
function feed(hex: string, given: Given = {}): Talk {
  const limits = { ...LIMITS, ...given.limits };
  let { state = OPEN } = given;
  const commands: WsCommand[] = [];
  const bytes = unhex(hex);
  for (let at = 0; at < bytes.length; ) {
    const header = readHeader(bytes, at, bytes.length);
    if (!header) throw new Error('half a header');
    const wrong = judge(state, header, limits);
    const payload = bytes.subarray(header.start, header.start + header.length);
    const { now = 0, expected = false } = given;
    const step = wrong ? failed(state, wrong) : received(state, header, payload, { now, expected });
    state = step.state;
    commands.push(...step.commands);
    if (wrong) break;
    at = header.start + header.length;
  }
  return { state, commands };
}

/** What it would do, in words. */
function words(talk: Talk): string[] {
  return talk.commands.map((command) => {
    switch (command.type) {
      case 'pong':
      case 'collect':
        return `${command.type} ${Buffer.from(command.payload)}`.trim();
      case 'deliver': {
        const kind = `${command.compressed ? 'compressed ' : ''}${command.text ? 'text' : 'binary'}`;
        return `${kind} ${Buffer.from(command.payload)}`.trim();
      }
      case 'close':
        return `close ${command.code} ${command.reason}`.trim();
      case 'awaitEnd':
        return 'awaitEnd';
      case 'finish': {
        const { code, reason, wasClean, error } = command.end;
        return `finish ${code} ${reason}${wasClean ? 'clean' : 'unclean'}${error ? ` ${error.code}` : ''}`;
      }
      default:
        return command satisfies never;
    }
  });
}

/** The code that the peer is told when it sends this. */
function refused(hex: string, given: Given = {}): { code: unknown; error: string } {
  const talk = feed(hex, given);
  const { state } = talk;
  if (state.name !== 'failed') throw new Error(`it is ${state.name}: ${words(talk)}`);
  const code = state.end.error?.reason;
  expect(words(talk).slice(-2)).to.deep.equal([`close ${code}`, 'awaitEnd']);
  expect(state.end).to.include({ code: 1006, wasClean: false });
  expect(state.end.error).to.include({ name: 'ConnectionError', phase: 'protocol' });
  return { code, error: state.end.error!.code };
}

const PROTOCOL = { code: 1002, error: 'ERR_GUNPORT_PROTOCOL' };
const TOO_BIG = { code: 1009, error: 'ERR_GUNPORT_TOO_BIG' };

describe('websocket machine', () => {
  describe('data', () => {
    it('delivers whole messages', () => {
      expect(words(feed('81 05 48656c6c6f  82 01 78  81 00'))).to.deep.equal([
        'text Hello',
        'binary x',
        'text',
      ]);
    });

    it('puts fragments together, control frames between them included (RFC 6455 §5.4)', () => {
      const talk = feed('01 03 48656c  89 01 70  00 00  8a 01 71  80 02 6c6f  82 01 78');
      expect(words(talk)).to.deep.equal(['collect Hel', 'pong p', 'collect', 'text lo', 'binary x']);
      expect(talk.state).to.deep.include({ name: 'open', message: undefined });
    });

    it('knows a compressed message by the RSV1 of its first frame (RFC 7692 §6.1)', () => {
      const limits = { deflate: true };
      expect(words(feed('41 01 61  00 01 62  80 01 63', { limits }))).to.deep.equal([
        'collect a',
        'collect b',
        'compressed text c',
      ]);
      expect(words(feed('c2 01 61  82 01 62', { limits }))).to.deep.equal([
        'compressed binary a',
        'binary b',
      ]);
    });

    it('fails a continuation of nothing, and a message within another (RFC 6455 §5.4)', () => {
      expect(refused('80 01 61')).to.deep.equal(PROTOCOL);
      expect(refused('00 01 61')).to.deep.equal(PROTOCOL);
      expect(refused('01 01 61  81 01 62')).to.deep.equal(PROTOCOL);
      expect(refused('01 01 61  02 01 62')).to.deep.equal(PROTOCOL);
      expect(refused('01 01 61  80 01 62  80 01 63')).to.deep.equal(PROTOCOL);
    });
  });

  describe('what is judged by the header alone', () => {
    it('fails a masked frame (RFC 6455 §5.1)', () => {
      expect(refused('81 81 01020304 60')).to.deep.equal(PROTOCOL);
      expect(refused('89 80 01020304')).to.deep.equal(PROTOCOL);
    });

    it('fails reserved bits that nobody agreed on (RFC 6455 §5.2)', () => {
      for (const first of ['91', 'a1', 'b1', 'c1', 'd1', 'f1', 'c9', '99', 'c8']) {
        expect(refused(`${first} 00`), first).to.deep.equal(PROTOCOL);
      }
    });

    it('allows RSV1 on the first frame of a message only, with permessage-deflate (RFC 7692 §6.1)', () => {
      const limits = { deflate: true };
      for (const first of ['91', 'a1', 'd1', 'e1', 'c9', 'ca', 'c8']) {
        expect(refused(`${first} 00`, { limits }), first).to.deep.equal(PROTOCOL);
      }
      expect(refused('41 01 61  c0 01 62', { limits })).to.deep.equal(PROTOCOL);
    });

    it('fails opcodes that mean nothing (RFC 6455 §5.2)', () => {
      for (const opcode of ['3', '4', '5', '6', '7', 'b', 'c', 'd', 'e', 'f']) {
        expect(refused(`8${opcode} 00`), opcode).to.deep.equal(PROTOCOL);
        expect(refused(`0${opcode} 00`), opcode).to.deep.equal(PROTOCOL);
      }
    });

    it('fails a length that is not written as short as can be (RFC 6455 §5.2)', () => {
      expect(refused('81 7e 0000')).to.deep.equal(PROTOCOL);
      expect(refused('81 7e 007d')).to.deep.equal(PROTOCOL);
      expect(refused('82 7f 000000000000007d')).to.deep.equal(PROTOCOL);
      expect(refused('82 7f 000000000000ffff')).to.deep.equal(PROTOCOL);
      expect(refused('89 7e 0001 61')).to.deep.equal(PROTOCOL);
      const limits = { maxPayload: 1e6 };
      expect(words(feed(`82 7f 0000000000010000 ${'61'.repeat(65_536)}`, { limits }))).to.have.lengthOf(1);
    });

    it('fails control frames that are long or fragmented (RFC 6455 §5.5)', () => {
      expect(refused('89 7e 007e')).to.deep.equal(PROTOCOL);
      for (const first of ['08', '09', '0a']) expect(refused(`${first} 00`), first).to.deep.equal(PROTOCOL);
      expect(words(feed(`89 7d ${'61'.repeat(125)}`))).to.deep.equal([`pong ${'a'.repeat(125)}`]);
    });

    it('fails a message above maxPayload, declared or summed up, with 1009', () => {
      expect(refused('82 7e 03e9')).to.deep.equal(TOO_BIG);
      expect(refused('82 7f 7fffffffffffffff')).to.deep.equal(TOO_BIG);
      expect(refused('82 7f ffffffffffffffff')).to.deep.equal(TOO_BIG);
      const limits = { maxPayload: 5 };
      expect(refused('02 03 616263  80 03', { limits })).to.deep.equal(TOO_BIG);
      expect(words(feed('02 03 616263  80 02 6465', { limits }))).to.deep.equal(['collect abc', 'binary de']);
      expect(refused('02 7f 7fffffffffffffff')).to.deep.equal(TOO_BIG);
    });

    it('fails more than maxFragments, empty ones included, with 1009', () => {
      expect(words(feed('01 00  00 00  00 00  80 01 61'))).to.deep.equal([
        'collect',
        'collect',
        'collect',
        'text a',
      ]);
      expect(refused('01 00  00 00  00 00  00 00  80 00')).to.deep.equal(TOO_BIG);
      expect(refused('01 00  00 00  00 00  00 00  00 00')).to.deep.equal(TOO_BIG);
      expect(words(feed('81 01 61', { limits: { maxFragments: 1 } }))).to.deep.equal(['text a']);
      expect(refused('01 01 61  80 01 62', { limits: { maxFragments: 1 } })).to.deep.equal(TOO_BIG);
    });
  });

  describe('control', () => {
    it('answers a ping with its payload (RFC 6455 §5.5.3)', () => {
      expect(words(feed('89 00  89 02 6869'))).to.deep.equal(['pong', 'pong hi']);
    });

    it('takes a pong that nobody asked for in silence (RFC 6455 §5.5.3)', () => {
      expect(words(feed('8a 02 6869'))).to.deep.equal([]);
    });

    it(`fails more than ${MOST_CONTROL} control frames within a second, with 1008`, () => {
      const flood = { code: 1008, error: 'ERR_GUNPORT_FLOOD' };
      expect(feed('89 00'.repeat(MOST_CONTROL)).state.name).to.equal('open');
      expect(refused('89 00'.repeat(MOST_CONTROL + 1))).to.deep.equal(flood);
      expect(refused('8a 00'.repeat(MOST_CONTROL + 1))).to.deep.equal(flood);
      const within = feed('89 00'.repeat(MOST_CONTROL));
      expect(refused('89 00', { state: within.state, now: 999 })).to.deep.equal(flood);
    });

    it('counts anew each second', () => {
      let { state } = feed('89 00'.repeat(MOST_CONTROL));
      for (let now = 1_000; now < 5_000; now += 1_000) {
        ({ state } = feed('89 00'.repeat(MOST_CONTROL), { state, now }));
        expect(state.name).to.equal('open');
      }
    });

    it('does not count the pongs that answer our pings', () => {
      const { state, commands } = feed('8a 00'.repeat(3 * MOST_CONTROL), { expected: true });
      expect(state).to.equal(OPEN);
      expect(commands).to.deep.equal([]);
    });
  });

  describe('closing', () => {
    it('echoes the code, not the reason, and waits for the end (RFC 6455 §5.5.1, §7.1.1)', () => {
      const talk = feed('88 05 03e8 627965');
      expect(words(talk)).to.deep.equal(['close 1000', 'awaitEnd']);
      expect(words(ended(talk.state, undefined))).to.deep.equal(['finish 1000 byeclean']);
    });

    it('takes a Close without a code as 1005, and answers with none (RFC 6455 §7.1.5)', () => {
      const talk = feed('88 00');
      expect(words(talk)).to.deep.equal(['close undefined', 'awaitEnd']);
      expect(words(ended(talk.state, undefined))).to.deep.equal(['finish 1005 clean']);
    });

    it('is clean however the socket ends once both have said close', () => {
      const { state } = feed('88 02 0fa0');
      expect(words(ended(state, lost('reset')))).to.deep.equal(['finish 4000 clean']);
    });

    it('says close, waits for theirs, and does not answer it again', () => {
      const ours = close(OPEN, 1001, 'away');
      expect(words(ours)).to.deep.equal(['close 1001 away', 'awaitEnd']);
      const theirs = feed('88 02 03e9', { state: ours.state });
      expect(words(theirs)).to.deep.equal(['awaitEnd']);
      expect(words(ended(theirs.state, undefined))).to.deep.equal(['finish 1001 clean']);
    });

    it('drops all but their Close after its own, pings included (RFC 6455 §5.5.1)', () => {
      const { state } = close(OPEN, 1000, '');
      expect(words(feed('81 01 61  89 00  01 01 62  80 01 63  88 02 03e8', { state }))).to.deep.equal([
        'awaitEnd',
      ]);
    });

    it('drops the rest of a message that had begun before its own Close', () => {
      const begun = feed('01 01 61');
      const { state } = close(begun.state, 1000, '');
      expect(words(feed('80 01 62  88 00', { state }))).to.deep.equal(['awaitEnd']);
    });

    it('gives up unclean, without an error, when theirs never comes', () => {
      const { state } = close(OPEN, 1000, '');
      expect(words(ended(state, undefined))).to.deep.equal(['finish 1006 unclean']);
    });

    it('says close once', () => {
      const { state } = close(OPEN, 1000, '');
      expect(words(close(state, 1001, ''))).to.deep.equal([]);
      expect(words(close(feed('88 00').state, 1000, ''))).to.deep.equal([]);
    });

    it('takes the codes that may be sent, and fails the others with 1002 (RFC 6455 §7.4)', () => {
      const sent = (code: number) => `88 02 ${code.toString(16).padStart(4, '0')}`;
      for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1014, 3000, 3999, 4000, 4999]) {
        expect(words(feed(sent(code))), `${code}`).to.deep.equal([`close ${code}`, 'awaitEnd']);
      }
      for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
        expect(refused(sent(code)), `${code}`).to.deep.equal(PROTOCOL);
      }
    });

    it('fails a Close with half a code (RFC 6455 §5.5.1)', () => {
      expect(refused('88 01 03')).to.deep.equal(PROTOCOL);
    });

    it('fails a reason that is not UTF-8 with 1007 (RFC 6455 §5.5.1, §8.1)', () => {
      expect(refused('88 04 03e8 c328')).to.deep.equal({ code: 1007, error: 'ERR_GUNPORT_UTF8' });
      expect(words(feed('88 04 03e8 c3a9'))).to.deep.equal(['close 1000', 'awaitEnd']);
    });

    it('keeps a byte order mark in the reason', () => {
      const { state } = feed('88 06 03e8 efbbbf61');
      expect(words(ended(state, undefined))).to.deep.equal(['finish 1000 \ufeffaclean']);
    });
  });

  describe('ending', () => {
    it('ends unclean, with an error, when the socket goes without a Close (RFC 6455 §7.1.5)', () => {
      expect(words(ended(OPEN, undefined))).to.deep.equal(['finish 1006 unclean ERR_GUNPORT_CLOSED']);
      expect(words(ended(OPEN, lost('it was reset')))).to.deep.equal([
        'finish 1006 unclean ERR_GUNPORT_CLOSED',
      ]);
    });

    it('keeps the first failure as its end, and takes nothing after it', () => {
      const { state } = feed('c1 00');
      expect(words(feed('81 01 61  89 00  88 00', { state }))).to.deep.equal([]);
      expect(words(failed(state, notUtf8()))).to.deep.equal([]);
      expect(words(ended(state, lost('reset')))).to.deep.equal(['finish 1006 unclean ERR_GUNPORT_PROTOCOL']);
    });

    it('fails in the midst of closing without a second Close', () => {
      const { state } = close(OPEN, 1000, '');
      expect(words(feed('c1 00', { state }))).to.deep.equal(['awaitEnd']);
    });

    it('is done once', () => {
      const done = ended(OPEN, undefined).state;
      expect(done).to.deep.equal({ name: 'done' });
      expect(words(ended(done, undefined))).to.deep.equal([]);
      expect(words(close(done, 1000, ''))).to.deep.equal([]);
      expect(words(failed(done, notUtf8()))).to.deep.equal([]);
      expect(words(feed('81 01 61  89 00', { state: done }))).to.deep.equal([]);
    });

    it('tells the peer the code that its fault has', () => {
      for (const [error, code] of [
        [notUtf8(), 1007],
        [notDeflate('x'), 1007],
        [tooBig('x'), 1009],
      ] as const) {
        expect(words(failed(OPEN, error))).to.deep.equal([`close ${code}`, 'awaitEnd']);
      }
      expect(OPCODE.close).to.equal(8);
    });
  });
});
