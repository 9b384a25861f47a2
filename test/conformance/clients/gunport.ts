// gunport — this package as an echo client: connect(), `for await`, send(), through a pool of one thread.

import { type Connection, Pool, type WsStream } from '../../../lib/index.ts';
import type { ClientOptions } from '../case.ts';
import type { EchoClient } from '../client.ts';
import type { Outcome } from '../judge.ts';

/** Many connections share the pool, whose thread ends with close(). */
export function gunportClient(pool: Pool = new Pool({ threads: 1 })): EchoClient {
  return {
    name: 'gunport',
    echo: async (url, options) => {
      const { compress, subprotocols = [], maxPayload, maxFragments } = options;
      try {
        const feed = await pool.connect(url, {
          // As the server of a case expects: every message is compressed.
          compress: compress ? { ...compress, threshold: 0 } : false,
          subprotocols: [...subprotocols],
          ...{ maxPayload, maxFragments },
          keepalive: 0,
          retry: 0,
        });
        return await echo(feed, options);
      } catch (error) {
        return { opened: false, end: String(error) };
      }
    },
    close: () => pool.close(),
  };
}

async function echo(feed: WsStream<Connection>, { closes }: ClientOptions): Promise<Outcome> {
  let echoes = 0;
  try {
    for await (const message of feed) {
      if (!feed.send(message)) await feed.drained();
      if (++echoes !== closes?.after) continue;
      await feed.close(closes.code, closes.reason);
    }
  } catch (error) {
    return { opened: true, end: String(error) };
  }
  const { code } = await feed.closed;
  return { opened: true, end: `closed ${code}` };
}
