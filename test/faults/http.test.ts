// http.test — requests over a bad line: one that breaks at each byte of the answer, trickles, or is half closed. A body
// that was cut off is never a short success; where its end is that of the connection, only TLS can tell the two apart.

import { expect } from 'chai';
import { GunportError } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { cowboy, type Speaks } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';
import { turns } from '../support/tracker.ts';
import { type Answered, answered, usingOf } from './asking.ts';
import { breaksAt, each, over, some, upTo } from './offsets.ts';

const ANSWERS = {
  'a body of a length': 'HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHello world!',
  'chunks and trailers':
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nHello\r\n7\r\n world!\r\n0\r\nx: y\r\n\r\n',
  'interim answers before it':
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHello world!',
} as const;
const CLOSED = 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n';
const BODY = 'Hello world!';

describe('a request over a bad line', function () {
  this.timeout(20_000);
  this.slow(8_000);
  const { pool, keep } = feeds();
  const seed = seedOf();
  const using = usingOf(pool);
  const LOST = ['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_GAVE_UP'];

  for (const [what, answer] of Object.entries(ANSWERS)) {
    it(`that breaks at any byte of ${what}: all of it, or an error after a prefix (scenarios 4 and 5)`, async () => {
      const server = await keep(
        origin(async (talk) => {
          await talk.request();
          await talk.write(answer);
        }),
      );
      const start = answer.indexOf('HTTP/1.1 200');
      await each(breaksAt(upTo(answer.length)), ({ how, at }) =>
        over(server.port, { down: { [how]: at } }, (line) =>
          using(line.url(server.url), {}, async (connection) => {
            const next = answered(connection).catch((error: unknown) => error);
            const [{ types, body, error }, second] = (await Promise.all([
              next,
              answered(connection),
            ] as never)) as [Answered, Answered];
            // The one behind it was never answered: it ends, too.
            expect(second).to.include({ types: '', body: '' });
            expect(second.error?.code).to.be.oneOf([...LOST, 'ERR_GUNPORT_CONNECT']);
            expect(BODY.slice(0, body.length)).to.equal(body);
            if (at >= answer.length) expect([error, body]).to.deep.equal([undefined, BODY]);
            else expect(error?.code).to.be.oneOf(at > 0 ? LOST : [...LOST, 'ERR_GUNPORT_CONNECT']);
            // What had come whole was told before.
            const head = answer.indexOf('\r\n\r\n', start) + 4;
            if (at >= head) expect(types).to.match(/^(inform )?response( data)*( trailers)?$/);
            if (start > 0 && at >= start) expect(types).to.match(/^inform/);
          }),
        ),
      );
    });
  }

  it('that breaks in a body without a length: a FIN is its end (RFC 9112 §6.3), an RST is not', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(CLOSED + BODY);
      }),
    );
    await each(upTo(BODY.length), (at) =>
      over(server.port, { down: { stall: CLOSED.length + at } }, (line) =>
        using(line.url(server.url), {}, async (connection) => {
          const how = at % 2 === 0 ? 'rst' : 'fin';
          // Once all is read: libuv takes an RST right behind data for a FIN.
          const { body, error } = await answered(connection, (so) => so.length === at && line.drop(how));
          expect(body).to.equal(BODY.slice(0, at));
          if (how === 'fin') expect(error).to.equal(undefined);
          else expect(error?.code).to.be.oneOf(LOST);
        }),
      ),
    );
  });

  it(`that breaks over TLS in a body of a length: an error, never less than all (RFC 9112 §8; seed ${seed})`, async () => {
    const server = await keep(
      origin(
        async (talk) => {
          await talk.request();
          for (const part of [ANSWERS['a body of a length'].slice(0, -8), 'o ', 'world!'])
            await talk.write(part);
        },
        { secure: true },
      ),
    );
    const trust = { tls: { ca: server.ca } };
    const bytes = await over(server.port, {}, (line) =>
      using(line.url(server.url), trust, async (connection) => {
        expect(await connection.get('/').text()).to.equal(BODY);
        return line.passed('down');
      }),
    );
    // How long a signature is varies by a few bytes.
    const offsets = [
      ...some(upTo(bytes - 80), 20, chance(seed)),
      ...some(upTo(75), 20, chance(seed)).map((i) => bytes - i),
    ];
    await each(breaksAt([...offsets, bytes + 8]), ({ how, at }) =>
      over(server.port, { down: { [how]: at } }, (line) =>
        using(line.url(server.url), trust, async (connection) => {
          const { body, error } = await answered(connection);
          expect(BODY.slice(0, body.length)).to.equal(body);
          if (at > bytes) expect(error).to.equal(undefined);
          if (at < bytes - 8) expect(error).to.be.instanceOf(GunportError);
          if (!error) expect(body).to.equal(BODY);
        }),
      ),
    );
  });

  it('that breaks over TLS in a body without a length: an RST is an error; a FIN without close_notify is its end to Node', async () => {
    const server = await keep(
      origin(
        async (talk) => {
          await talk.request();
          await talk.write(CLOSED);
          await talk.write(BODY);
        },
        { secure: true },
      ),
    );
    for (const how of ['fin', 'rst'] as const) {
      await over(server.port, {}, (line) =>
        using(line.url(server.url), { tls: { ca: server.ca } }, async (connection) => {
          const { body, error } = await answered(connection, (so) => so === BODY && line.drop(how));
          expect(body).to.equal(BODY);
          // RFC 9112 §9.8 wants the second told as incomplete; Node's TLS does not say which it was.
          if (how === 'rst') expect(error?.code).to.be.oneOf(LOST);
          else expect(error).to.equal(undefined);
        }),
      );
    }
  });

  for (const speaks of ['h2c', 'h2'] as const) {
    it(`that breaks at any byte of HTTP/2: all of it, or a typed error (${speaks}, seed ${seed})`, async () => {
      const server = await keep(cowboy(speaks));
      const bytes = await over(server.port, {}, (line) =>
        using(line.url(server.url), server.trust, async (connection) => {
          expect(await connection.get('/').text()).to.equal(BODY);
          return line.passed('down');
        }),
      );
      const offsets = speaks === 'h2c' ? upTo(bytes) : [...some(upTo(bytes), 40, chance(seed)), bytes + 300];
      let whole = 0;
      await each(breaksAt(offsets), ({ how, at }) =>
        over(server.port, { down: { [how]: at } }, (line) =>
          using(line.url(server.url), server.trust, async (connection) => {
            const { body, error } = await answered(connection);
            expect(BODY.slice(0, body.length)).to.equal(body);
            if (error) return;
            expect(body).to.equal(BODY);
            whole++;
          }),
        ),
      );
      expect(whole).to.be.within(1, 40);
    });
  }

  for (const speaks of ['http', 'https', 'h2c', 'h2'] satisfies Speaks[]) {
    it(`whose bytes come one by one is answered as any other (${speaks})`, async () => {
      const server = await keep(cowboy(speaks));
      await over(server.port, { down: { trickle: { bytes: 1 } }, up: { trickle: { bytes: 1 } } }, (line) =>
        using(line.url(server.url), server.trust, async (connection) => {
          expect(await connection.get('/').text()).to.equal(BODY);
          const posted = connection.post('/echo', { body: 'x'.repeat(300) });
          expect((await posted.response()).status).to.be.oneOf([200, 404]);
        }),
      );
    });
  }

  it('whose client side was half closed behind it is answered all the same', async () => {
    const server = await keep(
      origin(
        async (talk) => {
          await talk.request();
          await talk.ended;
          await talk.answer(200, BODY);
        },
        { halfOpen: true },
      ),
    );
    const request = await over(server.port, {}, (line) =>
      using(line.url(server.url), {}, async (connection) => {
        const stream = connection.get('/');
        await line.reached(1, 'up');
        await turns(2);
        stream.cancel();
        return line.passed('up');
      }),
    );
    await over(server.port, { up: { halfClose: request } }, (line) =>
      using(line.url(server.url), {}, async (connection) => {
        expect(await connection.get('/').text()).to.equal(BODY);
      }),
    );
  });
});
