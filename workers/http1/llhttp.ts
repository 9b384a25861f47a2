// llhttp — Node's own HTTP/1 parser in the WebAssembly build that undici ships: its module, instance and memory.
// Used by http1/parser.ts. One instance a thread, shared by all connections; a parser is a few words in its memory, and
// works on bytes that are copied into the window.
// Invariant: one parser runs at a time, and its hooks are the ones that are called.
// Source: llhttp's api.h; undici's lib/llhttp.

import { createRequire } from 'node:module';

/** What Node has, and its types leave to the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** The part of llhttp's API that is used. */
export interface Api {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  malloc(size: number): number;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_resume(parser: number): void;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_http_major(parser: number): number;
  llhttp_get_http_minor(parser: number): number;
  llhttp_set_lenient_chunked_length(parser: number, on: number): void;
  llhttp_set_lenient_keep_alive(parser: number, on: number): void;
}

/** What llhttp calls, with places in its memory; each answers with one of the values below. */
export interface Hooks {
  onBegin(): number;
  onStatus(at: number, length: number): number;
  onField(at: number, length: number): number;
  onValue(at: number, length: number): number;
  onHead(status: number, keepAlive: boolean): number;
  onBody(at: number, length: number): number;
  onComplete(): number;
}

/** What a hook answers: go on, there is no body, another protocol follows, stop. Or PAUSED. */
export const GO_ON = 0;
export const SKIP_BODY = 1;
export const SWITCH = 2;
export const STOP: number = -1;
/** llhttp_errno_t. */
export const OK = 0;
export const PAUSED = 21;
export const PAUSED_UPGRADE = 22;
/** Bytes that are parsed at once: what is copied stays in the processor's cache. */
export const WINDOW: number = 64 * 1024;
/** llhttp_type_t. */
const RESPONSE = 2;

/** The instance. */
export interface Llhttp {
  readonly api: Api;
  /** Where the bytes are put that are parsed. */
  readonly window: number;
  memory: Buffer;
}

// Per thread, as they must be: the instance, and whose parser it runs at the moment.
let instance: Llhttp | undefined;
let current: Hooks | undefined;

/** The one of this thread. */
export function llhttp(): Llhttp {
  if (instance) return instance;
  const api = instantiate();
  api._initialize();
  instance = { api, window: api.malloc(WINDOW), memory: Buffer.from(api.memory.buffer) };
  return instance;
}

/** Its memory, which moves when it grows. */
export function memoryOf(of: Llhttp): Buffer {
  const { buffer } = of.api.memory;
  if (of.memory.buffer !== buffer) of.memory = Buffer.from(buffer);
  return of.memory;
}

/** A parser of answers. Strict, but for what only its driver can say: RFC 9112 §6.3: "If a message is received with both
 *  a Transfer-Encoding and a Content-Length header field, the Transfer-Encoding overrides the Content-Length"; and an
 *  interim answer with `Connection: close` ends nothing. */
export function newParser({ api }: Llhttp): number {
  const parser = api.llhttp_alloc(RESPONSE);
  api.llhttp_set_lenient_chunked_length(parser, 1);
  api.llhttp_set_lenient_keep_alive(parser, 1);
  return parser;
}

/** Runs a call of the API that calls hooks. */
export function withHooks(hooks: Hooks, call: Api['llhttp_execute'], ...of: Parameters<typeof call>): number {
  current = hooks;
  try {
    return call(...of);
  } finally {
    current = undefined;
  }
}

function instantiate(): Api {
  const require = createRequire(import.meta.url);
  let module: object;
  try {
    module = new WebAssembly.Module(require('undici/lib/llhttp/llhttp_simd-wasm.js'));
  } catch {
    // A processor without SIMD.
    module = new WebAssembly.Module(require('undici/lib/llhttp/llhttp-wasm.js'));
  }
  const env = {
    wasm_on_message_begin: () => current?.onBegin() ?? STOP,
    wasm_on_url: () => GO_ON,
    wasm_on_status: (_: number, at: number, length: number) => current?.onStatus(at, length) ?? STOP,
    wasm_on_header_field: (_: number, at: number, length: number) => current?.onField(at, length) ?? STOP,
    wasm_on_header_value: (_: number, at: number, length: number) => current?.onValue(at, length) ?? STOP,
    wasm_on_headers_complete: (_: number, status: number, _upgrade: number, keepAlive: number) =>
      current?.onHead(status, keepAlive === 1) ?? STOP,
    wasm_on_body: (_: number, at: number, length: number) => current?.onBody(at, length) ?? STOP,
    wasm_on_message_complete: () => current?.onComplete() ?? STOP,
  };
  // Its exports are known by the exact version that package.json asks for.
  return new WebAssembly.Instance(module, { env }).exports as Api;
}
