// checks — small checkers for what users give; each throws one OptionError that names the option and the value.
// Called by settings.ts, which knows the options; nothing here knows any of them but headers.
// Invariant: a value is read once, by own property, coerced once, and then checked: what was checked is what is used.
// No message shows the value of a header, a key or a passphrase.
// Source: RFC 9110 §5.6.2 (tokens) and §5.5 (field values); undici's July 2026 advisory (coerced after the check).

import { describe, OptionError } from './errors.ts';
import type { ModuleReference } from './options.ts';
import { trimmed } from './whitespace.ts';

/** Options as they were given: own properties, read once, without prototype. @internal */
export type Given = Readonly<Record<string, unknown>>;

/** Nothing of anything. @internal */
export const NOTHING: Given = Object.freeze(Object.create(null));

/** Longest time Node's timers keep, in milliseconds. @internal */
export const LONGEST: number = 2 ** 31 - 1;

/** Reads an object's own properties once; a name that is not in `known` is an error. `prefix` is for messages. @internal */
export function own(value: unknown, known: ReadonlySet<string>, prefix: string): Given {
  const given: Record<string, unknown> = Object.create(null);
  if (value === undefined) return given;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionError(`${prefix || 'options'} must be an object, got ${describe(value)}`);
  }
  for (const name of Object.keys(value)) {
    if (!known.has(name)) throw new OptionError(`unknown option ${prefix && `${prefix}.`}${name}`);
    // Object.keys has just said that it has this property.
    given[name] = (value as Record<string, unknown>)[name];
  }
  return given;
}

/** The same of an object within options, under the whole names of what it has (`compress.level`), which is what messages
 *  name. They never show it: there may be a password in it. @internal */
export function within(value: unknown, known: ReadonlySet<string>, name: string): Given {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionError(`${name} must be an object, got ${kindOf(value)}`);
  }
  const given: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(own(value, known, name))) given[`${name}.${key}`] = item;
  return given;
}

/** What a value is, where it must not be shown. @internal */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' ? describe(value) : `a ${typeof value}`;
}

/** An integer within bounds, or `standard` when not given. @internal */
export function integer(
  given: Given,
  name: string,
  standard: number,
  bounds: readonly [number, number],
): number {
  const value = given[name];
  if (value === undefined) return standard;
  const [least, most] = bounds;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const to = most >= Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`;
  throw new OptionError(`${name} must be an integer from ${least}${to}, got ${describe(value)}`);
}

/** A signal, or none. @throws {OptionError} @internal */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw new OptionError(`signal must be an AbortSignal, got ${describe(value)}`);
}

/** A count of messages. @throws {OptionError} @internal */
export function checkMessages(messages: unknown): void {
  if (typeof messages === 'number' && Number.isInteger(messages) && messages >= 1) return;
  throw new OptionError(`messages must be an integer from 1, got ${describe(messages)}`);
}

/** true or false, or `standard` when not given. @internal */
export function flag(given: Given, name: string, standard: boolean): boolean {
  const value = given[name];
  if (value === undefined) return standard;
  if (typeof value === 'boolean') return value;
  throw new OptionError(`${name} must be true or false, got ${describe(value)}`);
}

/** One of a few values, or the first of them when not given. @internal */
export function oneOf<T>(given: Given, name: string, values: readonly [T, ...T[]]): T {
  const value = given[name];
  if (value === undefined) return values[0];
  const found = values.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new OptionError(`${name} must be one of ${values.map(describe).join(', ')}, got ${describe(value)}`);
}

/** An absolute URL, or undefined. Not by URL.canParse(): once V8 has compiled its caller, Node 20's takes latin1 for
 *  UTF-8, and refuses what is no ASCII. @internal */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined; // It says only that it is none.
  }
}

/** A module reference with its URL as a string, so that it can be posted. @internal */
export function moduleReference(value: unknown, name: string): ModuleReference | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'function') {
    throw new OptionError(`${name} must be a module reference { module, export }, got ${describe(value)}`);
  }
  const given = own(value, MODULE_NAMES, name);
  const { module } = given;
  const exported = given['export'] ?? 'default';
  if (typeof exported !== 'string' || exported === '') {
    throw new OptionError(`${name}.export must be the name of an export, got ${describe(exported)}`);
  }
  const href = module instanceof URL ? module.href : module;
  const url = typeof href === 'string' ? parseUrl(href) : undefined;
  if (url) {
    if (url.protocol === 'file:' || url.protocol === 'data:') return { module: url.href, export: exported };
  }
  throw new OptionError(`${name}.module must be an absolute file: or data: URL, got ${describe(href)}`);
}
const MODULE_NAMES: ReadonlySet<string> = new Set(['module', 'export']);

/** Whether a text is a token: a header name, a subprotocol. Source: RFC 9110 §5.6.2. @internal */
export function isToken(text: string): boolean {
  if (text === '') return false;
  for (let i = 0; i < text.length; i++) if (!isTokenCode(text.charCodeAt(i))) return false;
  return true;
}

/** Whether a character may stand in a token. @internal */
export function isTokenCode(code: number): boolean {
  return code < 128 && TOKEN_CODES[code] === 1;
}
const TOKEN_CODES: Uint8Array = new Uint8Array(128);
for (const letter of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TOKEN_CODES[letter.charCodeAt(0)] = 1;
}

/** Tokens, each once. @internal */
export function tokens(given: Given, name: string, standard: readonly string[]): readonly string[] {
  const value = given[name];
  if (value === undefined) return standard;
  if (!Array.isArray(value))
    throw new OptionError(`${name} must be an array of names, got ${describe(value)}`);
  const list: string[] = [];
  for (const item of value) {
    if (typeof item !== 'string' || !isToken(item)) {
      throw new OptionError(`${name} must be an array of tokens (RFC 9110 §5.6.2), got ${describe(item)}`);
    }
    if (list.includes(item))
      throw new OptionError(`${name} must be an array of distinct names, got ${describe(item)} twice`);
    list.push(item);
  }
  return list;
}

/** Header fields that the handshake writes itself. */
const OWNED: ReadonlySet<string> = new Set([
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'sec-websocket-accept',
  'content-length',
  'transfer-encoding',
]);

/** Request headers as name, value, name, value …; a record (a value may be an array) or pairs. `owned`: names that are
 *  not the caller's to give; `option`: which of the options it is. @internal */
export function headerList(
  value: unknown,
  owned: ReadonlySet<string> = OWNED,
  option = 'headers',
): readonly string[] {
  if (value === undefined) return [];
  const list: string[] = [];
  for (const [name, content] of pairs(value, option)) {
    if (typeof name !== 'string' || !isToken(name)) {
      // A whole line in the place of a name may have a password behind its colon.
      const shown = typeof name === 'string' ? describe(name.split(':', 1)[0]) : describe(name);
      throw new OptionError(`${option} must have tokens for names (RFC 9110 §5.6.2), got ${shown}`);
    }
    const lower = name.toLowerCase();
    if (owned.has(lower)) {
      const what = owned === OWNED ? 'the handshake writes it' : 'it has no place here';
      throw new OptionError(`${option} must not have ${name}: ${what}`);
    }
    if (lower === 'host' && namesIn(list).has('host'))
      throw new OptionError(`${option} must have one host, got two`);
    for (const item of Array.isArray(content) ? content : [content])
      list.push(name, fieldValue(option, name, item));
    if (lower === 'host' && !/^[!-~]+$/.test(list.at(-1) ?? '')) {
      throw new OptionError(`${option}.host must be visible ASCII without spaces, and not empty`);
    }
    if (lower === 'host' && Array.isArray(content) && content.length !== 1) {
      throw new OptionError(`${option} must have one host, got ${content.length}`);
    }
  }
  return list;
}

/** Lays headers over others: a name in `over` replaces that name in `base`. @internal */
export function mergeHeaders(base: readonly string[], over: readonly string[]): readonly string[] {
  if (over.length === 0) return base;
  const names = namesIn(over);
  const kept: string[] = [];
  for (let i = 0; i < base.length; i += 2) {
    const name = base[i] ?? '';
    if (!names.has(name.toLowerCase())) kept.push(name, base[i + 1] ?? '');
  }
  return [...kept, ...over];
}

/** The lower-case names in a header list. @internal */
export function namesIn(list: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (let i = 0; i < list.length; i += 2) names.add((list[i] ?? '').toLowerCase());
  return names;
}

function pairs(value: unknown, option: string): Iterable<readonly [unknown, unknown]> {
  if (typeof value !== 'object' || value === null) {
    throw new OptionError(`${option} must be an object or an iterable of pairs, got ${typeof value}`);
  }
  if (!(Symbol.iterator in value)) return Object.entries(value);
  const list: (readonly [unknown, unknown])[] = [];
  // `in` has just found the iterator; what it yields is checked here.
  for (const pair of value as Iterable<unknown>) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new OptionError(`${option} must be an iterable of [name, value] pairs`);
    list.push([pair[0], pair[1]]);
  }
  return list;
}

function fieldValue(option: string, name: string, value: unknown): string {
  if (!['string', 'number', 'bigint', 'boolean'].includes(typeof value)) {
    throw new OptionError(
      `${option}.${name} must be a string, got ${value === null ? 'null' : typeof value}`,
    );
  }
  const text = String(value);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // RFC 9110 §5.5: field-vchar, space, tab and obs-text (as latin1); CR, LF and NUL above all are dangerous.
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) {
      const shown = code.toString(16).padStart(2, '0');
      throw new OptionError(`${option}.${name} must be printable latin1, got character 0x${shown} at ${i}`);
    }
  }
  return trimmed(text);
}
