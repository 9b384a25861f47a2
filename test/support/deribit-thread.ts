// deribit-thread — a Deribit server in a thread of its own: it goes on while main is blocked.
// Started by tests with deribitThread(); this file is also the thread's entry.
// Invariant: the thread ends with stop(), and every call settles: with its answer, or when the thread has ended.

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type DeribitReport, DeribitServer, type DeribitServerOptions } from './deribit-server.ts';

type Call = 'report' | 'cut' | 'stop';

export interface DeribitThread extends AsyncDisposable {
  readonly url: string;
  report(): Promise<DeribitReport>;
  cut(): Promise<DeribitReport>;
  stop(): Promise<void>;
}

/** Calls are made one after another. */
export async function deribitThread(options: DeribitServerOptions = {}): Promise<DeribitThread> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { deribit: options } });
  const gone = once(worker, 'exit');
  let last: Promise<unknown> = Promise.resolve();
  const answer = async (): Promise<DeribitReport> => {
    const answered = once(worker, 'message');
    const [report] = await Promise.race([answered, gone.then(() => [undefined])]);
    if (!report) throw new Error('the server has ended');
    return report as DeribitReport; // Posted below.
  };
  const ask = (call: Call): Promise<DeribitReport> => {
    const asked = last.then(() => {
      worker.postMessage(call);
      return answer();
    });
    last = asked.catch(() => {});
    return asked;
  };
  const { url } = await answer();
  const stop = async (): Promise<void> => {
    await ask('stop').catch(() => {}); // It has ended.
    await gone;
  };
  return { url, report: () => ask('report'), cut: () => ask('cut'), stop, [Symbol.asyncDispose]: stop };
}

const given = (workerData as { deribit?: DeribitServerOptions } | undefined)?.deribit;
if (!isMainThread && parentPort && given) {
  const port = parentPort;
  const server = await DeribitServer.start(given);
  const tell = (): void => port.postMessage(server.report());
  port.on('message', async (call: Call) => {
    if (call === 'cut') server.cut();
    if (call === 'stop') {
      await server.stop();
      port.close();
    }
    tell();
  });
  tell();
}
