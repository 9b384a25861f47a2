import { expect } from 'chai';
import { acceptOf } from '../../lib/protocol/handshake.ts';
import { headersOf } from '../../lib/protocol/headers.ts';
import { answer, type Stand, useStand } from '../support/http1-stand.ts';

const CRLF = '\r\n';

function chunked(...chunks: readonly string[]): string {
  const lines = chunks.flatMap((chunk) => [chunk.length.toString(16), chunk]);
  return ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', ...lines, ''].join(CRLF);
}

describe('http1 ends', () => {
  const stand = useStand();

  function asked(count: number, options?: Parameters<typeof stand>[0]): Stand {
    const made = stand(options);
    for (let i = 1; i <= count; i++) made.ask({ path: `/${i}` });
    made.driver.serve();
    made.written();
    return made;
  }

  describe('Connection: close', () => {
    it('in an answer fails what is behind it at once (shutdown_SUITE http1_response_connection_close_pipeline)', () => {
      const made = asked(3);
      made.read('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 2', '', 'o');
      expect(made.told()).to.deep.equal([
        ...[
          '1 response 200',
          '2 error ERR_GUNPORT_CLOSING close',
          '3 error ERR_GUNPORT_CLOSING close',
          '1 data o',
        ],
      ]);
      made.read('k');
      expect(made.told()).to.deep.equal(['1 data k fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('lets new ones wait for the next connection, or fails them where none will come (http1_response_connection_close_delayed_body)', () => {
      for (const [retry, told] of [
        [1, []],
        [0, ['2 error ERR_GUNPORT_CLOSING close']],
      ] as const) {
        const made = asked(1, { retry });
        made.read('HTTP/1.1 200 OK', 'Connection: close', '', '');
        expect(made.told()).to.deep.equal(['1 response 200']);
        made.get('/new');
        expect(made.written()).to.equal('');
        expect(made.told()).to.deep.equal(told);
      }
    });

    it('in a request ends the connection with its answer (http1_request_connection_close_pipeline)', () => {
      const made = stand({ retry: 0 });
      made.ask({});
      made.ask({ headers: ['connection', 'close'] });
      made.ask({});
      made.driver.serve();
      expect(made.written().match(/GET/g)).to.have.lengthOf(2);
      expect(made.told()).to.deep.equal(['3 error ERR_GUNPORT_CLOSING close']);
      made.read(answer('a'));
      expect(made.ends).to.deep.equal([]);
      made.read(answer('b'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data a fin', '2 response 200', '2 data b fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('is meant by HTTP/1.0, in a request and in an answer (http10_connection_close)', () => {
      const made = asked(2, { httpVersion: '1.0' });
      made.read(answer('a'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data a fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
      const other = asked(1);
      other.read('HTTP/1.0 200 OK', 'Content-Length: 0', '', '');
      expect(other.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
      const kept = asked(1);
      kept.read('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 0', '', '');
      expect(kept.ends).to.deep.equal([]);
    });

    it('is meant where both framings are there (RFC 9112 §6.1)', () => {
      const made = asked(1);
      made.read(
        'HTTP/1.1 200 OK',
        'Content-Length: 3',
        'Transfer-Encoding: chunked',
        '',
        '1',
        'x',
        '0',
        '',
        '',
      );
      expect(made.told()).to.deep.equal(['1 response 200', '1 data x fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('does not look at what follows', () => {
      const made = asked(1);
      made.read(`${answer('x', 'Connection: close')}junk`);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });
  });

  it('ends when the server closes an idle connection', () => {
    const made = asked(0);
    made.driver.ended();
    expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED']);
    expect(made.lost?.message).to.equal('the server closed the connection');
  });

  describe('shutdown', () => {
    it('is over at once where nothing is under way (http1_gun_shutdown_no_streams)', () => {
      const made = asked(0);
      made.driver.shutdown('shutdown');
      expect(made.ends).to.deep.equal(['over']);
    });

    it('completes the first and fails those behind (http1_gun_shutdown_pipelined_streams)', () => {
      const made = asked(3);
      made.read('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'o');
      made.driver.shutdown('shutdown');
      expect(made.told()).to.deep.equal([
        ...['1 response 200', '1 data o'],
        ...['2 error ERR_GUNPORT_CLOSING shutdown', '3 error ERR_GUNPORT_CLOSING shutdown'],
      ]);
      made.read(`k${answer('two')}`);
      expect(made.told()).to.deep.equal(['1 data k fin']);
      expect(made.ends).to.deep.equal(['over']);
    });

    it('lets an upload come to its end', () => {
      const made = stand();
      const upload = made.get('/', { method: 'POST', streamed: true });
      made.driver.shutdown('shutdown');
      made.written();
      upload.add(new Uint8Array(1), true, undefined);
      expect(made.written()).to.equal(`1${CRLF}\0${CRLF}0${CRLF}${CRLF}`);
      made.read(answer('ok'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data ok fin']);
      expect(made.ends).to.deep.equal(['over']);
    });

    it('does not wait for what was cancelled', () => {
      const made = asked(1);
      made.streams.exchange(1)?.cancel();
      made.driver.shutdown('shutdown');
      expect(made.ends).to.deep.equal(['over']);
    });
  });

  describe('cancel', () => {
    it('reads past the answer, and siblings are unhurt', () => {
      const made = asked(3);
      made.streams.exchange(2)?.cancel();
      expect(made.open).to.deep.equal([1, 2, 3]);
      made.read(answer('one') + answer('two'.repeat(100_000)) + answer('three'));
      expect(made.told()).to.deep.equal([
        '1 response 200',
        '1 data one fin',
        '3 response 200',
        '3 data three fin',
      ]);
      expect(made.open).to.deep.equal([]);
      expect(made.ends).to.deep.equal([]);
    });

    it('keeps the connection where the rest is short, and serves what waits', () => {
      const made = asked(1);
      made.read('HTTP/1.1 200 OK', 'Content-Length: 10', '', '12345');
      made.streams.exchange(1)?.cancel();
      made.get('/next');
      expect(made.written()).to.equal('');
      made.read('67890');
      expect(made.written()).to.match(/^GET \/next/);
      made.read(answer('x'));
      expect(made.told().slice(-2)).to.deep.equal(['2 response 200', '2 data x fin']);
      expect(made.ends).to.deep.equal([]);
    });

    it('closes the connection where the rest is long', () => {
      const made = asked(1);
      made.read('HTTP/1.1 200 OK', 'Content-Length: 100000', '', '12345');
      made.streams.exchange(1)?.cancel();
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
      expect(made.open).to.deep.equal([]);
    });

    it('closes it after 64 KiB of a rest that nobody knows the length of', () => {
      const made = asked(1);
      made.read(chunked('a'));
      made.streams.exchange(1)?.cancel();
      const chunk = `4000${CRLF}${'x'.repeat(0x4000)}${CRLF}`;
      for (let i = 0; i < 4; i++) made.read(chunk);
      expect(made.ends).to.deep.equal([]);
      made.read(chunk);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('closes it where the answer does not come', function (done) {
      this.timeout(3_000);
      const made = asked(1);
      made.streams.exchange(1)?.cancel();
      const look = setInterval(() => {
        if (made.ends.length === 0) return;
        clearInterval(look);
        expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
        done();
      }, 50);
    });

    it('of an upload closes it, once those ahead have their answers', () => {
      const made = asked(1);
      const upload = made.get('/', { method: 'POST', streamed: true });
      upload.cancel();
      expect(made.ends).to.deep.equal([]);
      made.read(answer('one'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data one fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('goes on reading what was held up', () => {
      const made = asked(1, { flow: 1 });
      made.read('HTTP/1.1 200 OK', 'Content-Length: 10', '', '12345');
      expect(made.transport.paused).to.equal(true);
      made.streams.exchange(1)?.cancel();
      expect(made.transport.paused).to.equal(false);
    });
  });

  describe('flow', () => {
    it('stops reading when it is spent, and goes on when it is topped up (flow_SUITE flow_http)', () => {
      const made = asked(1, { flow: 1 });
      made.read(chunked('a', 'b', 'c'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data a']);
      expect(made.transport.paused).to.equal(true);
      made.streams.topUp(1, 1);
      expect(made.told()).to.deep.equal(['1 data b']);
      expect(made.transport.paused).to.equal(true);
      made.streams.topUp(1, 2);
      expect(made.told()).to.deep.equal(['1 data c']);
      expect(made.transport.paused).to.equal(false);
      made.read(`0${CRLF}${CRLF}`);
      expect(made.told()).to.deep.equal(['1 data  fin']);
    });

    it('stops reading when too much is unread', () => {
      const made = asked(1);
      const large = 'x'.repeat(5 * 1024 * 1024);
      made.read('HTTP/1.1 200 OK', `Content-Length: ${large.length + 1}`, '', large);
      expect(made.transport.paused).to.equal(true);
      made.streams.exchange(1)?.read(large.length);
      expect(made.transport.paused).to.equal(false);
    });
  });

  describe('an upgrade', () => {
    const key = (request: string): string => /Sec-WebSocket-Key: (.*)\r\n/.exec(request)?.[1] ?? '';
    const agreed = (accept: string): string =>
      [
        'HTTP/1.1 101 Switching',
        'Connection: Upgrade',
        'Upgrade: websocket',
        `Sec-WebSocket-Accept: ${accept}`,
        '',
        '',
      ].join(CRLF);

    it('waits for all that is under way, and all waits for it', () => {
      const made = asked(1);
      made.upgrade();
      made.get('/after');
      expect(made.written()).to.equal('');
      made.read(answer('one'));
      expect(made.written()).to.match(/^GET \/ws HTTP\/1\.1\r\n(?!.*after)/s);
    });

    it('gives the socket away when it is agreed to, with what is behind it', () => {
      const made = stand();
      const entry = made.upgrade();
      made.read(`${agreed(acceptOf(key(made.written())))}\x81\x01a`);
      expect(made.taken).to.deep.include({ entry, rest: '\x81\x01a' });
      expect(headersOf(made.taken?.agreed.rawHeaders ?? [])).to.include({ upgrade: 'websocket' });
      expect(made.ends).to.deep.equal([]);
    });

    it('that is agreed to wrongly ends the connection', () => {
      const made = stand();
      made.upgrade();
      made.read(agreed('wrong'));
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_HANDSHAKE']);
      expect(made.taken).to.equal(undefined);
    });

    it('that is refused leaves the connection as it was', () => {
      const made = stand();
      made.upgrade();
      made.get('/after');
      made.written();
      made.read('HTTP/1.1 103', '', 'HTTP/1.1 400 Upgrade rejected', 'Content-Length: 3', '', 'n');
      expect(made.refused).to.deep.equal([]);
      made.read('o!');
      const [error] = made.refused;
      expect(error).to.include({ code: 'ERR_GUNPORT_UPGRADE_REFUSED', status: 400 });
      expect(Buffer.from(error?.body ?? []).toString()).to.equal('no!');
      expect(made.written()).to.match(/^GET \/after/);
      made.read(answer('x'));
      expect(made.told()).to.deep.equal(['2 response 200', '2 data x fin']);
      expect(made.ends).to.deep.equal([]);
    });

    it('that is refused at the connection\u2019s end ends it', () => {
      const made = stand();
      made.upgrade();
      made.read('HTTP/1.1 400 No', '', 'no');
      made.driver.ended();
      expect(Buffer.from(made.refused[0]?.body ?? []).toString()).to.equal('no');
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('goes on where it was begun by another driver', () => {
      const made = stand();
      const entry = made.upgrade();
      const begun = key(made.written());
      made.driver.stop();
      made.begin({
        upgrading: { entry, key: begun },
        bytes: Buffer.from(answer('no').replace('200', '404')),
      });
      expect(made.refused[0]).to.include({ status: 404 });
      made.get('/after');
      expect(made.written()).to.match(/^GET \/after/);
    });

    it('has a time limit, also in the midst of a refusal', async () => {
      for (const text of ['', `HTTP/1.1 400 No${CRLF}Content-Length: 5${CRLF}${CRLF}no`]) {
        const made = stand({ upgradeTimeout: 5 });
        made.upgrade();
        made.read(text);
        while (made.ends.length === 0) await new Promise(setImmediate);
        const late = text === '' ? 'lost ERR_GUNPORT_UPGRADE_TIMEOUT' : 'lost ERR_GUNPORT_CLOSED normal';
        expect(made.ends).to.deep.equal([late]);
        expect(made.refused.map(({ status }) => status)).to.deep.equal(text === '' ? [] : [400]);
      }
    });

    it('cannot be had by HTTP/1.0', () => {
      const made = stand({ httpVersion: '1.0' });
      expect(() => made.upgrade()).to.throw('it was not kept');
      expect(made.written()).to.equal('');
    });

    it('that is given up ends the connection', () => {
      const made = stand();
      made.upgrade().socket?.cancel();
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CANCELLED normal']);
    });
  });
});
