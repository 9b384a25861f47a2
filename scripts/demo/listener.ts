// listener — the receiving part of the demo, on any URL.
// Called by demo.ts. Main itself reads, in batches: what that costs it is on the screen.
// Invariant: it ends by the peer's close, by its time, or by an interrupt (with a goodbye to the peer), and each of
// them with a summary; what cannot be connected to is told in one line.

import { GunportError, Pool, type WsStream } from '../../lib/index.ts';
import { now } from './clock.ts';
import { bytes, grouped, many, milliseconds, percent } from './figures.ts';
import { Gauge } from './gauge.ts';
import type { Screen } from './screen.ts';

/** How long the goodbye may take, in milliseconds. */
const CLOSING = 2_000;

const COLUMNS = [
  { title: 'time', width: 6 },
  { title: 'messages/s', width: 11 },
  { title: 'bytes/s', width: 9 },
  { title: 'main busy', width: 9 },
  { title: 'delay p99', width: 9 },
  { title: 'messages', width: 12 },
  { title: 'bytes', width: 9 },
];

/** Receives; resolves with the exit code. `seconds`: how long, else until the peer closes. */
export async function listen(
  url: string,
  seconds: number | undefined,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const pool = new Pool({ threads: 1 });
  try {
    const feed = await pool.connect(url, { signal, closingTimeout: CLOSING });
    return await new Listener(feed, screen).run(seconds, signal);
  } catch (error) {
    if (!(error instanceof GunportError)) throw error;
    if (error.code === 'ERR_GUNPORT_ABORTED') return 0; // Interrupted before there was anything to sum up.
    process.stderr.write(`gunport: ${error.message}\n`);
    return error.code === 'ERR_GUNPORT_OPTION' ? 2 : 1;
  } finally {
    await pool.close();
  }
}

class Listener {
  readonly #feed: WsStream;
  readonly #screen: Screen;
  readonly #gauge = new Gauge();
  readonly #began = now();
  #messages = 0;
  #bytes = 0;
  #last: { readonly at: number; readonly messages: number; readonly bytes: number };

  constructor(feed: WsStream, screen: Screen) {
    this.#feed = feed;
    this.#screen = screen;
    this.#last = { at: this.#began, messages: 0, bytes: 0 };
  }

  async run(seconds: number | undefined, signal: AbortSignal): Promise<number> {
    const feed = this.#feed;
    const screen = this.#screen;
    this.#gauge.start();
    const leave = (): void => void feed.close(1000, 'enough');
    const ticking = setInterval(() => this.#tick(), 1000);
    const timer = seconds === undefined ? undefined : setTimeout(leave, seconds * 1000);
    signal.addEventListener('abort', leave);
    feed.on('down', ({ reason }) => screen.event(`connection lost: ${reason.message}`, 'bad'));
    feed.on('up', ({ attempt }) => screen.event(`up again, attempt ${attempt}`));
    const terms = [feed.protocol, feed.extensions].filter((term) => term !== '').join(', ');
    screen.say(`gunport: ${feed.url}${terms && ` (${terms})`}, Ctrl-C ends it`);
    screen.head(COLUMNS);
    try {
      await this.#read();
      return 0;
    } catch (error) {
      if (!(error instanceof GunportError)) throw error;
      screen.event(error.message, 'bad');
      return 1;
    } finally {
      clearInterval(ticking);
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      await this.#summary();
    }
  }

  async #read(): Promise<void> {
    for await (const batch of this.#feed.batches()) {
      this.#messages += batch.length;
      for (let i = 0; i < batch.length; i++) this.#bytes += batch.byteLength(i);
    }
  }

  #tick(): void {
    const at = now();
    const { utilisation, delay } = this.#gauge.read();
    const seconds = (at - this.#last.at) / 1000;
    const rate = (this.#messages - this.#last.messages) / seconds;
    this.#screen.row(
      [
        ((at - this.#began) / 1000).toFixed(1),
        grouped(rate),
        bytes((this.#bytes - this.#last.bytes) / seconds),
        [percent(utilisation), utilisation > 0.5 ? 'loud' : 'good'],
        [milliseconds(delay), delay > 100 ? 'loud' : 'good'],
        grouped(this.#messages),
        bytes(this.#bytes),
      ],
      rate,
    );
    this.#last = { at, messages: this.#messages, bytes: this.#bytes };
  }

  async #summary(): Promise<void> {
    this.#gauge.stop();
    const { code, reason } = await this.#feed.closed;
    const seconds = (now() - this.#began) / 1000;
    this.#screen.say(
      '',
      `  ${many(this.#messages, 'message')}, ${bytes(this.#bytes)} in ${seconds.toFixed(1)} s: ` +
        `${grouped(this.#messages / seconds)} messages/s, ${bytes(this.#bytes / seconds)}/s`,
      `  main was busy for ${percent(this.#gauge.total())} of the time`,
      `  closed with ${code}${reason && ` (${reason})`}`,
    );
  }
}
