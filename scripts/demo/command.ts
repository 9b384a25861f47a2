// command — what the command line asks for.
// Read by demo.ts. Invariant: what is not understood is named in one line, and nothing is started.

import { parseArgs } from 'node:util';

/** Seconds that the show takes unless told otherwise, and the fewest in which all of it can be seen. */
const USUAL = 15;
const FEWEST_OF_SHOW = 3;
const MOST = 86_400;

export type Command =
  | { readonly name: 'show'; readonly seconds: number }
  | { readonly name: 'listen'; readonly url: string; readonly seconds: number | undefined }
  | { readonly name: 'help' }
  | { readonly name: 'wrong'; readonly message: string };

export const HELP: string = `npm start                        the show: a feed at full speed, handed over while it runs, and killed
npm start -- wss://host/path     receive from any URL, until it closes or Ctrl-C

  --seconds N    how long, from ${FEWEST_OF_SHOW} (the show, which takes ${USUAL} by default) or from 1
  --help

Plain lines in a pipe, colours on a terminal (unless NO_COLOR is set).
Exit code: 0 all promises held, 1 not, 2 a wrong command line or URL.
`;

/** Takes the command line apart. */
export function parse(args: readonly string[]): Command {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { seconds: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) return { name: 'help' };
    const [url, more] = positionals;
    if (more !== undefined) return { name: 'wrong', message: `one URL at most, got ${positionals.length}` };
    const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
    const fewest = url === undefined ? FEWEST_OF_SHOW : 1;
    if (seconds !== undefined && !(seconds >= fewest && seconds <= MOST)) {
      return {
        name: 'wrong',
        message: `--seconds must be from ${fewest} to ${MOST}, got '${values.seconds}'`,
      };
    }
    return url === undefined ? { name: 'show', seconds: seconds ?? USUAL } : { name: 'listen', url, seconds };
  } catch (error) {
    // Node's own words, of which the first sentence says it all.
    const [message = ''] = error instanceof Error ? error.message.split('. ') : [String(error)];
    return { name: 'wrong', message };
  }
}
