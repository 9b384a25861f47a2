// Check 39 of CATALOGUE.md: one scripted session, as the event channels tell it, with a hand-over in its midst.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { connect, EVENTS, type GunportEventName, receiveOwnership } from '../../lib/index.ts';
import { serve } from '../../lib/testing/index.ts';

interface Told {
  readonly name: string;
  readonly time: number;
  readonly duration?: number;
}

/** The session below, from its first word to its last. */
const SESSION: readonly GunportEventName[] = [
  'gunport:init',
  'gunport:connect:start',
  'gunport:connect:end',
  'gunport:ws:upgrade',
  'gunport:request:start',
  'gunport:request:headers',
  'gunport:request:end',
  'gunport:response:start',
  'gunport:response:inform',
  'gunport:response:end',
  'gunport:protocol-changed',
  // The question, and its answer.
  'gunport:ws:send-frame:start',
  'gunport:ws:send-frame:end',
  'gunport:ws:recv-frame:start',
  'gunport:ws:recv-frame:header',
  'gunport:ws:recv-frame:end',
  'gunport:ownership:offered',
  'gunport:ownership:adopted',
  // Both sides say close.
  'gunport:ws:send-frame:start',
  'gunport:ws:send-frame:end',
  'gunport:ws:recv-frame:start',
  'gunport:ws:recv-frame:header',
  'gunport:ws:recv-frame:end',
  'gunport:terminate',
];

describe('telemetry', () => {
  it('check 39: tells one session event by event, with times, and a subscriber that throws changes nothing', async () => {
    const told: Told[] = [];
    const waiting: { readonly name: string; readonly tell: () => void }[] = [];
    // Those of a hand-over come from another thread than those of the socket: in their turn.
    const heard = (name: GunportEventName) => new Promise<void>((tell) => waiting.push({ name, tell }));
    const note = (message: unknown, name: string | symbol): void => {
      told.push({ ...(message as Told), name: String(name) });
      for (const one of waiting) if (one.name === name) one.tell();
    };
    const faulty = (): never => {
      throw new Error('a subscriber of the test’s');
    };
    const thrown: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    for (const name of EVENTS) subscribe(name, note);
    subscribe('gunport:connect:end', faulty);
    try {
      const server = await serve((connection) => connection.onMessage((data) => connection.send(data)));
      const [answered, adopted, terminated] = [
        heard('gunport:ws:recv-frame:end'),
        heard('gunport:ownership:adopted'),
        heard('gunport:terminate'),
      ];
      const feed = await connect(server.url);
      feed.send('question');
      for await (const message of feed) {
        expect(message).to.equal('question');
        break;
      }
      await answered;
      const { port1, port2 } = new MessageChannel();
      const [{ feed: taken }] = await Promise.all([receiveOwnership(port2), feed.transferOwnership(port1)]);
      port1.close();
      await adopted;
      await taken.close();
      await terminated;
      await server.stop();
    } finally {
      for (const name of EVENTS) unsubscribe(name, note);
      unsubscribe('gunport:connect:end', faulty);
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    }
    expect(told.map(({ name }) => name)).to.deep.equal(SESSION);
    expect(thrown).to.have.length(1);
    const at = (name: GunportEventName): number => told.find((one) => one.name === name)?.time ?? 0;
    expect(at('gunport:connect:end')).to.be.above(at('gunport:connect:start'));
    expect(at('gunport:response:end')).to.be.above(at('gunport:request:start'));
    expect(told.find(({ name }) => name === 'gunport:ownership:adopted')?.duration).to.be.above(0);
  });
});
