// vectors.test — the families of the web platform tests, each vector on real sockets, as those tests do it: answers set
// it, and what the next request has in Cookie is what counts. On HTTP/1.1 and HTTP/2, in clear and over TLS.
// Source: rfc6265bis_SUITE; RFC 6265bis §5.6, §5.7, §5.8.

import { expect } from 'chai';
import { type Connection, CookieJar, type Pool } from '../../lib/index.ts';
import { Pool as Threads } from '../../lib/pool.ts';
import { type CookieServer, cookieServer } from '../support/cookie-server.ts';
import * as vectors from '../support/cookie-vectors.ts';
import { ECHO, HOST, PARENT, SET, type Vector } from '../support/cookie-vectors.ts';
import type { Speaks } from '../support/cowboy.ts';

const { utf8 } = vectors;

for (const speaks of ['http', 'https', 'h2c', 'h2'] as const) {
  describe(`cookies over ${speaks}`, () => suite(speaks));
}

function suite(speaks: Speaks): void {
  let pool: Pool;
  let server: CookieServer;
  let jar: CookieJar;
  const connections = new Map<string, Connection>();
  const secure = speaks === 'https' || speaks === 'h2';

  before(async () => {
    pool = new Threads({ threads: 1 });
    server = await cookieServer(speaks);
    jar = new CookieJar();
  });
  after(async () => {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
    connections.clear();
    await Promise.all([pool.close(), server.close()]);
  });
  afterEach(() => jar.clear());

  function to(host: string): Connection {
    const found = connections.get(host);
    if (found) return found;
    const made = pool.open(server.at(host), { ...server.options, cookies: jar });
    connections.set(host, made);
    return made;
  }

  /** One answer sets these. Control characters may be the end of its connection, and of the request only. */
  async function set(lines: readonly string[], path = SET, host = HOST): Promise<void> {
    server.say(lines);
    await to(host)
      .get(path)
      .text()
      .catch(() => '');
  }

  /** What the next request has in its Cookie field. */
  async function sent(path = ECHO, host = HOST): Promise<string> {
    await to(host).get(path).text();
    return server.asked.at(-1)?.cookie ?? '';
  }

  async function run(list: readonly Vector[]): Promise<void> {
    const wrong: unknown[] = [];
    for (const { set: answers, cookie, plain, at, read } of list) {
      jar.clear();
      for (const answer of answers) await set(typeof answer === 'string' ? [answer] : answer, at);
      const expected = secure ? cookie : (plain ?? cookie);
      const actual = await sent(read);
      if (actual !== expected) wrong.push({ answers, expected, actual });
    }
    expect(wrong).to.deep.equal([]);
  }

  it('read dates of both styles, and junk behind them; a past one ends a cookie (rfc6265bis_SUITE wpt_attributes_expires)', () => {
    expect(vectors.EXPIRES).to.have.lengthOf(5);
    return run(vectors.EXPIRES);
  });

  it('ignore attributes that are unknown, quoted or garbage, and foreign domains (rfc6265bis_SUITE wpt_attributes_invalid)', () => {
    expect(vectors.INVALID).to.have.lengthOf(26);
    return run(vectors.INVALID);
  });

  it('end by Max-Age, before Expires, and not by one that is no number (rfc6265bis_SUITE wpt_attributes_max_age)', () => {
    expect(vectors.MAX_AGE).to.have.lengthOf(10);
    return run(vectors.MAX_AGE);
  });

  it('go to their path and what is below, the last one that is given (rfc6265bis_SUITE wpt_attributes_path)', () => {
    expect(vectors.PATHS).to.have.lengthOf(21);
    return run(vectors.PATHS);
  });

  it('are Secure over TLS only, however that is written (rfc6265bis_SUITE wpt_attributes_secure)', () => {
    const list = secure ? vectors.SECURE : vectors.SECURE_PLAIN;
    expect(list).to.have.lengthOf(secure ? 8 : 11);
    return run(list);
  });

  it('pass UTF-8 and other bytes through (rfc6265bis_SUITE wpt_encoding)', () => {
    expect(vectors.ENCODING).to.have.lengthOf(6);
    return run(vectors.ENCODING);
  });

  it('have any name or none; the one that is set again keeps its place (rfc6265bis_SUITE wpt_name)', () => {
    expect(vectors.NAMES).to.have.lengthOf(26);
    return run(vectors.NAMES);
  });

  it('keep what stands in their values, up to a semicolon (rfc6265bis_SUITE wpt_value)', () => {
    expect(vectors.VALUES).to.have.lengthOf(28);
    return run(vectors.VALUES);
  });

  it('have attributes of 1024 bytes at most: longer ones are ignored (rfc6265bis_SUITE wpt_size_attributes)', () => {
    expect(vectors.SIZE_ATTRIBUTES).to.have.lengthOf(14);
    return run(vectors.SIZE_ATTRIBUTES);
  });

  it('have names and values of 4096 bytes at most together (rfc6265bis_SUITE wpt_size_name_and_value)', () => {
    expect(vectors.SIZE_PAIRS).to.have.lengthOf(11);
    return run(vectors.SIZE_PAIRS);
  });

  it('go to paths that match, and to no others (rfc6265bis_SUITE wpt_path_match)', () => {
    expect(vectors.PATH_MATCHES).to.have.lengthOf(8);
    return run(vectors.PATH_MATCHES);
  });

  it('with __Host- are Secure, of one host, and of all its paths (rfc6265bis_SUITE wpt_prefix_host)', () => {
    expect(vectors.HOST_PREFIX).to.have.lengthOf(13);
    return run(vectors.HOST_PREFIX);
  });

  it('with __Secure- are Secure (rfc6265bis_SUITE wpt_prefix_secure)', () => run(vectors.SECURE_PREFIX));

  describe('with control characters are dropped, but a tab is trimmed:', () => {
    it('in the name (rfc6265bis_SUITE wpt_name_ctl)', async () => {
      await run(vectors.controlVectors((control) => `${control}test=1`));
      await run(vectors.controlVectors((control) => `test${control}=1`));
    });

    it('in the value (rfc6265bis_SUITE wpt_value_ctl)', async () => {
      await run(vectors.controlVectors((control) => `test=1${control}; Path=/`));
      await run(vectors.controlVectors((control) => `test=${control}1`));
    });

    for (const [name, where] of Object.entries(vectors.CONTROL_ATTRIBUTES)) {
      it(`at an attribute (rfc6265bis_SUITE wpt_attributes_ctl_${name})`, () => {
        const list = vectors.controlVectors(where).map((vector) => {
          // A Secure with a tab behind it is one.
          return name === 'secure2' ? { ...vector, plain: '' } : vector;
        });
        return run(list);
      });
    }
  });

  describe('with a domain go to that host and those below it:', () => {
    for (const [says, domain] of [
      ['written with a dot (rfc6265bis_SUITE wpt_domain_with_leading_period)', `.${PARENT}`],
      ['written without one (rfc6265bis_SUITE wpt_domain_with_and_without_leading_period)', PARENT],
    ] as const) {
      it(says, async () => {
        await set([`a=1; Domain=${domain}; Path=/`]);
        expect(await sent('/', HOST)).to.equal('a=1');
        expect(await sent('/', PARENT)).to.equal('a=1');
        expect(await sent('/', `other.${PARENT}`)).to.equal('a=1');
        // One and the same, with a dot or without.
        await set([`a=2; Domain=${domain.startsWith('.') ? domain.slice(1) : `.${domain}`}; Path=/`]);
        expect(await sent('/', PARENT)).to.equal('a=2');
      });
    }

    it('its own host (rfc6265bis_SUITE wpt_domain_matches_host)', async () => {
      await set([`a=1; Domain=${PARENT.toUpperCase()}; Path=/`], SET, PARENT);
      expect(await sent('/', PARENT)).to.equal('a=1');
      expect(await sent('/', HOST)).to.equal('a=1');
      expect(await sent('/', `not${PARENT}`)).to.equal('');
    });

    it('and without one to their own host only (rfc6265bis_SUITE wpt_domain_missing)', async () => {
      await set(['a=1; Path=/'], SET, PARENT);
      expect(await sent('/', PARENT)).to.equal('a=1');
      expect(await sent('/', HOST)).to.equal('');
      // Beside one of the same name that is the domain's.
      await set([`a=2; Path=/; Domain=${PARENT}`], SET, PARENT);
      expect(await sent('/', PARENT)).to.equal('a=1; a=2');
      expect(await sent('/', HOST)).to.equal('a=2');
    });
  });

  it('have the folder of their request for a path (rfc6265bis_SUITE wpt_path_default)', async () => {
    await set(['a=1']);
    expect(await sent(ECHO)).to.equal('a=1');
    expect(await sent('/cookies/resources/deep/er?x=/y')).to.equal('a=1');
    expect(await sent('/cookies/resources')).to.equal('a=1');
    expect(await sent('/cookies')).to.equal('');
    // Stored, sent and expired under the same path.
    await set(['a=1; Max-Age=0'], '/cookies/resources/other?query=/a/b/c');
    expect(await sent(ECHO)).to.equal('');
    await set(['b=2'], '/set');
    expect(await sent('/cookies')).to.equal('b=2');
  });

  it('are kept over TLS, and refused in clear, when they are Secure (rfc6265bis_SUITE wpt_secure)', async () => {
    await set(['a=1; Secure; Path=/', 'b=2; Path=/']);
    expect(await sent()).to.equal(secure ? 'a=1; b=2' : 'b=2');
  });

  it('are joined to those of the user, whose names win', async () => {
    await set([utf8('ä=1'), 'b=2', 'c=3', '4']);
    await to(HOST)
      .get(ECHO, { headers: { Cookie: ['b=mine', utf8('x=é')] } })
      .text();
    expect(server.asked.at(-1)?.cookie).to.equal(utf8('b=mine; x=é; ä=1; c=3; 4'));
    jar.clear();
    await to(HOST)
      .get(ECHO, { headers: { cookie: 'b=mine' } })
      .text();
    expect(server.asked.at(-1)?.cookie).to.equal('b=mine');
  });
}
