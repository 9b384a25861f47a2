// socks-machine — the machine of SOCKS5, fed by hand, what it does in words, and random servers for it.
// Used by test/protocol/socks*.test.ts and test/tunnels/socks*.test.ts.
// Invariant: what the machine is given is in memory that changes right after: what it keeps is a copy.

import { greet, received, type SocksAsk, type SocksStep } from '../../lib/protocol/socks.ts';

export const HOP = 'socks5://proxy.example:1080';
export const USER = { username: 'joe', password: 'hush' };

export const unhex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function ask(more: Partial<SocksAsk> = {}): SocksAsk {
  return { destination: { host: 'example.com', port: 443 }, credentials: undefined, hop: HOP, ...more };
}

/** What a step led to, in words: `send 050100`, `admitted`, `up <rest>`, `fail <reason>: <message>`. */
export function wordsOf({ commands }: SocksStep): string[] {
  return commands.map((command) => {
    switch (command.type) {
      case 'send':
        return `send ${hexOf(command.bytes)}`;
      case 'admitted':
        return 'admitted';
      case 'up':
        return `up ${hexOf(command.rest)}`;
      case 'fail':
        return `fail ${command.error.reason}: ${command.error.message}`;
      default:
        return command satisfies never;
    }
  });
}

/** All that a server's bytes lead to, given in these parts. What comes behind the end of the machine is the next room's:
 *  it is added to `up`. */
export function run(from: SocksAsk, parts: readonly Uint8Array[]): string[] {
  let step = greet(from);
  const words = wordsOf(step);
  let behind = '';
  for (const part of parts) {
    if (step.state.name === 'up') {
      behind += hexOf(part);
      continue;
    }
    const memory = new Uint8Array(part);
    step = received(step.state, memory);
    words.push(...wordsOf(step));
    memory.fill(0xee);
  }
  return words.map((word) => (word.startsWith('up ') ? word + behind : word));
}

/** Noise, or a good conversation with a few bytes changed, gone or put in. */
export function randomAnswer(roll: (below: number) => number, password: boolean): Uint8Array {
  if (roll(8) === 0) return Uint8Array.from({ length: roll(40) }, () => roll(256));
  const name = `03 05 ${'61'.repeat(5)}`;
  const address = ['01 7f000001', `04 ${'00'.repeat(16)}`, name, '03 00'][roll(4)] ?? '';
  const method = password && roll(2) === 0 ? '05 02 01 00' : '05 00';
  let bytes = [...unhex(`${method} 05 00 00 ${address} 1f90 ${'cafe'.repeat(roll(4))}`)];
  for (let times = roll(3); times > 0; times--) {
    const at = roll(Math.min(bytes.length, 8));
    const what = roll(4);
    const byte = [roll(256), roll(10), 0xff][roll(3)] ?? 0;
    if (what === 0) bytes.splice(at, 1);
    else if (what === 1) bytes.splice(at, 0, byte);
    else if (what === 2) bytes = bytes.slice(0, roll(bytes.length + 1));
    else bytes[at] = byte;
  }
  return Uint8Array.from(bytes);
}
