// masking — what goes out masked: wire images, and control frames of our own.
// Used by websocket.ts. Per thread: random words, drawn in bulk.
// Source: RFC 6455 §5.3, "The masking key needs to be unpredictable".

import { randomFillSync } from 'node:crypto';
import { headerSize, maskImage, writeHeader } from '../lib/protocol/frames.ts';

const words = new Int32Array(2_048);
let nextWord = words.length;
function randomKey(): number {
  if (nextWord === words.length) {
    randomFillSync(words);
    nextWord = 0;
  }
  return words[nextWord++] ?? 0;
}

/** Masks every frame of a wire image in place, each with a key of its own.
 *  @returns payload bytes in it. */
export function mask(image: Uint8Array): number {
  return maskImage(image, randomKey);
}

/** A control frame, masked. */
export function controlFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerSize(payload.length) + payload.length);
  frame.set(payload, writeHeader(frame, 0, 0x80 | opcode, payload.length));
  mask(frame);
  return frame;
}
