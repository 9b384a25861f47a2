// help — what `gunport --help` and `gunport bench --help` say.
// Read by command.ts. README.md has the same in sentences.

export const HELP: string = `usage: gunport bench URL [options]    measure a server of yours; see gunport bench --help
       gunport --help
       gunport --version
`;

export const BENCH_HELP: string = `usage: gunport bench URL [options]

A ws: or wss: URL is received from as it comes: rate, sizes, and what it costs this process.

  --send TEXT          send this once open, to subscribe; may be given several times
  --echo               send messages, each of which is answered by one, and time that
  --ping               time pings as well: any server answers them (10 a second)
  --rate N             so many a second, over all connections; latency then counts from when each should
                       have been sent, and a server that stalls cannot hide it. Without: the next one
                       when the last was answered
  --size N             bytes of a message of --echo (64)
  --message TEXT       the message of --echo
  --subprotocol NAME   offer it; may be given several times
  --compress           offer permessage-deflate
  --read HOW           events, for-await, batches or borrowed (events)
  --peers A,B          gunport, ws: in turns, in one table (gunport)

An http: or https: URL is asked for by GET, at --rate, or one after the other.

  --connections N      how many (1)
  --concurrency N      under way at a time, over all connections (as many as connections)
  --threads N          of gunport (1)
  --duration TIME      of all rounds of a peer: 500ms, 10s, 2m (10s); Ctrl-C ends it earlier, and it still reports
  --warmup TIME        before each round, not counted (500ms)
  --rounds N           fresh connections for each; medians are told (1; 5 with several peers)
  --header 'A: B'      of the request; may be given several times
  --insecure           take any certificate
  --json FILE          write all figures to FILE, or with - to stdout
  --html FILE          write a page with plots to FILE; it needs no other file

Exit code: 0 it was measured, 1 the server could not be reached or left early, 2 a wrong command line.
`;
