// Twins of event_SUITE that look at requests and their answers.

import { expect } from 'chai';
import type { Connection, GunportEventName, Stream } from '../../lib/index.ts';
import { type Cowboy, cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks } from '../support/h2origin.ts';
import { listening } from '../support/listening.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

const ANSWER = [
  'gunport:response:start',
  'gunport:response:inform',
  'gunport:response:headers',
  'gunport:response:trailers',
  'gunport:response:end',
] as const;
const REQUEST = ['gunport:request:start', 'gunport:request:headers', 'gunport:request:end'] as const;

for (const speaks of ['http', 'h2c'] as const) {
  describe(`the events of a request over ${speaks}`, () => {
    const { open, keep } = feeds();
    const heard = listening();
    let server: Cowboy;
    let connection: Connection;
    beforeEach(async () => {
      server = await keep(cowboy(speaks));
      connection = open(server.url, { ...server.trust, push: true });
    });

    /** Names so far, without what all of them have. */
    const names = (): string[] => heard.all.map(({ name }) => name.slice('gunport:'.length));
    const listen = (...wanted: readonly GunportEventName[]): void => heard.to(...wanted);
    const origins = (stream: Stream<Connection>) => {
      const { id: connection } = stream.connection;
      return { connection, stream: stream.id, replyTo: false };
    };

    for (const name of ['gunport:request:start', 'gunport:request:headers'] as const) {
      it(`${name} tells what is asked (event_SUITE ${name === REQUEST[0] ? 'request_start' : 'request_headers'})`, async () => {
        listen(name);
        const stream = connection.get('/', {
          headers: { accept: 'text/html', authorization: 'Basic c2VjcmV0' },
        });
        const { headers, ...asked } = await heard.next(name);
        expect(asked).to.deep.include({
          ...origins(stream),
          ...{ function: 'request', method: 'GET', authority: `127.0.0.1:${server.port}`, path: '/' },
        });
        expect(headers).to.include({ accept: 'text/html', authorization: '(redacted)' });
        const upload = connection.post('/echo', { headers: { 'content-type': 'text/plain' } });
        const streamed = await heard.next(name);
        expect(streamed).to.include({
          stream: upload.id,
          function: 'headers',
          method: 'POST',
          path: '/echo',
        });
        upload.data('fin', 'done');
        expect(await upload.text()).to.equal('done');
        expect(server.headers, 'what goes out is as it was').to.not.have.property('authorization');
      });
    }

    it('ends when all of it has gone out: no body, chunked, of a length, of none (event_SUITE request_end)', async () => {
      listen('gunport:request:end');
      const ended = async (stream: Stream<Connection>): Promise<void> => {
        await stream.response();
        expect(await heard.next('gunport:request:end')).to.deep.include(origins(stream));
      };
      await ended(connection.get('/'));
      const chunked = connection.put('/echo');
      chunked.data('nofin', 'Hello ');
      chunked.data('fin', 'world!');
      await ended(chunked);
      await ended(connection.put('/echo', { body: 'Hello world!' }));
      const sized = connection.put('/echo', { headers: { 'content-length': 5 } });
      sized.data('fin', 'Hello');
      await ended(sized);
      await ended(connection.put('/empty', { body: '' }));
      expect(heard.of('gunport:request:end').filter(({ error }) => error)).to.deep.equal([]);
    });

    it('an answer begins once (event_SUITE response_start)', async () => {
      listen('gunport:response:start');
      for (const path of ['/', '/inform', '/empty']) {
        const stream = connection.get(path);
        await stream.text();
        expect(await heard.next('gunport:response:start')).to.deep.include(origins(stream));
      }
      expect(heard.all).to.have.lengthOf(3);
    });

    it('each interim answer is told (event_SUITE response_inform)', async () => {
      listen('gunport:response:inform');
      const stream = connection.get('/inform');
      await stream.text();
      for (let i = 0; i < 2; i++) {
        const inform = await heard.next('gunport:response:inform');
        expect(inform).to.deep.include({ ...origins(stream), status: 103 });
        expect(inform.headers['content-type']).to.equal('text/plain');
      }
      expect(heard.all).to.have.lengthOf(2);
    });

    it('the head of an answer is told (event_SUITE response_headers)', async () => {
      listen('gunport:response:headers');
      const stream = connection.get('/');
      await stream.text();
      const head = await heard.next('gunport:response:headers');
      expect(head).to.deep.include({ ...origins(stream), status: 200 });
      expect(head.headers).to.include({ 'content-length': '12' });
      expect(head.rawHeaders).to.include('12');
    });

    it('and what is behind its body (event_SUITE response_trailers)', async () => {
      listen('gunport:response:trailers');
      const stream = connection.get('/trailers', { headers: { te: 'trailers' } });
      await stream.text();
      const { headers, ...trailers } = await heard.next('gunport:response:trailers');
      expect(trailers).to.deep.include(origins(stream));
      expect({ ...headers }).to.deep.equal({ expires: 'Sun, 10 Dec 2017 19:13:47 GMT' });
    });

    it('and its end, with or without a body, streamed, or with trailers (event_SUITE response_end)', async () => {
      listen('gunport:response:end');
      for (const path of ['/', '/empty', '/stream', '/trailers']) {
        const stream = connection.get(path, { headers: { te: 'trailers' } });
        await stream.text();
        const end = await heard.next('gunport:response:end');
        expect(end).to.deep.include(origins(stream));
        expect(end).to.not.have.property('error');
      }
    });

    it('all of them come in the order of what happens', async () => {
      listen(...REQUEST, ...ANSWER);
      await connection.get('/inform').text();
      await heard.next('gunport:response:end');
      expect(names()).to.deep.equal([
        ...['request:start', 'request:headers', 'request:end', 'response:start'],
        ...['response:inform', 'response:inform', 'response:headers', 'response:end'],
      ]);
    });

    it('one that is cancelled says so, and what had begun of it ends (event_SUITE cancel)', async () => {
      listen('gunport:cancel', 'gunport:request:end', 'gunport:response:end');
      const stream = connection.get('/delayed');
      await server.arrival();
      stream.cancel();
      expect(await heard.next('gunport:cancel')).to.deep.include({
        ...origins(stream),
        ...{ endpoint: 'local', reason: 'cancel' },
      });
      expect(heard.of('gunport:request:end')).to.have.lengthOf(1);
      expect(heard.of('gunport:response:end'), 'none has begun').to.have.lengthOf(0);
    });

    it('one that is late is given up by us, for the deadline that has passed', async () => {
      listen('gunport:cancel');
      const stream = connection.get('/delayed', { headersTimeout: 20 });
      await rejects(stream.response(), 'ERR_GUNPORT_TIMEOUT');
      const { endpoint, reason } = await heard.next('gunport:cancel');
      expect([endpoint, reason]).to.deep.equal(['local', 'headersTimeout']);
    });

    it('an upload whose rest is not wanted ends with an error, before its answer does', async () => {
      listen('gunport:request:end', 'gunport:response:end');
      const upload = connection.post('/nowhere');
      upload.data('nofin', 'some of it');
      expect((await upload.response()).status).to.equal(404);
      const { error } = await heard.next('gunport:request:end');
      expect(error).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
      await heard.next('gunport:response:end');
    });
  });
}

describe('the events of an answer that ends with its connection', () => {
  const { open, keep } = feeds();
  const heard = listening();

  it('are as of any other (event_SUITE http1_response_end_body_close)', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        talk.end('HTTP/1.0 200 OK\r\n\r\nHello');
      }),
    );
    heard.to('gunport:response:end');
    const stream = open(server.url).get('/');
    expect(await stream.text()).to.equal('Hello');
    const end = await heard.next('gunport:response:end');
    expect(end).to.include({ stream: stream.id });
    expect(end).to.not.have.property('error');
  });

  it('that is cut off: its end tells why', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        talk.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHello');
      }),
    );
    heard.to('gunport:response:end');
    const stream = open(server.url, { retry: 0 }).get('/');
    await rejects(stream.text(), 'ERR_GUNPORT_CLOSED');
    expect((await heard.next('gunport:response:end')).error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
  });
});

describe('the events of HTTP/2 alone', () => {
  const { open, keep } = feeds();
  const { both } = h2talks();
  const heard = listening();

  const pushing = async (): Promise<{ server: Cowboy; stream: Stream<Connection> }> => {
    const server = await keep(cowboy('h2c'));
    const stream = open(server.url, { ...server.trust, push: true }).get('/push');
    return { server, stream };
  };

  it('a promise begins once for each push (event_SUITE push_promise_start)', async () => {
    heard.to('gunport:push-promise:start');
    const { stream } = await pushing();
    await stream.text();
    for (let i = 0; i < 2; i++) {
      const start = await heard.next('gunport:push-promise:start');
      expect(start).to.include({ stream: stream.id, replyTo: false });
    }
  });

  it('and tells what is promised (event_SUITE push_promise_end)', async () => {
    heard.to('gunport:push-promise:end');
    const { stream, server } = await pushing();
    await stream.text();
    for (const path of ['/', '/empty']) {
      const { headers, promised, ...end } = await heard.next('gunport:push-promise:end');
      expect(end).to.include({ stream: stream.id, method: 'GET', uri: `${server.url}${path}` });
      expect(headers).to.include({ accept: 'text/plain' });
      expect(promised).to.be.below(0);
    }
  });

  it('whose answer has events of its own (event_SUITE push_promise_followed_by_response)', async () => {
    heard.to('gunport:push-promise:end', 'gunport:response:start', 'gunport:response:end');
    const { stream } = await pushing();
    await stream.text();
    for (let i = 0; i < 2; i++) {
      const { promised } = await heard.next('gunport:push-promise:end');
      const started = await heard.next('gunport:response:start', (one) => one.stream === promised);
      const ended = await heard.next('gunport:response:end', (one) => one.stream === promised);
      expect([started.stream, ended.stream]).to.deep.equal([promised, promised]);
      expect(promised).to.not.equal(stream.id);
    }
  });

  it('a stream that the server resets is given up by it (event_SUITE cancel_remote)', async () => {
    heard.to('gunport:cancel', 'gunport:response:end');
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, { ':status': 200 }), h2.reset(id, 'CANCEL'));
    await rejects(stream.text(), 'ERR_GUNPORT_RESET');
    const { endpoint, reason, ...cancel } = await heard.next('gunport:cancel');
    expect([endpoint, reason]).to.deep.equal(['remote', 'CANCEL']);
    expect(cancel).to.include({ connection: connection.id, stream: stream.id });
    expect((await heard.next('gunport:response:end')).error).to.include({ code: 'ERR_GUNPORT_RESET' });
  });
});
