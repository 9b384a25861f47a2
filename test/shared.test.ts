import { expect } from 'chai';
import { Pool } from '../lib/index.ts';
import { Openings } from '../lib/open.ts';
import { checkOpen } from '../lib/settings.ts';
import { SharedSettings, ToldSettings } from '../lib/shared.ts';
import type { Settings } from '../lib/wire.ts';
import { wsServer } from './support/peers.ts';

const URL_A = 'wss://a.example/feed';

function settings(target: string, options?: Parameters<typeof checkOpen>[1]): Settings {
  return checkOpen(target, options, true).settings;
}

describe('settings that are shared', () => {
  it('are one object where they are equal', () => {
    const shared = new SharedSettings();
    const options = () => ({ tls: { ca: Buffer.from('x') }, headers: { a: 'b' }, retry: 3 });
    const first = shared.of(settings(URL_A, options()));
    expect(shared.of(settings(URL_A, options()))).to.equal(first);
    expect(shared.of(structuredClone(first))).to.equal(first);
  });

  const others: readonly [string, string, Parameters<typeof checkOpen>[1]][] = [
    ['path', 'wss://a.example/other', undefined],
    ['host', 'wss://b.example/feed', undefined],
    ['number', URL_A, { connectTimeout: 7 }],
    ['header', URL_A, { headers: { a: 'b' } }],
    ['certificate', URL_A, { tls: { ca: Buffer.from('y') } }],
  ];
  for (const [what, target, options] of others) {
    it(`are another object where one ${what} differs`, () => {
      const shared = new SharedSettings();
      const given = { tls: { ca: Buffer.from('x') } };
      const first = shared.of(settings(URL_A, given));
      const second = settings(target, { ...given, ...options });
      expect(shared.of(second)).to.equal(second).and.not.equal(first);
    });
  }

  it('are told to a thread once, and again after sixteen others', () => {
    const told = new ToldSettings();
    const all = Array.from({ length: 17 }, (_, i) => settings(`wss://a.example/${i}`));
    const [first, last] = [all[0], all[16]];
    if (!first || !last) throw new Error('there are seventeen');
    for (const one of all.slice(0, 16)) expect(told.place(one).told).to.equal(false);
    expect(told.place(first)).to.deep.equal({ known: 0, told: true });
    expect(told.place(last)).to.deep.equal({ known: 0, told: false });
    expect(told.place(first)).to.deep.equal({ known: 1, told: false });
  });
});

describe('what an opener knows', () => {
  it('is what was opened last, by a text and without options', () => {
    const openings = new Openings();
    const first = openings.check(URL_A, undefined, true);
    expect(openings.check(URL_A, undefined, true)).to.equal(first);
    expect(openings.check(URL_A, undefined, false)).to.not.equal(first);
    expect(openings.check(URL_A, { retry: 7 }, true).settings.retry).to.equal(7);
  });

  it('is not what a URL was before it was changed', () => {
    const openings = new Openings();
    const url = new URL(URL_A);
    openings.check(url, undefined, true);
    url.pathname = '/other';
    expect(openings.check(url, undefined, true).settings.ws.path).to.equal('/other');
  });

  it('leads each connection to its own place, however many there are', async () => {
    const server = await wsServer();
    await using pool = new Pool({ threads: 1 });
    for (const round of [1, 2]) {
      for (let i = 0; i < 20; i++) {
        const url = `${server.url}/${round === 1 ? i : 19 - i}`;
        await using feed = await pool.connect(url);
        expect(feed.url).to.equal(url);
        expect(feed.connection.threadId).to.be.above(0);
      }
    }
    await server.close();
  });
});
