// websocket.test — a WebSocket over a bad line: one that breaks at each byte of what the server says, trickles, spoils
// bytes, or comes back.

import { expect } from 'chai';
import { type CloseResult, GunportError, type OpenOptions } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { chance, seedOf } from '../support/chance.ts';
import type { Faults } from '../support/faultproxy.ts';
import { type Feed, feeds, frame, plain } from '../support/feeds.ts';
import { type Peer, unhex, wsPeer } from '../support/peers.ts';
import { turns } from '../support/tracker.ts';
import { breaksAt, each, HEAD, over, some, upTo } from './offsets.ts';

/** What the server says behind its 101, and what is given to the user when it has arrived. */
const SAID: readonly (readonly [bytes: Buffer, given?: string])[] = [
  [frame(0x81, 'one'), 'one'],
  [unhex('82 02 0102'), '<0102>'],
  [frame(0x89, 'ping')],
  [frame(0x81, 'x'.repeat(130)), 'x'.repeat(130)],
  [frame(0x01, 'in ')],
  [frame(0x00, 'three ')],
  [frame(0x80, 'parts'), 'in three parts'],
  [unhex('88 02 03e8')],
];
const ALL = SAID.flatMap(([, given]) => (given === undefined ? [] : [given]));
const FRAMES = Buffer.concat(SAID.map(([bytes]) => bytes));

/** What has come whole within so many bytes of the frames. */
function whole(bytes: number): string[] {
  let at = 0;
  return SAID.flatMap(([said, given]) => {
    at += said.length;
    return given !== undefined && at <= bytes ? [given] : [];
  });
}

/** Nothing is waited for long. */
const IMPATIENT: OpenOptions = {
  ...{ tlsTimeout: 1_000, upgradeTimeout: 1_000, closingTimeout: 1_000 },
  ...{ keepalive: 500, pongTimeout: 500 },
};

interface Ending {
  /** What connect() rejected with. */
  readonly refused?: GunportError;
  readonly messages: readonly string[];
  /** What the loop threw. */
  readonly error?: GunportError | undefined;
  readonly closed?: CloseResult;
  /** The Downs that its monitor heard, and its close events. */
  readonly heard?: readonly string[];
  /** What its ping rejected with. */
  readonly pinged?: GunportError | undefined;
}

const failure = (promise: Promise<unknown>): Promise<GunportError | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => {
      expect(error).to.be.instanceOf(GunportError);
      return error as GunportError; // The line above has looked.
    },
  );

describe('a WebSocket over a bad line', function () {
  this.timeout(20_000);
  this.slow(8_000);
  const { pool, connect, keep } = feeds();
  const seed = seedOf();
  let ca: string;
  before(async () => {
    ({ ca } = await certificates());
  });
  const server = (secure = false) => keep(wsPeer((one) => one.send(FRAMES), { secure }));

  const trust = (url: string): OpenOptions => (url.startsWith('wss') ? { tls: { ca } } : {});

  /** All that becomes of one, and of each promise of it. */
  async function ending(url: string, options: OpenOptions = {}): Promise<Ending> {
    let feed: Feed;
    try {
      feed = await pool.connect(url, { retry: 0, ...trust(url), ...options });
    } catch (refused) {
      expect(refused).to.be.instanceOf(GunportError);
      return { refused: refused as GunportError, messages: [] }; // The line above has looked.
    }
    const heard: string[] = [];
    const monitor = feed.connection.monitor(({ reason }) => heard.push(reason.kind));
    feed.on('close', ({ code }) => heard.push(`close ${code}`));
    const ping = failure(feed.ping());
    const messages: string[] = [];
    const error = await failure(
      (async () => {
        for await (const message of feed) messages.push(plain(message));
      })(),
    );
    const closed = await feed.closed;
    await monitor.down;
    return { messages, error, closed, heard, pinged: await ping };
  }

  /** What an end must be that came of a line that broke; `whole`: after the server's Close. */
  function check({ error, closed, heard, pinged }: Ending, whole: boolean): void {
    const code = whole ? 1000 : 1006;
    expect(closed).to.include({ code, wasClean: whole });
    expect(heard?.toSorted()).to.deep.equal([`close ${code}`, whole ? 'normal' : 'gave-up']);
    if (whole) {
      expect(error).to.equal(undefined);
      // Its pong may have been cut off.
      expect(pinged?.code).to.be.oneOf([undefined, 'ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_DOWN']);
      return;
    }
    expect(error).to.include({ name: 'StreamError', code: 'ERR_GUNPORT_GAVE_UP' });
    expect(error?.cause).to.include({ name: 'ConnectionError', code: 'ERR_GUNPORT_CLOSED' });
    expect(pinged?.code).to.be.oneOf(['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_GAVE_UP', 'ERR_GUNPORT_DOWN']);
  }

  /** Bytes to the client in one that nothing disturbs. */
  const length = ({ port, url }: Peer): Promise<number> =>
    over(port, {}, async (line) => {
      const feed = await connect(line.url(url), { retry: 0, ...trust(url) });
      const messages: string[] = [];
      for await (const message of feed) messages.push(plain(message));
      expect(messages).to.deep.equal(ALL);
      // The server leaves the end of TCP to the client.
      const bytes = line.passed('down');
      line.drop('fin');
      await feed.closed;
      return bytes;
    });

  it('broken at any byte gives what had come whole, then one typed end (scenarios 4 and 5)', async () => {
    const { port, url } = await server();
    const bytes = await length({ port, url } as Peer);
    const head = bytes - FRAMES.length;
    await each(breaksAt(upTo(bytes)), ({ how, at }) =>
      over(port, { down: { [how]: at } }, async (line) => {
        const end = await ending(line.url(url));
        expect(line.connections).to.equal(1);
        if (at < head) {
          // An RST may be there before its connect() is told of.
          const early = how === 'reset' ? ['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_CONNECT'] : [];
          expect(end.refused?.code).to.be.oneOf(['ERR_GUNPORT_HANDSHAKE', ...early]);
          return;
        }
        expect(end.messages).to.deep.equal(whole(at - head));
        check(end, at === bytes);
      }),
    );
  });

  it(`broken over TLS gives a prefix, then one typed end (seed ${seed})`, async () => {
    const { port, url } = await server(true);
    const bytes = await length({ port, url } as Peer);
    await each(breaksAt(some(upTo(bytes), 40, chance(seed))), ({ how, at }) =>
      over(port, { down: { [how]: at } }, async (line) => {
        const end = await ending(line.url(url));
        if (end.refused) return;
        expect(ALL.slice(0, end.messages.length)).to.deep.equal(end.messages);
        check(end, end.closed?.wasClean === true);
        if (end.closed?.wasClean) expect(end.messages).to.deep.equal(ALL);
      }),
    );
  });

  for (const secure of [false, true]) {
    it(`whose bytes come one by one, or all in one piece, is as any other${secure ? ', over TLS' : ''}`, async () => {
      const { port, url } = await server(secure);
      const lines: Faults[] = [
        { down: { trickle: { bytes: 1 } }, up: { trickle: { bytes: 1 } } },
        { down: { trickle: { bytes: 7 } }, up: { delay: 1 } },
        { down: { coalesce: HEAD + FRAMES.length } },
      ];
      await each(secure ? lines.slice(0, 2) : lines, (faults) =>
        over(port, faults, async (line) => {
          const feed = await connect(line.url(url), trust(url));
          const messages: string[] = [];
          for await (const message of feed) messages.push(plain(message));
          expect(messages).to.deep.equal(ALL);
        }),
      );
    });
  }

  it(`that spoils bytes ends at most that WebSocket, with a typed error (scenario 26; seed ${seed})`, async () => {
    const { port, url } = await server();
    const good = await keep(wsPeer(async (one) => one.send(frame(0x81, 'still here'))));
    const beside = await connect(good.url);
    const said = HEAD + FRAMES.length;
    const anywhere = upTo(99).map((i) => ({ at: Math.floor((i * said) / 100), seed: seed + i, every: 60 }));
    // Whatever the seed: reserved bits where the frames begin.
    const reserved = { at: HEAD, bytes: Buffer.of(0xf1) };
    const codes = new Map<object, string | undefined>();
    await each([reserved, ...anywhere], (corrupt) =>
      over(port, { down: { corrupt, halfClose: said } }, async (line) => {
        // There is no checksum: what is spoilt may mean something else, or leave the WebSocket waiting for more.
        const { refused, error, heard = [] } = await ending(line.url(url));
        codes.set(corrupt, (refused ?? error)?.code);
        if (!refused) expect(heard.filter((one) => !one.startsWith('close'))).to.have.lengthOf(1);
      }),
    );
    expect(codes.get(reserved)).to.equal('ERR_GUNPORT_PROTOCOL');
    expect([...codes.values()]).to.not.include('ERR_GUNPORT_OPTION');
    expect(await beside.connection.await(beside)).to.include({ data: 'still here' });
  });

  it(`that spoils bytes of TLS never gives anything wrong (scenario 26; seed ${seed})`, async () => {
    const { port, url } = await server(true);
    const bytes = await length({ port, url } as Peer);
    const roll = chance(seed);
    let failed = 0;
    await each(upTo(39), (i) =>
      over(
        port,
        { down: { corrupt: { at: roll(bytes), seed: seed + i, every: 200 }, halfClose: bytes } },
        async (line) => {
          // A record whose length was spoilt waits for bytes that never come.
          const { messages, refused, error, closed } = await ending(line.url(url), IMPATIENT);
          expect(ALL.slice(0, messages.length)).to.deep.equal(messages);
          if (closed?.wasClean) expect(messages).to.deep.equal(ALL);
          else expect(refused ?? error).to.be.instanceOf(GunportError);
          if (refused ?? error) failed++;
        },
      ),
    );
    expect(failed).to.be.above(0);
  });

  it('that is lost again and again goes on in the next, with nothing twice and no end between (S2)', async () => {
    const counting = await keep(
      wsPeer((one) => {
        for (let i = 0; i < 5; i++) one.send(frame(0x81, `${i}`));
      }),
    );
    await over(
      counting.port,
      // Behind the head and 0, 1 … messages of three bytes, and a byte of the next; the sixth lives.
      (number) => (number < 5 ? { down: { [number % 2 ? 'reset' : 'cut']: HEAD + number * 3 + 1 } } : {}),
      async (line) => {
        const feed = await connect(line.url(counting.url), { retry: 5, retryTimeout: 1 });
        const events: string[] = [];
        feed.on('down', () => events.push('down')).on('up', () => events.push('up'));
        feed.on('close', () => events.push('close'));
        const messages: string[] = [];
        for await (const message of feed) {
          messages.push(plain(message));
          if (line.connections === 6 && message === '4') break;
        }
        expect(messages.join(' ')).to.equal('0 0 1 0 1 2 0 1 2 3 0 1 2 3 4');
        expect(events.join(' ')).to.equal(Array(5).fill('down up').join(' '));
      },
    );
  });

  it('that the server has half closed is lost; one that only the client’s side has, is told by the server', async () => {
    const { port, url } = await server();
    // The server answers a FIN with one; until then it speaks on.
    await over(port, { up: { halfClose: 40 } }, async (line) => {
      expect((await ending(line.url(url))).refused).to.include({
        code: 'ERR_GUNPORT_HANDSHAKE',
        phase: 'upgrade',
      });
    });
    const bytes = await length({ port, url } as Peer);
    await over(port, { down: { halfClose: bytes - 10 } }, async (line) => {
      const end = await ending(line.url(url));
      check(end, false);
      // Its socket is closed, not half of it.
      while (line.open > 0) await turns(1);
    });
  });
});
