// answers — what the server of the HTTP works answers, and the names of those works.
// Known to server.ts, which sends it, and to works.ts, which counts it.
// Invariant: the small answer is the same for every request; the large one is as long as its Content-Length says.

export const HTTP_NAMES = ['get', 'get2', 'single', 'download', 'download2'] as const;
export type HttpName = (typeof HTTP_NAMES)[number];

/** What the server says once it listens. */
export interface HttpReady {
  /** HTTP/1.1: for small answers; and for a large one to every request but the first of a connection. */
  readonly http: { readonly small: number; readonly large: number };
  /** HTTP/2 with prior knowledge: the same. */
  readonly http2: { readonly small: number; readonly large: number };
}

/** The small answer's body. */
export const SMALL: Buffer = Buffer.from(
  JSON.stringify({ symbol: 'BTC-USDT', bid: '60123.45', ask: '60123.55', time: 1_767_225_600_000 }),
  'latin1',
);

/** Fields of either answer, names in lower case. */
export function fieldsOf(length: number): readonly (readonly [name: string, value: string])[] {
  return [
    ['server', 'bench'],
    ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
    ['content-type', 'application/json; charset=utf-8'],
    ['content-length', String(length)],
  ];
}

/** An answer of HTTP/1.1 up to its body. */
export function headOf(length: number): Buffer {
  const lines = fieldsOf(length).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join('')}\r\n`, 'latin1');
}

/** The small answer of HTTP/1.1, whole. */
export const SMALL_ANSWER: Buffer = Buffer.concat([headOf(SMALL.length), SMALL]);
