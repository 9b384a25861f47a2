// alive.test — jars and their ports keep nothing alive, and nothing of cookies is loaded where there are none.

import { expect } from 'chai';
import { Pool } from '../../lib/index.ts';
import { GUNPORT, run, runModule } from '../support/child.ts';
import { type CookieServer, cookieServer } from '../support/cookie-server.ts';

describe('cookies keep nothing alive:', () => {
  let server: CookieServer;
  beforeEach(async () => {
    server = await cookieServer('http');
  });
  afterEach(() => server.close());

  it('a process ends though a connection with a jar is up, where its pool is unrefd', async () => {
    server.say(['a=1']);
    const { code, output, errors } = await run(
      `
      const [url] = args;
      const pool = new gunport.Pool();
      const cookies = new gunport.CookieJar();
      const all = [pool.open(url, { cookies }), pool.open(url, { cookies })];
      await all[0].get('/').text();
      await all[1].get('/').text();
      console.log(cookies.getCookieString(url));
      pool.unref();
      `,
      { args: [server.at('127.0.0.1')] },
    );
    expect({ code, output, errors }).to.deep.equal({ code: 0, output: 'a=1\n', errors: '' });
    expect(server.asked.map(({ cookie }) => cookie)).to.deep.equal([undefined, 'a=1']);
  });

  it('a thread ends by itself that made a jar, and opened a connection with it that is closed', async () => {
    server.say(['a=1']);
    const { code, output, errors } = await runModule(`
      import { Worker } from 'node:worker_threads';
      const worker = new Worker(\`
        import(${JSON.stringify(GUNPORT)}).then(async ({ CookieJar, open }) => {
          const cookies = new CookieJar();
          const connection = open('${server.at('127.0.0.1')}', { cookies });
          await connection.get('/').text();
          console.log(cookies.getCookieString(connection.origin));
          await connection.close();
        });
      \`, { eval: true });
      worker.on('exit', (code) => console.log('exit', code));
    `);
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(output).to.include('a=1').and.include('exit 0');
  });
});

describe('tough-cookie', () => {
  /** A store that tells whether its thread has loaded it. */
  const TELLING = {
    module: `data:text/javascript,${encodeURIComponent(`
      import { createRequire } from 'node:module';
      const { cache } = createRequire('file:///x.js');
      const loaded = () => Object.keys(cache).some((name) => name.includes('tough-cookie'));
      export default () => ({ getCookieString: () => 'loaded=' + loaded(), setCookie() {} });
    `)}`,
  };

  it('is loaded in a thread with the first connection that keeps cookies', async () => {
    const server = await cookieServer('http');
    const pool = new Pool({ threads: 1 });
    const loaded = async (): Promise<string | undefined> => {
      const connection = pool.open(server.at(), { ...server.options, cookies: TELLING });
      await connection.get('/').text();
      await connection.close();
      return server.asked.at(-1)?.cookie;
    };
    try {
      const none = pool.open(server.at(), server.options);
      await none.get('/').text();
      expect(await loaded()).to.equal('loaded=false');
      const some = pool.open(server.at(), { ...server.options, cookies: true });
      await some.get('/').text();
      expect(await loaded()).to.equal('loaded=true');
      await Promise.all([none.close(), some.close()]);
    } finally {
      await pool.close();
      await server.close();
    }
  });

  it('is not loaded with gunport, but with the first jar', async () => {
    const { output, errors } = await run(`
      import { createRequire } from 'node:module';
      const { cache } = createRequire('file:///x.js');
      const loaded = () => Object.keys(cache).some((name) => name.includes('tough-cookie'));
      const before = loaded();
      new gunport.CookieJar();
      console.log(before, loaded());
    `);
    expect({ output, errors }).to.deep.equal({ output: 'false true\n', errors: '' });
  });
});
