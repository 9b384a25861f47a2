// carrying — what a road through proxies that others have written must carry, whichever it is: the same tests for each.
// Used by test/tunnels/real-*.test.ts: `carries(kit, () => ['http://127.0.0.1:3128'])` in a describe.
// Invariant: the servers at the far end are there while the tests of the describe run, and gone after them.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { ProxyOption } from '../../lib/options.ts';
import { type Feeds, take } from './feeds.ts';
import { type Upgrading, upgrading } from './upgrading.ts';

export interface FarEnds {
  readonly http: Upgrading;
  readonly https: Upgrading;
  readonly h2: Upgrading;
  /** Their ports: for rules of a proxy. */
  readonly ports: readonly number[];
}

/** Called in a describe. */
export function farEnds(): () => FarEnds {
  let ends: FarEnds | undefined;
  before(async () => {
    const http = await upgrading('HTTP/1.1');
    const https = await upgrading('HTTP/1.1', { secure: true });
    const h2 = await upgrading('HTTP/2', { secure: true });
    ends = { http, https, h2, ports: [http.port, https.port, h2.port] };
  });
  after(async () => {
    for (const one of ends ? [ends.http, ends.https, ends.h2] : []) await one.close();
  });
  return () => {
    if (!ends) throw new Error('they do not run');
    return ends;
  };
}

/** Called in a describe whose tests are all about this road.
 *  @param mebibytes each way; fewer where a road differs from one that carries ten in who may take it only. */
export function carries(
  { open, connect }: Feeds,
  ends: () => FarEnds,
  road: () => ProxyOption | readonly ProxyOption[],
  mebibytes: 5 | 10 = 10,
): void {
  const bytes = mebibytes * 1024 * 1024;
  it('requests to http: and https: servers', async () => {
    const { http, https } = ends();
    expect(await open(http.url, { proxy: road() }).get('/plain').text()).to.equal('hello /plain');
    const secure = open(https.url, { proxy: road(), tls: { ca: https.ca } });
    expect(await secure.get('/secure').text()).to.equal('hello /secure');
    expect((await secure.info()).tls?.version).to.match(/^TLSv1/);
  });

  it('HTTP/2 with 20 requests at once, in one tunnel', async () => {
    const { h2 } = ends();
    const connection = open(h2.url, { proxy: road(), tls: { ca: h2.ca } });
    const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
    const texts = await Promise.all(paths.map((path) => connection.get(path).text()));
    expect(texts).to.deep.equal(paths.map((path) => `hello ${path}`));
    expect((await connection.info()).protocol).to.equal('http2');
  });

  it('WebSockets of ws: and wss:', async () => {
    const { http, https } = ends();
    for (const { url, ca } of [http, https]) {
      const tls = url.startsWith('https') ? { ca } : undefined;
      const feed = await connect(url.replace('http', 'ws'), { proxy: road(), tls });
      const sent = Array.from({ length: 100 }, (_, i) => `${i} `.repeat(i + 1));
      feed.send(sent);
      expect(await take(feed, sent.length)).to.deep.equal(sent);
      expect((await feed.close()).wasClean).to.equal(true);
    }
  });

  it(`${mebibytes} MiB down and ${mebibytes} MiB up, byte for byte`, async function () {
    this.timeout(20_000); // Through four processes, one of which may have one of two processors.
    const digest = createHash('sha1')
      .update('0123456789'.repeat(bytes / 10))
      .digest('hex');
    for (const { url, ca } of [ends().http, ends().https]) {
      const tls = url.startsWith('https') ? { ca } : undefined;
      const connection = open(url, { proxy: road(), tls, protocols: ['http'] });
      const hash = createHash('sha1');
      for await (const chunk of connection.get(`/bytes/${bytes}`)) hash.update(chunk);
      expect(hash.digest('hex')).to.equal(digest);
      const up = connection.post('/', { body: new Uint8Array(bytes) });
      expect(await up.text()).to.equal(`${bytes} bytes`);
    }
  });
}
