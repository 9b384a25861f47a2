// redact — what is told of a client, without what lets another in.
// Held by session.ts and the client: whatever is logged, emitted, thrown or inspected passes here first.
// Invariant: no secret that was added, and no value of a field whose name is that of a secret, is in what comes out; what
// goes in is not changed. Nothing here throws, whatever it is given.
// Source: WebsockexNova logged frames and options as they are, credentials and all; RFC 9110 §11.6.2.

import { describe } from '../errors.ts';
import { REDACTED } from '../events/eventtypes.ts';

/** Shorter ones would be found in any text. */
const LEAST = 4;
/** Secrets in all; of more, the ones that were added first are forgotten: tokens that are renewed come one by one. */
const MOST_SECRETS = 1_000;
/** Of a value that is copied: levels, entries of one object, entries in all, characters or bytes of one text. */
const DEPTH = 6;
const MOST_ENTRIES = 100;
const MOST_NODES = 2_000;
const MOST_LENGTH = 65_536;

/** Ends of names of fields whose values are never shown; without case, `-` and `_`. */
const SECRET_NAME =
  /(?:token|secret|passwor[dt]|passwd|passphrase|authorization|cookie|apikey|secretkey|accesskey|privatekey|listenkey|signature|credentials?|jwt)$/;
/** In texts: fields of a query or of JSON, what stands before the host of a URL, and what authorizes in a header. */
const IN_TEXT = [
  /([?&][\w.-]{0,40}(?:token|secret|password|passphrase|key|signature|jwt)=)[^&\s#"']+/gi,
  /("[\w.-]{0,40}(?:token|secret|password|passphrase|api_?key|authorization|signature|credentials)"\s{0,4}:\s{0,4}")(?:[^"\\]|\\.)*/gi,
  /(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^/\s@"']+(?=@)/gi,
  /(\b(?:bearer|basic)\s{1,4})[\w+/.~=-]{8,}/gi,
];

interface Walk {
  readonly above: Set<object>;
  left: number;
}

/** @internal */
export class Redactor {
  readonly #secrets = new Set<string>();

  /** Takes note of all texts in them, at any depth, of at least 4 characters. */
  add(...secrets: unknown[]): void {
    const seen = new Set<object>();
    const rest = [...secrets];
    for (let one = rest.pop(); one !== undefined || rest.length > 0; one = rest.pop()) {
      if (typeof one === 'string') this.#note(one);
      else if (one instanceof Uint8Array) this.#note(Buffer.from(one).toString());
      else if (typeof one === 'object' && one !== null && !seen.has(one) && seen.size < MOST_SECRETS) {
        seen.add(one);
        for (const inner of valuesOf(one).slice(0, MOST_SECRETS)) rest.push(inner);
      }
    }
  }

  /** The same text without secrets. */
  text(text: string): string {
    let clean = this.#withoutAdded(text);
    // What is no field, URL or header has none of these.
    if (/[=:]|bearer|basic/i.test(clean)) {
      for (const pattern of IN_TEXT) clean = clean.replace(pattern, `$1${REDACTED}`);
    }
    return clean;
  }

  /** A copy that can be posted, without secrets: of plain data, what has no place in it as a short text. Cut at 6 levels,
   *  100 entries of an object and 65 536 characters. */
  value(value: unknown): unknown {
    return this.#copy(value, { above: new Set(), left: MOST_NODES });
  }

  /** The error itself, if there is no secret in it; else its twin without: of the same class, with its code. */
  error<E extends Error>(error: E): E {
    // Of an Error comes an Error of the same class.
    return this.#error(error, { above: new Set(), left: MOST_NODES }) as E;
  }

  #note(secret: string): void {
    if (secret.length < LEAST) return;
    // As it stands in a URL, in JSON, and in the header of a Basic authorization.
    const forms = [
      secret,
      encoded(secret),
      JSON.stringify(secret).slice(1, -1),
      Buffer.from(secret).toString('base64'),
    ];
    for (const form of forms) {
      this.#secrets.delete(form);
      this.#secrets.add(form);
    }
    for (const oldest of this.#secrets) {
      if (this.#secrets.size <= 4 * MOST_SECRETS) break;
      this.#secrets.delete(oldest);
    }
  }

  /** Secrets may overlap: all are found before any is taken out. */
  #withoutAdded(text: string): string {
    const found: [from: number, to: number][] = [];
    for (const secret of this.#secrets) {
      for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
        found.push([at, at + secret.length]);
      }
    }
    if (found.length === 0) return text;
    found.sort(([a], [b]) => a - b);
    let clean = '';
    let done = 0;
    let until = 0;
    for (const [from, to] of found) {
      if (from > until || clean === '') clean += `${text.slice(done, from)}${REDACTED}`;
      until = Math.max(until, to);
      done = until;
    }
    return clean + text.slice(done);
  }

  #copy(value: unknown, walk: Walk): unknown {
    if (typeof value === 'string') return cut(this.text(value));
    if (typeof value === 'function' || typeof value === 'symbol') return describe(value);
    if (typeof value !== 'object' || value === null) return value;
    if (walk.above.has(value)) return '(circular)';
    if (walk.above.size >= DEPTH || walk.left <= 0)
      return Array.isArray(value) ? '(an array)' : '(an object)';
    walk.above.add(value);
    try {
      return this.#object(value, walk);
    } catch {
      return '(a value that cannot be shown)'; // A getter, a proxy or a toJSON that throws: there is nothing to tell of it.
    } finally {
      walk.above.delete(value);
    }
  }

  #object(value: object, walk: Walk): unknown {
    if (value instanceof Error) {
      walk.above.delete(value); // It goes in again.
      return this.#error(value, walk);
    }
    if (value instanceof Date) return new Date(value.getTime());
    if (ArrayBuffer.isView(value)) return this.#bytes(value);
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
      return `(${value.byteLength} bytes)`;
    if (Array.isArray(value)) return this.#list(value, walk);
    if (value instanceof Map) return this.#fields(value, walk);
    if (value instanceof Set) return this.#list([...value], walk);
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.#copy(value.toJSON(), walk);
    if (value instanceof RegExp) return this.#copy(String(value), walk);
    return this.#fields(Object.entries(value), walk);
  }

  #list(values: readonly unknown[], walk: Walk): unknown[] {
    const copy: unknown[] = [];
    for (const one of values.slice(0, MOST_ENTRIES)) {
      walk.left -= 1;
      copy.push(this.#copy(one, walk));
    }
    if (values.length > MOST_ENTRIES) copy.push(`(${values.length - MOST_ENTRIES} more)`);
    return copy;
  }

  #fields(entries: Iterable<readonly [unknown, unknown]>, walk: Walk): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    let count = 0;
    for (const [key, one] of entries) {
      walk.left -= 1;
      if (++count > MOST_ENTRIES) {
        copy['…'] = '(more)';
        break;
      }
      const name = this.text(typeof key === 'string' ? key : describe(key));
      const shown = isSecretName(name) && isTelling(one) ? REDACTED : this.#copy(one, walk);
      // By definition, so that a field named __proto__ stays a field.
      Object.defineProperty(copy, name, {
        value: shown,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return copy;
  }

  /** Bytes as a text, if it has a secret in it. */
  #bytes(view: ArrayBufferView): unknown {
    const { byteLength } = view;
    if (byteLength > MOST_LENGTH) return `(${byteLength} bytes)`;
    const text = Buffer.from(view.buffer, view.byteOffset, byteLength).toString();
    const clean = this.text(text);
    return clean === text ? Uint8Array.from(Buffer.from(view.buffer, view.byteOffset, byteLength)) : clean;
  }

  #error(error: Error, walk: Walk): unknown {
    if (walk.above.has(error)) return '(circular)';
    walk.above.add(error);
    try {
      return this.#twin(error, walk);
    } catch {
      return new Error('an error that cannot be shown'); // A getter of it throws: there is nothing to tell of it.
    } finally {
      walk.above.delete(error);
    }
  }

  #twin(error: Error, walk: Walk): Error {
    const fields: [name: string, value: unknown][] = [];
    let clean = true;
    for (const name of Object.getOwnPropertyNames(error)) {
      // It has just said that it has this property.
      const value: unknown = (error as unknown as Record<string, unknown>)[name];
      const shown = this.#errorField(name, value, walk);
      if (!same(shown, value)) clean = false;
      fields.push([name, shown]);
    }
    if (clean) return error;
    // Made by Error, so that structured clone and inspect know it for one; of its class, so that `instanceof` does.
    const twin: Error = Object.setPrototypeOf(new Error(), Object.getPrototypeOf(error));
    for (const [name, value] of fields) {
      const enumerable = Object.getOwnPropertyDescriptor(error, name)?.enumerable ?? false;
      Object.defineProperty(twin, name, { value, enumerable, configurable: true, writable: true });
    }
    if (!Object.hasOwn(error, 'stack')) Object.defineProperty(twin, 'stack', { value: undefined });
    return twin;
  }

  #errorField(name: string, value: unknown, walk: Walk): unknown {
    if (typeof value === 'string') return isSecretName(name) ? REDACTED : this.text(value);
    if (value instanceof Error) return walk.above.size > DEPTH ? undefined : this.#error(value, walk);
    if (isSecretName(name) && isTelling(value)) return REDACTED;
    return this.#copy(value, walk);
  }
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.toLowerCase().replace(/[-_]/g, ''));
}

/** Whether there is something in it to hide; that a secret is there or is not may be told. */
function isTelling(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'boolean' && value !== '';
}

/** A copy that says what its original says. */
function same(copy: unknown, original: unknown): boolean {
  if (Object.is(copy, original)) return true;
  if (typeof copy !== 'object' || typeof original !== 'object' || copy === null || original === null)
    return false;
  if (copy instanceof Error || original instanceof Error) return false;
  if (ArrayBuffer.isView(original)) return ArrayBuffer.isView(copy);
  if (original instanceof Date) return copy instanceof Date;
  const theirs = new Map(Object.entries(original));
  const ours = Object.entries(copy);
  return ours.length === theirs.size && ours.every(([key, one]) => same(one, theirs.get(key)));
}

function valuesOf(value: object): unknown[] {
  try {
    if (value instanceof Map) return [...value.values()];
    return value instanceof Set ? [...value] : Object.values(value);
  } catch {
    return []; // A getter that throws: no secret can be read there by anybody.
  }
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text; // Half a surrogate pair has no place in a URL.
  }
}

function cut(text: string): string {
  return text.length > MOST_LENGTH ? `${text.slice(0, MOST_LENGTH)}…` : text;
}
