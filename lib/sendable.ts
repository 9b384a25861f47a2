// sendable — what can be sent as one message, how it is laid out, and how much may wait.
// Used at the owner by sending.ts and uploading.ts, and for handlers wherever they run.
// Invariant: what is laid out was copied. Source: WHATWG WebSocket send(); promise F3.

import { describe, OptionError, StreamError } from './errors.ts';
import type { Layout } from './layout.ts';

/** What can be sent as one message: text as a string, anything else as binary. It is copied. */
export type Sendable = string | ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** @throws {OptionError} @internal */
export function checkSendable(data: unknown): asserts data is Sendable {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return;
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return;
  throw new OptionError(`a message must be a string, an ArrayBuffer or a view of one, got ${describe(data)}`);
}

/** One message, as a frame. @internal */
export function lay(data: Sendable, layout: Layout): void {
  if (typeof data === 'string') layout.text(data);
  // As it is: a view of it would be garbage, and take longer than the copy.
  else if (data instanceof Uint8Array) layout.binary(data);
  else if (ArrayBuffer.isView(data)) {
    layout.binary(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } else layout.binary(new Uint8Array(data));
}

/** @throws {StreamError} ERR_GUNPORT_OVERLOADED more than four times `maxBuffered` waits. @internal */
export function checkBuffered(buffered: number, maxBuffered: number): void {
  if (buffered <= 4 * maxBuffered) return;
  const text = `${buffered} bytes wait to be sent, more than 4 times maxBuffered (${maxBuffered})`;
  throw new StreamError('ERR_GUNPORT_OVERLOADED', text, { reason: buffered });
}
