// probe — one round of one peer: opens its links, lets them run for a window, and says what was measured.
// Called by bench.ts, round by round.
// Invariant: whatever happens, the links are closed and nothing of the round is left; what was measured until a link was
// lost, or the user had enough, is told all the same.

import { setTimeout as delay } from 'node:timers/promises';
import { begin, settle } from '../../bench/instruments/measure.ts';
import type { Sample } from '../../bench/instruments/work.ts';
import type { BenchCommand } from './command.ts';
import { openGunport } from './gunportlinks.ts';
import { Intake } from './intake.ts';
import type { Links } from './link.ts';
import { Load } from './load.ts';
import type { Recorder } from './recorder.ts';
import type { Sizes } from './sizes.ts';
import type { PeerName } from './values.ts';
import { openWeb } from './weblinks.ts';
import { openWs } from './wslinks.ts';

/** What a round is told of while it runs. */
export interface Progress {
  /** Seconds of the window that have passed, of how many; messages or answers so far. */
  update(elapsed: number, window: number, messages: number): void;
}

export interface Probed {
  readonly sample: Sample;
  readonly sizes: Sizes;
  readonly recorder: Recorder | undefined;
  readonly notes: readonly string[];
  /** How late the clock that sends was in 99 of 100 times, in us, where there was one. */
  readonly late: number | undefined;
  /** How many came in each second. */
  readonly seconds: readonly number[];
  /** Why it ended before its time, other than by the user. */
  readonly ended: string | undefined;
}

/** How often it looks, in ms. */
const LOOK = 250;

/** @throws where the server cannot be reached. */
export async function probe(
  command: BenchCommand,
  peer: PeerName,
  signal: AbortSignal,
  progress: Progress,
): Promise<Probed> {
  const intake = new Intake();
  await settle();
  const links = await openLinks(command, peer, intake);
  try {
    for (const text of command.sends) links.say(text);
    await using load = loadOf(command, links);
    return await windowOf({ command, links, load, intake, signal, progress });
  } finally {
    await links.close();
  }
}

function openLinks(command: BenchCommand, peer: PeerName, intake: Intake): Promise<Links> {
  if (command.kind === 'get') return openWeb(command, intake);
  return peer === 'ws' ? openWs(command, intake) : openGunport(command, intake);
}

function loadOf({ kind, concurrency, rate }: BenchCommand, { lanes }: Links): Load | undefined {
  return kind === 'feed' ? undefined : new Load(lanes, concurrency, rate);
}

interface Round {
  readonly command: BenchCommand;
  readonly links: Links;
  readonly load: Load | undefined;
  readonly intake: Intake;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

async function windowOf({ command, links, load, intake, signal, progress }: Round): Promise<Probed> {
  let ended: string | undefined;
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal.addEventListener('abort', stop);
  void links.gone.then((why) => {
    ended = why;
    over.abort();
  });
  try {
    if (signal.aborted) over.abort();
    await pause(command.warmup, over.signal);
    intake.clear();
    load?.begin();
    const took = begin();
    const window = command.duration / command.rounds;
    const start = performance.now();
    const seconds = await watched(window, intake, over.signal, progress);
    const elapsed = performance.now() - start;
    const { messages, bytes } = intake;
    const early = ended;
    const clocks = took(messages);
    const all = intake.sizes.copy(); // More comes until the links are closed.
    const sizes = all.at(0, 0.5, 0.99, 1);
    await load?.finish();
    return {
      sample: sampleOf(clocks, { messages, bytes, sizes }, load, command.rate !== undefined),
      sizes: all,
      recorder: load?.recorder,
      notes: [...(load ? notesOf(load, command, elapsed) : []), ...links.notes()],
      late: load?.late(99),
      seconds,
      ended: early,
    };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Waits for the end of the window; resolves with what came in each whole second of it. */
async function watched(
  window: number,
  intake: Intake,
  signal: AbortSignal,
  progress: Progress,
): Promise<number[]> {
  const start = performance.now();
  const seconds: number[] = [];
  let told = 0;
  while (!signal.aborted) {
    const elapsed = performance.now() - start;
    progress.update(Math.min(elapsed, window) / 1_000, window / 1_000, intake.messages);
    if (elapsed >= (seconds.length + 1) * 1_000) {
      seconds.push(intake.messages - told);
      told = intake.messages;
    }
    if (elapsed >= window) break;
    const whole = (seconds.length + 1) * 1_000 - elapsed;
    await pause(Math.min(LOOK, window - elapsed, whole), signal);
  }
  return seconds;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {}); // It was ended, and whoever waits sees it.
}

function sampleOf(
  { rate = 0, ...clocks }: Sample,
  { messages, bytes, sizes }: { messages: number; bytes: number; sizes: readonly number[] },
  load: Load | undefined,
  isPaced: boolean,
): Sample {
  const { busy, peakBytes } = clocks;
  const latencies = load?.recorder.figures(isPaced) ?? {};
  // Of nothing, nothing can be told for each.
  if (messages === 0) return { rate: 0, bytesRate: 0, busy, peakBytes, ...latencies };
  const [sizeMin, sizeP50, sizeP99, sizeMax] = sizes;
  const bytesRate = (bytes / messages) * rate;
  return { rate, bytesRate, ...clocks, sizeMin, sizeP50, sizeP99, sizeMax, ...latencies };
}

/** `elapsed`: of the window, in ms. */
function notesOf(load: Load, { kind, rate }: BenchCommand, elapsed: number): string[] {
  const notes: string[] = [];
  const what = { feed: 'messages', echo: 'messages', ping: 'pings', get: 'requests' }[kind];
  if (load.unanswered > 0) {
    notes.push(`${load.unanswered} ${what} had no answer by the end, and count with their age by then`);
  }
  for (const [text, count] of load.failures) notes.push(`${count} ${what} failed: ${text}`);
  const asked = ((rate ?? 0) * elapsed) / 1_000;
  const slow = load.unanswered > asked * 0.01 || load.answered < asked * 0.95 - 1;
  if (rate !== undefined && slow && load.failures.size === 0) {
    notes.push(`${rate}/s was not kept up: more --connections or --concurrency may help, if the server can`);
  }
  return notes;
}
