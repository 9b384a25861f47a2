import { expect } from 'chai';
import { Client, type Message } from '../../lib/index.ts';
import { devtools, type Page, type Said, said, TOLD, tellAll } from '../support/devtools.ts';
import { downOf } from '../support/downs.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, type Feed, feeds } from '../support/feeds.ts';
import { movers } from '../support/handed.ts';
import { journey } from '../support/journey.ts';
import { range } from '../support/numbers.ts';
import { titled } from '../support/real.ts';

/** Reads until `isLast` says so. */
type Reader = (feed: Feed, isLast: (message: Message) => boolean) => Promise<void>;

const READERS: Record<string, Reader> = {
  'by events': (feed, isLast) =>
    new Promise((resolve) => {
      feed.on('message', (message) => isLast(message) && resolve());
    }),
  'by for await': async (feed, isLast) => {
    for await (const message of feed) if (isLast(message)) break;
  },
  'in batches': async (feed, isLast) => {
    for await (const batch of feed.batches()) {
      let over = false;
      for (const message of batch) over = isLast(message);
      if (over) break;
    }
  },
  'one await at a time': async (feed, isLast) => {
    for (;;) {
      const notice = await feed.connection.await(feed);
      if (notice.type === 'ws' && notice.frame !== 'close' && isLast(notice.data)) break;
    }
  },
};

/** All that is said up to the answer of `id`. */
async function saidUntil(reader: Reader, { feed }: Page, id: number): Promise<Said[]> {
  const all: Said[] = [];
  await reader(feed, (message) => {
    all.push(said(message));
    return all.at(-1)?.id === id;
  });
  return all;
}

/** The numbers of the events of one kind. */
function numbersOf(all: readonly Said[], method: string): number[] {
  const events = all.filter((one) => one.method === method);
  return events.map(({ params }) => Number(params?.payload ?? params?.args?.[0]?.value));
}

describe(titled('chromium', 'the DevTools of Chromium'), function () {
  this.slow(3_000);
  this.timeout(20_000);
  const all = feeds();
  const on = movers();
  const browser = devtools(all);

  it('say over HTTP where their sockets are, and who they are on one of them', async () => {
    const version = await all.open(browser.origin).get('/json/version').json();
    expect(version).to.include({ 'Protocol-Version': '1.3' });
    const { Browser: product, webSocketDebuggerUrl } = version as Record<string, string>;
    const feed = await all.connect(webSocketDebuggerUrl!);
    feed.send(JSON.stringify({ id: 1, method: 'Browser.getVersion' }));
    for await (const message of feed) {
      expect(said(message)).to.have.property('id', 1);
      expect(said(message).result).to.include({ product, protocolVersion: '1.3' });
      break;
    }
  });

  for (const [way, reader] of Object.entries(READERS)) {
    it(`tell 12 000 events, each once and in order, read ${way} (O1)`, async () => {
      const page = await browser.telling();
      const id = page.ask('Runtime.evaluate', { expression: tellAll(12_000) });
      const heard = await saidUntil(reader, page, id);
      expect(numbersOf(heard, 'Runtime.bindingCalled')).to.deep.equal(range(0, 12_000));
      expect(heard.filter((one) => one.id !== undefined).map((one) => one.id)).to.deep.equal([1, 2, 3]);
      expect(heard.at(-1)?.result?.result?.value).to.equal(12_000);
    });
  }

  it('tell what a page writes to its console, in order', async () => {
    const page = await browser.telling();
    const expression = 'for (let i = 0; i < 4_000; i++) console.log(i, { more: "of it" })';
    const heard = await saidUntil(
      READERS['by for await']!,
      page,
      page.ask('Runtime.evaluate', { expression }),
    );
    expect(numbersOf(heard, 'Runtime.consoleAPICalled')).to.deep.equal(range(0, 4_000));
  });

  it('are heard by a handler beside the socket, which gives on what it makes of them', async () => {
    const handler = moduleOf(`export default () => ({
      message(text) {
        const { id, method, params } = JSON.parse(text);
        if (method === 'Runtime.bindingCalled') return Number(params.payload) * 2;
        return id === 3 ? 'over' : undefined;
      },
    })`);
    const { feed, ask } = await browser.telling({ handler });
    ask('Runtime.evaluate', { expression: tellAll(12_000) });
    const given: unknown[] = [];
    for await (const message of feed) {
      given.push(message);
      // `message()` gives numbers, and this.
      if ((message as unknown) === 'over') break;
    }
    expect(given).to.deep.equal([...range(0, 12_000).map((n) => n * 2), 'over']);
  });

  it('are heard by one thread after another in the midst of it: each event once, in order (O1, O2)', async () => {
    const { feed, ask } = await browser.telling();
    ask('Runtime.evaluate', { expression: tellAll(30_000) });
    const route = { pattern: TOLD, last: 29_999, share: 1_500 };
    const { numbers, transfers } = await journey(on, feed, route);
    expect(numbers).to.deep.equal(range(0, 30_000));
    expect(transfers).to.be.at.least(4);
  });

  it('answer with what is large: a text of 20 MB, and a picture of the page', async () => {
    const page = await browser.telling();
    const text = '"0123456789abcdef".repeat(1_250_000)';
    page.ask('Runtime.evaluate', { expression: text });
    const answers = await saidUntil(READERS['by for await']!, page, page.ask('Page.captureScreenshot'));
    const value = answers.find(({ id }) => id === 3)?.result?.result?.value;
    expect(value === '0123456789abcdef'.repeat(1_250_000)).to.equal(true);
    const picture = Buffer.from(String(answers.at(-1)?.result?.['data']), 'base64');
    expect(picture.subarray(1, 4).toString()).to.equal('PNG');
    expect(picture.subarray(-8, -4).toString()).to.equal('IEND');
  });

  it('answer a client many requests at a time, each its own, beside the events', async () => {
    // The protocol is JSON-RPC but for the member that says so, which it refuses.
    const request = { assign: (message: object, id: number) => ({ id, message: { ...message, id } }) };
    await using client = new Client<Said>({ request }, { url: await browser.page(), pool: all.pool });
    await client.connect();
    await client.request({ method: 'Runtime.enable' });
    const ask = (expression: string): Promise<unknown> =>
      client.request({ method: 'Runtime.evaluate', params: { expression } });
    const answers = await Promise.all(range(0, 500).map((n) => ask(`console.log(${n}); ${n} * 3`)));
    expect((answers as NonNullable<Said['result']>[]).map(({ result }) => result?.value)).to.deep.equal(
      range(0, 500).map((n) => n * 3),
    );
    const heard: Said[] = [];
    for await (const message of client) {
      if (message.method === 'Runtime.consoleAPICalled') heard.push(message);
      if (heard.length === 500) break;
    }
    expect(numbersOf(heard, 'Runtime.consoleAPICalled')).to.deep.equal(range(0, 500));
    const refusal = await client.request({ method: 'No.such' }).catch((error: unknown) => error);
    expect(refusal).to.have.property('code', 'ERR_GUNPORT_REPLY');
  });

  // The last: there is no browser after it.
  it('end once when the browser is killed in the midst of it, with a typed error and one Down (S1, S2, M1)', async () => {
    const { feed, ask } = await browser.telling();
    ask('Runtime.evaluate', { expression: tellAll(5_000_000) });
    await READERS['by for await']!(feed, (message) => said(message).params?.payload === '999');
    const down = downOf(feed.connection);
    const ended = drain(feed);
    await browser.process.kill();
    const { messages, error } = await ended;
    const numbers = numbersOf(messages.map(said), 'Runtime.bindingCalled');
    expect(numbers.findIndex((number, i) => number !== i + 1_000)).to.equal(-1);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
    expect(await down).to.include({ kind: 'gave-up' });
    expect(await feed.closed).to.include({ code: 1006, wasClean: false });
  });
});
