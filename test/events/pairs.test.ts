// A property of all events: whatever happens, what has begun ends, once.
// Invariant: seeded; GUNPORT_SEED repeats a run.

import { expect } from 'chai';
import type { Connection, GunportEventName, Stream, WsStream } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { feeds } from '../support/feeds.ts';
import { type Heard, listening } from '../support/listening.ts';
import { refusing } from '../support/peers.ts';
import { proxyOf } from '../support/proxies.ts';
import { type Upgrading, upgrading } from '../support/upgrading.ts';

type Opened = Stream<Connection> | WsStream<Connection>;

/** Things that may happen to a connection; each takes what it needs from the scene. */
interface Scene {
  readonly server: Upgrading;
  readonly connection: Connection;
  readonly streams: Opened[];
  readonly next: (n: number) => number;
}

const DEEDS: readonly ((scene: Scene) => void)[] = [
  ({ connection, streams, next }) => void streams.push(read(connection.get(`/bytes/${next(200_000)}`))),
  ({ connection, streams }) => void streams.push(read(connection.get('/hold'))),
  ({ connection, streams }) => void streams.push(read(connection.get('/hold', { requestTimeout: 5 }))),
  ({ connection, streams }) => void streams.push(read(connection.post('/', { body: 'x'.repeat(10_000) }))),
  ({ connection, streams }) => {
    const upload = read(connection.post('/'));
    upload.data('nofin', 'a part');
    streams.push(upload);
  },
  ({ streams, next }) => {
    const one = streams[next(streams.length || 1)];
    if (one && 'data' in one) tryTo(() => one.data('fin', 'the rest'));
  },
  ({ connection, streams, next }) => {
    const socket = connection.wsUpgrade(next(3) === 0 ? '/reject' : '/', { compress: next(2) === 0 });
    socket.on('message', () => {});
    streams.push(socket);
  },
  ({ streams, next }) => {
    const one = streams[next(streams.length || 1)];
    if (one && 'send' in one) tryTo(() => one.send(['a', new Uint8Array(next(2_000)), 'c']));
  },
  ({ streams, next }) => {
    const one = streams[next(streams.length || 1)];
    if (one && 'send' in one) void one.close().catch(() => {});
  },
  ({ streams, next }) => streams[next(streams.length || 1)]?.cancel(),
  ({ server }) => server.release(),
  ({ server, next }) => void (next(5) === 0 && server.say('83 05 aa')),
  ({ server, next }) => void (next(4) === 0 && server.say('82 7d 01')),
];

/** Reads an answer, however it ends. */
function read(stream: Stream<Connection>): Stream<Connection> {
  void stream.bytes().catch(() => {});
  return stream;
}

/** A verb that the state of things may forbid. */
function tryTo(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).to.have.property('code');
  }
}

/** What a start and its end have in common. */
function keyOf({ name, message }: Heard): string {
  const {
    connection,
    stream,
    promised: _,
  } = message as { connection: string; stream?: number; promised?: number };
  return `${connection} ${stream ?? ''} ${name.slice(0, name.lastIndexOf(':'))}`;
}

/** Starts without an end, ends without a start, starts within another. */
function faultsIn(all: readonly Heard[]): string[] {
  const open = new Set<string>();
  const faults: string[] = [];
  for (const one of all) {
    const name: GunportEventName = one.name;
    if (!name.endsWith(':start') && !name.endsWith(':end')) continue;
    const key = keyOf(one);
    if (name.endsWith(':start')) {
      if (open.has(key)) faults.push(`${key}: a second start`);
      open.add(key);
    } else if (!open.delete(key)) faults.push(`${key}: an end without a start`);
  }
  return [...faults, ...[...open].map((key) => `${key}: no end`)];
}

describe('events in pairs', () => {
  const { open, keep } = feeds();
  const heard = listening();

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`have an end for each start, whatever happens over ${version}`, async function () {
      this.timeout(30_000);
      const seed = seedOf();
      const next = chance(seed);
      const server = await keep(upgrading(version));
      const proxy = await keep(proxyOf('http'));
      const gone = await refusing();
      heard.to();
      for (let round = 0; round < 6; round++) {
        const scenes = Array.from({ length: 4 }, (): Scene => {
          const url = next(8) === 0 ? gone.url.replace('ws', 'http') : server.url;
          const connection = open(url, {
            ...{
              protocols: [version === 'HTTP/2' ? 'http2' : 'http'],
              retry: 30,
              retryTimeout: 1,
              closingTimeout: 200,
            },
            ...(next(3) === 0 && { proxy: `http://127.0.0.1:${proxy.port}` }),
          });
          return { server, connection, streams: [], next };
        });
        // Some never are.
        await Promise.allSettled(scenes.map(({ connection }) => connection.awaitUp()));
        for (let step = 0; step < 120; step++) {
          const scene = scenes[next(scenes.length)];
          if (scene) tryTo(() => DEEDS[next(DEEDS.length)]?.(scene));
          for (let turns = next(4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
          if (next(60) === 0) proxy.drop();
        }
        for (const { connection } of scenes)
          void (next(2) === 0 ? connection.shutdown() : connection.close()).catch(() => {});
        server.release();
        for (const { connection } of scenes)
          await heard.next('gunport:terminate', (one) => one.connection === connection.id);
      }
      expect(faultsIn(heard.all), `GUNPORT_SEED=${seed}`).to.deep.equal([]);
      for (const { connection } of heard.of('gunport:terminate')) {
        const mine = heard.all.filter(
          ({ message }) => 'connection' in message && message.connection === connection,
        );
        expect(mine[0]?.name, `GUNPORT_SEED=${seed}`).to.equal('gunport:init');
        expect(mine.at(-1)?.name, `GUNPORT_SEED=${seed}`).to.equal('gunport:terminate');
      }
      expect(heard.of('gunport:request:start').length).to.be.above(30);
      expect(heard.of('gunport:dropped')).to.deep.equal([]);
    });
  }
});
