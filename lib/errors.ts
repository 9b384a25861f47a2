// errors — every error that gunport throws or rejects with, and how one crosses a thread.
// Thrown by all rooms; made into records by the rooms that post.
// Invariant: a code means one thing; code, phase and class survive any number of threads.
// Structured clone drops `code` and the class of an error, so errors travel as plain records.
// Source: Gun's stream_error | connection_error | down | timeout; Mint's reason-as-data.

/** Where in a connection's life an error arose. */
export type Phase =
  | 'dns'
  | 'connect'
  | 'tls'
  | 'upgrade'
  | 'protocol'
  | 'stream'
  | 'closed'
  | 'down'
  | 'timeout'
  | 'aborted';

/** Every error code, once. The README has the same table in words. */
export type Code =
  // the caller's fault
  | 'ERR_GUNPORT_OPTION'
  | 'ERR_GUNPORT_READING'
  | 'ERR_GUNPORT_OVERLOADED'
  | 'ERR_GUNPORT_NOT_CONNECTED'
  | 'ERR_GUNPORT_CLOSING'
  | 'ERR_GUNPORT_BAD_STATE'
  | 'ERR_GUNPORT_UNSUPPORTED'
  | 'ERR_GUNPORT_NOT_OWNER'
  | 'ERR_GUNPORT_TRANSFERRING'
  | 'ERR_GUNPORT_POOL_CLOSED'
  // a transfer that did not come about
  | 'ERR_GUNPORT_TARGET_DEAD'
  | 'ERR_GUNPORT_TRANSFER_TIMEOUT'
  | 'ERR_GUNPORT_REFUSED'
  | 'ERR_GUNPORT_OWN_FAR_END'
  | 'ERR_GUNPORT_NOT_UP'
  | 'ERR_GUNPORT_NOT_CLONEABLE'
  // a handler of the caller's
  | 'ERR_GUNPORT_HANDLER'
  // what a client asked of its peer, or of itself
  | 'ERR_GUNPORT_DUPLICATE_ID'
  | 'ERR_GUNPORT_REPLY'
  | 'ERR_GUNPORT_AUTH'
  | 'ERR_GUNPORT_SUBSCRIPTION'
  | 'ERR_GUNPORT_RATE_LIMITED'
  // getting a connection
  | 'ERR_GUNPORT_LOOKUP'
  | 'ERR_GUNPORT_LOOKUP_TIMEOUT'
  | 'ERR_GUNPORT_CONNECT'
  | 'ERR_GUNPORT_CONNECT_TIMEOUT'
  | 'ERR_GUNPORT_TLS'
  | 'ERR_GUNPORT_TLS_TIMEOUT'
  | 'ERR_GUNPORT_UPGRADE_REFUSED'
  | 'ERR_GUNPORT_HANDSHAKE'
  | 'ERR_GUNPORT_UPGRADE_TIMEOUT'
  | 'ERR_GUNPORT_THREAD'
  | 'ERR_GUNPORT_PROXY'
  // the peer's fault, or the network's
  | 'ERR_GUNPORT_PROTOCOL'
  | 'ERR_GUNPORT_UTF8'
  | 'ERR_GUNPORT_TOO_BIG'
  | 'ERR_GUNPORT_FLOOD'
  // an answer that is no event stream
  | 'ERR_GUNPORT_NO_EVENTS'
  | 'ERR_GUNPORT_PONG_TIMEOUT'
  | 'ERR_GUNPORT_SETTINGS_TIMEOUT'
  | 'ERR_GUNPORT_RESET'
  | 'ERR_GUNPORT_GOAWAY'
  | 'ERR_GUNPORT_CLOSED'
  // endings
  | 'ERR_GUNPORT_CANCELLED'
  | 'ERR_GUNPORT_DOWN'
  | 'ERR_GUNPORT_GAVE_UP'
  | 'ERR_GUNPORT_TIMEOUT'
  | 'ERR_GUNPORT_ABORTED';

/** What an error carries beside its code and message; all optional. */
export interface ErrorDetails {
  /** Where it arose. Default: what the class stands for. */
  phase?: Phase | undefined;
  /** Debugging data: a close code, a Down reason's kind, a limit. Never parse it. */
  reason?: unknown;
  /** Status of the answer that refused an upgrade. */
  status?: number | undefined;
  /** Headers of that answer, lower-case keys in a null-prototype object. */
  headers?: Record<string, string | string[]> | undefined;
  /** Body of that answer, cut at 64 KiB. */
  body?: Uint8Array | undefined;
  /** The proxy on the way that it arose at, without credentials: `http://proxy.example:3128`. */
  hop?: string | undefined;
  /** The peer has provably not processed the request: nothing of it was sent, or the peer has said so. */
  unprocessed?: boolean | undefined;
  /** The error underneath, if there was one. */
  cause?: unknown;
}

/** Base of all errors of gunport. `code` is stable; `message` is for people. */
export class GunportError extends Error {
  readonly code: Code;
  readonly phase: Phase;
  declare readonly reason?: unknown;
  declare readonly status?: number;
  declare readonly headers?: Record<string, string | string[]>;
  declare readonly body?: Uint8Array;
  declare readonly hop?: string;
  /** The peer has provably not processed the request: it may be sent again, whatever it does. */
  declare readonly unprocessed?: boolean;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details && details.cause !== undefined ? { cause: details.cause } : undefined);
    this.code = code;
    this.phase = details.phase ?? 'stream';
    if (details.reason !== undefined) this.reason = details.reason;
    if (details.status !== undefined) this.status = details.status;
    if (details.headers !== undefined) this.headers = details.headers;
    if (details.body !== undefined) this.body = details.body;
    if (details.hop !== undefined) this.hop = details.hop;
    if (details.unprocessed === true) this.unprocessed = true;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** A bad option or argument; thrown at once, names the option and the value. */
export class OptionError extends GunportError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('ERR_GUNPORT_OPTION', message, details);
  }
}

/** A call that only the owner may make, or a transfer that did not come about. */
export class OwnerError extends GunportError {}

/** One stream ended badly, or was used wrongly; the connection may go on. */
export class StreamError extends GunportError {}

/** What a stream ends with when its process does, told by the process or found out by the owner. @internal */
export function endedError(kind: string, cause: unknown): StreamError {
  const details = { phase: 'closed', reason: kind, cause } as const;
  return new StreamError('ERR_GUNPORT_CLOSED', `the connection has ended (${kind})`, details);
}

/** The connection could not be made, or was lost. */
export class ConnectionError extends GunportError {
  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(code, message, { phase: 'closed', ...details });
  }
}

/** The connection process is gone; `reason` is the Down's reason. */
export class DownError extends GunportError {
  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(code, message, { phase: 'down', ...details });
  }
}

/** A deadline of the caller passed, or its signal was aborted; nothing was left behind. */
export class TimeoutError extends GunportError {
  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(code, message, { phase: code === 'ERR_GUNPORT_ABORTED' ? 'aborted' : 'timeout', ...details });
  }
}

/** Names the proxy that an error arose at, if it names none yet. @internal */
export function withHop<E extends GunportError>(error: E, hop: string): E {
  if (error.hop === undefined) Object.assign(error, { hop });
  return error;
}

const classes = {
  GunportError,
  OptionError,
  OwnerError,
  StreamError,
  ConnectionError,
  DownError,
  TimeoutError,
};

/** An error as plain data: what crosses threads. @internal */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number | undefined;
  readonly phase?: Phase | undefined;
  readonly stack?: string | undefined;
  readonly reason?: unknown;
  readonly status?: number | undefined;
  readonly headers?: Record<string, string | string[]> | undefined;
  readonly body?: Uint8Array | undefined;
  readonly hop?: string | undefined;
  readonly unprocessed?: boolean | undefined;
  readonly extra?: Record<string, string | number | boolean> | undefined;
  readonly cause?: ErrorRecord | undefined;
}

/** Makes plain data of anything that was thrown. Never throws itself. @internal */
export function toRecord(thrown: unknown, depth = 0): ErrorRecord {
  const error = asError(thrown);
  if (error !== thrown) return { name: 'NonError', message: describe(thrown) };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const ours = error instanceof GunportError ? error : undefined;
  return {
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === 'string' ? error.stack : undefined,
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    phase: ours?.phase,
    reason: cloneable(ours?.reason),
    status: ours?.status,
    headers: ours?.headers,
    body: ours?.body,
    hop: ours?.hop,
    unprocessed: ours?.unprocessed,
    extra: ours ? undefined : plainFields(error),
    cause: cause === undefined || depth > 4 ? undefined : toRecord(cause, depth + 1),
  };
}

/** What a user's function threw, if it is an error that lets itself be looked at; else one that tells of it. A Proxy or a
 *  getter may throw at any look, in the midst of our own work, so this is the first. @internal */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) {
      const { name, message, stack, cause } = thrown;
      void [`${name}${message}${stack}`, cause, (thrown as { code?: unknown }).code, Object.entries(thrown)];
      return thrown;
    }
  } catch {
    // It does not: it is told of as any other value.
  }
  return new Error(describe(thrown));
}

/** Makes an error of the class it had out of a record. @internal */
export function fromRecord(record: ErrorRecord): Error {
  const cause = record.cause && fromRecord(record.cause);
  const Class = Object.hasOwn(classes, record.name)
    ? classes[record.name as keyof typeof classes]
    : undefined;
  if (Class) {
    const details: ErrorDetails = { ...record, headers: nullPrototype(record.headers), cause };
    const error =
      Class === OptionError
        ? new OptionError(record.message, details)
        : // A record with one of our class names was made by toRecord from one of our errors.
          new (Class as typeof GunportError)(record.code as Code, record.message, details);
    return error;
  }
  const Native = NATIVE.find(({ name }) => name === record.name) ?? Error;
  const error = new Native(record.message, cause === undefined ? undefined : { cause });
  const fields: Record<string, unknown> = {
    name: record.name,
    code: record.code,
    stack: record.stack,
    ...record.extra,
  };
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) Object.defineProperty(error, key, { value, configurable: true, writable: true });
  }
  return error;
}

const NATIVE: readonly ErrorConstructor[] = [
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
];

/** A short text for any value, for messages. Never throws. @internal */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'string')
      return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
    if (typeof value === 'object' && value !== null) {
      if (Array.isArray(value)) return JSON.stringify(value)?.slice(0, 200) ?? 'an array';
      return `an object of class ${value.constructor?.name ?? 'null'}`;
    }
    return String(value);
  } catch {
    return 'a value that cannot be shown'; // A hostile toString or getter: there is nothing to tell of it.
  }
}

function nullPrototype(
  headers: Record<string, string | string[]> | undefined,
): Record<string, string | string[]> | undefined {
  return headers && Object.assign(Object.create(null), headers);
}

function cloneable(reason: unknown): unknown {
  if (reason === undefined || reason === null || typeof reason !== 'object') {
    return typeof reason === 'function' || typeof reason === 'symbol' ? describe(reason) : reason;
  }
  try {
    return structuredClone(reason);
  } catch {
    return describe(reason); // What cannot cross a thread crosses as text.
  }
}

/** Node's own fields on system and TLS errors: errno, syscall, address, port, library, … */
function plainFields(error: Error): Record<string, string | number | boolean> | undefined {
  const fields: Record<string, string | number | boolean> = {};
  let found = false;
  for (const [key, value] of Object.entries(error)) {
    if (key === 'code' || !['string', 'number', 'boolean'].includes(typeof value)) continue;
    // The line above leaves just these three types.
    fields[key] = value as string | number | boolean;
    found = true;
  }
  return found ? fields : undefined;
}
