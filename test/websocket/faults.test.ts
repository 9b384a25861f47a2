import { expect } from 'chai';
import type { Code, GunportError } from '../../lib/index.ts';
import { drain, feeds, frame, plain, untilClose } from '../support/feeds.ts';
import { unhex } from '../support/peers.ts';

interface Fault {
  readonly what: string;
  /** After a message that is fine. */
  readonly frames: string;
  readonly code: number;
  readonly error: Code;
  /** Messages that are delivered all the same, after `ok`. */
  readonly before?: readonly string[];
}

const PROTOCOL = { code: 1002, error: 'ERR_GUNPORT_PROTOCOL' } as const;
const UTF8 = { code: 1007, error: 'ERR_GUNPORT_UTF8' } as const;

const FAULTS: readonly Fault[] = [
  { what: 'a masked frame (RFC 6455 §5.1)', frames: '81 81 01020304 60', ...PROTOCOL },
  { what: 'a reserved bit (RFC 6455 §5.2)', frames: 'c1 01 61', ...PROTOCOL },
  { what: 'a reserved bit in a control frame (RFC 6455 §5.2)', frames: 'a9 00', ...PROTOCOL },
  { what: 'a data opcode that means nothing (RFC 6455 §5.2)', frames: '83 00', ...PROTOCOL },
  { what: 'a control opcode that means nothing (RFC 6455 §5.2)', frames: '8b 00', ...PROTOCOL },
  { what: 'a 16-bit length below 126 (RFC 6455 §5.2)', frames: '81 7e 0001 61', ...PROTOCOL },
  { what: 'a 64-bit length below 65 536 (RFC 6455 §5.2)', frames: '81 7f 0000000000000001 61', ...PROTOCOL },
  { what: 'a ping of 126 bytes (RFC 6455 §5.5)', frames: '89 7e 007e', ...PROTOCOL },
  { what: 'a ping in fragments (RFC 6455 §5.5)', frames: '09 00', ...PROTOCOL },
  { what: 'a continuation of nothing (RFC 6455 §5.4)', frames: '80 01 61', ...PROTOCOL },
  { what: 'a message within another (RFC 6455 §5.4)', frames: '01 01 61  81 01 62', ...PROTOCOL },
  { what: 'half a close code (RFC 6455 §5.5.1)', frames: '88 01 03', ...PROTOCOL },
  { what: 'a close code that may not be sent (RFC 6455 §7.4.1)', frames: '88 02 03ed', ...PROTOCOL },
  { what: 'a close reason that is not UTF-8 (RFC 6455 §8.1)', frames: '88 03 03e8 ff', ...UTF8 },
  { what: 'a text that is not UTF-8 (RFC 6455 §8.1)', frames: '81 02 c328', ...UTF8 },
  { what: 'a text that ends within a character (RFC 6455 §8.1)', frames: '81 02 e282', ...UTF8 },
  { what: 'a text with a surrogate (RFC 3629 §3)', frames: '81 03 eda080', ...UTF8 },
  { what: 'a text above U+10FFFF (RFC 3629 §3)', frames: '81 04 f4908080', ...UTF8 },
  { what: 'a text in overlong form (RFC 3629 §3)', frames: '81 02 c080', ...UTF8 },
  { what: 'a text in fragments that is not UTF-8 (RFC 6455 §8.1)', frames: '01 01 c3  80 01 28', ...UTF8 },
  { what: 'two halves of a character in two texts (RFC 6455 §5.6)', frames: '81 01 c3  81 01 a9', ...UTF8 },
  { what: 'a text that is not UTF-8, a broken frame behind it', frames: '81 02 c328  83 00', ...UTF8 },
  {
    what: 'a text that is not UTF-8, binaries before it',
    frames: '82 01 ff  81 01 61  82 01 fe  81 01 ff  82 01 01',
    before: ['<ff>', 'a', '<fe>'],
    ...UTF8,
  },
];

describe('a WebSocket whose server breaks the protocol', () => {
  const { talk } = feeds();

  for (const { what, frames, code, error, before = [] } of FAULTS) {
    it(`by ${what} fails it with ${code} and ${error}, after all that came before`, async () => {
      const { feed, server } = await talk();
      const told = untilClose(server);
      server.send(Buffer.concat([frame(0x81, 'ok'), unhex(frames), frame(0x81, 'never')]));
      const end = await drain(feed);
      expect(end.messages.map(plain)).to.deep.equal(['ok', ...before]);
      expect(end.error).to.include({ name: 'ConnectionError', code: error, phase: 'protocol', reason: code });
      expect(await told).to.deep.equal([`close ${code}`]);
      const result = await feed.closed;
      expect(result).to.include({ code: 1006, reason: '', wasClean: false });
      expect(result.error).to.include({ code: error });
      expect(feed.state).to.equal('closed');
    });

    it(`by ${what} does so at whatever byte it is cut`, async () => {
      const bytes = unhex(frames);
      for (let cut = 1; cut < bytes.length; cut++) {
        const { feed, server } = await talk();
        const told = untilClose(server);
        server.send(bytes.subarray(0, cut));
        await feed.connection.info().catch(() => {}); // It may be over by now.
        server.send(bytes.subarray(cut));
        const end = await drain(feed);
        expect(end.messages.map(plain), `cut at ${cut}`).to.deep.equal(before);
        expect(end.error, `cut at ${cut}`).to.include({ code: error, reason: code });
        expect(await told, `cut at ${cut}`).to.deep.equal([`close ${code}`]);
      }
    });
  }

  it('is told of in the answer to the upgrade already', async () => {
    const { feed, server } = await talk({}, { first: '81 01 61  81 01 ff' });
    const end = await drain(feed);
    expect(end.messages).to.deep.equal(['a']);
    expect(end.error).to.include(UTF8_ERROR);
    expect(await untilClose(server)).to.deep.equal(['close 1007']);
  });

  it('ends the connection process, with the fault as the last error', async () => {
    const { feed, server } = await talk();
    const monitor = feed.connection.monitor();
    server.send('c1 00');
    const down = await monitor.down;
    expect(down?.reason.kind).to.equal('normal');
    expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
  });

  it('settles what waits: pings, drained and awaits, with that error', async () => {
    const { feed, server } = await talk();
    const pending = [feed.ping(), feed.connection.await(feed)].map((promise) =>
      promise.then(
        () => 'resolved',
        (error: GunportError) => error.code,
      ),
    );
    server.send('c1 00');
    expect(await Promise.all(pending)).to.deep.equal(['ERR_GUNPORT_PROTOCOL', 'ERR_GUNPORT_PROTOCOL']);
  });
});

const UTF8_ERROR = { code: 'ERR_GUNPORT_UTF8', reason: 1007 };
