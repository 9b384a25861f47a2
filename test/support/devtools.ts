// devtools — Chromium without a screen, driven through its DevTools protocol: pages that make as many events as asked.
// Used by test/websocket/real-devtools*.test.ts: `const browser = devtools()` in a describe with its title.
// Invariant: each page is closed after its test; browser, helpers and profile are gone after the describe. Events of a
// page are numbered from 0, so that a loss, a repeat or a change of order shows.
// Source: https://chromedevtools.github.io/devtools-protocol/ (Runtime, Page, Target).

import type { Message, OpenOptions } from '../../lib/index.ts';
import type { Feed, Feeds } from './feeds.ts';
import { type Real, real } from './real.ts';

/** Milliseconds for a browser to start: it is large, and the machine may be busy. */
const START = 30_000;
const LISTENING = /DevTools listening on ws:\/\/(\S+?)\//;

/** What the endpoint says of a page. */
interface Target {
  readonly id: string;
  readonly type: string;
  readonly webSocketDebuggerUrl: string;
}

/** What comes over the socket: an answer, or an event. */
export interface Said {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly [name: string]: unknown };
  readonly error?: { readonly message: string };
  readonly method?: string;
  readonly params?: { readonly payload?: string; readonly args?: readonly { readonly value: unknown }[] };
}

/** A page's socket, asked by hand: its answers come among the events. */
export interface Page {
  readonly feed: Feed;
  /** Sends a command; returns the id of its answer. */
  ask(method: string, params?: object): number;
}

export interface Browser {
  readonly process: Real;
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** The URL of the socket of a new page. */
  page(): Promise<string>;
  /** Connected to a new page, in which `tell(n)` makes an event. */
  telling(options?: OpenOptions): Promise<Page>;
}

/** Finds the number of `tell(n)`, for journey(). */
export const TOLD = '"Runtime\\.bindingCalled".*"payload":"(\\d+)"';

/** Called in a describe. */
export function devtools({ connect, open }: Feeds): Browser {
  const chromium = real('chromium', ({ folder }) => ({
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
      ...['--disable-extensions', '--disable-background-networking', '--disable-component-update'],
      ...[`--user-data-dir=${folder}/profile`, '--remote-debugging-port=0', 'about:blank'],
    ],
    // Else it leaves traces in the home folder.
    env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
  }));
  before(async function () {
    this.timeout(START);
    await chromium().logged('DevTools listening on');
  });
  const browser: Browser = {
    get process() {
      return chromium();
    },
    get origin() {
      return `http://${LISTENING.exec(chromium().log)?.[1]}`;
    },
    async page() {
      const made = open(browser.origin).put('/json/new?about:blank');
      return ((await made.json()) as Target).webSocketDebuggerUrl;
    },
    async telling(options) {
      const feed = await connect(await browser.page(), { retry: 0, ...options });
      let id = 0;
      const ask = (method: string, params: object = {}): number => {
        feed.send(JSON.stringify({ id: ++id, method, params }));
        return id;
      };
      ask('Runtime.enable');
      ask('Runtime.addBinding', { name: 'tell' });
      return { feed, ask };
    },
  };
  return browser;
}

/** An expression that makes so many events. */
export function tellAll(count: number): string {
  return `for (let i = 0; i < ${count}; i++) tell(String(i)); ${count}`;
}

export function said(message: Message): Said {
  // Of the protocol.
  return JSON.parse(String(message)) as Said;
}
