// server.test — the scripted server, against real clients of gunport.

import { expect } from 'chai';
import { Pool, type WsStream } from '../../lib/index.ts';
import { type Script, type ScriptedServer, type ServeOptions, serve } from '../../lib/testing/index.ts';
import { rejects } from '../support/rejects.ts';

const BACK_AT_ONCE = { retry: 20, retryTimeout: 1 };

describe('serve', () => {
  const pool = new Pool({ threads: 1 });
  const servers: ScriptedServer[] = [];
  after(() => pool.close());
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop().catch(() => {});
  });

  async function stage(script?: Script | ServeOptions): Promise<ScriptedServer> {
    const server = await serve(script);
    servers.push(server);
    return server;
  }

  it('check 40: plays steps, and comes back with the second connection', async () => {
    const server = await stage([
      { expect: 'hello' },
      { send: (last: unknown) => `${last}!` },
      { drop: true },
    ]);
    const feed = await pool.connect(server.url, BACK_AT_ONCE);
    feed.send('hello');
    expect(await next(feed)).to.equal('hello!');
    const second = await server.connection(2);
    expect(second.open).to.equal(true);
    expect((await server.connection(1)).open).to.equal(false);
    expect(server.received.map(({ connection, data }) => [connection, data])).to.deep.equal([[1, 'hello']]);
    await feed.close();
  });

  it('plays a function on each connection, and remembers the upgrade request', async () => {
    const server = await stage({
      script: async (connection) => {
        connection.onMessage((data) => connection.send(data));
        connection.send({ number: connection.number });
      },
      subprotocols: ['b', 'c'],
      headers: { 'x-server': 'kit' },
    });
    const feed = await pool.connect(`${server.url}/path?q=1`, {
      headers: { 'x-client': 'test' },
      subprotocols: ['a', 'b'],
    });
    expect(await next(feed)).to.equal('{"number":1}');
    feed.send(new Uint8Array([1, 2]));
    expect(await next(feed)).to.deep.equal(new Uint8Array([1, 2]));
    const [connection] = server.connections;
    expect(connection).to.include({ url: '/path?q=1', protocol: 'b', number: 1 });
    expect(connection?.headers['x-client']).to.equal('test');
    expect(connection?.received).to.deep.equal([new Uint8Array([1, 2])]);
    expect(feed.headers['x-server']).to.equal('kit');
    expect(server.upgrades).to.have.lengthOf(1);
    expect(server.upgrades[0]).to.include({ status: 101 });
    await feed.close(4001, 'done');
    expect(await connection?.closed).to.deep.equal({ code: 4001, reason: 'done' });
  });

  it('finds a message that came, or comes, by text, pattern, bytes, JSON or a predicate', async () => {
    const server = await stage();
    const feed = await pool.connect(server.url);
    const coming = server.waitFor({ params: { channels: ['x'] } });
    feed.send(['one', '{"id":7,"params":{"channels":["x"],"more":1}}', new Uint8Array([9])]);
    expect((await coming).data).to.include('"id":7');
    expect((await server.waitFor('one')).connection).to.equal(1);
    expect((await server.waitFor(/^o.e$/)).data).to.equal('one');
    expect((await server.waitFor(new Uint8Array([9]))).data).to.deep.equal(new Uint8Array([9]));
    expect((await server.waitFor((data) => data.length === 1)).data).to.have.lengthOf(1);
    await rejects(server.waitFor({ params: { channels: ['y'] } }, { timeout: 5 }), 'ERR_GUNPORT_TIMEOUT');
    const never = rejects(server.waitFor('never'), 'ERR_GUNPORT_CLOSED');
    await server.stop();
    await never;
    await feed.close();
  });

  it('refuses upgrades with status, headers and body, so many times', async () => {
    const server = await stage();
    server.refuse(429, { headers: { 'retry-after': '3' }, body: 'slow down', times: 1 });
    const error = await rejects(pool.connect(server.url), 'ERR_GUNPORT_UPGRADE_REFUSED');
    expect(error).to.include({ status: 429 });
    expect(error.headers?.['retry-after']).to.equal('3');
    expect(Buffer.from(error.body ?? []).toString()).to.equal('slow down');
    const feed = await pool.connect(server.url);
    expect(server.upgrades.map(({ status }) => status)).to.deep.equal([429, 101]);
    expect(() => server.refuse(101)).to.throw('status must be an integer from 200 to 599');
    await feed.close();
  });

  it('reads and answers nothing while it is stalled', async () => {
    const server = await stage((connection) => void connection.onMessage((data) => connection.send(data)));
    const feed = await pool.connect(server.url);
    server.stall();
    feed.send('wait');
    await feed.drained();
    const late = pool.connect(server.url);
    await rejects(server.waitFor('wait', { timeout: 30 }), 'ERR_GUNPORT_TIMEOUT');
    expect(server.connections).to.have.lengthOf(1);
    server.resume();
    expect(await next(feed)).to.equal('wait');
    await feed.close();
    await (await late).close();
  });

  it('sends garbage, which the client refuses', async () => {
    const server = await stage();
    const feed = await pool.connect(server.url, { retry: 0 });
    server.garbage(new Uint8Array(16).fill(0xff));
    const { error } = await feed.closed;
    expect(error?.code).to.equal('ERR_GUNPORT_PROTOCOL');
  });

  it('goes with a close frame, and without waiting for an answer', async () => {
    const server = await stage();
    const feed = await pool.connect(server.url);
    server.rudeClose(4321, 'off');
    expect(await feed.closed).to.include({ code: 4321, reason: 'off' });
    await server.connections[0]?.closed;
  });

  it('drops a connection by a FIN, or by an RST and no FIN before it', async () => {
    const server = await stage();
    const drop = async (reset: boolean): Promise<unknown> => {
      const feed = await pool.connect(server.url, { retry: 0 });
      server.drop({ reset });
      return (await feed.closed).error?.cause;
    };
    const fin = 'the server ended the connection without a closing handshake';
    expect(await drop(false)).to.include({ message: fin });
    expect(await drop(true)).to.have.nested.property('cause.code', 'ECONNRESET');
  });

  it('sends a message a byte at a time', async () => {
    const server = await stage([{ slowBytes: 'drip', every: 1 }]);
    const feed = await pool.connect(server.url, { retry: 0 });
    expect(await next(feed)).to.equal('drip');
    const connection = await server.connection(1);
    const slow = rejects(connection.slowBytes('never', { every: 60_000 }), 'ERR_GUNPORT_CLOSED');
    connection.drop({ reset: true });
    await slow;
    await feed.closed;
  });

  it('restarts at the same port', async () => {
    const server = await stage();
    const { port } = server;
    const feed = await pool.connect(server.url, { ...BACK_AT_ONCE, retry: 200 });
    const before = server.upgrades.length;
    await server.restart(() => expect(server.upgrades).to.have.lengthOf(before));
    await server.connection(2);
    expect(server.port).to.equal(port);
    await feed.close();
  });

  it('measures the round trip, and closes all politely', async () => {
    const server = await stage();
    const feeds = await Promise.all([pool.connect(server.url), pool.connect(server.url)]);
    expect(await server.connections[0]?.ping()).to.be.at.least(0);
    expect(server.broadcast('all')).to.equal(2);
    for (const feed of feeds) expect(await next(feed)).to.equal('all');
    await server.close(4000, 'enough');
    for (const feed of feeds) expect(await feed.closed).to.include({ code: 4000, reason: 'enough' });
  });

  it('tells of a script that failed: closes with 1011, and stop() rejects with what it expected and got', async () => {
    const server = await stage([{ expect: { op: 'login' } }]);
    const feed = await pool.connect(server.url);
    feed.send('{"op":"logout"}');
    expect(await feed.closed).to.include({ code: 1011 });
    const error = await rejects(server.stop(), 'ERR_GUNPORT_PROTOCOL');
    expect(error.message).to.equal(
      'connection 1: expected JSON with {"op":"login"}, got "{\\"op\\":\\"logout\\"}"',
    );
  });

  it('takes a client that leaves for no failure, and settles what waits for it', async () => {
    const server = await stage([{ expect: 'never' }]);
    const feed = await pool.connect(server.url);
    const next = rejects((await server.connection(1)).next(), 'ERR_GUNPORT_CLOSED');
    await feed.close();
    await next;
    await server.stop();
    expect(server.failures).to.deep.equal([]);
  });

  it('forgets the oldest above its bound', async () => {
    const server = await stage({ log: 3 });
    const feed = await pool.connect(server.url);
    feed.send(['a', 'b', 'c', 'd', 'e']);
    await server.waitFor('e');
    expect(server.received.map(({ data }) => data)).to.deep.equal(['c', 'd', 'e']);
    await feed.close();
  });

  it('names the option that is none', async () => {
    await rejects(serve({ log: 0 }), 'ERR_GUNPORT_OPTION');
    await rejects(serve({ skript: [] } as object), 'ERR_GUNPORT_OPTION');
    await rejects(serve({ script: 'hello' as never }), 'ERR_GUNPORT_OPTION');
  });
});

async function next(feed: WsStream<unknown>): Promise<unknown> {
  for await (const message of feed) return message;
  return undefined;
}
