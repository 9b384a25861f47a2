// index — the door: everything that is public, and nothing else.

export type { WaitOptions } from './await.ts';
export { Batch } from './batch.ts';
export type { AwaitOptions } from './connection.ts';
export { Connection } from './connection.ts';
export { connect, open, type PooledOptions } from './default.ts';
export {
  type Code,
  ConnectionError,
  DownError,
  GunportError,
  OptionError,
  OwnerError,
  type Phase,
  StreamError,
  TimeoutError,
} from './errors.ts';
export type { Monitor, MonitorOptions } from './monitor.ts';
export type { CompressOptions, ModuleReference, OpenOptions, TlsOptions, WsOptions } from './options.ts';
export type { ConnectionEvents } from './owned.ts';
export type { TransferOptions, TransferTarget } from './owner.ts';
export { Pool, type PoolOptions, type ThreadInfo } from './pool.ts';
export { type OfferInfo, type Received, type ReceiveOptions, receiveOwnership } from './receive.ts';
export type { Sendable } from './sending.ts';
export type { OpenTarget } from './settings.ts';
export { WsStream } from './stream.ts';
export type { StreamEvents } from './streamhost.ts';
export type { Endpoint } from './target.ts';
export type * from './types.ts';
