// index — the door: everything that is public, and nothing else.

export type { Answer, BodyOptions, ResponseOptions } from './answer.ts';
export type { DrainOptions, PooledFetchInit, PooledWaitOptions } from './authority/authorities.ts';
export type {
  AuthorityInfo,
  AuthorityNotice,
  AuthorityState,
} from './authority/authorityinfo.ts';
export type { AuthorityName, AuthorityOptions, RetryKind } from './authority/authorityoptions.ts';
export { Lease } from './authority/lease.ts';
export type { MemberInfo } from './authority/member.ts';
export type { PooledBodilessOptions, PooledRequestOptions, ScopeOptions } from './authority/pooledoptions.ts';
export { PooledRequest } from './authority/pooledrequest.ts';
export type { PoolEvents, PooledVerbs } from './authority/pooledverbs.ts';
export type { WaitOptions } from './await.ts';
export type { BackoffOptions } from './backoffoptions.ts';
export { Batch } from './batch.ts';
export { Client, type ClientRequestOptions } from './client/client.ts';
export type { ClientEvents, ClientStateChange } from './client/clientevents.ts';
export type { AdapterReference, AdapterTarget, ClientOptions } from './client/clientoptions.ts';
export { type ClientFactory, defineClient } from './client/defineclient.ts';
export {
  clientOf,
  type ReceiveClientOptions,
  type ReceivedClient,
  receiveClient,
} from './client/receiveclient.ts';
export type { AwaitOptions } from './connection.ts';
export { Connection } from './connection.ts';
export {
  type CookieChange,
  type CookieInfo,
  CookieJar,
  type CookieJarOptions,
  type SerializedJar,
} from './cookies/cookies.ts';
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
export type {
  AskedBy,
  EventOrigin,
  FrameType,
  GunportEventName,
  GunportEvents,
  StreamOrigin,
} from './events/eventtypes.ts';
export { EVENTS } from './events/eventwire.ts';
export type { FetchBody, FetchInit } from './fetch.ts';
export type * from './handler.ts';
export type { Monitor, MonitorOptions } from './monitor.ts';
export type {
  BodyPart,
  CompressOptions,
  ContentHandlerReference,
  ContentOptions,
  CookieStore,
  CookieStoreReference,
  Destination,
  EventStreamOptions,
  HandlerFunction,
  HeaderFields,
  HttpOptions,
  ModuleReference,
  OpenOptions,
  ProtocolOption,
  ProxyEndpoint,
  ProxyOption,
  RawOptions,
  RequestOptions,
  SharedCookies,
  SocksProtocol,
  TimeoutOptions,
  TlsOptions,
  TunnelOptions,
  TunnelReference,
  UpgradeOptions,
  WsOptions,
} from './options.ts';
export type { ConnectionEvents } from './owned.ts';
export type { TransferOptions, TransferTarget } from './owner.ts';
export { Pool, type PoolOptions, type ThreadInfo } from './pool.ts';
export { type OfferInfo, type Received, type ReceiveOptions, receiveOwnership } from './receive.ts';
export type { Remote, RemoteOptions } from './remote.ts';
export { Reply, receiveReply } from './reply.ts';
export type { AnyStream } from './roster.ts';
export type { Sendable } from './sendable.ts';
export type * from './session/adapter.ts';
export {
  RateLimiter,
  type RateLimitMode,
  type RateLimitOptions,
  type SharedRateLimit,
} from './session/bucket.ts';
export type { Logger } from './session/logging.ts';
export type { ClientMetrics, CounterName, GaugeName, Spread } from './session/metrics.ts';
export type { SessionStatus } from './session/sessionwire.ts';
export type { ClientState } from './session/states.ts';
export type { SubscriptionInfo, SubscriptionState } from './session/subscriptions.ts';
export type { OpenTarget } from './settings.ts';
export { EventStream, type EventStreamEvents } from './sse.ts';
export { type Fin, Stream } from './stream.ts';
export type { StreamEvents } from './streamhost.ts';
export type { Endpoint } from './target.ts';
export type * from './types.ts';
export type { BodilessOptions, ThroughTunnel, Verbs } from './verbs.ts';
export type { WatchdogOptions } from './watchdog.ts';
export { WsStream } from './wsstream.ts';
