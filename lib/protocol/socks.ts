// socks — the machine of one SOCKS5 tunnel: what is said to the server, what its answers mean, and how it all ends.
// Stepped by workers/socks.ts, which owns the socket; time is the exchange's own.
// Invariant: a step returns the next state and what to do; exactly one `up` or `fail` ends the machine, whatever comes
// and however it was cut up; what is wrong is said at the byte that shows it; no error has a credential in it.
// Source: RFC 1928 (SOCKS5), RFC 1929 (user name and password); gun_socks.

import { ConnectionError, OptionError } from '../errors.ts';
import { hostAndPort } from '../httpwire.ts';

/** What a SOCKS server is asked for. */
export interface SocksAsk {
  /** A name is resolved by the server, never here. An IPv6 address has no brackets. */
  readonly destination: { readonly host: string; readonly port: number };
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  /** The server's origin, for errors. */
  readonly hop: string;
}

export type SocksState = Waiting | { readonly name: 'up' } | { readonly name: 'failed' };

/** `method` the greeting was sent; `auth` user name and password; `reply` the request. */
interface Waiting {
  readonly name: 'method' | 'auth' | 'reply';
  readonly ask: Encoded;
  /** The beginning of an answer. */
  readonly held: Uint8Array;
}

/** An ask as it goes out. */
interface Encoded {
  readonly request: Uint8Array;
  readonly auth: Uint8Array | undefined;
  /** `host:port`, for errors. */
  readonly to: string;
  readonly hop: string;
}

export type SocksCommand =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  // the server speaks SOCKS5 and lets us in; the request goes out with it
  | { readonly type: 'admitted' }
  // what comes from now on is the destination's; `rest` came right behind the reply
  | { readonly type: 'up'; readonly rest: Uint8Array }
  | { readonly type: 'fail'; readonly error: ConnectionError };

export interface SocksStep {
  readonly state: SocksState;
  /** None: more bytes are needed, or nothing is wanted any more. */
  readonly commands: readonly SocksCommand[];
}

/** Why there is no tunnel: `error.reason`. The first eight are the server's own words. Source: RFC 1928 §6. */
export type SocksReason =
  | (typeof REPLIES)[number]
  // a reply code that is not assigned
  | 'unassigned-reply'
  // it does not speak SOCKS5
  | 'wrong-version'
  // none of the methods that were offered will do; 2 asks for user name and password
  | 'no-acceptable-method'
  | 'method-not-offered'
  | 'auth-failed'
  | 'wrong-auth-version'
  // a reply that is not formed as it must be
  | 'reserved-byte'
  | 'bad-address-type'
  | 'empty-name'
  // bytes came before anything was said
  | 'unasked'
  // the socket ended before an answer was whole
  | 'closed';

const REPLIES = [
  'general-failure',
  'not-allowed',
  'network-unreachable',
  'host-unreachable',
  'connection-refused',
  'ttl-expired',
  'command-not-supported',
  'address-type-not-supported',
] as const;

/** Most bytes of a name, a user name or a password: their length is one byte. */
const LONGEST_FIELD = 255;

const VERSION = 5;
const AUTH_VERSION = 1;
const METHOD = { none: 0, password: 2, unacceptable: 0xff } as const;
const COMMAND_CONNECT = 1;
const TYPE = { ipv4: 1, name: 3, ipv6: 4 } as const;
const NOTHING = new Uint8Array(0);

/** What was awaited when the socket ended. */
const AWAITED = { method: 'chosen a method', auth: 'judged the password', reply: 'replied' } as const;

/** Begins: with credentials both methods are offered, and the server chooses.
 *  @throws {OptionError} for a field that its one byte of length cannot say; nothing was sent then. */
export function greet({ destination, credentials, hop }: SocksAsk): SocksStep {
  const { host, port } = destination;
  const ask: Encoded = {
    request: requestOf(host, port),
    auth: credentials && authOf(credentials),
    to: hostAndPort(destination),
    hop,
  };
  const methods = ask.auth ? [METHOD.none, METHOD.password] : [METHOD.none];
  const bytes = Uint8Array.of(VERSION, methods.length, ...methods);
  return { state: { name: 'method', ask, held: NOTHING }, commands: [{ type: 'send', bytes }] };
}

/** More has come. The bytes are copied where they are kept. */
export function received(state: SocksState, bytes: Uint8Array): SocksStep {
  const commands: SocksCommand[] = [];
  let now = state;
  let left = bytes;
  for (;;) {
    if (now.name === 'up' || now.name === 'failed') return { state: now, commands };
    const all: Uint8Array = now.held.length === 0 ? left : Buffer.concat([now.held, left]);
    const answer = read(now, all);
    // No answer is longer than 262 bytes: so little is ever held.
    if (!answer) return { state: { ...now, held: new Uint8Array(all) }, commands };
    now = answer.state;
    commands.push(...answer.commands);
    left = all.subarray(answer.length);
    if (now.name === 'up') commands.push({ type: 'up', rest: new Uint8Array(left) });
  }
}

/** The socket has ended, or was lost with an error. */
export function ended(state: SocksState, cause?: unknown): SocksStep {
  if (state.name === 'up' || state.name === 'failed') return { state, commands: [] };
  const what = `the server closed the connection before it had ${AWAITED[state.name]}`;
  return failed(state, 'closed', what, cause);
}

/** A whole answer: what follows, and how long it was. */
interface Answer extends SocksStep {
  readonly length: number;
}

function read(state: Waiting, bytes: Uint8Array): Answer | undefined {
  switch (state.name) {
    case 'method':
      return readMethod(state, bytes);
    case 'auth':
      return readAuth(state, bytes);
    case 'reply':
      return readReply(state, bytes);
    default:
      return state.name satisfies never;
  }
}

/** VER METHOD. Source: RFC 1928 §3. */
function readMethod(state: Waiting, bytes: Uint8Array): Answer | undefined {
  const [version, method] = bytes;
  if (version !== undefined && version !== VERSION) return wrongVersion(state, version);
  if (method === undefined) return undefined;
  const { ask } = state;
  if (method === METHOD.none) return { ...admitted(ask), length: 2 };
  if (method === METHOD.password && ask.auth) {
    const commands = [{ type: 'send', bytes: ask.auth }] as const;
    return { state: { name: 'auth', ask, held: NOTHING }, commands, length: 2 };
  }
  // RFC 1928 §3: "If the selected METHOD is X'FF', none of the methods listed by the client are acceptable".
  if (method === METHOD.unacceptable) {
    const offered = ask.auth ? 'none, and user name and password' : 'none';
    return failed(
      state,
      'no-acceptable-method',
      `the server accepts no method that was offered (${offered})`,
    );
  }
  return failed(state, 'method-not-offered', `the server chose method ${method}, which was not offered`);
}

/** VER STATUS. Source: RFC 1929 §2. */
function readAuth(state: Waiting, bytes: Uint8Array): Answer | undefined {
  const [version, status] = bytes;
  if (version !== undefined && version !== AUTH_VERSION) {
    const what = `the server answered the password with version ${version}, not ${AUTH_VERSION}`;
    return failed(state, 'wrong-auth-version', what);
  }
  if (status === undefined) return undefined;
  // RFC 1929 §2: "a STATUS of X'00' indicates success."
  if (status === 0) return { ...admitted(state.ask), length: 2 };
  return failed(state, 'auth-failed', `the server refused the user name or password (status ${status})`);
}

function admitted(ask: Encoded): SocksStep {
  const commands = [{ type: 'send', bytes: ask.request }, { type: 'admitted' }] as const;
  return { state: { name: 'reply', ask, held: NOTHING }, commands };
}

/** VER REP RSV ATYP BND.ADDR BND.PORT. The address is read past: nobody asks for it. Source: RFC 1928 §6. */
function readReply(state: Waiting, bytes: Uint8Array): Answer | undefined {
  const [version, reply, reserved, type, first] = bytes;
  if (version !== undefined && version !== VERSION) return wrongVersion(state, version);
  if (reply !== undefined && reply !== 0) {
    const reason = REPLIES[reply - 1];
    if (reason) return failed(state, reason, `the server replied ${reason} (${reply})`);
    return failed(state, 'unassigned-reply', `the server replied ${reply}, which is not assigned`);
  }
  // RFC 1928 §6: "Fields marked RESERVED (RSV) must be set to X'00'."
  if (reserved !== undefined && reserved !== 0) {
    return failed(state, 'reserved-byte', `the server set the reserved byte of its reply to ${reserved}`);
  }
  if (type === undefined) return undefined;
  if (type !== TYPE.ipv4 && type !== TYPE.ipv6 && type !== TYPE.name) {
    return failed(state, 'bad-address-type', `the server replied with address type ${type}`);
  }
  if (type === TYPE.name && first === undefined) return undefined;
  if (type === TYPE.name && first === 0) {
    return failed(state, 'empty-name', 'the server replied with a name of no bytes');
  }
  const address = type === TYPE.ipv4 ? 4 : type === TYPE.ipv6 ? 16 : 1 + (first ?? 0);
  const length = 4 + address + 2;
  return bytes.length < length ? undefined : { state: { name: 'up' }, commands: [], length };
}

function wrongVersion(state: Waiting, version: number): Answer {
  return failed(state, 'wrong-version', `the server answered with version ${version}, not ${VERSION}`);
}

function failed({ ask }: Waiting, reason: SocksReason, what: string, cause?: unknown): Answer {
  const details = { phase: 'connect', reason, hop: ask.hop, cause } as const;
  const error = new ConnectionError('ERR_GUNPORT_PROXY', `SOCKS5 to ${ask.to}: ${what}`, details);
  return { state: { name: 'failed' }, commands: [{ type: 'fail', error }], length: 0 };
}

// ── what goes out ───────────────────────────────────────────────────────────────────────────────────────────

/** VER CMD RSV ATYP DST.ADDR DST.PORT. Source: RFC 1928 §4. */
function requestOf(host: string, port: number): Uint8Array {
  return Uint8Array.of(VERSION, COMMAND_CONNECT, 0, ...addressOf(host), port >> 8, port & 0xff);
}

/** ATYP and DST.ADDR: what the host is. Source: RFC 1928 §5. */
function addressOf(host: string): readonly number[] {
  const four = ipv4(host);
  if (four) return [TYPE.ipv4, ...four];
  const six = ipv6(host);
  if (six) return [TYPE.ipv6, ...six.flatMap((group) => [group >> 8, group & 0xff])];
  return [TYPE.name, ...fieldOf('host', host)];
}

/** VER ULEN UNAME PLEN PASSWD. Source: RFC 1929 §2. */
function authOf({ username, password }: NonNullable<SocksAsk['credentials']>): Uint8Array {
  return Uint8Array.of(AUTH_VERSION, ...fieldOf('username', username), ...fieldOf('password', password));
}

/** Its length in a byte, and it. The message has a length, never what may be secret. */
function fieldOf(name: string, value: string): readonly number[] {
  const bytes = Buffer.from(value);
  if (bytes.length >= 1 && bytes.length <= LONGEST_FIELD) return [bytes.length, ...bytes];
  throw new OptionError(
    `${name} must be 1 to ${LONGEST_FIELD} bytes for a SOCKS server, got ${bytes.length} bytes`,
  );
}

/** The four bytes of a dotted address. */
function ipv4(text: string): readonly number[] | undefined {
  const parts = text.split('.');
  const fine =
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
  return fine ? parts.map(Number) : undefined;
}

/** The eight groups of an address. Source: RFC 4291 §2.2. */
function ipv6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  if (halves.length === 1) return head?.length === 8 ? head : undefined;
  const tail = groupsOf(halves[1] ?? '', true);
  if (halves.length > 2 || !head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  // RFC 4291 §2.2: "::" stands for "one or more groups".
  return missing >= 1 ? [...head, ...new Array<number>(missing).fill(0), ...tail] : undefined;
}

/** `last`: a dotted address may end it. */
function groupsOf(text: string, last: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const four = last && i === parts.length - 1 ? ipv4(part) : undefined;
    if (four) groups.push(((four[0] ?? 0) << 8) | (four[1] ?? 0), ((four[2] ?? 0) << 8) | (four[3] ?? 0));
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
