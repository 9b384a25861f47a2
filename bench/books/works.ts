// works — a feed of order books of which one of twenty is wanted, as a work of the benchmark: who keeps the book, and where.
// Started by run.ts; feeds/server.ts sends it, messages.ts says what.
// Invariant: each counts all messages of the feed, and has the top of the wanted book in main's hands whenever it is new
// (or the latest of them, where the label says so). All keep the same book; one that loses a message fails.

import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';
import { Pool } from '../../lib/index.ts';
import { type BookTop, OrderBook } from '../../lib/parts/index.ts';
import type { FeedReady } from '../feeds/payloads.ts';
import { measure } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Close, Group, Peer, Settings, Tally, Work } from '../instruments/work.ts';
import type { BookHandlerOptions, Top } from './handler.ts';
import { BOOK_SIZE, type BookMessage, symbolOf } from './messages.ts';

const BOOK_PEER_NAMES = ['book', 'book-latest', 'book-main', 'book-ws', 'book-ws-search'] as const;
type BookPeerName = (typeof BOOK_PEER_NAMES)[number];

const SYMBOL = symbolOf(7);
const DEPTH = 1;
const LATEST = 20;

interface BookPeer {
  readonly label: string;
  readonly open: (url: string, tally: Tally) => Promise<Close>;
}

const PEERS: Readonly<Record<BookPeerName, BookPeer>> = {
  book: { label: 'gunport, handler: each new top', open: handled(0) },
  'book-latest': { label: `gunport, handler: the latest, ${1_000 / LATEST} a second`, open: handled(LATEST) },
  'book-main': { label: 'gunport, for await, JSON.parse on main', open: openMain },
  'book-ws': { label: 'ws on main, JSON.parse', open: ws(() => true) },
  'book-ws-search': {
    label: 'ws on main, JSON.parse of what is wanted',
    open: ws((data) => data.includes(`"symbol":"${SYMBOL}"`)),
  },
};

export const BOOKS: Group = {
  works: ['book'],
  peers: BOOK_PEER_NAMES,
  start: async (names, settings) => {
    const path = fileBeside(import.meta.url, '../feeds/server');
    const server = await ServerProcess.start<FeedReady>(path, names);
    const works = [workOf(server.ready, settings)];
    return server.serving(works);
  },
};

function workOf({ port }: FeedReady, settings: Settings): Work {
  const url = `ws://127.0.0.1:${port}/book`;
  const peers = BOOK_PEER_NAMES.map((peer): Peer => {
    const { label, open } = PEERS[peer];
    return { name: peer, label, measure: () => measure((tally) => open(url, tally), BOOK_SIZE, settings) };
  });
  return {
    name: 'book',
    label: `${BOOK_SIZE} B order books, 1 of 20 wanted`,
    unit: { rate: 'k msg/s', per: 1_000 },
    base: { peer: 'book-ws', label: 'ws on main' },
    peers,
    targets: [
      { peer: 'book', figure: 'activeNs', most: 1 / 20 },
      { peer: 'book-latest', figure: 'activeNs', most: 1 / 20 },
    ],
  };
}

/** The top is in hand. */
function use({
  sequence,
  bids,
}: {
  readonly sequence?: number | undefined;
  readonly bids: BookTop['bids'];
}): void {
  if (sequence === undefined || bids.length === 0) throw new Error('the book was lost');
}

// ── gunport ─────────────────────────────────────────────────────────────────────────────────────────────────

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

function handled(interval: number): BookPeer['open'] {
  return (url, tally) =>
    read(url, tally, { symbol: SYMBOL, depth: DEPTH, interval }, (value) => {
      const top = value as Top; // The handler gives nothing else.
      use(top);
      tally.messages = top.seen;
      tally.bytes = top.seen * BOOK_SIZE;
    });
}

function openMain(url: string, tally: Tally): Promise<Close> {
  const keep = keeper();
  return read(url, tally, undefined, (text) => {
    tally.messages++;
    tally.bytes += (text as string).length; // The feed has only texts.
    keep(text as string);
  });
}

async function read(
  url: string,
  tally: Tally,
  options: BookHandlerOptions | undefined,
  take: (value: unknown) => void,
): Promise<Close> {
  pool ??= new Pool({ threads: 1 });
  const handler = options && { module: pathToFileURL(fileBeside(import.meta.url, 'handler')), options };
  const feed = await pool.connect(url, { handler });
  let closing = false;
  const failed = (error: unknown): void => {
    if (!closing) tally.error ??= error;
  };
  feed.on('fault', ({ error }) => failed(error));
  const reading = (async () => {
    for await (const value of feed) take(value);
  })().catch(failed);
  return async () => {
    closing = true;
    await feed.connection.close();
    await reading;
  };
}

// ── ws on the main thread ───────────────────────────────────────────────────────────────────────────────────

/** Keeps the book of messages as they come. */
function keeper(): (text: string) => void {
  const book = new OrderBook();
  return (text) => {
    const message = JSON.parse(text) as BookMessage; // What the server sends.
    if (message.symbol === SYMBOL && book.apply(message) < DEPTH) use(book.top(DEPTH));
  };
}

function ws(wanted: (data: Buffer) => boolean): BookPeer['open'] {
  return async (url, tally) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const keep = keeper();
    let closing = false;
    const failed = (error: unknown): void => {
      if (!closing) tally.error ??= error;
    };
    socket.on('message', (message) => {
      const data = message as Buffer; // binaryType is 'nodebuffer' unless asked otherwise.
      tally.messages++;
      tally.bytes += data.length;
      if (wanted(data)) keep(data.toString());
    });
    socket.on('error', failed);
    socket.on('close', (code) => failed(new Error(`the feed closed with ${code}`)));
    return async () => {
      closing = true;
      socket.terminate();
    };
  };
}
