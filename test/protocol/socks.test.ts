import { expect } from 'chai';
import { ConnectionError, OptionError } from '../../lib/errors.ts';
import { ended, greet, received, type SocksAsk, type SocksState } from '../../lib/protocol/socks.ts';
import { ask, HOP, run, USER, unhex, wordsOf } from '../support/socks-machine.ts';

const CONNECT = '05 01 00 03 0b 6578616d706c652e636f6d 01bb';
const SIGN_IN = '01 03 6a6f65 04 68757368';
const plain = (hex: string): string => hex.replaceAll(' ', '');

/** The same however the bytes are cut: whole, in two at each place, in three, one by one. */
function always(from: SocksAsk, hex: string): string[] {
  const bytes = unhex(hex);
  const cuts: Uint8Array[][] = [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))];
  for (let a = 0; a <= bytes.length; a++) {
    cuts.push([bytes.subarray(0, a), bytes.subarray(a)]);
    for (let b = a + 1; b <= Math.min(bytes.length, a + 8); b++) {
      cuts.push([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]);
    }
  }
  const results = new Set(cuts.map((parts) => JSON.stringify(run(from, parts))));
  expect([...results]).to.have.length(1);
  return JSON.parse([...results][0] ?? '');
}

/** How it failed: its reason, and its message without what all begin with. */
function failure(from: SocksAsk, hex: string): string {
  const words = always(from, hex);
  expect(words.filter((word) => /^(up|fail)/.test(word))).to.have.length(1);
  const last = words.at(-1) ?? '';
  expect(last).to.match(/^fail \S+: SOCKS5 to example\.com:443: /);
  return last.replace(/^fail /, '').replace('SOCKS5 to example.com:443: ', '');
}

/** The error behind some bytes of the server's. */
function errorOf(state: SocksState, hex: string): ConnectionError {
  const [command] = received(state, unhex(hex)).commands.slice(-1);
  if (command?.type !== 'fail') throw new Error('it did not fail');
  return command.error;
}

const replied = (hex: string): string => `05 00 ${hex}`;

describe('socks', () => {
  describe('what is said', () => {
    it('offers no authentication, and asks for a name (RFC 1928 §3, §4; socks_SUITE socks5_tcp_http_none)', () => {
      expect(always(ask(), '05 00 05 00 00 01 7f000001 1f90')).to.deep.equal([
        'send 050100',
        `send ${plain(CONNECT)}`,
        'admitted',
        'up ',
      ]);
    });

    it('offers a password beside it, and gives it when asked (RFC 1929 §2; socks_SUITE socks5_tcp_http_username_password)', () => {
      expect(always(ask({ credentials: USER }), '05 02 01 00 05 00 00 01 7f000001 1f90')).to.deep.equal([
        'send 05020002',
        `send ${plain(SIGN_IN)}`,
        `send ${plain(CONNECT)}`,
        'admitted',
        'up ',
      ]);
    });

    it('keeps the password where the server does not ask for it', () => {
      expect(always(ask({ credentials: USER }), '05 00 05 00 00 01 7f000001 1f90')).to.deep.equal([
        'send 05020002',
        `send ${plain(CONNECT)}`,
        'admitted',
        'up ',
      ]);
    });

    for (const [host, address] of [
      ['127.0.0.1', '01 7f000001'],
      ['255.255.255.255', '01 ffffffff'],
      ['0.0.0.0', '01 00000000'],
      ['::1', '04 00000000000000000000000000000001'],
      ['::', '04 00000000000000000000000000000000'],
      ['1::', '04 00010000000000000000000000000000'],
      ['2001:db8::8a2e:370:7334', '04 20010db8000000000000 8a2e03707334'],
      ['2001:DB8:0:1:2:3:4:5', '04 20010db8000000010002000300040005'],
      ['1:2:3:4:5:6:7::', '04 0001000200030004000500060007 0000'],
      ['::2:3:4:5:6:7:8', '04 00000002000300040005000600070008'],
      ['::ffff:192.0.2.33', '04 00000000000000000000ffffc0000221'],
      ['64:ff9b:1:2:3:4:192.0.2.33', '04 0064ff9b0001000200030004c0000221'],
      ['a', '03 01 61'],
      ['1.2.3', '03 05 312e322e33'],
      ['1.2.3.256', '03 09 312e322e332e323536'],
      ['01.2.3.4', '03 08 30312e322e332e34'],
      ['1::2::3', '03 07 313a3a323a3a33'],
      ['1:2:3:4:5:6:7', '03 0d 313a323a333a343a353a363a37'],
      ['1:2:3:4::5:6:7:8', '03 10 313a323a333a343a3a353a363a373a38'],
      ['1.2.3.4::', '03 09 312e322e332e343a3a'],
      ['12345::', '03 07 31323334353a3a'],
      ['bücher.example', '03 0f 62c3bc636865722e6578616d706c65'],
    ] as const) {
      it(`asks for ${host} as ${address.slice(0, 2)} (RFC 1928 §5)`, () => {
        const words = run(ask({ destination: { host, port: 65_535 } }), [unhex('05 00')]);
        expect(words[1]).to.equal(`send ${plain(`05 01 00 ${address} ffff`)}`);
      });
    }

    it('says ports in two bytes, the high one first', () => {
      for (const [port, hex] of [
        [1, '0001'],
        [80, '0050'],
        [256, '0100'],
        [8080, '1f90'],
      ] as const) {
        const [, request] = run(ask({ destination: { host: 'a', port } }), [unhex('05 00')]);
        expect(request).to.equal(`send ${plain(`05 01 00 03 01 61 ${hex}`)}`);
      }
    });

    it('takes names, user names and passwords of 1 to 255 bytes, and no others (RFC 1928 §5, RFC 1929 §2)', () => {
      const most = `${'é'.repeat(127)}x`;
      const full = `ff ${'c3a9'.repeat(127)}78`;
      const destination = { host: most, port: 443 };
      const credentials = { username: most, password: most };
      expect(run(ask({ destination, credentials }), [unhex('05 02'), unhex('01 00')])).to.deep.equal([
        'send 05020002',
        `send ${plain(`01 ${full} ${full}`)}`,
        `send ${plain(`05 01 00 03 ${full} 01bb`)}`,
        'admitted',
      ]);
      for (const [name, given] of [
        ['host', { destination: { host: `${most}x`, port: 443 } }],
        ['username', { credentials: { ...USER, username: `${most}x` } }],
        ['password', { credentials: { ...USER, password: `${most}x` } }],
      ] as const) {
        expect(() => greet(ask(given))).to.throw(
          OptionError,
          `${name} must be 1 to 255 bytes for a SOCKS server, got 256 bytes`,
        );
      }
      for (const credentials of [
        { username: '', password: 'x' },
        { username: 'x', password: '' },
      ]) {
        expect(() => greet(ask({ credentials }))).to.throw(OptionError, 'got 0 bytes');
      }
    });
  });

  describe('what is answered', () => {
    const SIMPLE = ['send 050100', `send ${plain(CONNECT)}`, 'admitted'];

    for (const [what, address] of [
      ['an IPv4 address', '01 7f000001'],
      ['an IPv6 address', `04 ${'00'.repeat(15)}01`],
      ['a name of one byte', '03 01 61'],
      ['a name of 255 bytes', `03 ff ${'61'.repeat(255)}`],
    ] as const) {
      it(`is a tunnel with ${what} in it, and gives back what is behind (RFC 1928 §6)`, () => {
        const reply = replied(`05 00 00 ${address} 1f90`);
        expect(always(ask(), reply)).to.deep.equal([...SIMPLE, 'up ']);
        expect(always(ask(), `${reply} 00`)).to.deep.equal([...SIMPLE, 'up 00']);
        const after = '48692c20 05 00 05 01 00';
        expect(always(ask(), `${reply} ${after}`)).to.deep.equal([...SIMPLE, `up ${plain(after)}`]);
        // Each byte less, and it is not there yet.
        const bytes = unhex(reply);
        for (let length = 2; length < bytes.length; length++) {
          expect(run(ask(), [bytes.subarray(0, length)])).to.deep.equal(SIMPLE);
        }
      });
    }

    it('gives back what is behind in memory of its own', () => {
      const bytes = unhex(replied('05 00 00 01 00000000 0000 4869'));
      const [, , up] = received(greet(ask()).state, bytes).commands;
      bytes.fill(0);
      expect(up).to.deep.equal({ type: 'up', rest: unhex('4869') });
    });

    it('wants nothing more after its end', () => {
      const up = received(greet(ask()).state, unhex(replied('05 00 00 01 00000000 0000'))).state;
      const failed = received(greet(ask()).state, unhex('04')).state;
      for (const state of [up, failed]) {
        expect(received(state, unhex('05 00'))).to.deep.equal({ state, commands: [] });
        expect(ended(state)).to.deep.equal({ state, commands: [] });
      }
    });
  });

  describe('failures', () => {
    for (const [code, reason] of [
      [1, 'general-failure'],
      [2, 'not-allowed'],
      [3, 'network-unreachable'],
      [4, 'host-unreachable'],
      [5, 'connection-refused'],
      [6, 'ttl-expired'],
      [7, 'command-not-supported'],
      [8, 'address-type-not-supported'],
    ] as const) {
      it(`tells reply ${code} as ${reason} (RFC 1928 §6)`, () => {
        const said = `${reason}: the server replied ${reason} (${code})`;
        expect(failure(ask(), replied(`05 0${code} 00 01 00000000 0000`))).to.equal(said);
        // Some say no more than that, and close.
        expect(failure(ask(), replied(`05 0${code}`))).to.equal(said);
        expect(failure(ask({ credentials: USER }), `05 02 01 00 05 0${code}`)).to.equal(said);
      });
    }

    it('tells each code that is not assigned', () => {
      for (let code = 9; code <= 255; code++) {
        const hex = code.toString(16).padStart(2, '0');
        expect(failure(ask(), replied(`05 ${hex}`))).to.equal(
          `unassigned-reply: the server replied ${code}, which is not assigned`,
        );
      }
    });

    for (const [what, hex, said, credentials] of [
      ['SOCKS4', '00 5a', 'wrong-version: the server answered with version 0, not 5'],
      ['HTTP', '48 54 54 50', 'wrong-version: the server answered with version 72, not 5'],
      [
        'another version behind the greeting',
        replied('04'),
        'wrong-version: the server answered with version 4, not 5',
      ],
      [
        'no method that it accepts (RFC 1928 §3)',
        '05 ff',
        'no-acceptable-method: the server accepts no method that was offered (none)',
      ],
      [
        'none of two methods that it accepts',
        '05 ff',
        'no-acceptable-method: the server accepts no method that was offered (none, and user name and password)',
        USER,
      ],
      [
        'a password, which was not offered',
        '05 02',
        'method-not-offered: the server chose method 2, which was not offered',
      ],
      ['GSSAPI', '05 01', 'method-not-offered: the server chose method 1, which was not offered', USER],
      [
        'a password that is refused (RFC 1929 §2)',
        '05 02 01 01',
        'auth-failed: the server refused the user name or password (status 1)',
        USER,
      ],
      [
        'a password that is refused with another status',
        '05 02 01 ff',
        'auth-failed: the server refused the user name or password (status 255)',
        USER,
      ],
      [
        'a password that is answered in another version',
        '05 02 05 00',
        'wrong-auth-version: the server answered the password with version 5, not 1',
        USER,
      ],
      [
        'the reserved byte set',
        replied('05 00 01 01'),
        'reserved-byte: the server set the reserved byte of its reply to 1',
      ],
      [
        'an address type that there is not',
        replied('05 00 00 02'),
        'bad-address-type: the server replied with address type 2',
      ],
      [
        'an address type of zero',
        replied('05 00 00 00'),
        'bad-address-type: the server replied with address type 0',
      ],
      [
        'a name of no bytes',
        replied('05 00 00 03 00 0000'),
        'empty-name: the server replied with a name of no bytes',
      ],
    ] as const) {
      it(`tells ${what}, whatever follows`, () => {
        for (const more of ['', '00', 'ff00ff00ff00ff00']) {
          expect(failure(ask({ credentials }), hex + more)).to.equal(said);
        }
      });
    }

    it('are told at the byte that shows them', () => {
      const { state } = greet(ask());
      expect(errorOf(state, '06').reason).to.equal('wrong-version');
      const asked = received(state, unhex('05 00')).state;
      expect(errorOf(asked, '05 01').reason).to.equal('general-failure');
      expect(errorOf(asked, '05 00 07').reason).to.equal('reserved-byte');
      expect(errorOf(asked, '05 00 00 05').reason).to.equal('bad-address-type');
    });

    it('are connection errors that name the hop', () => {
      const error = errorOf(greet(ask()).state, '05 ff');
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error).to.include({ code: 'ERR_GUNPORT_PROXY', phase: 'connect', hop: HOP });
    });

    it('name the destination as it is written with a port', () => {
      const six = errorOf(greet(ask({ destination: { host: '::1', port: 80 } })).state, '04');
      expect(six.message).to.match(/^SOCKS5 to \[::1\]:80: /);
    });

    it('never have a user name or password in them', () => {
      const credentials = { username: 'sesame-user', password: 'sesame-pass' };
      const texts: string[] = [];
      const { state } = greet(ask({ credentials }));
      for (const hex of ['04', '05 ff', '05 07', '05 02 05', '05 02 01 09', '05 02 01 00 05 05']) {
        texts.push(JSON.stringify(errorOf(state, hex)), String(errorOf(state, hex).stack));
      }
      try {
        greet(ask({ credentials: { username: 'sesame-user', password: 'sesame'.repeat(99) } }));
      } catch (error) {
        texts.push(String(error));
      }
      expect(texts).to.have.length(13);
      for (const text of texts) expect(text).to.not.include('sesame');
    });
  });

  describe('an end of the socket', () => {
    for (const [hex, awaited] of [
      ['', 'chosen a method'],
      ['05', 'chosen a method'],
      ['05 02', 'judged the password'],
      ['05 02 01', 'judged the password'],
      ['05 02 01 00', 'replied'],
      ['05 00', 'replied'],
      ['05 00 05 00 00 01 00', 'replied'],
    ] as const) {
      it(`behind ${hex === '' ? 'nothing' : hex} says what was awaited, and why it was lost`, () => {
        const { state } = received(greet(ask({ credentials: USER })).state, unhex(hex));
        const step = ended(state, new Error('reset'));
        expect(wordsOf(step)).to.deep.equal([
          `fail closed: SOCKS5 to example.com:443: the server closed the connection before it had ${awaited}`,
        ]);
        const [command] = step.commands;
        expect(command?.type === 'fail' && command.error.cause).to.have.property('message', 'reset');
        expect(step.state).to.deep.equal({ name: 'failed' });
        expect(wordsOf(ended(state))).to.deep.equal(wordsOf(step));
      });
    }
  });
});
