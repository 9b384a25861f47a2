import { expect } from 'chai';
import type { Connection, FetchBody, FetchInit } from '../../lib/index.ts';
import { type Cowboy, cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

for (const speaks of ['http', 'h2c'] as const) {
  describe(`fetch, over ${speaks}`, () => {
    const { open, keep } = feeds();
    let server: Cowboy;
    let connection: Connection;
    beforeEach(async () => {
      server = await keep(cowboy(speaks));
      connection = open(server.url, server.trust);
    });

    /** What /echo answers to this body, and the type that was sent with it. */
    async function echoed(
      body: FetchBody | null,
      init: FetchInit = {},
    ): Promise<[string, string | undefined]> {
      const response = await connection.fetch('/echo', { method: 'POST', body, ...init });
      return [await response.text(), server.headers['content-type']];
    }

    it('resolves with a standard Response', async () => {
      const response = await connection.fetch('/');
      expect(response).to.be.instanceOf(Response);
      expect(response).to.include({ status: 200, ok: true, statusText: '', redirected: false });
      expect(response.headers.get('content-type')).to.equal('text/plain');
      expect(await response.text()).to.equal('Hello world!');
      expect(running(connection)).to.equal(0);
    });

    it('takes a URL of its own origin, without its fragment', async () => {
      const { status } = await connection.fetch(new URL('/empty?x=1#part', connection.origin));
      expect(status).to.equal(404);
      expect((await connection.fetch(`${connection.origin}/empty`)).status).to.equal(200);
      expect(server.requests).to.deep.equal(['GET /empty?x=1', 'GET /empty']);
    });

    it('takes headers as a record, as pairs and as Headers', async () => {
      const headers = { 'x-one': '1', 'X-Two': ['2', '3'] };
      await connection.fetch('/', { headers });
      expect(server.headers).to.include({ 'x-one': '1', 'x-two': '2, 3' });
      await connection.fetch('/', { headers: new Map([['x-one', 4]]) });
      expect(server.headers).to.include({ 'x-one': '4' });
      await connection.fetch('/', { headers: new Headers([['x-one', '5']]) });
      expect(server.headers).to.include({ 'x-one': '5' });
    });

    describe('sends a body (WHATWG Fetch §5.2)', () => {
      const bytes = new TextEncoder().encode('some bytes');
      const cases: Record<string, [FetchBody, string, string | undefined]> = {
        text: ['köln', 'köln', 'text/plain;charset=UTF-8'],
        'an ArrayBuffer': [bytes.slice().buffer, 'some bytes', undefined],
        'a view': [bytes.subarray(5), 'bytes', undefined],
        'a Blob': [new Blob(['blob'], { type: 'text/x' }), 'blob', 'text/x'],
        'a Blob without a type': [new Blob(['blob']), 'blob', undefined],
        URLSearchParams: [
          new URLSearchParams({ a: '1 2' }),
          'a=1+2',
          'application/x-www-form-urlencoded;charset=UTF-8',
        ],
        'a ReadableStream': [new Blob(['streamed']).stream(), 'streamed', undefined],
      };
      for (const [name, [body, text, type]] of Object.entries(cases)) {
        it(name, async () => {
          expect(await echoed(body)).to.deep.equal([text, type]);
        });
      }

      it('an async iterable, part by part', async () => {
        async function* parts(): AsyncGenerator<string | Uint8Array> {
          yield 'a ';
          yield bytes;
        }
        expect(await echoed(parts(), { duplex: 'half' })).to.deep.equal(['a some bytes', undefined]);
      });

      it('a form', async () => {
        const form = new FormData();
        form.append('field', 'value');
        const [text, type] = await echoed(form);
        expect(type).to.match(/^multipart\/form-data; boundary=/);
        expect(text).to.include('name="field"').and.include('value');
      });

      it('with the type that its headers give, in any case of letters', async () => {
        expect(await echoed('x', { headers: { 'Content-Type': 'a/b' } })).to.deep.equal(['x', 'a/b']);
        expect(await echoed('x', { headers: new Headers({ 'content-type': 'a/b' }) })).to.deep.equal([
          'x',
          'a/b',
        ]);
      });

      it('none: content-length is 0 for POST and PUT (WHATWG Fetch §4.6)', async () => {
        expect(await echoed(null)).to.deep.equal(['', undefined]);
        expect(server.headers).to.include({ 'content-length': '0' });
        await connection.fetch('/echo', { method: 'DELETE' });
        expect(server.headers).not.to.have.property('content-length');
      });
    });

    it('has no body where the status or the method says so (WHATWG Fetch §2.2.3)', async () => {
      const response = await connection.fetch('/', { method: 'HEAD' });
      expect(response.body).to.equal(null);
      expect(response.headers.get('content-length')).to.equal('12');
      expect(running(connection)).to.equal(0);
    });

    describe('refuses at once', () => {
      const calls: Record<string, [string, FetchInit]> = {
        'a body with GET': ['/', { body: 'x' }],
        'a body with HEAD': ['/', { method: 'head', body: '' }],
        'another origin': ['http://example.org/', {}],
        'another scheme': ['ftp://127.0.0.1/', {}],
        'a path with a line of its own': ['/\r\nx: y', {}],
        'a header with a line of its own': ['/', { headers: { x: 'a\nb' } }],
        'a method that is none': ['/', { method: 'A B' }],
        CONNECT: ['/', { method: 'CONNECT' }],
        'a body of no kind': ['/', { method: 'POST', body: 7 as unknown as string }],
        'a stream that is read': ['/', { method: 'POST', body: locked() }],
        'redirects to be followed': ['/', { redirect: 'follow' as 'manual' }],
        'an option of browsers': ['/', { cache: 'no-store' } as FetchInit],
        'an option that is none': ['/', { tiemout: 1 } as FetchInit],
        'a signal that is none': ['/', { signal: {} as AbortSignal }],
        'trailers without a body': ['/', { trailers: { x: 'y' } }],
      };
      for (const [name, [path, init]] of Object.entries(calls)) {
        it(name, async () => {
          await rejects(connection.fetch(path, init), 'ERR_GUNPORT_OPTION');
          expect(running(connection)).to.equal(0);
        });
      }

      it('naming the option', async () => {
        const init = { credentials: 'omit' } as FetchInit;
        expect((await rejects(connection.fetch('/', init), 'ERR_GUNPORT_OPTION')).message).to.include(
          'credentials',
        );
      });
    });

    describe('with a signal', () => {
      it('that was aborted before: nothing is sent', async () => {
        const signal = AbortSignal.abort(new Error('enough'));
        const error = await rejects(connection.fetch('/', { signal }), 'ERR_GUNPORT_ABORTED');
        expect(error).to.have.nested.property('cause.message', 'enough');
        await connection.fetch('/empty');
        expect(server.requests).to.deep.equal(['GET /empty']);
      });

      it('aborted before the answer, rejects with its reason as the cause', async () => {
        const controller = new AbortController();
        const failed = rejects(
          connection.fetch('/delayed', { signal: controller.signal }),
          'ERR_GUNPORT_ABORTED',
        );
        await server.arrival();
        controller.abort('enough');
        expect(await failed).to.include({ name: 'TimeoutError', cause: 'enough' });
        server.release();
      });

      it('aborted later, errors the body', async () => {
        const controller = new AbortController();
        const response = await connection.fetch('/echo', {
          method: 'POST',
          body: new ReadableStream({ start: (parts) => parts.enqueue('begun') }),
          signal: controller.signal,
        });
        const reader = response.body!.getReader();
        expect(Buffer.from((await reader.read()).value!).toString()).to.equal('begun');
        controller.abort();
        await rejects(reader.read(), 'ERR_GUNPORT_ABORTED');
      });
    });

    it('rejects with what the source of its body throws, and cancels the request', async () => {
      const failure = new Error('out of parts');
      async function* parts(): AsyncGenerator<string> {
        yield 'one';
        throw failure;
      }
      let error: unknown;
      const response = await connection
        .fetch('/delayed', { method: 'POST', body: parts() })
        .catch((thrown) => {
          error = thrown;
        });
      expect(response).to.equal(undefined);
      expect(error).to.equal(failure);
      expect(running(connection)).to.equal(0);
    });

    it('errors the body with it where the answer had begun', async () => {
      const failure = new Error('out of parts');
      let fail: (error: Error) => void = () => {};
      const body = new ReadableStream({
        start(parts) {
          parts.enqueue('begun');
          fail = (error) => parts.error(error);
        },
      });
      const response = await connection.fetch('/echo', { method: 'POST', body });
      const reader = response.body!.getReader();
      await reader.read();
      fail(failure);
      const error = await reader.read().catch((thrown: unknown) => thrown);
      expect(error).to.equal(failure);
    });

    it('tells the source of its body when nobody wants it any more', async () => {
      let told: (reason: unknown) => void = () => {};
      const left = new Promise((resolve) => (told = resolve));
      const body = new ReadableStream({
        start: (parts) => parts.enqueue('begun'),
        cancel: (reason) => told(reason),
      });
      const response = await connection.fetch('/echo', { method: 'POST', body });
      await response.body!.cancel();
      expect(await left).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    });

    it('rejects a part that is none, and cancels the request', async () => {
      async function* parts(): AsyncGenerator<string> {
        yield 7 as unknown as string;
      }
      await rejects(connection.fetch('/echo', { method: 'POST', body: parts() }), 'ERR_GUNPORT_OPTION');
      expect(running(connection)).to.equal(0);
    });

    it('rejects a body that is not as long as its content-length, and cancels the request', async () => {
      for (const length of [2, 4]) {
        async function* parts(): AsyncGenerator<string> {
          yield 'one';
        }
        const init = { method: 'POST', body: parts(), headers: { 'content-length': length } };
        await rejects(connection.fetch('/echo', init), 'ERR_GUNPORT_BAD_STATE');
        expect(running(connection)).to.equal(0);
      }
    });

    it('ends with the timeouts of the request', async () => {
      const error = await rejects(
        connection.fetch('/delayed', { requestTimeout: 20 }),
        'ERR_GUNPORT_TIMEOUT',
      );
      expect(error.reason).to.equal('requestTimeout');
      server.release();
    });

    it('rejects with what the connection ends with', async () => {
      const failed = rejects(connection.fetch('/delayed'), 'ERR_GUNPORT_CLOSED');
      await server.arrival();
      await connection.close();
      await failed;
    });
  });
}

/** Requests that have not ended. */
function running({ streams }: Connection): number {
  return [...streams.values()].filter(({ state }) => state !== 'ended').length;
}

function locked(): ReadableStream {
  const stream = new Blob(['x']).stream();
  stream.getReader();
  return stream;
}
