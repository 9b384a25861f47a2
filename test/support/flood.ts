// flood — an endless fast server in a process of its own, and what may be asked of it.
// Used by flow.test.ts and soak/flow.ts. Invariant: closed, its process is gone.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Pair } from './certificates.ts';

/** What the server is told. */
export type FloodCommand =
  // go on sending until message number `upTo`, exclusive
  | { readonly type: 'send'; readonly upTo: number }
  | { readonly type: 'ping' }
  // drop the client
  | { readonly type: 'reset' }
  | { readonly type: 'tell' };

/** What it reports: of the client that came last. */
export type FloodReport =
  | { readonly type: 'listening'; readonly port: number }
  | {
      /** `stalled`: the client has taken nothing for a while; `sent`: the goal is reached. */
      readonly type: 'up' | 'gone' | 'pong' | 'stalled' | 'sent' | 'told';
      /** Messages that the kernel has taken. */
      readonly sent: number;
      readonly pings: number;
      readonly pongs: number;
    };

export type Told = Exclude<FloodReport, { type: 'listening' }>;

/** Bytes of a message, and of its frame. */
export const MESSAGE_BYTES = 1_024;
export const FRAME_BYTES = 1_028;
/** More messages than any test can take. */
export const ENDLESS = 0xffffffff;

export interface Flood extends AsyncDisposable {
  readonly url: string;
  tell(command: FloodCommand): void;
  /** The next report of a type. */
  next(type: Told['type']): Promise<Told>;
}

/** `secure`: over TLS, with this certificate for localhost. */
export async function flood(secure?: Pair): Promise<Flood> {
  const child = fork(new URL('./flood-server.js', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, GUNPORT_FLOOD_TLS: secure ? JSON.stringify(secure) : '' },
  });
  // The first message of each child.
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const waiters = new Map<string, ((told: Told) => void)[]>();
  child.on('message', (report: Told) => {
    const waiting = waiters.get(report.type) ?? [];
    waiters.delete(report.type);
    for (const waiter of waiting) waiter(report);
  });
  return {
    url: secure ? `wss://localhost:${port}/` : `ws://127.0.0.1:${port}/`,
    tell: (command) => void child.send(command),
    next: (type) =>
      new Promise((resolve) => {
        waiters.set(type, [...(waiters.get(type) ?? []), resolve]);
      }),
    async [Symbol.asyncDispose]() {
      if (!child.connected) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}
