// index — the door: everything that is public, and nothing else.

export type { Answer, BodyOptions, ResponseOptions } from './answer.ts';
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
export type { FetchBody, FetchInit } from './fetch.ts';
export type { Monitor, MonitorOptions } from './monitor.ts';
export type {
  BodyPart,
  CompressOptions,
  HeaderFields,
  HttpOptions,
  ModuleReference,
  OpenOptions,
  RequestOptions,
  TimeoutOptions,
  TlsOptions,
  WsOptions,
} from './options.ts';
export type { ConnectionEvents } from './owned.ts';
export type { TransferOptions, TransferTarget } from './owner.ts';
export { Pool, type PoolOptions, type ThreadInfo } from './pool.ts';
export { type OfferInfo, type Received, type ReceiveOptions, receiveOwnership } from './receive.ts';
export { Reply, receiveReply } from './reply.ts';
export type { AnyStream } from './roster.ts';
export type { Sendable } from './sending.ts';
export type { OpenTarget } from './settings.ts';
export { type Fin, Stream } from './stream.ts';
export type { StreamEvents } from './streamhost.ts';
export type { Endpoint } from './target.ts';
export type * from './types.ts';
export type { BodilessOptions, Verbs } from './verbs.ts';
export { WsStream } from './wsstream.ts';
