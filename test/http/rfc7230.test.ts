// Twins of rfc7230_SUITE, but its tunnels. Nobody may listen on ports 80 and 443 here: the target names them, and the
// socket goes to a unix path, which changes nothing about what is sent.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { feeds } from '../support/feeds.ts';
import { origin } from '../support/origin.ts';

describe('the host of a request (RFC 9112 §3.2)', () => {
  const { open, keep } = feeds();

  /** Its host field, where the target is this. */
  const hostFor = async (target: Endpoint | string): Promise<string | undefined> => {
    const path = join(tmpdir(), `gunport-host-${process.pid}.sock`);
    const secure = typeof target === 'string' ? target.startsWith('https') : target.transport === 'tls';
    const { ca, localhost } = await certificates();
    const tls = { ...localhost, ALPNProtocols: ['http/1.1'] };
    const server = await keep(origin(undefined, { path, secure: secure && tls }));
    const connection = open(target, { socketPath: path, retry: 0, ...(secure && { tls: { ca } }) });
    connection.get('/');
    const { headers } = await (await server.next()).request();
    await connection.close();
    await server.close();
    return headers['host'];
  };
  const host = 'localhost';

  it('has no port where it is 80 without TLS (rfc7230_SUITE host_default_port_http)', async () => {
    expect(await hostFor({ host, port: 80, transport: 'tcp' })).to.equal('localhost');
    expect(await hostFor('http://localhost/')).to.equal('localhost');
    expect(await hostFor('http://localhost:80/')).to.equal('localhost');
  });

  it('has no port where it is 443 with TLS (rfc7230_SUITE host_default_port_https)', async () => {
    expect(await hostFor({ host, port: 443, transport: 'tls' })).to.equal('localhost');
    expect(await hostFor('https://localhost/')).to.equal('localhost');
  });

  it('has port 443 where there is no TLS (rfc7230_SUITE host_other_port_http)', async () => {
    expect(await hostFor({ host, port: 443, transport: 'tcp' })).to.equal('localhost:443');
    expect(await hostFor('http://localhost:443/')).to.equal('localhost:443');
  });

  it('has port 80 where there is TLS (rfc7230_SUITE host_other_port_https)', async () => {
    expect(await hostFor({ host, port: 80, transport: 'tls' })).to.equal('localhost:80');
    expect(await hostFor('https://localhost:80/')).to.equal('localhost:80');
  });

  it('puts an IPv6 address in brackets (rfc7230_SUITE host_ipv6)', async () => {
    expect(await hostFor({ host: '::1', port: 80 })).to.equal('[::1]');
    expect(await hostFor({ host: '::1', port: 8080 })).to.equal('[::1]:8080');
    expect(await hostFor('http://[::1]:8080/')).to.equal('[::1]:8080');
  });

  it('may be another one, given as a header', async () => {
    const server = await keep(origin());
    open(server.url).get('/', { headers: { Host: 'elsewhere.example' } });
    const { lines } = await (await server.next()).request();
    expect(lines).to.deep.equal(['GET / HTTP/1.1', 'host: elsewhere.example']);
  });
});

describe('a message with both Transfer-Encoding and Content-Length', () => {
  const { open, keep } = feeds();

  it('is read by its chunks (rfc7230_SUITE transfer_encoding_overrides_content_length)', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(
          'HTTP/1.1 200 OK\r\ncontent-length: 12\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n',
        );
      }),
    );
    const connection = open(server.url);
    expect(await connection.get('/').text()).to.equal('hello world!');
  });

  it('is never sent: what a user says of Transfer-Encoding is not heard', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    const headers = { 'transfer-encoding': 'gzip, chunked', 'content-length': '99' };
    connection.request('PUT', '/whole', { headers, body: 'Hello' });
    const stream = connection.put('/parts', { headers: { 'transfer-encoding': 'identity' } });
    connection.data(stream, 'fin', 'Hello');
    const talk = await server.next();
    const whole = await talk.request();
    expect([whole.headers['content-length'], whole.headers['transfer-encoding']]).to.deep.equal([
      '5',
      undefined,
    ]);
    expect((await talk.body()).text).to.equal('Hello');
    const parts = await talk.request();
    expect([parts.headers['content-length'], parts.headers['transfer-encoding']]).to.deep.equal([
      undefined,
      'chunked',
    ]);
    expect((await talk.body()).text).to.equal('Hello');
  });
});
