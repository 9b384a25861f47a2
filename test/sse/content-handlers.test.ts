// content-handlers.test — a user's modules beside the socket, which make something of the body of an answer.
// Source: Gun's gun_content_handler; promise M1: what they do wrong ends one request.

import { once } from 'node:events';
import { BroadcastChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, ContentHandlerReference, RequestOptions, Stream } from '../../lib/index.ts';
import { type Fed, type Feeding, feeding, readData } from '../support/feeding.ts';
import { feeds } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';
import { nothingMore } from '../support/roads.ts';

/** A module of this body: `(answer, options) => …`. */
function module(source: string, options?: unknown): ContentHandlerReference {
  return { module: `data:text/javascript,${encodeURIComponent(`export default ${source}`)}`, options };
}

const UPPER = module(
  `() => ({ handle: (fin, data) => Buffer.from(Buffer.from(data).toString().toUpperCase()) })`,
);
/** Puts a text behind each part, and tells of the end. */
const MARK = module(
  `(answer, { mark }) => ({ handle: (fin, data) => [data, Buffer.from(fin ? mark + 'fin' : mark)] })`,
  { mark: '|' },
);
/** What it is told of, as JSON, in place of the body. */
const TELL = module(`(answer, options) => {
  const calls = [];
  return { handle(fin, data) {
    calls.push([fin, Buffer.from(data).toString()]);
    return fin ? Buffer.from(JSON.stringify({ answer, options, calls })) : undefined;
  } };
}`);

for (const speaks of ['http', 'h2c'] as const) {
  describe(`content handlers, on ${speaks}`, () => {
    const { keep, open } = feeds();
    let server: Feeding;
    let connection: Connection;

    beforeEach(async () => {
      server = await keep(feeding(speaks));
      connection = open(server.url, { ...server.trust, retry: 0 });
      await connection.awaitUp();
    });

    async function ask(
      contentHandlers: RequestOptions['contentHandlers'],
      options: object = {},
      headers: Record<string, string> = { 'content-type': 'text/plain' },
    ): Promise<{ stream: Stream<Connection>; asked: Fed }> {
      const stream = connection.get('/path', { contentHandlers, ...options });
      const asked = await server.next();
      asked.begin(headers);
      return { stream, asked };
    }

    /** The whole of it, and the text that came. */
    async function textOf(...[handlers, options]: Parameters<typeof ask>): Promise<string> {
      const { stream, asked } = await ask(handlers, options);
      void asked.write('hello');
      asked.end();
      return stream.text();
    }

    it('are given the body, in order, each what the one before has made', async () => {
      expect(await textOf([UPPER, MARK])).to.match(/^HELLO\|(\|fin|fin)$/);
      expect(await textOf([MARK, UPPER])).to.match(/^HELLO\|(\|FIN|FIN)$/);
    });

    it('are told of the answer and of their options, and of the end once', async () => {
      const { stream, asked } = await ask([TELL], {
        contentHandlers: [{ ...TELL, options: { a: [1, new Map([[1, 2]])] } }],
      });
      await asked.write('one');
      asked.end();
      const told = await stream.json<{
        answer: { headers: object; rawHeaders: unknown };
        options: unknown;
        calls: [boolean, string][];
      }>();
      const { headers, rawHeaders, ...answer } = told.answer;
      expect(answer).to.deep.equal({ stream: stream.id, method: 'GET', path: '/path', status: 200 });
      expect(headers).to.include({ 'content-type': 'text/plain' });
      expect(rawHeaders).to.include.members(['text/plain']);
      expect(told.options).to.deep.equal({ a: [1, {}] });
      expect(told.calls.map(([, text]) => text).join('')).to.equal('one');
      expect(told.calls.map(([fin]) => fin)).to.deep.equal(
        told.calls.map((_, i) => i === told.calls.length - 1),
      );
    });

    it('may be none of this answer, one by one', async () => {
      const only = module(`({ status }) => status === 404 ? { handle: () => Buffer.from('no') } : undefined`);
      expect(await textOf([only, UPPER])).to.equal('HELLO');
      expect(await textOf([only])).to.equal('hello');
    });

    it('may drop what they are given, and the ones behind them hear of the end', async () => {
      const drop = module(`() => ({ handle: () => undefined })`);
      const nothing = module(`() => ({ handle: () => [] })`);
      expect(await textOf([drop])).to.equal('');
      expect(await textOf([nothing, drop])).to.equal('');
      expect(JSON.parse(await textOf([drop, TELL]))).to.deep.include({ calls: [[true, '']] });
    });

    it('may make much of little: what they make counts for flow', async () => {
      const split = module(`() => ({ handle: (fin, data) => [...data].map((byte) => Uint8Array.of(byte)) })`);
      const { stream, asked } = await ask([split], { flow: 2 });
      void asked.write('abc');
      asked.end();
      await stream.response();
      for (const letter of 'ab') {
        expect(await connection.await(stream)).to.deep.include({
          type: 'data',
          data: new Uint8Array(Buffer.from(letter)),
        });
      }
      await nothingMore(connection, stream);
      stream.updateFlow(5);
      expect(await stream.text()).to.equal('c');
    });

    it('are in front of the built-in one, which makes events of what they make', async () => {
      const { stream, asked } = await ask([UPPER, 'sse', TELL], {}, { 'content-type': 'text/event-stream' });
      void asked.write('data: x\n\n');
      asked.end();
      // Field names are in small letters.
      expect(await readData(stream.events())).to.deep.equal([]);
      const lower = module(
        `() => ({ handle: (fin, data) => Buffer.from(Buffer.from(data).toString().toLowerCase()) })`,
      );
      const next = await ask([lower, 'sse'], {}, { 'content-type': 'text/event-stream' });
      void next.asked.write('DATA: X\n\n');
      next.asked.end();
      expect(await readData(next.stream.events())).to.deep.equal(['x']);
    });

    it('may keep what they are given, and return it later', async () => {
      const join = module(`() => {
        const all = [];
        return { handle(fin, data) { all.push(data); return fin ? all : undefined; } };
      }`);
      const { stream, asked } = await ask([join]);
      for (let i = 0; i < 50; i++) await asked.write(`${i} `.repeat(1_000));
      asked.end();
      const expected = Array.from({ length: 50 }, (_, i) => `${i} `.repeat(1_000)).join('');
      expect(await stream.text()).to.equal(expected);
    });

    it('are not given trailers, and hear of the end before them', async () => {
      const { stream, asked } = await ask([TELL], { headers: { te: 'trailers' } }, { trailer: 'expires' });
      void asked.write('one');
      asked.end({ expires: 'never' });
      const { body, trailers } = await stream.body();
      const { calls } = JSON.parse(Buffer.from(body).toString()) as { calls: [boolean, string][] };
      expect(calls.at(-1)?.[0]).to.equal(true);
      expect(calls.filter(([fin]) => fin)).to.have.lengthOf(1);
      expect(trailers).to.include({ expires: 'never' });
    });

    it('are not called for answers without a body', async () => {
      const fail = module(`() => { throw new Error('called') }`);
      const head = connection.head('/', { contentHandlers: [fail] });
      (await server.next()).end();
      expect(await head.response()).to.include({ fin: true, status: 200 });
    });

    describe('that fail', () => {
      const FAULTS: readonly (readonly [what: string, source: string, message: RegExp])[] = [
        ['by throwing when they begin', `() => { throw new Error('boom') }`, /threw: boom/],
        ['by throwing', `() => ({ handle() { throw new Error('boom') } })`, /handle\(\) threw: boom/],
        ['by throwing what is no error', `() => ({ handle() { throw 7 } })`, /handle\(\) threw: 7/],
        ['by being async', `() => ({ handle: async (fin, data) => data })`, /promise: it must not be async/],
        ['by rejecting', `() => ({ handle: async () => { throw new Error('later') } })`, /must not be async/],
        ['by being made async', `async () => ({ handle: () => undefined })`, /must not be async/],
        ['by returning a text', `() => ({ handle: () => 'text' })`, /got "text"/],
        ['by returning null', `() => ({ handle: () => null })`, /got null/],
        [
          'by returning something among parts',
          `() => ({ handle: (fin, data) => [data, 1] })`,
          /an array of them/,
        ],
        ['by having no handle()', `() => ({})`, /must be an object with handle\(\)/],
        ['by being no object', `() => 7`, /must be an object with handle\(\)/],
      ];
      for (const [what, source, message] of FAULTS) {
        it(`${what}, fail their request, and the connection goes on`, async () => {
          const { stream, asked } = await ask([module(source)]);
          void asked.write('hello');
          const error = await rejects(stream.text(), 'ERR_GUNPORT_HANDLER');
          expect(error.message).to.match(message);
          if (speaks === 'h2c') await asked.gone;
          else asked.end();
          expect(await textOf([UPPER])).to.equal('HELLO');
          expect(connection.attempt).to.equal(1);
        });
      }

      it('at the last part, or at trailers, do no more', async () => {
        const late = module(
          `() => ({ handle(fin, data) { if (fin) throw new Error('late'); return data; } })`,
        );
        await rejects(textOf([late]), 'ERR_GUNPORT_HANDLER');
        const { stream, asked } = await ask([late], {}, { trailer: 'x' });
        void asked.write('one');
        asked.end({ x: 'y' });
        await rejects(stream.body(), 'ERR_GUNPORT_HANDLER');
        expect(await textOf([UPPER])).to.equal('HELLO');
        expect(connection.attempt).to.equal(1);
      });
    });

    describe('that cannot be loaded', () => {
      const missing: ContentHandlerReference = { module: new URL('./no-such-module.js', import.meta.url) };

      it('fail their request, which is not sent', async () => {
        const stream = connection.get('/', { contentHandlers: [missing] });
        const error = await rejects(stream.response(), 'ERR_GUNPORT_OPTION');
        expect(error.message).to.include('no-such-module.js');
        const noFunction = { module: 'data:text/javascript,export default 7' };
        await rejects(connection.get('/', { contentHandlers: [noFunction] }).text(), 'ERR_GUNPORT_OPTION');
        const next = connection.get('/next');
        expect((await server.next()).path).to.equal('/next');
        next.cancel();
      });

      it('fail a connection that has them for all', async () => {
        const other = open(server.url, { ...server.trust, contentHandlers: [missing], retry: 0 });
        const error = await other.awaitUp().catch((error: unknown) => error);
        expect(error).to.have.property('message').that.includes('no-such-module.js');
      });
    });

    it('are loaded before their request is sent, which may be cancelled meanwhile', async () => {
      const name = `loading on ${speaks}`;
      const source = `
        const channel = new BroadcastChannel(${JSON.stringify(name)});
        await new Promise((resolve) => { channel.onmessage = resolve; channel.postMessage('loading'); });
        channel.close();
        export default () => undefined;`;
      const slow = { module: `data:text/javascript,${encodeURIComponent(source)}` };
      const channel = new BroadcastChannel(name);
      const loading = once(channel, 'message');
      const [cancelled, sent] = ['/1', '/2'].map((path) => connection.get(path, { contentHandlers: [slow] }));
      await loading;
      cancelled?.cancel();
      await connection.info();
      channel.postMessage('go on');
      channel.close();
      expect((await server.next()).path).to.equal('/2');
      sent?.cancel();
    });
  });
}

describe('options of content handlers', () => {
  const { open } = feeds();
  const wrong: readonly (readonly [what: string, contentHandlers: unknown, message: string])[] = [
    ['no array', 'sse', 'contentHandlers must be an array'],
    ['another name', ['gzip'], 'contentHandlers[0] must be "sse" or a module reference'],
    ['a function', ['sse', () => {}], 'contentHandlers[1] must be "sse" or a module reference'],
    ['no URL', [{ module: './x.js' }], 'contentHandlers[0].module must be an absolute file: or data: URL'],
    ['an export without a name', [{ module: 'data:,', export: '' }], 'contentHandlers[0].export'],
    ['unknown names', [{ module: 'data:,', depth: 1 }], 'unknown option contentHandlers[0].depth'],
    [
      'options that cannot be cloned',
      [{ module: 'data:,', options: () => {} }],
      'contentHandlers[0].options cannot be cloned',
    ],
  ];
  for (const [what, contentHandlers, message] of wrong) {
    it(`throw at once for ${what}, of a connection and of a request`, () => {
      const options = { contentHandlers } as RequestOptions;
      expect(() => open('http://127.0.0.1:1', options))
        .to.throw(message)
        .with.property('code', 'ERR_GUNPORT_OPTION');
      const connection = open('http://127.0.0.1:1', { retry: 0 });
      expect(() => connection.get('/', options))
        .to.throw(message)
        .with.property('code', 'ERR_GUNPORT_OPTION');
    });
  }

  it('throw at once for a maxEventSize that is none', () => {
    for (const maxEventSize of [0, -1, 1.5, '1', 2 ** 30]) {
      expect(() => open('http://127.0.0.1:1', { maxEventSize } as RequestOptions)).to.throw(
        'maxEventSize must be an integer',
      );
    }
  });
});
