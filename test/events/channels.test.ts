import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'chai';
import { ConnectionError, toRecord } from '../../lib/errors.ts';
import { EventChannels } from '../../lib/events/events.ts';
import { BIT, type EventRecord } from '../../lib/events/eventwire.ts';
import { EVENTS, type GunportEventName } from '../../lib/index.ts';
import { GUNPORT, runModule } from '../support/child.ts';

const NAME = 'gunport:init';

describe('who listens to events', () => {
  const quiet = (): void => {};
  const word = (channels: EventChannels): number => new Int32Array(channels.listens)[0] ?? 0;
  const event = (name: GunportEventName, fields: object): EventRecord => {
    return { name, connection: '0.1', time: 1, fields };
  };

  /** What a program of these lines prints. */
  const linesOf = async (program: string): Promise<string[]> => {
    const { output, errors } = await runModule(program);
    expect(errors).to.equal('');
    return output.trim().split('\n');
  };

  it('is nobody at first', () => {
    expect(word(new EventChannels())).to.equal(0);
  });

  it('may listen to each event that has a message, and to no other', () => {
    type Named = (typeof EVENTS)[number];
    const complete: [Exclude<GunportEventName, Named>, Exclude<Named, GunportEventName>] = [] as never;
    const none: (typeof complete)[number] extends never ? true : false = true;
    expect(none && new Set(EVENTS).size).to.equal(33);
  });

  it('is told by one bit for each of 32 events; what was dropped needs none', () => {
    const bits = EVENTS.map((name) => BIT[name]);
    expect(new Set(bits.slice(0, 32)).size).to.equal(32);
    expect(bits.slice(0, 32).every((bit) => bit !== 0)).to.equal(true);
    expect(EVENTS.slice(32)).to.deep.equal(['gunport:dropped']);
    expect(bits[32]).to.equal(0);
  });

  for (const name of EVENTS.slice(0, 32)) {
    it(`is seen at once on ${name}, and its going too`, () => {
      const channels = new EventChannels();
      subscribe(name, quiet);
      expect(word(channels)).to.equal(BIT[name]);
      const other = (): void => {};
      subscribe(name, other);
      unsubscribe(name, quiet);
      expect(word(channels), 'another listens still').to.equal(BIT[name]);
      unsubscribe(name, other);
      expect(word(channels)).to.equal(0);
    });
  }

  it('may use the channel itself, or bind a store to it', () => {
    const channels = new EventChannels();
    const one = channel(NAME);
    one.subscribe(quiet);
    expect(word(channels)).to.equal(BIT[NAME]);
    expect(one.unsubscribe(quiet)).to.equal(true);
    expect(one.unsubscribe(quiet)).to.equal(false);
    expect(word(channels)).to.equal(0);
    const store = new AsyncLocalStorage();
    one.bindStore(store);
    expect(word(channels)).to.equal(BIT[NAME]);
    one.unbindStore(store);
    expect(word(channels)).to.equal(0);
  });

  it('may have been there before', () => {
    subscribe(NAME, quiet);
    const channels = new EventChannels();
    expect(word(channels)).to.equal(BIT[NAME]);
    unsubscribe(NAME, quiet);
    expect(word(channels)).to.equal(0);
  });

  it('may have been there before gunport was loaded', async () => {
    const lines = await linesOf(`
      const { subscribe } = await import('node:diagnostics_channel');
      subscribe('gunport:init', ({ host }) => console.log('init', host));
      const alive = setInterval(() => {}, 1_000);
      subscribe('gunport:terminate', ({ reason }) => {
        console.log('terminate', reason.kind);
        clearInterval(alive);
      });
      const { open } = await import('${GUNPORT}');
      const connection = open('http://127.0.0.1:1', { retry: 0 });
      await connection.monitor().down;
    `);
    expect(lines).to.deep.equal(['init 127.0.0.1', 'terminate gave-up']);
  });

  it('is seen by each copy of gunport, whichever came first', () => {
    const copies = [new EventChannels(), new EventChannels(), new EventChannels()];
    subscribe(NAME, quiet);
    expect(copies.map(word)).to.deep.equal([BIT[NAME], BIT[NAME], BIT[NAME]]);
    unsubscribe(NAME, quiet);
    expect(copies.map(word)).to.deep.equal([0, 0, 0]);
  });

  it('is not changed by a subscriber that is none', () => {
    const channels = new EventChannels();
    const wrong = 7 as unknown as () => void; // As plain JavaScript might.
    expect(() => subscribe(NAME, wrong)).to.throw(TypeError);
    // Node has made the channel an active one by then: what the word says is what node says.
    expect(word(channels) !== 0).to.equal(channel(NAME).hasSubscribers);
    subscribe(NAME, quiet);
    unsubscribe(NAME, quiet);
    expect(word(channels)).to.equal(0);
  });

  it('is given errors of their class, and headers without a prototype', () => {
    const channels = new EventChannels();
    const heard: unknown[] = [];
    const hear = (message: unknown): void => void heard.push(message);
    subscribe('gunport:retry', hear);
    subscribe('gunport:response:trailers', hear);
    const error = new ConnectionError('ERR_GUNPORT_CONNECT', 'no', { phase: 'connect' });
    channels.publish(3, [
      event('gunport:retry', { delay: 5, error: toRecord(error) }),
      event('gunport:response:trailers', { stream: 1, replyTo: false, rawHeaders: ['A', '1', 'a', '2'] }),
    ]);
    unsubscribe('gunport:retry', hear);
    unsubscribe('gunport:response:trailers', hear);
    const [retry, trailers] = heard as [{ error: unknown }, { headers: object }];
    expect(retry).to.include({ connection: '0.1', threadId: 3, time: 1, delay: 5 });
    expect(retry.error).to.be.instanceOf(ConnectionError).and.include({ code: 'ERR_GUNPORT_CONNECT' });
    expect(Object.getPrototypeOf(trailers.headers)).to.equal(null);
    expect({ ...trailers.headers }).to.deep.equal({ a: ['1', '2'] });
  });

  it('may throw: the others are told, and node reports it later', async () => {
    const lines = await linesOf(`
      const { subscribe } = await import('node:diagnostics_channel');
      const { open } = await import('${GUNPORT}');
      process.on('uncaughtException', (error) => console.log('uncaught', error.message));
      subscribe('gunport:init', () => { throw new Error('mine'); });
      subscribe('gunport:init', () => console.log('the other'));
      const connection = open('http://127.0.0.1:1', { retry: 0 });
      const { reason } = await connection.monitor().down;
      console.log(reason.kind);
    `);
    expect(lines).to.deep.equal(['the other', 'uncaught mine', 'gave-up']);
  });
});
