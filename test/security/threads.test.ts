// Messages of hostile threads, on every port that somebody else can post to: what has not the right shape is nobody's
// message. It hurts neither who hears it nor what is under way, and the next honest word is heard.
// Source: promises O3, S1 and M1; that a thread is trusted for what it means, and not for what it says.

import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { receiveOwnership } from '../../lib/index.ts';
import { checkOpen } from '../../lib/settings.ts';
import type { Commit, Offer } from '../../lib/wire.ts';
import { readNumbers } from '../support/numbers.ts';
import { rejects } from '../support/rejects.ts';
import { type Feed, stage } from '../support/stage.ts';

const cycle: Record<string, unknown> = { type: 'commit' };
cycle['state'] = cycle;

/** What can be posted, and is no message of ours. */
const RUBBISH: readonly unknown[] = [
  ...[null, undefined, 0, -1, Number.NaN, true, '', 'commit', 1n, new Date(), new Error('no'), /x/],
  ...[[], [null], [1, 2, 3], {}, new Map([['type', 'commit']]), new Uint8Array(9), cycle],
  ...[
    'offer',
    'adopt',
    'refuse',
    'commit',
    'open',
    'watch',
    'unwatch',
    'lay',
    'event',
    'hello',
    'down',
  ].flatMap((type) => [
    { type },
    { type, id: 5, message: 5, hosts: 5, ids: 5, event: null, port: {}, state: null },
  ]),
  { type: 'x'.repeat(4 * 1024 * 1024) },
  JSON.parse('{"__proto__":{"type":"commit"},"constructor":{"prototype":{"type":"adopt"}}}'),
  { 'gunport:offer': 1 },
  { 'gunport:offer': 1, id: 'x', origin: 'ws://x', threadId: 0, handshake: {} },
  { 'gunport:offer': 1, id: {}, origin: [], threadId: 'x', handshake: null },
  { 'gunport:hello': 1, lifeline: 'x' },
];

describe('a hostile thread', () => {
  const on = stage();

  /** The offer of an honest giver, and who plays its taker. */
  async function offered(feed: Feed, timeout = 5_000) {
    const { port1, port2 } = new MessageChannel();
    const given = feed.transferOwnership(port1, { timeout });
    given.catch(() => {});
    const [offer] = (await once(port2, 'message')) as [Offer];
    port1.close();
    return { given, handshake: offer.handshake };
  }

  /** The commit of an honest giver. */
  async function committed(feed: Feed): Promise<Commit> {
    const { given, handshake } = await offered(feed);
    handshake.postMessage({ type: 'adopt', threadId: 0, hosts: ['host-0'] });
    const [commit] = (await once(handshake, 'message')) as [Commit];
    await given;
    return commit;
  }

  it('that posts anything to a port of receiveOwnership() is not heard; the next offer is', async () => {
    const { port1, port2 } = new MessageChannel();
    const heard: unknown[] = [];
    port2.on('message', (message: unknown) => heard.push(message));
    const taken = on.take({ source: port2 });
    for (const message of RUBBISH) port1.postMessage(message);
    await on.feed.transferOwnership(port1);
    const { feed } = await taken;
    // They are the user's own: he has been given them all.
    expect(heard.length).to.equal(RUBBISH.length + 1);
    on.server.send(1);
    expect(await readNumbers(feed, 1)).to.deep.equal([0]);
    port1.close();
  });

  it('that posts a commit where it has offered nothing gives nothing', async () => {
    const commit = await committed(on.feed);
    const { port1, port2 } = new MessageChannel();
    const taken = receiveOwnership({ source: port2, timeout: 50 });
    port1.postMessage(commit, [commit.port]);
    await rejects(taken, 'ERR_GUNPORT_TIMEOUT');
    port1.close();
  });

  it('that offers, and then posts what is no commit, is left; the next offer is taken', async () => {
    const { port, ...commit } = await committed(await on.connect());
    const { state } = commit;
    const { port1, port2 } = new MessageChannel();
    const taken = on.take({ source: port2 });
    for (const message of RUBBISH) await offer(port1, message);
    await offer(port1, commit);
    await offer(port1, { ...commit, port: 'x' });
    const within = (settings: object): object => ({ ...commit, state: { ...state, settings } });
    for (const forged of [
      ...forgeries(commit, 'type offered state'),
      ...forgeries(state, 'id host threadId settings status attempt nextStream transfers streams').map(
        (one) => ({ ...commit, state: one }),
      ),
      ...forgeries(state.settings, 'transport host port origin authority hops maxBuffered ws http').map(
        within,
      ),
      ...forgeries(state.streams[0] ?? {}, 'kind stream ws state acked replies untaken sentBytes').map(
        (one) => ({ ...commit, state: { ...state, streams: [one] } }),
      ),
    ]) {
      const { port1: mine, port2: its } = new MessageChannel();
      await offer(port1, { ...forged, port: its }, [its]);
      mine.close();
    }
    await on.feed.transferOwnership(port1);
    expect((await taken).connection.id).to.equal(on.feed.connection.id);
    port.close();
    port1.close();
  });

  it('that commits to a process that is none gives what is down: nothing it posts then does any harm', async () => {
    const { port: own, ...rest } = await committed(await on.connect());
    const { port1, port2 } = new MessageChannel();
    // Of the right shape, and nothing is behind its port.
    const dead = new MessageChannel();
    const taken = on.take({ source: port2 });
    const state = { ...rest.state, id: 'nobody' };
    await offer(port1, { ...rest, state, port: dead.port1 }, [dead.port1]);
    const { connection, feed } = await taken;
    dead.port2.postMessage(null);
    dead.port2.postMessage('rubbish');
    dead.port2.postMessage({ type: 'unheard of', stream: 1 });
    dead.port2.close();
    expect(await feed.closed).to.include({ wasClean: false });
    expect((await connection.monitor().down)?.reason.kind).to.equal('no-process');
    own.close();
    port1.close();
  });

  it('that is offered a connection, and says what is no answer, may still adopt it', async () => {
    const { given, handshake } = await offered(on.feed);
    for (const message of RUBBISH) handshake.postMessage(message);
    handshake.postMessage({ type: 'refuse', message: { toString: 'x' } });
    handshake.postMessage({ type: 'adopt', threadId: 'x', hosts: [null] });
    handshake.postMessage({ type: 'adopt', threadId: 0, hosts: ['host-0'] });
    const [commit] = (await once(handshake, 'message')) as [Commit];
    await given;
    expect(commit.state.id).to.equal(on.feed.connection.id);
    commit.port.close();
  });

  it('that is offered a connection has it once, however often it adopts, and not after it has refused', async () => {
    const { given, handshake } = await offered(on.feed);
    const commits: unknown[] = [];
    handshake.on('message', (message) => commits.push(message));
    handshake.postMessage({ type: 'refuse', message: 'x'.repeat(100_000) });
    for (let i = 0; i < 9; i++) handshake.postMessage({ type: 'adopt', threadId: 0, hosts: [] });
    const error = await rejects(given, 'ERR_GUNPORT_REFUSED');
    expect(error.message.length).to.be.below(300);
    await once(handshake, 'close');
    expect(commits).to.deep.equal([]);
    on.server.send(1);
    expect(await readNumbers(on.feed, 1)).to.deep.equal([0]);
  });

  it('that posts anything to parentPort of a thread which waits there is not heard', async () => {
    const taken = on.a.run((here) => here.take());
    for (const message of RUBBISH) on.a.worker.postMessage(message);
    await on.feed.transferOwnership(on.a.worker, { data: 7 });
    expect(await taken).to.equal(7);
  });

  it('that posts anything to threads by their ids is not heard, by main or another', async () => {
    const taken = on.b.run((here) => here.take());
    await on.a.run(
      async (_, list, other) => {
        const { postMessageToThread } = process.getBuiltinModule('node:worker_threads');
        for (const message of list) {
          await postMessageToThread(0, message);
          await postMessageToThread(other, message);
        }
      },
      RUBBISH,
      on.b.threadId,
    );
    await on.feed.transferOwnership({ threadId: on.b.threadId });
    await taken;
    // Both heard what was no rubbish, in the midst of it.
    expect(() => on.feed.send('mine?'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_NOT_OWNER');
  });

  it('that has a life line to the host may say anything on it, and ask for nothing that is not its own', async () => {
    const victim = await on.connect();
    const monitor = victim.connection.monitor();
    const asked = await on.a.run(
      async (_, rubbish, taken) => {
        const threads = process.getBuiltinModule('node:worker_threads');
        const { port1, port2 } = new threads.MessageChannel();
        await threads.postMessageToThread(0, { 'gunport:hello': 1, lifeline: port2 }, [port2]);
        const told: { type: string; ids?: string[] }[] = [];
        port1.on('message', (message) => told.push(message));
        for (const message of rubbish) port1.postMessage(message);
        const ask = (id: string, settings: unknown): MessagePort => {
          const { port1: mine, port2: its } = new threads.MessageChannel();
          const asking = {
            type: 'open',
            id,
            settings,
            isolated: false,
            ownerThreadId: threads.threadId,
            port: its,
          };
          port1.postMessage(asking, [its]);
          return mine;
        };
        // Settings that no check has seen, and an id that is another's.
        ask('hostile.1', {});
        const { transport, host, origin, authority, hops, maxBuffered, connectTimeout } = taken.settings;
        const bare = { transport, host, port: 1, origin, authority, hops, maxBuffered, connectTimeout };
        const list = { path: '/', headers: [], subprotocols: [], protocols: [] };
        ask('hostile.2', { ...bare, ws: list, http: list });
        while (!told.some(({ ids }) => ids?.includes('hostile.2'))) await new Promise((r) => setImmediate(r));
        const mine = ask(taken.id, taken.settings);
        const closed = new Promise((resolve) => mine.on('close', resolve));
        port1.postMessage({ type: 'unwatch', id: taken.id });
        await closed;
        port1.postMessage({ type: 'watch', id: 'nobody' });
        while (!told.some(({ ids }) => ids?.includes('nobody'))) await new Promise((r) => setImmediate(r));
        port1.close();
        return told.map(({ type, ids }) => [type, ...(ids ?? [])].join(' '));
      },
      RUBBISH,
      { id: victim.connection.id, settings: checkOpen(on.server.url, undefined, true).settings },
    );
    expect(asked).to.deep.equal(['hello', 'down hostile.2', 'down nobody']);
    on.server.send(1);
    expect(await readNumbers(victim, 1)).to.deep.equal([0]);
    await victim.connection.close();
    expect((await monitor.down)?.reason.kind).to.equal('shutdown');
  });
});

/** The same with one of these fields of another kind. */
function forgeries(record: object, names: string): object[] {
  return names.split(' ').flatMap((name) => {
    const kind = kindOf(record[name as keyof object]);
    const wrong = [null, 'x', -7, {}, [null]].filter((one) => kindOf(one) !== kind);
    return wrong.map((one) => ({ ...record, [name]: one }));
  });
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
}

/** Offers as anybody can, and posts this when it is adopted; resolves when the taker has left the offer. */
async function offer(port: MessagePort, message: unknown, ports: MessagePort[] = []): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const forged = { 'gunport:offer': 1, id: 'x', origin: 'ws://x', threadId: 0, handshake: port2 };
  port.postMessage(forged, [port2]);
  await once(port1, 'message');
  port1.postMessage(message, ports);
  await once(port1, 'close');
}
