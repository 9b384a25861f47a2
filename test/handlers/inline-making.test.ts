// inline-making.test — what becomes of a WebSocket whose handler on its owner's thread cannot be made, or is not made yet.

import { expect } from 'chai';
import type { Handler, OpenOptions } from '../../lib/index.ts';
import { OptionError, StreamError } from '../../lib/index.ts';
import { counting } from '../support/attempts.ts';
import { type Feed, feeds, take, untilClose } from '../support/feeds.ts';
import { HANDLING } from '../support/handling.ts';
import { wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the making of an inline handler', () => {
  const { pool, keep } = feeds();
  const patient = () => keep(wsPeer(untilClose));

  describe('that fails', () => {
    for (const [what, handler, error] of [
      [
        'a module that is not there',
        { module: new URL('./nowhere.js', import.meta.url), inline: true },
        OptionError,
      ],
      ['no function', { module: HANDLING, export: 'notFunction', inline: true }, OptionError],
      ['a factory that throws', { module: HANDLING, export: 'throwing', inline: true }, StreamError],
      ['a function that rejects', () => Promise.reject(new Error('not now')), StreamError],
      ['a function that gives no handler', () => 5, StreamError],
    ] as const) {
      it(`${what}: connect() rejects, dials nothing and leaves nothing`, async () => {
        const server = await patient();
        const failed = await pool
          .connect(server.url, { handler } as OpenOptions)
          .catch((thrown: unknown) => thrown);
        expect(failed).to.be.instanceOf(error);
        if (error === StreamError) expect(failed).to.include({ code: 'ERR_GUNPORT_HANDLER' });
        expect(server.taken).to.equal(0);
        expect(pool.info().connections).to.equal(0);
      });
    }

    it('ends a wsUpgrade() alone', async () => {
      const server = await patient();
      const connection = pool.open(server.url);
      const stream = connection.wsUpgrade('/', { handler: () => Promise.reject(new Error('not now')) });
      expect((await stream.closed).error).to.include({ code: 'ERR_GUNPORT_HANDLER' });
      await connection.awaitUp();
      await connection.close();
    });
  });

  it('takes no longer than connectTimeout', async () => {
    const server = await patient();
    const handler = () => new Promise<Handler>(() => {});
    const error = await rejects(
      pool.connect(server.url, { handler, connectTimeout: 20 }),
      'ERR_GUNPORT_HANDLER',
    );
    expect([error.phase, server.taken]).to.deep.equal(['timeout', 0]);
    let make: (handler: Handler) => void = () => {};
    const connection = pool.open(server.url, { connectTimeout: 20 });
    await connection.awaitUp();
    const late = () => new Promise<Handler>((resolve) => (make = resolve));
    const stream = connection.wsUpgrade('/', { handler: late });
    expect((await stream.closed).error).to.include({ code: 'ERR_GUNPORT_HANDLER' });
    make({});
    await turn();
    expect(await connection.streamInfo(stream)).to.equal(undefined);
    await connection.close();
  });

  it('may be closed, cancelled or left while its factory is at it', async () => {
    const server = await patient();
    const never = () => new Promise<Handler>(() => {});
    const closed = pool.feedOf(server.url, { handler: never });
    expect(await closed.close()).to.include({ code: 1006 });
    await closed.connection.monitor().down;
    const cancelled = pool.feedOf(server.url, { handler: never });
    cancelled.cancel();
    expect((await cancelled.closed).error).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    await cancelled.connection.monitor().down;
    const left = pool.feedOf(server.url, { handler: never });
    await left.connection.close();
    expect(await left.closed).to.include({ wasClean: false });
    const aborted = AbortSignal.timeout(5);
    await rejects(pool.connect(server.url, { handler: never, signal: aborted }), 'ERR_GUNPORT_ABORTED');
  });

  it('is checked at once, and names the option and the value', async () => {
    const module = HANDLING;
    const bad: [unknown, RegExp][] = [
      [5, /handler must be a function or a reference .*, got 5/],
      [null, /handler must be .*, got null/],
      [{}, /handler.module must be an absolute file: or data: URL, got undefined/],
      [{ module: './book.js' }, /handler.module must be .*, got "\.\/book.js"/],
      [{ module, export: '' }, /handler.export must be the name of an export, got ""/],
      [{ module, inline: 1 }, /handler.inline must be true or false, got 1/],
      [{ module, depth: 1 }, /unknown option handler.depth/],
      [{ module, options: { on: () => {} } }, /handler.options cannot be cloned/],
    ];
    const connection = pool.open((await patient()).url);
    for (const [handler, message] of bad) {
      const options = { handler } as OpenOptions;
      expect(() => pool.open('ws://localhost', options), String(message)).to.throw(OptionError, message);
      expect(() => connection.wsUpgrade('/', options), String(message)).to.throw(OptionError, message);
    }
    await connection.close();
  });

  it('is done anew for each WebSocket of open()', async () => {
    const server = await keep(counting(untilClose));
    let made = 0;
    const connection = pool.open(server.url, { handler: () => ({ message: () => ++made }) });
    const stream = connection.wsUpgrade('/');
    expect(await take(stream as Feed, 1)).to.deep.equal([1]);
    await connection.close();
  });
});
