// client — what is judged: an echo client behind one interface; and the kit that plays cases to it.
// Used by run.ts and the tests; the clients are in clients/ and raw/.
// Invariant: cases run side by side, a fixed number at a time, and their verdicts come in the order of the cases.

import type { Case, ClientOptions } from './case.ts';
import { judge, type Outcome, type Verdict } from './judge.ts';
import { FuzzingServer, type Patience } from './server.ts';

/** Opens a WebSocket, echoes every message as it came, until the end. */
export interface EchoClient {
  readonly name: string;
  /** Resolves when the WebSocket has ended, or did not open; never rejects. */
  echo(url: string, options: ClientOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export interface PlayOptions {
  readonly patience: Patience;
  /** Cases at a time. Default 32. */
  readonly atOnce?: number | undefined;
}

/** Plays the cases to the client. */
export async function play(
  client: EchoClient,
  cases: readonly Case[],
  { patience, atOnce = 32 }: PlayOptions,
): Promise<Verdict[]> {
  await using server = await FuzzingServer.listen();
  const verdicts: Verdict[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < cases.length; i = next++) {
      const one = cases[i]!; // Within the cases.
      let outcome: Outcome = { opened: false, end: 'it did not connect' };
      const transcript = await server.play(one, patience, async (url) => {
        outcome = await client.echo(url, one.client);
      });
      verdicts[i] = judge(one, transcript, outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return verdicts;
}
