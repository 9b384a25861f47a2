import { expect } from 'chai';
import { answer, type Stand, useStand } from '../support/http1-stand.ts';

const CRLF = '\r\n';

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/** A head as the driver writes it. */
function head(line: string, ...fields: readonly string[]): string {
  return [`${line} HTTP/1.1`, 'host: example.com:8080', ...fields, '', ''].join(CRLF);
}

describe('http1', () => {
  const stand = useStand();

  /** A stand with requests on the wire, to /1, /2 … */
  function asked(count: number, options?: Parameters<typeof stand>[0]): Stand {
    const made = stand(options);
    for (let i = 1; i <= count; i++) made.ask({ path: `/${i}` });
    made.driver.serve();
    return made;
  }

  describe('asking', () => {
    it('writes what waits at once, in order', () => {
      const made = asked(3);
      expect(made.transport.writes).to.deep.equal([head('GET /1') + head('GET /2') + head('GET /3')]);
      expect(made.counters).to.include({ messagesSent: 3 });
    });

    it('has as many on the wire as pipelining allows', () => {
      const made = asked(3, { pipelining: 2 });
      expect(made.written()).to.equal(head('GET /1') + head('GET /2'));
      made.read(answer('a'));
      expect(made.written()).to.equal(head('GET /3'));
    });

    it('sends small bodies with their heads', () => {
      const made = stand();
      made.ask({ method: 'POST', body: bytes('abc') });
      made.ask({ method: 'PUT' });
      made.driver.serve();
      expect(made.transport.writes).to.deep.equal([
        `${head('POST /', 'content-length: 3')}abc${head('PUT /', 'content-length: 0')}`,
      ]);
      expect(made.counters).to.include({ messagesSent: 2, bytesSent: 3 });
    });

    it('streams a body in chunks, and holds the next request back until its end', () => {
      const made = stand();
      const upload = made.get('/up', { method: 'POST', streamed: true });
      made.get('/next');
      upload.add(bytes('hello'), false, undefined);
      upload.add(bytes(''), false, undefined);
      upload.add(bytes('0123456789'), false, undefined);
      expect(made.written()).to.equal(
        `${head('POST /up', 'transfer-encoding: chunked')}5${CRLF}hello${CRLF}a${CRLF}0123456789${CRLF}`,
      );
      upload.add(undefined, true, ['x', 'y']);
      expect(made.written()).to.equal(`0${CRLF}x: y${CRLF}${CRLF}${head('GET /next')}`);
    });

    it('streams a body of known length as it is', () => {
      const made = stand();
      const upload = made.get('/', { method: 'POST', streamed: true, headers: ['content-length', '5'] });
      upload.add(bytes('hel'), false, undefined);
      upload.add(bytes('lo'), true, undefined);
      expect(made.written()).to.equal(`${head('POST /', 'content-length: 5')}hello`);
      made.read(answer(''));
      expect(made.told()).to.deep.equal(['1 response 200 fin']);
      expect(made.ends).to.deep.equal([]);
    });

    it('fails a body that is not what its head promised, and nobody else', () => {
      for (const [body, trailers] of [['abcdef'], ['abc'], ['hello', ['a', 'b']]] as const) {
        const made = asked(1);
        const upload = made.get('/', { method: 'POST', streamed: true, headers: ['content-length', '5'] });
        upload.add(bytes(body), true, trailers);
        expect(made.told()).to.deep.equal(['2 error ERR_GUNPORT_BAD_STATE']);
        made.read(answer('one'));
        expect(made.told()).to.deep.equal(['1 response 200', '1 data one fin']);
        expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
      }
    });

    it('tells an upload what has left the process', (done) => {
      const made = stand();
      const upload = made.get('/', { method: 'POST', body: bytes('abc') });
      expect(upload.upload.record([]).flushedBytes).to.equal(0);
      made.transport.sent();
      expect(upload.upload.record([]).flushedBytes).to.equal(3);
      setImmediate(done);
    });

    it('has names transformed, or fails the request alone', () => {
      const made = stand({ transform: (name) => (name === 'bad' ? 'b d' : String(name).toUpperCase()) });
      made.get('/', { headers: ['bad', '1'] });
      made.get('/', { headers: ['good', '1'] });
      expect(made.told()).to.deep.equal(['1 error ERR_GUNPORT_OPTION']);
      expect(made.written()).to.equal(
        `GET / HTTP/1.1${CRLF}HOST: example.com:8080${CRLF}GOOD: 1${CRLF}${CRLF}`,
      );
    });

    it('sends an empty line from time to time while idle (Gun keepalive)', async () => {
      const made = stand({ keepalive: 5 });
      made.driver.serve();
      while (made.transport.writes.length < 2) await new Promise(setImmediate);
      expect(made.written()).to.match(/^(\r\n){2,}$/);
      made.get('/');
      made.written();
      const silent = new Promise((resolve) => setTimeout(resolve, 20));
      await silent;
      expect(made.written()).to.equal('');
    });
  });

  describe('answers', () => {
    it('go to their requests in order, many in one read', () => {
      const made = asked(3);
      made.read(answer('one') + answer('') + answer('three'));
      expect(made.told()).to.deep.equal([
        ...['1 response 200', '1 data one fin', '2 response 200 fin', '3 response 200', '3 data three fin'],
      ]);
      expect(made.counters).to.include({ messagesReceived: 3, bytesReceived: 8 });
      expect(made.open).to.deep.equal([]);
    });

    it('are the same however they are cut up', () => {
      const made = asked(1);
      for (const byte of answer('hello')) made.read(byte);
      expect(made.told()).to.deep.equal([
        ...['1 response 200', '1 data h', '1 data e', '1 data l', '1 data l', '1 data o fin'],
      ]);
    });

    it('have no body after HEAD, and with 204 and 304 (RFC 9112 §6.3)', () => {
      const made = stand();
      made.get('/', { method: 'HEAD' });
      made.get('/');
      made.get('/');
      made.get('/');
      made.read('HTTP/1.1 200 OK', 'Content-Length: 5', '', '');
      made.read('HTTP/1.1 204', 'Transfer-Encoding: chunked', '', '');
      made.read('HTTP/1.1 304', 'Content-Length: 5', '', '');
      made.read(answer('x'));
      expect(made.told()).to.deep.equal([
        ...[
          '1 response 200 fin',
          '2 response 204 fin',
          '3 response 304 fin',
          '4 response 200',
          '4 data x fin',
        ],
      ]);
    });

    it('come in chunks, each told, the last with fin', () => {
      const made = asked(1);
      made.read(
        'HTTP/1.1 200 OK',
        'Transfer-Encoding: chunked',
        '',
        '6',
        'Hello ',
        '6',
        'world!',
        '0',
        '',
        '',
      );
      expect(made.told()).to.deep.equal(['1 response 200', '1 data Hello ', '1 data world! fin']);
    });

    it('end with an empty part where the last chunk comes late', () => {
      const made = asked(1);
      made.read('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '1', 'x', '');
      made.read('0', '', '');
      expect(made.told()).to.deep.equal(['1 response 200', '1 data x', '1 data  fin']);
    });

    it('end with trailers in place of fin', () => {
      const made = asked(1);
      made.read('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '1', 'x', '0', 'a: b', '', '');
      expect(made.told()).to.deep.equal(['1 response 200', '1 data x', '1 trailers a,b']);
    });

    it('tell many tiny chunks of one read in few parts', () => {
      const made = asked(1);
      const chunks = Array.from({ length: 1_000 }, (_, i) => ['1', String(i % 10)]).flat();
      made.read('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', ...chunks, '0', '', '');
      const parts = made.told().slice(1);
      expect(parts).to.have.lengthOf.below(20);
      const body = parts.map((line) => line.slice('1 data '.length).replace(' fin', '')).join('');
      expect(body).to.equal('0123456789'.repeat(100));
    });

    it('may be preceded by interim ones', () => {
      const made = asked(1);
      made.read('HTTP/1.1 103 Early Hints', 'Link: a', '', `HTTP/1.1 103${CRLF}${CRLF}${answer('x')}`);
      expect(made.told()).to.deep.equal(['1 inform 103', '1 inform 103', '1 response 200', '1 data x fin']);
    });

    it('may be large, and arrive in memory that moves', () => {
      const made = asked(2);
      const large = 'abcdefghij'.repeat(200_000);
      made.read(answer(large) + answer('small'));
      const told = made.told();
      expect(told.slice(-2)).to.deep.equal(['2 response 200', '2 data small fin']);
      const body = told.slice(1, -2).map((line) => line.slice('1 data '.length).replace(' fin', ''));
      expect(body.join('') === large).to.equal(true);
      expect(told.filter((line) => line.endsWith('fin'))).to.have.lengthOf(2);
    });

    it('without a length end with the connection', () => {
      const made = asked(1);
      made.read('HTTP/1.1 200 OK', '', 'abc');
      made.driver.ended();
      expect(made.told()).to.deep.equal(['1 response 200', '1 data abc', '1 data  fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('that are cut are errors', () => {
      const cuts = [
        ...['', 'HTTP/1.1 200', `HTTP/1.1 200 OK${CRLF}Content-Length: 5${CRLF}${CRLF}abc`],
        `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}3${CRLF}abc${CRLF}`,
      ];
      for (const cut of cuts) {
        const made = asked(1);
        made.read(cut);
        made.driver.ended();
        expect(made.told().at(-1)).to.equal('1 error ERR_GUNPORT_CLOSED');
        expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED']);
      }
    });

    it('that nobody asked for end the connection, after those that were asked for', () => {
      for (const more of [answer(''), 'junk']) {
        const made = asked(1);
        made.read(answer('x') + more);
        expect(made.told()).to.deep.equal(['1 response 200', '1 data x fin']);
        expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_PROTOCOL']);
        expect(made.lost?.message).to.equal('the server sent bytes that nobody asked for');
      }
    });

    it('that are no HTTP end the connection', () => {
      const made = asked(2);
      made.read(`${answer('x')}junk`);
      expect(made.told()).to.deep.equal(['1 response 200', '1 data x fin', '2 error ERR_GUNPORT_PROTOCOL']);
    });

    it('may not switch protocols unasked (http11_upgrade_raw_unrequested)', () => {
      const made = asked(1);
      made.read('HTTP/1.1 101 Switching', 'Connection: upgrade', 'Upgrade: websocket', '', '');
      expect(made.told()).to.deep.equal(['1 error ERR_GUNPORT_PROTOCOL']);
      expect(made.lost?.message).to.match(/101/);
    });

    it('may not be interim without end', () => {
      const made = asked(1);
      made.read(`HTTP/1.1 103${CRLF}${CRLF}`.repeat(101));
      expect(made.told()).to.have.lengthOf(101);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_FLOOD']);
    });

    it('are bounded in their heads and trailers', () => {
      const made = asked(1, { maxHeaderSize: 100 });
      made.read('HTTP/1.1 200 OK', `A: ${'x'.repeat(100)}`);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_TOO_BIG']);
    });
  });

  describe('Expect: 100-continue', () => {
    const expecting = { method: 'POST', body: bytes('abc'), headers: ['expect', '100-continue'] };
    const sent = head('POST /', 'expect: 100-continue', 'content-length: 3');

    it('waits for 100 with the body, and with all behind it', () => {
      const made = stand();
      made.get('/', expecting);
      made.get('/next');
      expect(made.written()).to.equal(sent);
      made.read('HTTP/1.1 100 Continue', '', '');
      expect(made.written()).to.equal(`abc${head('GET /next')}`);
      expect(made.told()).to.deep.equal(['1 inform 100']);
    });

    it('sends the body after continueTimeout', async () => {
      const made = stand({ continueTimeout: 5 });
      made.get('/', expecting);
      expect(made.written()).to.equal(sent);
      while (made.transport.writes.length === 0) await new Promise(setImmediate);
      expect(made.written()).to.equal('abc');
    });

    it('does not send the body after a final answer, and closes', () => {
      const made = stand();
      made.get('/', expecting);
      made.written();
      made.read('HTTP/1.1 417 Expectation Failed', 'Content-Length: 2', '', 'no');
      expect(made.written()).to.equal('');
      expect(made.told()).to.deep.equal(['1 response 417', '1 data no fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('asks nothing where there is no body', () => {
      const made = stand();
      made.get('/', { headers: ['expect', '100-continue'] });
      made.get('/next');
      expect(made.written()).to.equal(head('GET /', 'expect: 100-continue') + head('GET /next'));
    });
  });

  describe('an answer ahead of the body', () => {
    it('that refuses it stops it, and ends the connection', () => {
      const made = stand();
      const upload = made.get('/', { method: 'POST', streamed: true });
      made.written();
      made.read('HTTP/1.1 413 Content Too Large', 'Content-Length: 2', '', 'n');
      upload.add(bytes('more'), true, undefined);
      expect(made.written()).to.equal('');
      made.read('o');
      expect(made.told()).to.deep.equal(['1 response 413', '1 data n', '1 data o fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });

    it('that is good lets it go on', () => {
      const made = stand();
      const upload = made.get('/', { method: 'POST', streamed: true });
      made.read('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'n');
      made.written();
      upload.add(bytes('x'), true, undefined);
      expect(made.written()).to.equal(`1${CRLF}x${CRLF}0${CRLF}${CRLF}`);
      made.read('o');
      expect(made.told().at(-1)).to.equal('1 data o fin');
      expect(made.ends).to.deep.equal([]);
    });

    it('that is complete before it ends the connection', () => {
      const made = stand();
      made.get('/', { method: 'POST', streamed: true });
      made.read(answer('ok'));
      expect(made.told()).to.deep.equal(['1 response 200', '1 data ok fin']);
      expect(made.ends).to.deep.equal(['lost ERR_GUNPORT_CLOSED normal']);
    });
  });
});
