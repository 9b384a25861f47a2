// hostile-socks — SOCKS5 servers that are none, as a table, and the good one that comes after them.
// Driven by test/tunnels/socks-hostile.test.ts: each costs one connection to it and gives the error that is named.
// Invariant: behind an answer that breaks off, or says too little, the server says nothing more and keeps the connection
// open, so that what ends it is the client. Source: RFC 1928 §3 to §6, RFC 1929 §2.

import type { SocksReason } from '../../lib/protocol/socks.ts';
import { type Origin, origin, type Talk } from './origin.ts';
import { unhex } from './socks-machine.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What a client asked for. */
export interface SocksAsked {
  readonly methods: readonly number[];
  readonly login: Login | undefined;
  readonly type: number;
  /** As it is written: without brackets. */
  readonly host: string;
  readonly port: number;
}

export const OK = '05 00 00 01 7f000001 1f90';

/** Reads a greeting, and says what is given for it. */
export async function greeted(talk: Talk, answer = '05 00'): Promise<readonly number[]> {
  const [, count = 0] = await talk.take(2);
  const methods = [...(await talk.take(count))];
  await talk.write(unhex(answer));
  return methods;
}

/** Reads a user name and a password, and says what is given for them. */
export async function signedIn(talk: Talk, answer = '01 00'): Promise<Login> {
  const [, length = 0] = await talk.take(2);
  const username = (await talk.take(length)).toString();
  const [rest = 0] = await talk.take(1);
  const password = (await talk.take(rest)).toString();
  await talk.write(unhex(answer));
  return { username, password };
}

/** Reads a request, and says what is given for it. */
export async function asked(
  talk: Talk,
  answer: string = OK,
): Promise<Pick<SocksAsked, 'type' | 'host' | 'port'>> {
  const [, , , type = 0] = await talk.take(4);
  const [length = 0] = type === 3 ? await talk.take(1) : [type === 1 ? 4 : 16];
  const address = await talk.take(length);
  const port = (await talk.take(2)).readUInt16BE();
  await talk.write(unhex(answer));
  const host = type === 3 ? address.toString() : type === 1 ? address.join('.') : address.toString('hex');
  return { type, host, port };
}

/** The whole of it, as it should be; with a password where one is offered. */
export async function welcome(talk: Talk, answer: string = OK): Promise<SocksAsked> {
  const [, count = 0] = await talk.take(2);
  const methods = [...(await talk.take(count))];
  const wanted = methods.includes(2);
  await talk.write(unhex(wanted ? '05 02' : '05 00'));
  const login = wanted ? await signedIn(talk) : undefined;
  return { methods, login, ...(await asked(talk, answer)) };
}

/** The far end, on the same socket: it answers with the path. */
export async function echoes(talk: Talk): Promise<never> {
  for (;;) {
    const { path } = await talk.request();
    await talk.answer(200, path);
  }
}

/** A SOCKS server that is the far end too: its first connections are treated to `first`, all later ones well. */
export function socksOrigin(first: (talk: Talk) => unknown, bad = 1): Promise<Origin> {
  return origin(async (talk) => {
    if (talk.number <= bad) return first(talk);
    await welcome(talk);
    return echoes(talk);
  });
}

export interface HostileSocks {
  readonly name: string;
  /** What it does with a client that offers a password. */
  readonly script: (talk: Talk) => unknown;
  readonly reason: SocksReason;
}

const REPLIES: readonly SocksReason[] = [
  ...(['general-failure', 'not-allowed', 'network-unreachable', 'host-unreachable'] as const),
  ...(['connection-refused', 'ttl-expired', 'command-not-supported', 'address-type-not-supported'] as const),
];
const codeOf = (code: number): string => code.toString(16).padStart(2, '0');

const method = (name: string, answer: string, reason: SocksReason): HostileSocks => {
  return { name, script: (talk) => greeted(talk, answer), reason };
};
const login = (name: string, answer: string, reason: SocksReason): HostileSocks => {
  const script = async (talk: Talk): Promise<void> => {
    await greeted(talk, '05 02');
    await signedIn(talk, answer);
  };
  return { name, script, reason };
};
const reply = (name: string, answer: string, reason: SocksReason): HostileSocks => {
  const script = async (talk: Talk): Promise<void> => {
    await greeted(talk);
    await asked(talk, answer);
  };
  return { name, script, reason };
};

/** How far a server comes that then says nothing more. */
export const STAGES: readonly { readonly name: string; readonly script: (talk: Talk) => unknown }[] = [
  { name: 'before it has said anything', script: (talk) => talk.some() },
  { name: 'within the choice of a method', script: (talk) => greeted(talk, '05') },
  { name: 'before it judges the password', script: (talk) => greeted(talk, '05 02') },
  { name: 'within its judgement of the password', script: login('', '01', 'closed').script },
  { name: 'before its reply', script: (talk) => greeted(talk) },
  { name: 'within its reply', script: reply('', '05 00 00 03 0b 6578', 'closed').script },
];

const end =
  (script: (talk: Talk) => unknown, how: 'end' | 'reset') =>
  async (talk: Talk): Promise<void> => {
    await script(talk);
    // All that it has been sent has been read: the end is the next thing that the client hears.
    if (how === 'end') talk.end();
    else talk.reset();
  };

export const HOSTILE_SOCKS: readonly HostileSocks[] = [
  ...REPLIES.map((reason, i) => reply(`replies ${reason}`, `05 0${i + 1} 00 01 00000000 0000`, reason)),
  reply('replies a failure in two bytes', '05 05', 'connection-refused'),
  ...[9, 128, 255].map((code) => reply(`replies ${code}`, `05 ${codeOf(code)} 00`, 'unassigned-reply')),
  method('speaks SOCKS4', '00 5a', 'wrong-version'),
  method('speaks HTTP', '485454502f312e3120343030200d0a', 'wrong-version'),
  method('accepts no method', '05 ff', 'no-acceptable-method'),
  method('chooses a method that was not offered', '05 01', 'method-not-offered'),
  login('refuses the password', '01 01', 'auth-failed'),
  login('judges the password in another version', '05 00', 'wrong-auth-version'),
  reply('replies in another version', '04 00 00 01 00000000 0000', 'wrong-version'),
  reply('sets the reserved byte', '05 00 01 01 00000000 0000', 'reserved-byte'),
  reply('replies with no type of address', '05 00 00 02 00000000 0000', 'bad-address-type'),
  reply('replies with a name of no bytes', '05 00 00 03 00 0000', 'empty-name'),
  method('sends garbage', 'de'.repeat(100_000), 'wrong-version'),
  reply('sends garbage for a reply', 'ad'.repeat(100_000), 'wrong-version'),
  { name: 'closes at once', script: (talk) => talk.end(), reason: 'closed' },
  ...STAGES.flatMap(({ name, script }): HostileSocks[] => [
    { name: `closes ${name}`, script: end(script, 'end'), reason: 'closed' },
    { name: `resets ${name}`, script: end(script, 'reset'), reason: 'closed' },
  ]),
];
