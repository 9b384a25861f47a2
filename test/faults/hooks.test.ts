// hooks.test — what users' functions beside the socket may throw, reject with and give: it ends their own connection at
// most, with an error that tells of it (M1). What is thrown is hostile itself: it throws at a look.

import { expect } from 'chai';
import type { Connection } from '../../lib/connection.ts';
import { type GunportError, OptionError } from '../../lib/errors.ts';
import type { OpenOptions } from '../../lib/options.ts';
import { Pool } from '../../lib/pool.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { refusing, wsServer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { Tracker } from '../support/tracker.ts';

const GETTERS = ['name', 'message', 'stack', 'cause', 'code', 'constructor', 'toString', 'then'];

/** Source of an expression for each value. */
const VALUES = {
  'a Proxy whose traps throw': `new Proxy({}, new Proxy({}, { get: () => () => { throw new RangeError('a trap') } }))`,
  'an error in such a Proxy': `new Proxy(new Error('x'), { get() { throw new RangeError('a trap') } })`,
  'an error whose properties throw': `(() => {
    const error = new RangeError('x');
    for (const name of ${JSON.stringify(GETTERS)}) {
      Object.defineProperty(error, name, { get() { throw new RangeError('a getter') } });
    }
    return error;
  })()`,
  'an error that is its own cause': `(() => { const error = new RangeError('x'); error.cause = error; return error })()`,
  undefined: 'undefined',
  'an object without prototype': 'Object.create(null)',
} as const;

const moduleOf = (source: string) => ({ module: `data:text/javascript,${encodeURIComponent(source)}` });

describe('a user’s function beside the socket', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  let pool: Pool;
  let beside: WsStream<Connection>;
  const downs: unknown[] = [];

  before(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    pool = new Pool({ threads: 1 });
    pool.on('down', (down) => downs.push(down));
    beside = await pool.connect(server.url);
  });
  afterEach(async () => {
    beside.send('unharmed');
    expect(await beside.connection.await(beside)).to.include({ data: 'unharmed' });
    expect(downs).to.deep.equal([]);
  });
  after(async () => {
    await pool.close();
    await server.close();
  });

  const named = () => server.url.replace('127.0.0.1', 'named.test');
  const settles = <T>(promise: Promise<T>): Promise<T> => new Tracker().within(promise, 'its end');
  const refusedBy = (lookup: string, code: 'ERR_GUNPORT_LOOKUP' | 'ERR_GUNPORT_OPTION') =>
    settles(rejects(pool.connect(named(), { lookup: moduleOf(lookup) }), code));

  for (const [what, value] of Object.entries(VALUES)) {
    it(`fails only its connection: a lookup that throws, answers or rejects with ${what} (M1)`, async () => {
      await refusedBy(`export default () => { throw ${value} }`, 'ERR_GUNPORT_LOOKUP');
      await refusedBy(`export default () => Promise.reject(${value})`, 'ERR_GUNPORT_LOOKUP');
      await refusedBy(
        `export default (host, options, answer) => answer(${value}, ${value})`,
        'ERR_GUNPORT_LOOKUP',
      );
      await refusedBy(
        `export default (host, options, answer) => answer(null, [${value}])`,
        'ERR_GUNPORT_LOOKUP',
      );
      await refusedBy(`throw ${value}`, 'ERR_GUNPORT_OPTION');
    });

    it(`fails only its connection: a retryFun that throws, or answers, ${what} (M1)`, async () => {
      const { url } = await refusing();
      for (const source of [`export default () => { throw ${value} }`, `export default () => (${value})`]) {
        const connecting = pool.connect(url, { retry: 2, retryTimeout: 1, retryFun: moduleOf(source) });
        const error = await settles(
          connecting.then(
            () => expect.fail(),
            (error: GunportError) => error,
          ),
        );
        // Undefined leaves it to the policy.
        if (source.endsWith('(undefined)')) expect(error.code).to.equal('ERR_GUNPORT_CONNECT');
        else
          expect(error)
            .to.be.instanceOf(OptionError)
            .with.property('message')
            .that.matches(/^retryFun (failed|must answer)/);
      }
    });

    it(`fails only its connection: a handler whose factory throws ${what} (M1)`, async () => {
      for (const factory of [`() => { throw ${value} }`, `async () => { throw ${value} }`]) {
        const handler = moduleOf(`export default ${factory}`);
        await settles(rejects(pool.connect(server.url, { handler }), 'ERR_GUNPORT_HANDLER'));
      }
    });

    it(`loses no more than that message: a handler that throws, rejects with or gives ${what} (M1)`, async () => {
      for (const first of [`throw ${value}`, `return Promise.reject(${value})`, `return ${value}`]) {
        const handler = moduleOf(
          `export default () => ({ message(data) { if (data === 'b') return data; ${first} } })`,
        );
        const options: OpenOptions = { handler };
        const feed = await pool.connect(server.url, options);
        feed.on('fault', () => {});
        feed.send(['a', 'b']);
        let last: unknown;
        // What can be posted at all comes first.
        while (last !== 'b') last = ((await settles(feed.connection.await(feed))) as { data: unknown }).data;
        expect(await feed.close()).to.include({ wasClean: true });
      }
    });

    it(`has an answer for the call: an api that throws or gives ${what} (S1)`, async () => {
      const handler = moduleOf(
        `export default () => ({ api: { throws() { throw ${value} }, gives: () => ${value} } })`,
      );
      const feed = await pool.connect(server.url, { handler });
      const api = feed.remote<{ throws(): unknown; gives(): unknown }>();
      const [thrown] = await settles(Promise.allSettled([api.throws()]));
      expect(thrown?.status).to.equal('rejected');
      // Given where it can be posted, else rejected: in any case settled.
      await settles(Promise.allSettled([api.gives()]));
      expect(await feed.close()).to.include({ wasClean: true });
    });
  }
});
