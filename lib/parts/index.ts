// index — the door of the parts: a list, and nothing else.
// Imported by handler modules as `gunport/parts`.
// Invariant: what is not named here is internal and may change at any time.

export { type BookChange, type BookOptions, type BookPart, book } from './book.ts';
export { type ConflateOptions, conflate, type ThrottleOptions, throttle } from './conflate.ts';
export {
  type JsonLinesOptions,
  type JsonOptions,
  json,
  jsonLines,
  type MsgpackOptions,
  msgpack,
  type OnBad,
} from './decode.ts';
export { type Gap, type GapsOptions, type GapsPart, gaps, type Sequence } from './gaps.ts';
export {
  type BookCounters,
  type BookLoss,
  type BookTop,
  type BookUpdate,
  type LevelChange,
  OrderBook,
  type OrderBookOptions,
} from './orderbook.ts';
export { type Counters, type Counting, type Part, type PartContext, part, type Running } from './part.ts';
export { type PartCounters, type Picking, type Pipe, type PipeApi, pipe } from './pipe.ts';
export { contains, filter, map, sample } from './select.ts';
export type { Level } from './side.ts';
