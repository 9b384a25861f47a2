// load.test — a handler is there before anything is dialled, or nothing is.

import { expect } from 'chai';
import { feeds } from '../support/feeds.ts';
import { handler } from '../support/handled.ts';
import { HANDLING } from '../support/handling.ts';
import { peer, silent } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { upgrading } from '../support/upgrading.ts';

describe('loading a handler', () => {
  const { pool, keep, open } = feeds();

  const FAILURES = [
    ['throwing', 'ERR_GUNPORT_HANDLER', /factory threw: no handler today/],
    ['rejecting', 'ERR_GUNPORT_HANDLER', /factory threw: not today either/],
    ['nothing', 'ERR_GUNPORT_HANDLER', /must give an object of hooks, got undefined/],
    ['misnamed', 'ERR_GUNPORT_HANDLER', /message of the handler must be a function, got "no function"/],
    ['apiless', 'ERR_GUNPORT_HANDLER', /api of the handler must be an object, got 5/],
    ['absent', 'ERR_GUNPORT_OPTION', /must export a function as absent, got undefined/],
    ['notFunction', 'ERR_GUNPORT_OPTION', /must export a function as notFunction, got 5/],
  ] as const;

  for (const [name, code, text] of FAILURES) {
    it(`fails connect() for good and dials nothing where it is ${name}, whatever retries there are (S4)`, async () => {
      const server = await keep(peer(silent));
      const error = await rejects(pool.connect(server.url, handler(name, undefined, { retry: 9 })), code);
      expect(error.message).to.match(text);
      expect(server.taken).to.equal(0);
      expect(pool.info().connections).to.equal(0);
    });
  }

  it('fails with the cause: the error of the factory, or of the module', async () => {
    const server = await keep(peer(silent));
    const thrown = await rejects(pool.connect(server.url, handler('throwing')), 'ERR_GUNPORT_HANDLER');
    expect(thrown.cause).to.be.an('error').with.property('name', 'TypeError');
    const bad = { handler: { module: 'data:text/javascript,throw new RangeError("at load")' } };
    const error = await rejects(pool.connect(server.url, bad), 'ERR_GUNPORT_OPTION');
    expect(error.cause).to.include({ name: 'RangeError', message: 'at load' });
  });

  it('takes connectTimeout at most', async () => {
    const server = await keep(peer(silent));
    const options = handler('late', undefined, { connectTimeout: 50 });
    const error = await rejects(pool.connect(server.url, options), 'ERR_GUNPORT_HANDLER');
    expect(error).to.include({ phase: 'timeout' });
    expect(server.taken).to.equal(0);
  });

  it('is given up with its WebSocket: by close(), by cancel(), by an abort (S1)', async () => {
    const server = await keep(peer(silent));
    const closing = pool.feedOf(server.url, handler('late'));
    expect(await closing.close()).to.include({ code: 1006 });
    const cancelled = pool.feedOf(server.url, handler('late'));
    cancelled.cancel();
    await cancelled.connection.monitor().down;
    const stop = new AbortController();
    const aborted = pool.connect(server.url, { ...handler('late'), signal: stop.signal });
    stop.abort();
    await rejects(aborted, 'ERR_GUNPORT_ABORTED');
    expect(server.taken).to.equal(0);
  });

  it('fails one wsUpgrade(), and its connection goes on', async () => {
    const server = await keep(upgrading('HTTP/2'));
    const connection = open(server.url, { protocols: ['http2'] });
    await connection.awaitUp();
    const bad = connection.wsUpgrade('/', handler('throwing'));
    await rejects(connection.await(bad), 'ERR_GUNPORT_HANDLER');
    const waiting = connection.wsUpgrade('/', handler('late'));
    const good = connection.wsUpgrade('/', handler('noted'));
    expect(await connection.await(good)).to.include({ type: 'upgrade' });
    waiting.cancel();
    expect(await connection.get('/x').text()).to.equal('hello /x');
  });

  const REFUSED = [
    [{ module: HANDLING, opts: 1 }, /unknown option handler.opts/],
    [
      { module: './relative.js' },
      /handler.module must be an absolute file: or data: URL, got "\.\/relative\.js"/,
    ],
    [{}, /handler.module must be an absolute file: or data: URL, got undefined/],
    [{ module: HANDLING, export: '' }, /handler.export must be the name of an export, got ""/],
    [{ module: HANDLING, options: () => 1 }, /handler.options .*cloned/],
    [{ module: HANDLING, inline: 1 }, /inline must be true or false, got 1/],
    [5, /handler must be .*got 5/],
  ] as const;

  it('is refused at once where the option is wrong, naming it and its value', () => {
    for (const [given, text] of REFUSED) {
      expect(() => pool.feedOf('ws://127.0.0.1:1', { handler: given as never })).to.throw(text);
    }
    expect(pool.info().connections).to.equal(0);
  });
});
