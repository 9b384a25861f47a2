// steps — a script played on one connection: a function, or steps one after another.
// Called by server.ts for each connection.
// Invariant: it ends: when the script has, or with the connection; what it ends with but that is a failure, told once.

import { GunportError, StreamError } from '../errors.ts';
import type { Message } from '../types.ts';
import { expectation, fits } from './matching.ts';
import type { Script, ServedConnection, Step } from './servertypes.ts';

/** Plays a script. @throws what the script throws, or the step that was not met. @internal */
export async function play(script: Script, connection: ServedConnection): Promise<void> {
  try {
    if (typeof script === 'function') await script(connection);
    else await playSteps(script, connection);
  } catch (error) {
    // The client has gone: what the script waited for cannot come, and that is no fault of either.
    const gone = error instanceof GunportError && error.code === 'ERR_GUNPORT_CLOSED' && !connection.open;
    if (gone && !expected(error)) return;
    void connection.close(1011, 'the script has failed');
    throw error;
  }
}

async function playSteps(steps: readonly Step[], connection: ServedConnection): Promise<void> {
  let last: Message | undefined;
  for (const step of steps) {
    if ('expect' in step) last = await expectNext(step, connection);
    else await playStep(step, connection, last);
  }
}

async function expectNext(
  step: Extract<Step, { expect: unknown }>,
  connection: ServedConnection,
): Promise<Message> {
  const { expect, timeout } = step;
  const message = await connection.next({ timeout });
  if (fits(message, expect)) return message;
  const got = typeof message === 'string' ? JSON.stringify(message) : `${message.length} bytes`;
  const what = `connection ${connection.number}: expected ${expectation(expect)}, got ${got}`;
  throw new StreamError('ERR_GUNPORT_PROTOCOL', what, { phase: 'protocol', reason: 'script' });
}

async function playStep(
  step: Exclude<Step, { expect: unknown }>,
  connection: ServedConnection,
  last: Message | undefined,
): Promise<void> {
  if ('send' in step) {
    connection.send(typeof step.send === 'function' ? step.send(last) : step.send);
  } else if ('wait' in step) await pause(step.wait, connection);
  else if ('close' in step) await connection.close(step.close, step.reason);
  else if ('drop' in step) connection.drop();
  else if ('rudeClose' in step) connection.rudeClose(step.rudeClose, step.reason);
  else if ('garbage' in step) connection.garbage(step.garbage);
  else if ('slowBytes' in step) await connection.slowBytes(step.slowBytes, step);
  else if ('call' in step) await step.call(connection, last);
  else {
    connection.stall();
    if (step.stall === true) return;
    await pause(step.stall, connection);
    connection.resume();
  }
}

/** Ends early with the connection. */
async function pause(ms: number, connection: ServedConnection): Promise<void> {
  let wake: () => void = () => {};
  const time = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const timer = setTimeout(wake, ms);
  await Promise.race([time, connection.closed]);
  clearTimeout(timer);
}

/** It is about a message that was not what the script expects. */
function expected(error: GunportError): boolean {
  return error.reason === 'script';
}
