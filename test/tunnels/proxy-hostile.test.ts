import { expect } from 'chai';
import { ConnectionError, type GunportError, type OpenOptions, StreamError } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { hostilities } from '../support/hostile.ts';
import { BROKEN, connected, ODD_TUNNELS, REFUSALS, SILENT } from '../support/hostile-proxies.ts';
import { echoes } from '../support/hostile-socks.ts';
import { type Origin, origin, type Talk } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { untilLine } from '../support/socks-ways.ts';

const FAR = 'http://far.example';

/** A proxy that is the far end too: its first connections are treated to `first`, all later ones well. */
function proxyOrigin(first: (talk: Talk) => unknown, bad = 2): Promise<Origin> {
  return origin(async (talk) => {
    if (talk.number <= bad) return first(talk);
    await connected(talk);
    return echoes(talk);
  });
}

describe('an HTTP proxy that', () => {
  const { open, keep } = hostilities();

  const through = (server: Origin, options: OpenOptions = {}) =>
    open(FAR, { proxy: server.url.replace('//', '//joe:hush@'), retry: 0, ...options });

  /** The error that it costs, and then the way is found by a retry. */
  async function costs(server: Origin, options: OpenOptions = {}): Promise<GunportError> {
    const error = await rejects(through(server, options).get('/').text(), 'ERR_GUNPORT_PROXY');
    expect(error).to.be.instanceOf(ConnectionError);
    expect(error.hop).to.equal(server.url);
    expect(String(error)).to.include('far.example').and.not.include('hush');
    await server.talks[0]?.closed;
    const again = through(server, { retry: 3, retryTimeout: 1, ...options });
    expect(await again.get('/next').text()).to.equal('/next');
    expect(server.taken).to.equal(3);
    return error;
  }

  /** What is no better the next time is not asked again, whatever retries there are. */
  async function isFinal(server: Origin): Promise<GunportError> {
    const connection = through(server, { retry: 3, retryTimeout: 1 });
    const error = await rejects(connection.get('/').text(), 'ERR_GUNPORT_PROXY');
    expect(server.taken).to.equal(1);
    return error;
  }

  for (const { status, answer, headers, body } of REFUSALS) {
    const next = status === 407 ? 'a password is not tried again' : 'the next is asked anew';
    it(`answers ${status}: the error has its head and body, and ${next}`, async () => {
      const server = await keep(proxyOrigin((talk) => connected(talk, answer)));
      const error = await (status === 407 ? isFinal(server) : costs(server));
      expect(error.status).to.equal(status);
      expect(error.headers).to.include(headers);
      expect(Buffer.from(error.body ?? []).toString()).to.equal(body);
    });
  }

  it('refuses with a body without end: the error has 64 KiB of it', async () => {
    const server = await keep(
      proxyOrigin(async (talk) => {
        await connected(talk, 'HTTP/1.1 403 Forbidden\r\n\r\n');
        await talk.write('x'.repeat(1_000_000));
      }),
    );
    const error = await costs(server);
    expect(error.status).to.equal(403);
    expect(error.body).to.have.lengthOf(65_536);
  });

  it('refuses with a body in drips: the error has what came within connectTimeout', async () => {
    const server = await keep(
      proxyOrigin(async (talk) => {
        await connected(talk, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n');
        const drips = setInterval(() => void talk.write('x').catch(() => {}), 20);
        await talk.closed;
        clearInterval(drips);
      }, 1),
    );
    const connection = through(server, { connectTimeout: 200 });
    const error = await rejects(connection.get('/').text(), 'ERR_GUNPORT_PROXY');
    expect(error).to.include({ status: 403, hop: server.url });
  });

  for (const { name, script } of BROKEN) {
    it(`${name}: the error names it, and the next is asked anew`, async () => {
      const server = await keep(proxyOrigin(script));
      await costs(server);
    });
  }

  for (const { name, script } of SILENT) {
    it(`is silent ${name}: it is given up after its connectTimeout`, async () => {
      const server = await keep(proxyOrigin(script, 1));
      const connection = through(server, { connectTimeout: 150 });
      const error = await rejects(connection.get('/').text(), 'ERR_GUNPORT_CONNECT_TIMEOUT');
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error.hop).to.equal(server.url);
      await server.talks[0]?.closed;
      expect(await through(server).get('/next').text()).to.equal('/next');
    });
  }

  for (const { name, answer } of ODD_TUNNELS) {
    it(`answers with a head that ${name}: it is a tunnel, whole or in single bytes (RFC 9110 §9.3.6)`, async () => {
      const server = await keep(
        origin(async (talk) => {
          await connected(talk, '');
          if (talk.number === 1) await talk.write(answer);
          else
            for (const byte of Buffer.from(answer)) {
              await talk.write(Uint8Array.of(byte));
              await new Promise((resolve) => setImmediate(resolve));
            }
          return echoes(talk);
        }),
      );
      for (const path of ['/whole', '/single']) {
        const connection = through(server);
        expect(await Promise.all([connection.get(path).text(), connection.get('/b').text()])).to.deep.equal([
          ...[path, '/b'],
        ]);
      }
      expect(server.taken).to.equal(2);
    });
  }

  it('sends an answer of HTTP right behind its own: it is not taken for that of what is behind it', async () => {
    const forged = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged';
    const script = (talk: Talk) => connected(talk, `HTTP/1.1 200 OK\r\n\r\n${forged}`);
    const server = await keep(proxyOrigin(script, 2));
    const error = await rejects(through(server).get('/').text(), 'ERR_GUNPORT_PROXY');
    expect(error).to.include({ reason: 'unasked', hop: server.url });
    const again = through(server, { retry: 3, retryTimeout: 1 });
    expect(await again.get('/next').text()).to.equal('/next');
  });
});

describe('a tunnel of connection.connect() that a proxy', () => {
  const { open, keep } = hostilities();
  const TO = { host: 'far.example', port: 80 } as const;

  for (const { status, answer, headers, body } of REFUSALS) {
    it(`answers with ${status} is an ordinary response, and its connection goes on`, async () => {
      const server = await keep(
        origin(async (talk) => {
          expect(await connected(talk, answer)).to.equal('far.example:80');
          return echoes(talk);
        }),
      );
      const connection = open(server.url, { retry: 0 });
      const tunnel = connection.connect(TO);
      const inside = connection.get('/inside', { tunnel });
      const failed = rejects(inside.text(), 'ERR_GUNPORT_CLOSED');
      const response = await connection.await(tunnel);
      expect(response).to.include({ type: 'response', status, fin: body === '' });
      expect(response).to.have.property('headers').that.includes(headers);
      if (body !== '')
        expect(Buffer.from((await connection.awaitBody(tunnel)).body).toString()).to.equal(body);
      expect(await failed).to.be.instanceOf(StreamError);
      expect(await connection.get('/beside').text()).to.equal('/beside');
      expect(() => connection.get('/inside', { tunnel })).to.throw(StreamError, 'has ended');
      expect(await connection.get('/after').text()).to.equal('/after');
      expect(server.taken).to.equal(1);
    });
  }

  for (const { name, script } of BROKEN) {
    it(`${name}: it is asked for again where there are retries, else it ends with a typed error`, async () => {
      const server = await keep(proxyOrigin(script));
      const once = open(server.url, { retry: 0 });
      const error = await once
        .connect(TO)
        .established()
        .catch((error: unknown) => error);
      expect(error).to.be.instanceOf(ConnectionError);
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_(CLOSED|PROTOCOL|TOO_BIG)$/);
      const again = open(server.url, { retry: 3, retryTimeout: 1 });
      const tunnel = again.connect(TO);
      expect(await again.get('/next', { tunnel }).text()).to.equal('/next');
      expect(server.taken).to.equal(3);
    });
  }

  for (const { name, script } of SILENT) {
    it(`leaves without a word ${name}: it ends after its connectTimeout, and its connection comes back`, async () => {
      const server = await keep(origin(async (talk) => (talk.number === 1 ? script(talk) : echoes(talk))));
      const connection = open(server.url, { retry: 3, retryTimeout: 1 });
      const tunnel = connection.connect({ ...TO, connectTimeout: 150 });
      const inside = connection.get('/inside', { tunnel });
      const failed = rejects(inside.text(), 'ERR_GUNPORT_CLOSED');
      const error = await rejects(tunnel.established(), 'ERR_GUNPORT_CONNECT_TIMEOUT');
      expect(String(error)).to.include('far.example:80');
      await failed;
      await server.talks[0]?.closed;
      expect(await connection.get('/next').text()).to.equal('/next');
    });
  }

  it('leads to a server whose certificate is not trusted ends by itself, and costs its connection no retry', async () => {
    const secure = await keep(origin(echoes, { secure: true }));
    const proxy = await keep(connectProxy());
    const connection = open(proxy.url, { retry: 2, retryTimeout: 1 });
    const to = { host: 'localhost', port: Number(new URL(secure.url).port), protocols: ['http'] } as const;
    for (let i = 0; i < 5; i++) {
      const wary = connection.connect({ ...to, transport: 'tls' });
      const failed = rejects(connection.get('/', { tunnel: wary }).text(), 'ERR_GUNPORT_CLOSED');
      await rejects(wary.established(), 'ERR_GUNPORT_TLS');
      await failed;
      const tunnel = connection.connect({ ...to, transport: 'tls', tls: { ca: secure.ca } });
      expect(await connection.get(`/${i}`, { tunnel }).text()).to.equal(`/${i}`);
      tunnel.cancel();
    }
  });

  it('answers with bytes right behind has them in raw, whole or in single bytes', async () => {
    const server = await keep(
      origin(async (talk) => {
        await connected(talk, '');
        const bytes = Buffer.from('HTTP/1.1 200 OK\r\n\r\n220 ready\r\n');
        if (talk.number === 1) await talk.write(bytes);
        else for (const byte of bytes) await talk.write(Uint8Array.of(byte));
        await talk.write(`250 ${await talk.until('\r\n')}`);
      }),
    );
    for (let i = 0; i < 2; i++) {
      const connection = open(server.url, { retry: 0 });
      const tunnel = connection.connect({ ...TO, protocols: ['raw'] });
      expect(await untilLine(connection, tunnel)).to.equal('220 ready\r\n');
      tunnel.data('nofin', 'HELO me\r\n');
      expect(await untilLine(connection, tunnel)).to.equal('250 HELO me\r\n');
      const proxied = open(FAR, { proxy: server.url, protocols: ['raw'], retry: 0 });
      expect(await untilLine(proxied, proxied.raw())).to.equal('220 ready\r\n');
    }
  });
});
