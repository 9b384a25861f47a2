// outlet — what a handler delivers, laid out as parcels: strings and bytes as messages are, values as they are now.
// Held by runner.ts, which says when a read is over and what is laid must go.
// Invariant: order is kept; a value is copied when it is added, so what its handler does to it afterwards does not matter; a
// parcel holds messages of one kind. Source: measured: v8.serialize 2.6 µs and back 1.5, JSON 0.5 and 0.5.

import { Buffer } from 'node:buffer';
import { serialize } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import { type Parcel, TEXT_BIT } from '../wire.ts';
import type { ValueForm } from './handlingwire.ts';

/** A parcel that has no place yet in its stream. */
export type Laid = Omit<Parcel, 'type' | 'stream' | 'seq'>;

/** Buffer's encoders without the option parsing of write(). */
interface Writes {
  utf8Write(text: string, offset: number, length: number): number;
}
type Memory = Buffer<ArrayBuffer> & Writes;

/** A parcel goes when it has grown to this. */
const FULL = 256 * 1024;
const LEAST = 1_024;
/** Memory is copied to its size where so much of it, or more, would be empty. */
const WASTE = 32 * 1024;
/** Up to so many characters a text gets room for the longest that it may be. */
const SHORT_TEXT = 4_096;
/** What is deeper goes by v8.serialize(), which knows of cycles. */
const DEEPEST = 16;

/** @internal */
export class Outlet {
  readonly #deliver: (parcel: Laid) => void;
  #form: ValueForm | undefined;
  #memory: Memory = memory(0);
  #at = 0;
  #index: number[] = [];
  #texts = true;
  #ascii = true;
  /** Size of the next memory: what the last parcel took. */
  #usual = LEAST;

  constructor(deliver: (parcel: Laid) => void) {
    this.#deliver = deliver;
  }

  /** Bytes laid out that have not been delivered. */
  get bytes(): number {
    return this.#at;
  }
  /** Messages. */
  get count(): number {
    return this.#index.length / 2;
  }
  get empty(): boolean {
    return this.#index.length === 0;
  }

  /** A string, bytes, or any value that can be cloned. @throws {DataCloneError} */
  add(value: unknown): void {
    if (typeof value === 'string') this.#text(undefined, value);
    else if (value instanceof Uint8Array) this.#bytes(undefined, value);
    else if (isPlain(value, 0)) this.#text('json', JSON.stringify(value));
    else {
      const bytes = serialized(value);
      // What memory does not tell (a SharedArrayBuffer, a KeyObject) is cloned as a post would.
      if (bytes) this.#bytes('v8', bytes);
      else this.carry(value, []);
    }
    if (this.#at >= FULL) this.ship();
  }

  /** A value that moves memory or ports: they are gone from here now. @throws {DataCloneError} */
  carry(value: unknown, transfer: readonly (ArrayBuffer | MessagePort)[]): void {
    // The list goes along, so that its members can be found again in the clone.
    const carried = structuredClone({ value, transfer }, { transfer: [...transfer] });
    this.ship();
    const bytes = carried.transfer.reduce(
      (sum, one) => sum + (one instanceof ArrayBuffer ? one.byteLength : 0),
      0,
    );
    const [slab, index] = [new Uint8Array(0), new Int32Array(2)];
    this.#deliver({ slab, index, count: 1, texts: false, ascii: true, bytes, carried });
  }

  /** All that is laid out goes, in memory of its own. */
  ship(): void {
    const count = this.#index.length / 2;
    if (count === 0) return;
    const at = this.#at;
    const whole = this.#memory.length - at < WASTE;
    const slab = whole ? view(this.#memory, at) : copyOf(this.#memory, at);
    const index = Int32Array.from(this.#index);
    const [texts, ascii, values] = [this.#texts, this.#ascii, this.#form];
    this.#usual = Math.max(LEAST, at);
    this.#memory = memory(0);
    this.#at = 0;
    this.#index = [];
    this.#texts = true;
    this.#ascii = true;
    const laid = { slab, index, count, texts, ascii, bytes: at };
    this.#deliver(values ? { ...laid, values } : laid);
  }

  /** Nothing of what is laid out is wanted. */
  drop(): void {
    this.#at = 0;
    this.#index = [];
  }

  #text(form: ValueForm | undefined, text: string): void {
    const { length } = text;
    const most = length <= SHORT_TEXT ? 3 * length : Buffer.byteLength(text);
    this.#begin(form, most);
    const written = this.#memory.utf8Write(text, this.#at, most);
    // A text takes as many bytes as it has characters exactly when it is ASCII.
    if (written !== length) this.#ascii = false;
    this.#index.push(this.#at, written | TEXT_BIT);
    this.#at += written;
  }

  #bytes(form: ValueForm | undefined, bytes: Uint8Array): void {
    const { byteLength } = bytes;
    this.#begin(form, byteLength);
    this.#texts = false;
    this.#memory.set(bytes, this.#at);
    this.#index.push(this.#at, byteLength);
    this.#at += byteLength;
  }

  /** Room for one more of this form. */
  #begin(form: ValueForm | undefined, bytes: number): void {
    if (form !== this.#form) {
      this.ship();
      this.#form = form;
    }
    const needed = this.#at + bytes;
    if (needed <= this.#memory.length) return;
    const larger = memory(Math.max(needed, this.#at === 0 ? this.#usual : 2 * this.#memory.length));
    if (this.#at > 0) larger.set(this.#memory.subarray(0, this.#at));
    this.#memory = larger;
  }
}

/** JSON and a clone of it are the same: no class, no date, no `undefined`, no -0 … */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === DEEPEST) return false;
  if (Array.isArray(value)) {
    // What a regular expression found is an array with more in it.
    if ('index' in value || 'toJSON' in value) return false;
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || 'toJSON' in value) return false;
  for (const key in value) {
    // `in` has just found it.
    if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

/** Undefined: it is not made of data alone. */
function serialized(value: unknown): Uint8Array | undefined {
  try {
    return serialize(value);
  } catch {
    return undefined; // structuredClone() has the last word, and says what is wrong.
  }
}

/** Not of Node's pool: it may be transferred away. */
function memory(size: number): Memory {
  return Buffer.allocUnsafeSlow(size) as Memory; // @types/node leaves the encoders out.
}

function view({ buffer }: Memory, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, 0, length);
}

/** In memory of its size. */
function copyOf(bytes: Memory, length: number): Uint8Array<ArrayBuffer> {
  const copy = memory(length);
  copy.set(bytes.subarray(0, length));
  return view(copy, length);
}
