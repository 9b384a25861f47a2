// stages — where a conversation can be spoilt: the places of each protocol, by name.
// Chosen from by plan.ts; each is the name of a piece that the conversation of that protocol says (conversations/).
// Invariant: with nothing spoilt a conversation comes by each of its stages at least once when it is aimed at.

/** What a peer speaks: `ws2` is a WebSocket on HTTP/2 (RFC 8441), `connect` and `connect2` are HTTP proxies, `tls` is
 *  spoilt below whatever is spoken in it. */
export type Spoken =
  | 'http1'
  | 'ws'
  | 'sse'
  | 'http2'
  | 'ws2'
  | 'socks'
  | 'connect'
  | 'connect2'
  | 'raw'
  | 'tls';

export const STAGES: Readonly<Record<Spoken, readonly string[]>> = {
  http1: [
    ...['before anything', 'in the status line', 'in the headers', 'behind the head', 'in the body'],
    ...['in a chunk size', 'in a chunk', 'in the trailers', 'behind the answer', 'in an interim answer'],
  ],
  ws: [
    ...['before anything', 'in the status line', 'in the headers', 'behind the 101', 'in a frame header'],
    ...['in a payload', 'within a fragmented message', 'in a control frame', 'in a deflated payload'],
    ...['in Close', 'behind Close'],
  ],
  sse: [
    ...['before anything', 'in the status line', 'in the headers', 'behind the head', 'in a field'],
    ...['in a value', 'between events', 'in a chunk size'],
  ],
  http2: [
    ...['before anything', 'in SETTINGS', 'at a frame boundary', 'in a frame header', 'in a header block'],
    ...[
      'behind HEADERS',
      'in DATA',
      'on an unknown stream',
      'in trailers',
      'in a push',
      'in PING',
      'in GOAWAY',
    ],
  ],
  ws2: [
    ...['before anything', 'in SETTINGS', 'in a frame header', 'in a header block', 'behind HEADERS'],
    ...['in the CONNECT stream', 'at a frame boundary'],
  ],
  socks: [
    ...['before anything', 'in the method', 'in the judgement', 'in the reply', 'in the address'],
    ...['behind the reply', 'behind the head'],
  ],
  connect: [
    ...['before anything', "in the proxy's status line", "in the proxy's headers", "behind the proxy's head"],
    ...['in the status line', 'in a frame header'],
  ],
  connect2: [
    ...['before anything', 'in SETTINGS', 'in a header block', 'behind HEADERS', 'in the CONNECT stream'],
    'in a frame header',
  ],
  raw: ['before anything', 'in the bytes', 'in the answer', 'behind the answer'],
  tls: [
    ...['before anything', 'in the hello', 'in the flight', 'behind the handshake', 'in a record header'],
    'in a record',
  ],
};
