// servertypes — what a scripted server is asked for, and what it shows of its connections.
// Spoken by server.ts, served.ts and steps.ts, and by tests.
// Invariant: every promise here settles: with what was waited for, at its timeout, or when who it waits for has gone.

import type { HeaderFields } from '../options.ts';
import type { Message } from '../types.ts';
import type { Expected } from './matching.ts';

/** What is sent: a string and bytes as they are, all else as JSON. */
export type Outgoing = unknown;

/** How long to wait. */
export interface Patience {
  /** In milliseconds; Infinity for none. Default 5 000. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** One thing that a script does. */
export type Step =
  /** Waits for the next message, which must be this: else the script has failed, and the connection is closed with 1011. */
  | { readonly expect: Expected; readonly timeout?: number | undefined }
  /** Sends this; of a function what it makes of the message before (the last one expected). */
  | { readonly send: Outgoing | ((last: Message | undefined) => Outgoing) }
  /** Waits, in milliseconds. */
  | { readonly wait: number }
  /** Closes with this code, and waits for the end. */
  | { readonly close: number; readonly reason?: string | undefined }
  | { readonly drop: true }
  | { readonly rudeClose: number; readonly reason?: string | undefined }
  | { readonly garbage: Uint8Array }
  /** Stalls for so many milliseconds, or for good. */
  | { readonly stall: number | true }
  /** Sends this a byte at a time. */
  | { readonly slowBytes: Message; readonly every: number }
  /** Whatever else. */
  | { readonly call: (connection: ServedConnection, last: Message | undefined) => unknown };

/** What is done with each connection: a function, which may give a promise; or steps, one after another, after which the
 *  connection stays open. What a function throws, or a step that is not met, is a failure of the script. */
export type Script = ((connection: ServedConnection) => unknown) | readonly Step[];

/** Options of `serve`. */
export interface ServeOptions {
  /** Default: it takes connections and says nothing. */
  script?: Script | undefined;
  /** Default: a free one. */
  port?: number | undefined;
  /** Certificate and key, in PEM: it is a wss: server then, at localhost. */
  tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** Subprotocols that it speaks: the first of the client's that is among them is chosen. */
  subprotocols?: readonly string[] | undefined;
  /** Agree to permessage-deflate. Default false. */
  compress?: boolean | undefined;
  /** More headers for the answer to an upgrade. */
  headers?: HeaderFields | undefined;
  /** Answer pings. Default true. */
  pongs?: boolean | undefined;
  /** Most messages, upgrades and connections that are remembered, each; the oldest go first. Default 10 000. */
  log?: number | undefined;
}

/** A message that came. */
export interface ReceivedMessage {
  /** Number of its connection. */
  readonly connection: number;
  readonly data: Message;
  /** Milliseconds since the server began. */
  readonly at: number;
}

/** A request for a WebSocket. */
export interface UpgradeRequest {
  /** From 1, also of those that were refused. */
  readonly number: number;
  /** Path and query. */
  readonly url: string;
  /** Lower-case keys. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The status that it was answered with: 101, or that of `refuse`; 0: not yet, or never. */
  readonly status: number;
}

/** How an answer refuses an upgrade. */
export interface RefuseOptions {
  headers?: HeaderFields | undefined;
  /** Default: empty. */
  body?: string | Uint8Array | undefined;
  /** How many are refused. Default: all, until `refuse(false)`. */
  times?: number | undefined;
}

/** The server's end of one WebSocket. */
export interface ServedConnection {
  /** From 1, in the order they came. */
  readonly number: number;
  /** Path and query. */
  readonly url: string;
  /** Of the request: lower-case keys. */
  readonly headers: UpgradeRequest['headers'];
  /** The subprotocol that was chosen, or ''. */
  readonly protocol: string;
  readonly open: boolean;
  /** What came on it, as far as the server remembers. */
  readonly received: readonly Message[];
  /** Resolves when it has ended. `code` is 1005 where the client gave none, 1006 where it just went. Never rejects. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Calls back for each message from now on; returns how to stop that. What it throws is a failure of the script. */
  onMessage(listener: (message: Message) => unknown): () => void;
  /** The next message that no `next` was given. @throws {TimeoutError} @throws {StreamError} ERR_GUNPORT_CLOSED it has
   *  ended, and nothing is left. */
  next(patience?: Patience): Promise<Message>;
  /** Sends one message. False: it is not open. */
  send(data: Outgoing): boolean;
  /** Sends a ping; resolves with the round trip in milliseconds. @throws as `next`. */
  ping(patience?: Patience): Promise<number>;
  /** The closing handshake. Resolves as `closed`; a client that does not answer is cut after 5 s. */
  close(code?: number, reason?: string): ServedConnection['closed'];
  /** Destroys the socket, as a cable that was pulled; `reset` sends RST. */
  drop(options?: { readonly reset?: boolean | undefined }): void;
  /** Reads nothing from now on, so that nothing is answered, no ping either. */
  stall(): void;
  resume(): void;
  /** Writes these bytes where a frame should begin. */
  garbage(bytes: Uint8Array): void;
  /** Sends a close frame with this code, also one that may not be sent, and goes without waiting for an answer.
   *  Default: 1001. */
  rudeClose(code?: number, reason?: string): void;
  /** Sends one message a byte at a time, every so many milliseconds (default 1). Resolves when it is out: nothing else may
   *  be sent before. @throws {StreamError} rejects with ERR_GUNPORT_CLOSED when the connection has ended first. */
  slowBytes(message: Message, options?: { readonly every?: number | undefined }): Promise<void>;
}

/** A WebSocket server on 127.0.0.1 that does what a test says. */
export interface ScriptedServer extends AsyncDisposable {
  /** `ws://127.0.0.1:port`, or `wss://localhost:port`. */
  readonly url: string;
  readonly port: number;
  /** All that came up, in order, ended or not. */
  readonly connections: readonly ServedConnection[];
  /** All upgrades that were asked for, also those that were refused. */
  readonly upgrades: readonly UpgradeRequest[];
  /** All messages of all connections, in the order they came. */
  readonly received: readonly ReceivedMessage[];
  /** What went wrong in scripts. */
  readonly failures: readonly Error[];
  /** The first message that came, or comes, and is this.
   *  @throws {TimeoutError} @throws {StreamError} ERR_GUNPORT_CLOSED the server was stopped. */
  waitFor(expected: Expected, patience?: Patience): Promise<ReceivedMessage>;
  /** The connection of this number, once it is open. @throws as `waitFor`. */
  connection(number: number, patience?: Patience): Promise<ServedConnection>;
  /** Another script, for connections from now on. */
  script(script: Script): void;
  /** Sends one message to all that are open; tells how many those are. */
  broadcast(data: Outgoing): number;
  /** Closes all that are open. */
  close(code?: number, reason?: string): Promise<void>;
  /** Destroys the sockets of all. */
  drop(options?: { readonly reset?: boolean | undefined }): void;
  /** Reads nothing from anyone, and answers no upgrade, until `resume()`. */
  stall(): void;
  resume(): void;
  /** Answers the next upgrades with this status; `false`: takes them again.
   *  @throws {OptionError} a status that is none, 101 among them. */
  refuse(status: number | false, options?: RefuseOptions): void;
  /** As those of each connection, to all that are open. */
  garbage(bytes: Uint8Array): void;
  rudeClose(code?: number, reason?: string): void;
  /** Drops all, stops listening and listens again at the same port. `meanwhile` runs while nobody does. */
  restart(meanwhile?: () => unknown): Promise<void>;
  /** Drops all and ends. @throws rejects with the first failure of a script, once it has ended all the same. */
  stop(): Promise<void>;
}
