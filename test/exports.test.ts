// exports.test — the public face: these names and no others, with types that a program can be written against.
// The program below is compiled with the tests and never run: if a name or a result changes, tsc says so.
// Source: README, and the types of lib/index.ts.

import { readFile } from 'node:fs/promises';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import * as face from '../lib/index.ts';
import {
  type Batch,
  type CloseResult,
  type Code,
  type Connection,
  type ConnectionInfo,
  connect,
  type Down,
  type DownKind,
  GunportError,
  type Message,
  open,
  Pool,
  receiveOwnership,
  type StreamNotice,
  type WsStream,
} from '../lib/index.ts';

const TYPES: readonly string[] = [
  'Act',
  'Adapter',
  'AdapterContext',
  'AdapterFactory',
  'AdapterReference',
  'AdapterTarget',
  'Answer',
  'AnyStream',
  'AskedBy',
  'AttemptInfo',
  'AuthHooks',
  'AuthResult',
  'AuthorityInfo',
  'AuthorityName',
  'AuthorityNotice',
  'AuthorityOptions',
  'AuthorityState',
  'AwaitOptions',
  'BackoffOptions',
  'BodilessOptions',
  'Body',
  'BodyOptions',
  'BodyPart',
  'ClientEvents',
  'ClientFactory',
  'ClientMetrics',
  'ClientOptions',
  'ClientRequestOptions',
  'ClientState',
  'ClientStateChange',
  'CloseResult',
  'Code',
  'CompressOptions',
  'ConnectedInfo',
  'ConnectionCounters',
  'ConnectionEvents',
  'ConnectionHooks',
  'ConnectionInfo',
  'ConnectionStatus',
  'ContentAnswer',
  'ContentHandler',
  'ContentHandlerFunction',
  'ContentHandlerReference',
  'ContentOptions',
  'CookieChange',
  'CookieInfo',
  'CookieJarOptions',
  'CookieStore',
  'CookieStoreReference',
  'CounterName',
  'DataNotice',
  'Destination',
  'Down',
  'DownKind',
  'DownReason',
  'DrainOptions',
  'Endpoint',
  'ErrorClass',
  'ErrorContext',
  'ErrorHooks',
  'EventOrigin',
  'EventStreamEvents',
  'EventStreamOptions',
  'FailureInfo',
  'Fault',
  'FetchBody',
  'FetchInit',
  'Fin',
  'FrameType',
  'GaugeName',
  'GunportEventName',
  'GunportEvents',
  'Handler',
  'HandlerContext',
  'HandlerFactory',
  'HandlerFunction',
  'HandlerTimer',
  'HeaderFields',
  'Headers',
  'HeartbeatHooks',
  'HttpOptions',
  'HttpVersion',
  'InformNotice',
  'Intermediary',
  'LogLevel',
  'Logger',
  'LoggingHooks',
  'LoneEvent',
  'LossInfo',
  'LostNotice',
  'MemberInfo',
  'Message',
  'MessageAct',
  'MessageHooks',
  'MetricsHooks',
  'ModuleReference',
  'Monitor',
  'MonitorOptions',
  'OfferInfo',
  'OpenInfo',
  'OpenOptions',
  'OpenTarget',
  'PeerSettings',
  'Phase',
  'PoolEvents',
  'PoolOptions',
  'PooledBodilessOptions',
  'PooledFetchInit',
  'PooledOptions',
  'PooledRequestOptions',
  'PooledVerbs',
  'PooledWaitOptions',
  'Protocol',
  'ProtocolOption',
  'ProxyEndpoint',
  'ProxyOption',
  'PushNotice',
  'RateLimitHooks',
  'RateLimitMode',
  'RateLimitOptions',
  'RateRequest',
  'RawOptions',
  'ReceiveClientOptions',
  'ReceiveOptions',
  'Received',
  'ReceivedClient',
  'Remote',
  'RemoteOptions',
  'RequestHooks',
  'RequestOptions',
  'RequestReplyOptions',
  'ResponseNotice',
  'ResponseOptions',
  'RetryChoice',
  'RetryDecision',
  'RetryInfo',
  'RetryKind',
  'ScopeOptions',
  'SendOptions',
  'Sendable',
  'SerializedJar',
  'ServerSentEvent',
  'SessionStatus',
  'SettingsNotice',
  'SharedCookies',
  'SharedRateLimit',
  'SocksProtocol',
  'Spread',
  'SseNotice',
  'StreamEvents',
  'StreamInfo',
  'StreamNotice',
  'StreamOrigin',
  'StreamState',
  'SubscriptionHooks',
  'SubscriptionInfo',
  'SubscriptionState',
  'SwitchedNotice',
  'ThreadDown',
  'ThreadInfo',
  'ThreadSilence',
  'ThroughTunnel',
  'TimeoutOptions',
  'TlsOptions',
  'TrailersNotice',
  'TransferOptions',
  'TransferTarget',
  'TunnelOptions',
  'TunnelReference',
  'TunnelUpNotice',
  'UpNotice',
  'UpgradeNotice',
  'UpgradeOptions',
  'Verbs',
  'WaitOptions',
  'WatchdogOptions',
  'WithHandler',
  'WsNotice',
  'WsOptions',
];

describe('the public face', () => {
  it('has these values and no others', () => {
    expect(Object.keys(face).sort()).to.deep.equal([
      'Batch',
      'Client',
      'Connection',
      'ConnectionError',
      'CookieJar',
      'DownError',
      'EVENTS',
      'EventStream',
      'GunportError',
      'Lease',
      'OptionError',
      'OwnerError',
      'Pool',
      'PooledRequest',
      'RateLimiter',
      'Reply',
      'Stream',
      'StreamError',
      'TimeoutError',
      'WsStream',
      'clientOf',
      'connect',
      'defineClient',
      'open',
      'receiveClient',
      'receiveOwnership',
      'receiveReply',
    ]);
    expect(receiveOwnership.all).to.be.a('function');
  });

  it('has these types and no others', async () => {
    const read = (name: string) => readFile(new URL(`../lib/${name}.d.ts`, import.meta.url), 'utf8');
    const index = await read('index');
    const stars = [...index.matchAll(/export type \* from '\.\/(.+)\.ts'/g)].map(([, name = '']) => name);
    const shapes: string[] = [];
    for (const text of await Promise.all(stars.map(read))) {
      for (const [, name = ''] of text.matchAll(/^export (?:type|interface) (\w+)/gm)) shapes.push(name);
    }
    const types = [...index.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, type, names = '']) =>
      names
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '' && (type !== undefined || name.startsWith('type ')))
        .map((name) => name.replace(/^type /, '')),
    );
    expect([...new Set([...types, ...shapes])].sort()).to.deep.equal(TYPES);
  });

  it('has one base for all errors', () => {
    const { ConnectionError, DownError, OptionError, OwnerError, StreamError, TimeoutError } = face;
    for (const one of [ConnectionError, DownError, OptionError, OwnerError, StreamError, TimeoutError]) {
      expect(one.prototype).to.be.instanceOf(GunportError);
    }
    expect(GunportError.prototype).to.be.instanceOf(Error);
  });

  it('keeps Gun’s verbs in camelCase', () => {
    const connection = [
      'awaitUp',
      'await',
      'awaitBody',
      'wsUpgrade',
      'wsSend',
      'cancel',
      'updateFlow',
      'info',
    ];
    const requests = [
      'get',
      'head',
      'options',
      'delete',
      'post',
      'put',
      'patch',
      'request',
      'headers',
      'data',
    ];
    const calls = ['flush', 'streamInfo', 'ping', 'fetch', 'connect', 'raw'];
    const ends = ['monitor', 'demonitor', 'transferOwnership', 'close', 'shutdown', 'ref', 'unref'];
    for (const name of [...connection, ...requests, ...calls, ...ends])
      expect(face.Connection.prototype).to.respondTo(name);
    for (const name of ['send', 'drained', 'ping', 'close', 'batches', 'transferOwnership', 'cancel']) {
      expect(face.WsStream.prototype).to.respondTo(name);
    }
    for (const name of [
      'response',
      'body',
      'text',
      'json',
      'bytes',
      'data',
      'drained',
      'cancel',
      'updateFlow',
      'established',
    ]) {
      expect(face.Stream.prototype).to.respondTo(name);
    }
    for (const name of ['connect', 'open', 'info', 'close', 'terminate', 'ref', 'unref']) {
      expect(Pool.prototype).to.respondTo(name);
    }
  });

  it('is what the package exports, and nothing beside it', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { exports } = JSON.parse(text) as { exports: Record<string, unknown> };
    expect(exports['.']).to.deep.equal({
      types: './dist/lib/index.d.ts',
      default: './dist/lib/index.js',
    });
    const doors = {
      parts: 'json',
      testing: 'serve',
      prometheus: 'collectClients',
      opentelemetry: 'observeClients',
    };
    for (const [name, value] of Object.entries(doors)) {
      const { default: file } = exports[`./${name}`] as { default: string };
      expect(await import(file.replace('./dist/', '../'))).to.have.property(value);
    }
    for (const name of ['deribit', 'echo']) {
      const { default: file } = exports[`./adapters/${name}`] as { default: string };
      expect((await import(file.replace('./dist/', '../'))).default, name).to.be.a('function');
    }
  });

  it('is written against by the program below', () => {
    expect(program).to.be.a('function');
  });
});

/** True when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Every type of the contract, as a program meets it. */
async function program(worker: Worker, pool: Pool): Promise<void> {
  const feed = await connect('wss://feed.example/trades', { subprotocols: ['a'], compress: true, pool });
  const isFeed: Same<typeof feed, WsStream<Connection>> = true;
  for await (const message of feed) {
    const isMessage: Same<typeof message, Message> = true;
    use(isFeed, isMessage, typeof message === 'string' ? message.length : message.byteLength);
  }
  for await (const batch of feed.batches({ borrow: true })) {
    const isBatch: Same<typeof batch, Batch> = true;
    for (let i = 0; i < batch.length; i++) use(isBatch, batch.bytes(i), batch.text(i), batch.isText(i));
    for (const message of batch) use(message);
  }
  feed.on('message', (data) => use(data)).on('close', ({ code }) => use(code));
  const sent: boolean = feed.send(['a', new Uint8Array(3)]);
  await feed.drained({ timeout: 100 });
  const rtt: number = await feed.ping('x', { timeout: 100 });
  const closed: CloseResult = await feed.close(1000, 'bye');

  const monitor = feed.connection.monitor((down) => use(down.reason.kind), { keep: true });
  const down: Down<Connection> | undefined = await monitor.down;
  const kind: DownKind | undefined = down?.reason.kind;
  feed.connection.demonitor(monitor, { flush: true });
  pool.on('down', ({ threadId, reason, connections }) => use(threadId, reason.exitCode, connections[0]));
  pool.on('orphan', (connection) => use(connection.streams.size));
  pool.on('degraded', ({ origin, scope, reason }) => use(origin, scope, reason?.code));
  use((await pool.get('https://feed.example/', { scope: 'a', retry: 'idempotent' })).status);
  use(await pool.post('https://feed.example/', { body: 'x' }).json<number>());
  await using lease = await pool.checkout<string>('https://feed.example', { timeout: 1_000 });
  use(lease.meta.length, lease.connection.id, (await pool.fetch('https://feed.example/')).status);
  for (const { state, connections } of pool.authorities()) use(state, connections.length);
  await pool.drain('https://feed.example', { timeout: 1_000 });

  const connection = open({ host: 'example.com', port: 443 }, { retry: 3, tls: { ca: 'pem' } });
  const { signal } = new AbortController();
  const { protocol } = await connection.awaitUp({ timeout: 5_000, monitor, signal });
  const stream = connection.wsUpgrade('/', { flow: 10 });
  const notice: StreamNotice = await connection.await(stream);
  if (notice.type === 'ws' && notice.frame === 'close') use(notice.code);
  const info: ConnectionInfo = await connection.info();

  await feed.transferOwnership(worker, { timeout: 5_000, data: { since: 7 }, signal });
  await connection.transferOwnership({ threadId: 3 });
  const received = await receiveOwnership<{ since: number }>(worker, {
    accept: ({ origin }) => origin !== '',
  });
  for await (const { data } of receiveOwnership.all<number>()) use(data + received.data.since);

  // @ts-expect-error: an option that does not exist
  await connect('ws://x', { retries: 3 });
  // @ts-expect-error: a message that cannot be sent
  feed.send(7);
  // @ts-expect-error: no public field is mutable
  feed.id = 3;
  const caught: unknown = undefined;
  if (caught instanceof GunportError) {
    const code: Code = caught.code;
    use(code === 'ERR_GUNPORT_TIMEOUT', caught.phase === 'timeout');
  }
  await using _scope = new Pool({ threads: 2 });
  use(sent, rtt, closed, kind, protocol, info.tls?.version);
}

function use(..._values: unknown[]): void {}
