// compressed — messages of permessage-deflate as frames, and the cases that echo them.
// Used by contents.ts and blocks.ts.

import { binary, type Case, compressorOf, frame, type Message, OP, pieces, text, write } from '../case.ts';
import { type Agreement, type Compress, type Compressor, PLAIN } from '../deflate.ts';
import { make, noise, words } from './making.ts';

/** RSV1: the message is compressed. */
export const RSV1: number = 4;

/** A compressed message, as its frames: of `size` bytes each, or one. */
export function compressed(compressor: Compressor, { text, bytes }: Message, size?: number): Buffer {
  return framed(text ? OP.text : OP.binary, compressor.compress(bytes), size);
}

/** A compressed payload as frames: of `size` bytes each, or one. */
export function framed(opcode: number, payload: Buffer, size: number = payload.length + 1): Buffer {
  const parts = pieces(payload, size);
  return Buffer.concat(
    parts.map((part, i) =>
      frame(i === 0 ? opcode : OP.more, part, { rsv: i === 0 ? RSV1 : 0, fin: i === parts.length - 1 }),
    ),
  );
}

interface Deflated {
  readonly compress?: Compress;
  readonly agreed?: Partial<Agreement>;
  /** Fragments of so many bytes. */
  readonly size?: number | undefined;
  readonly informational?: true;
}

/** Messages that are sent compressed, and echoed. */
export function echoes(
  id: string,
  title: string,
  messages: () => readonly Message[],
  { compress = {}, size, ...more }: Deflated = {},
): Case {
  const agreed = { ...PLAIN, ...more.agreed };
  let made: readonly Message[] | undefined;
  const all = (): readonly Message[] => {
    made ??= messages();
    return made;
  };
  const one = make(id, title, 'RFC 7692 §7.2', {
    client: { compress },
    agreed,
    ...(more.informational && { informational: true }),
    steps: () => {
      const compressor = compressorOf(agreed);
      return all().map((message) => write(compressed(compressor, message, size)));
    },
  });
  const expected = {
    get messages() {
      return all();
    },
    end: one.expected.end,
  };
  return { ...one, expected };
}

/** Short and long, text and binary, the same again: what a context is for. */
export const MESSAGES = (): Message[] => [
  text('Hello'),
  text('Hello'),
  binary(noise(300)),
  binary(noise(300)),
  text(words(5_000)),
  text(''),
  binary(noise(20_000, 3)),
  binary(noise(20_000, 3)),
  text('Hello'),
];
