// clone — what a structured clone makes of a message, with ports that are none.
// Used by ports.ts for every post, and in place of structuredClone().
// Invariant: all or nothing: what cannot be cloned throws before anything was moved; memory that moves is detached here.
// Source: HTML, StructuredSerializeWithTransfer; as far as gunport's own messages and the model's `data` need it.

/** A port that can be sent along: it leaves as what arrives. */
interface Leaving<C> {
  /** It was closed, or has left before. */
  readonly isDetached: boolean;
  leave(): C;
}

/** Node's own, for memory. */
const structured = globalThis.structuredClone;

/** What is put in place once the memory below it has moved. */
interface MovedView {
  readonly memory: ArrayBuffer;
  readonly ints: boolean;
  readonly offset: number;
  readonly length: number;
}

interface Copying {
  readonly copies: Map<unknown, unknown>;
  readonly ports: ReadonlySet<unknown>;
  readonly memory: ReadonlySet<unknown>;
  readonly views: Map<object, MovedView>;
}

/** @param carried is filled with what the ports in the list leave as. @throws DataCloneError. */
export function clone<C>(value: unknown, list: readonly unknown[], carried: C[]): unknown {
  const memory = new Set<ArrayBuffer>();
  const ports = new Set<Leaving<C>>();
  for (const one of list) {
    if (one instanceof ArrayBuffer) memory.add(one);
    else if (isPort<C>(one)) ports.add(one);
    else refuse('Value not transferable');
  }
  const copying: Copying = { copies: new Map(), ports, memory, views: new Map() };
  // First as if nothing moved, so that a failure costs nothing.
  const copy = copyOf(value, copying);
  if (memory.size + ports.size === 0) return copy;
  for (const { isDetached } of ports)
    if (isDetached) refuse('MessagePort in transfer list is already detached');
  const moved = new Map<unknown, unknown>();
  for (const one of memory) moved.set(one, structured(one, { transfer: [one] }));
  for (const port of ports) {
    const left = port.leave();
    moved.set(port, left);
    carried.push(left);
  }
  for (const [mark, { memory: under, ints, offset, length }] of copying.views) {
    const whole = moved.get(under) as ArrayBuffer; // It is in the list.
    moved.set(mark, ints ? new Int32Array(whole, offset, length) : new Uint8Array(whole, offset, length));
  }
  return replaced(copy, moved);
}

function isPort<C>(value: unknown): value is Leaving<C> {
  return typeof value === 'object' && value !== null && 'leave' in value && typeof value.leave === 'function';
}

function refuse(message: string): never {
  throw new DOMException(message, 'DataCloneError');
}

function copyOf(value: unknown, copying: Copying): unknown {
  if (typeof value === 'function' || typeof value === 'symbol')
    refuse(`${String(value)} could not be cloned.`);
  if (typeof value !== 'object' || value === null) return value;
  const { copies, ports, memory } = copying;
  const known = copies.get(value);
  if (known) return known;
  if (ports.has(value) || memory.has(value) || value instanceof SharedArrayBuffer) return value;
  if (isPort(value)) refuse('Object that needs transfer was found in message but not listed in transferList');
  const copy =
    ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? bytesOf(value, copying) : empty(value);
  copies.set(value, copy);
  if (Array.isArray(copy)) for (const one of value as unknown[]) copy.push(copyOf(one, copying));
  else if (!ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) {
    for (const name of Object.keys(value)) {
      (copy as Record<string, unknown>)[name] = copyOf((value as Record<string, unknown>)[name], copying);
    }
  }
  return copy;
}

function empty(value: object): object {
  if (Array.isArray(value)) return [];
  if (value instanceof Error) return Object.assign(new Error(value.message), { stack: value.stack });
  if (value instanceof Map || value instanceof Set)
    throw new TypeError('the model has no copies of Map and Set');
  return {};
}

function bytesOf(value: ArrayBuffer | ArrayBufferView, { memory, views }: Copying): object {
  if (value instanceof ArrayBuffer) return value.slice(0);
  const { buffer, byteOffset: offset, byteLength } = value;
  if (buffer instanceof SharedArrayBuffer) return value;
  const ints = value instanceof Int32Array;
  const length = ints ? byteLength / 4 : byteLength;
  if (memory.has(buffer)) {
    const mark = {};
    views.set(mark, { memory: buffer as ArrayBuffer, ints, offset, length });
    return mark;
  }
  return ints ? value.slice() : new Uint8Array(buffer, offset, length).slice();
}

/** Puts other things in place of some, wherever they stand: in a copy, which is nobody's yet. */
export function replaced(value: unknown, others: ReadonlyMap<unknown, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const other = others.get(value);
  if (other) return other;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
    return value;
  for (const name of Object.keys(value)) {
    const one = (value as Record<string, unknown>)[name];
    if (typeof one !== 'object' || one === null) continue;
    const put = replaced(one, others);
    if (put !== one) (value as Record<string, unknown>)[name] = put;
  }
  return value;
}
