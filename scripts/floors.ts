// floors — the plan of the house, checked: an import only goes down, and the two wings meet on the shared ground.
// Run on the sources by `npm run floors`; prints each violation and exits with 1 when there is one.
// To add a file, write its name into a line of HOUSE. Its imports may go to the lines below that line, never to the
// same line or above: so there are no cycles, and the table is complete or the check fails.
// This table is the architecture document: it cannot go stale.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** Floor, wing, files; from the roof down. */
const HOUSE = `
  5 owner    lib/index.ts lib/testing/index.ts
  4 owner    lib/testing/killing.ts lib/testing/server.ts lib/testing/schedule.ts
  4 owner    lib/testing/steps.ts lib/testing/served.ts lib/testing/targets.ts lib/testing/contexts.ts
  4 owner    lib/testing/clock.ts lib/testing/servertypes.ts
  4 owner    lib/testing/matching.ts
  4 owner    lib/client/receiveclient.ts lib/client/defineclient.ts
  4 owner    lib/client/client.ts
  4 owner    lib/client/lines.ts lib/client/reading.ts
  4 owner    lib/client/rollover.ts
  4 owner    lib/client/line.ts lib/client/clientevents.ts lib/client/clientrecord.ts
  4 owner    lib/client/clientoptions.ts
  4 owner    lib/default.ts
  4 owner    lib/pool.ts lib/receive.ts
  4 owner    lib/authority/pooledverbs.ts
  4 owner    lib/authority/authorities.ts
  4 owner    lib/authority/pooledoptions.ts lib/authority/lease.ts
  4 owner    lib/authority/pooledrequest.ts
  4 owner    lib/authority/authority.ts lib/authority/retryable.ts lib/authority/pooledchunks.ts
  4 owner    lib/authority/waitingroom.ts lib/authority/awaiting.ts lib/authority/reopening.ts
  4 owner    lib/authority/authorityinfo.ts lib/authority/line.ts
  4 owner    lib/authority/member.ts
  4 owner    lib/authority/authorityoptions.ts lib/authority/ranks.ts
  4 owner    lib/open.ts
  4 owner    lib/connection.ts
  4 owner    lib/verbs.ts
  4 owner    lib/owned.ts
  4 owner    lib/roster.ts
  4 owner    lib/fetch.ts lib/reply.ts lib/sse.ts
  4 owner    lib/bodysending.ts
  4 owner    lib/stream.ts lib/wsstream.ts
  3 owner    lib/speaking.ts
  3 owner    lib/handled.ts
  3 owner    lib/inline.ts
  3 owner    lib/streamhost.ts lib/hold.ts lib/answer.ts
  3 owner    lib/owner.ts lib/sending.ts lib/pings.ts lib/reader.ts lib/remainder.ts lib/taking.ts
  3 owner    lib/ending.ts lib/chunks.ts lib/uploading.ts lib/contact.ts
  3 owner    lib/drains.ts lib/calls.ts lib/tunnel.ts
  3 owner    lib/remote.ts
  3 owner    lib/await.ts
  2 owner    lib/settings.ts lib/queue.ts lib/host.ts lib/events/handovers.ts
  2 owner    lib/proxies.ts
  2 owner    lib/roads.ts lib/retrysettings.ts
  2 owner    lib/httpsettings.ts lib/cookies/cookies.ts
  2 owner    lib/advice.ts lib/mailbox.ts lib/monitor.ts lib/spawn.ts lib/watchdog.ts lib/lifeline.ts lib/inbox.ts
  2 owner    lib/contentsettings.ts lib/handlersettings.ts lib/ssereader.ts lib/events/events.ts lib/tls.ts lib/replies.ts lib/listeners.ts lib/down.ts lib/notices.ts lib/answers.ts lib/aborts.ts lib/nursery.ts lib/shared.ts lib/proxy-from-env.d.ts
  2 owner    lib/shapes.ts

  4 process  workers/host.ts
  4 process  workers/process.ts
  4 process  workers/roads/roads.ts
  4 process  workers/roads/branch.ts
  4 process  workers/link.ts
  3 process  workers/casts.ts
  3 process  workers/handlers.ts
  3 process  workers/attempts.ts
  3 process  workers/retrying.ts workers/roads/attempt.ts workers/takeover.ts workers/upgrade.ts workers/roads/socks.ts workers/roads/through.ts workers/raw.ts workers/roads/secure.ts
  3 process  workers/http1/driver.ts workers/http2/driver.ts
  3 process  workers/http1/answers.ts workers/http2/streams.ts
  3 process  workers/http1/turns.ts
  3 process  workers/http1/sending.ts workers/http1/upgrade.ts
  3 process  workers/http2/upgrade.ts workers/http2/tunnel.ts workers/http2/exchange.ts workers/http2/push.ts workers/http2/session.ts
  3 process  workers/http2/stream.ts
  3 process  workers/driver.ts workers/websocket.ts
  3 process  workers/requests.ts
  2 process  workers/streams.ts
  2 process  workers/exchange.ts workers/intake.ts workers/keepalive.ts workers/leaving.ts workers/dialogue.ts workers/transport.ts
  2 process  workers/front.ts
  2 process  workers/connected.ts workers/roads/secureoptions.ts
  2 process  workers/entry.ts workers/cookies/linkcookies.ts
  2 process  workers/renewing.ts
  2 process  workers/asking.ts
  2 process  workers/http1/memory.ts workers/http1/parser.ts
  2 process  workers/http2/memory.ts workers/http2/bodies.ts workers/http2/head.ts workers/http2/pings.ts
  2 process  workers/handling.ts
  2 process  workers/speech.ts
  2 process  workers/cookies/cookies.ts workers/probes/frameprobe.ts workers/outbox.ts workers/lookup.ts workers/reading.ts workers/deadlines.ts workers/upload.ts
  2 process  workers/place.ts workers/content/content.ts workers/probes/streamprobe.ts workers/probes/dialprobe.ts workers/probes/processprobe.ts workers/http1/llhttp.ts workers/http2/socket.ts workers/bundle.ts
  2 process  workers/pulse.ts workers/lastwords.ts workers/heapwatch.ts workers/probes/probe.ts workers/probes/redact.ts workers/socket.ts workers/slabs.ts workers/deflate.ts workers/masking.ts workers/flow.ts workers/content/sse.ts workers/lane.ts workers/remote.ts

  2 shared   lib/adapters/deribit.ts lib/adapters/echo.ts
  2 shared   lib/adapters/deribitbooks.ts
  2 shared   lib/adapters/deribitrpc.ts
  2 shared   lib/exporters/prometheus.ts lib/exporters/opentelemetry.ts
  2 shared   lib/exporters/metered.ts
  2 shared   lib/session/handler.ts
  2 shared   lib/session/making.ts
  2 shared   lib/session/session.ts
  2 shared   lib/session/acts.ts lib/session/calls.ts
  2 shared   lib/session/channels.ts lib/session/login.ts
  2 shared   lib/session/inbound.ts lib/session/adaptercontext.ts
  2 shared   lib/session/saying.ts
  2 shared   lib/session/reports.ts lib/session/pulse.ts
  2 shared   lib/session/hooks.ts lib/session/defaults.ts
  2 shared   lib/session/outgoing.ts lib/session/logging.ts
  2 shared   lib/session/sessionwire.ts
  2 shared   lib/session/authentication.ts
  2 shared   lib/session/adapter.ts
  2 shared   lib/session/subscriptions.ts lib/session/correlation.ts
  2 shared   lib/session/bucket.ts lib/session/metrics.ts lib/session/redact.ts
  2 shared   lib/modules.ts
  2 shared   lib/handling/runner.ts
  2 shared   lib/handling/showing.ts
  2 shared   lib/handling/queue.ts lib/handling/context.ts lib/handling/marks.ts lib/handling/turns.ts
  2 shared   lib/handling/runnerhost.ts lib/handling/making.ts
  2 shared   lib/handling/outlet.ts lib/handling/timers.ts lib/sendable.ts lib/closing.ts
  2 shared   lib/layout.ts
  2 shared   lib/parts/index.ts
  2 shared   lib/parts/book.ts lib/parts/decode.ts lib/parts/conflate.ts lib/parts/gaps.ts lib/parts/select.ts
  2 shared   lib/parts/pipe.ts lib/parts/orderbook.ts
  2 shared   lib/parts/part.ts lib/parts/side.ts
  2 shared   lib/handler.ts
  2 shared   lib/batch.ts
  2 shared   lib/testing/mortal.ts
  2 shared   lib/remoting/line.ts lib/remoting/reach.ts
  2 shared   lib/renewal.ts
  2 shared   lib/target.ts
  2 shared   lib/cookies/cookieset.ts lib/cookies/cookieline.ts

  1 shared   lib/protocol/websocket.ts lib/protocol/body.ts lib/protocol/http1.ts
  1 shared   lib/protocol/handshake.ts lib/protocol/http2frames.ts
  1 shared   lib/protocol/frames.ts lib/protocol/extensions.ts lib/protocol/retry.ts lib/protocol/http2budgets.ts lib/protocol/http2out.ts lib/protocol/socks.ts
  1 shared   lib/protocol/backoff.ts lib/protocol/utf8.ts lib/smallwire.ts
  1 shared   lib/wire.ts
  1 shared   lib/session/states.ts
  1 shared   lib/handling/handlingwire.ts lib/retrywire.ts lib/sendwire.ts lib/bootwire.ts lib/httpwire.ts lib/events/eventwire.ts lib/protocol/headers.ts lib/cookies/cookiewire.ts lib/protocol/cookies.ts
  0 shared   lib/checks.ts lib/byid.ts lib/events/eventtypes.ts lib/sentevents.ts
  0 shared   lib/options.ts
  0 shared   lib/backoffoptions.ts
  0 shared   lib/types.ts
  0 shared   lib/errors.ts lib/whitespace.ts
`;

/** The roof: these folders import the public face; those inside it may open any room. */
const ROOF = ['bench', 'scripts', 'test'];
const INSIDERS = ['test/', 'bench/functions/'];
const FACE = ['lib/index.ts', 'lib/parts/index.ts', 'lib/testing/index.ts'];

/** The rooms that may post to another thread. */
const WIRE_ROOMS = new Set([
  ...['spawn', 'host', 'mailbox', 'lifeline', 'default', 'receive', 'owner', 'contact', 'reply'].map(
    (room) => `lib/${room}.ts`,
  ),
  'lib/cookies/cookieline.ts',
  'lib/remoting/line.ts',
  'lib/testing/killing.ts',
  ...['outbox', 'process', 'host', 'requests'].map((room) => `workers/${room}.ts`),
]);

/** What a pure room (floor 1) may import as a value from outside the house, and what it may not name. */
const PURE_IMPORTS = new Set(['node:buffer', 'node:crypto']);
const IMPURE =
  /\bDate\b(?=[.(])|\bMath\.random\b|\bperformance\.|\bprocess\.|\b(?:set(?:Timeout|Interval|Immediate)|queueMicrotask|random[A-Z]\w*|getRandomValues)\b/;

const MOST_LINES = 400;

interface Room {
  readonly height: number;
  readonly floor: string;
  readonly wing: string;
}
interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
}

const rooms = plan();
const violations = [
  ...[...rooms.keys()]
    .filter((file) => !existsSync(file))
    .map((file) => `${file}: is in the table, not there`),
  ...[...sources('lib'), ...sources('workers')].flatMap(checkRoom),
  ...ROOF.flatMap(sources).flatMap(checkRoof),
];
for (const violation of violations) console.error(violation);
console.log(`floors: ${rooms.size} rooms, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;

function plan(): ReadonlyMap<string, Room> {
  const lines = HOUSE.trim().split(/\n\s*/);
  return new Map(
    lines.flatMap((line, index) => {
      const [floor = '', wing = '', ...files] = line.split(/\s+/);
      return files.map((file) => [file, { height: lines.length - index, floor, wing }] as const);
    }),
  );
}

function checkRoom(file: string): string[] {
  const room = rooms.get(file);
  if (!room) return [`${file}: is in no line of HOUSE in scripts/floors.ts`];
  const text = readFileSync(file, 'utf8');
  const code = withoutComments(text);
  const found = importsOf(file, code).flatMap((one) =>
    checkImport(room, one).map((fault) => `${file}: ${fault}`),
  );
  const length = text.split('\n').length - 1;
  if (length > MOST_LINES) found.push(`${file}: has ${length} lines, the most is ${MOST_LINES}`);
  if (!WIRE_ROOMS.has(file) && /\bpostMessage\w*\(/.test(code)) {
    found.push(`${file}: posts to another thread and is no wire room`);
  }
  const impure = room.floor === '1' ? IMPURE.exec(code) : null;
  if (impure) found.push(`${file}: is pure, and names ${impure[0]}`);
  return found;
}

function checkImport(room: Room, { target, typeOnly }: Import): string[] {
  if (!isLocal(target)) {
    const pure = room.floor !== '1' || typeOnly || PURE_IMPORTS.has(target);
    return pure ? [] : [`is pure, and imports ${target}`];
  }
  const other = rooms.get(target);
  if (!other) return [`imports ${target}, which is in no line of HOUSE`];
  if (other.wing !== 'shared' && other.wing !== room.wing) {
    return [`imports ${target}, from the ${room.wing} wing into the ${other.wing} wing`];
  }
  if (other.height < room.height) return [];
  const where = other.height === room.height ? 'in the same line' : `above it (floor ${other.floor})`;
  return [`imports ${target}, ${where}`];
}

function checkRoof(file: string): string[] {
  if (INSIDERS.some((prefix) => file.startsWith(prefix))) return [];
  return importsOf(file, withoutComments(readFileSync(file, 'utf8')))
    .filter(({ target }) => /^(lib|workers)\//.test(target) && !FACE.includes(target))
    .map(({ target }) => `${file}: imports ${target}, not the public face ${FACE.join(', ')}`);
}

/** Whole-line, block and trailing comments; a name in a comment is no use of it. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/ .*$/gm, '$1');
}

function importsOf(file: string, code: string): Import[] {
  const statements = /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'|\bimport\(?\s*()'([^']+)'/gm;
  return [...code.matchAll(statements)].map(([, type, from, , bare]) => {
    const name = from ?? bare ?? '';
    const target = name.startsWith('.') ? posix.join(posix.dirname(file), name) : name;
    return { target, typeOnly: type !== undefined };
  });
}

function isLocal(target: string): boolean {
  return target.endsWith('.ts');
}

function sources(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((name) => name.endsWith('.ts'));
}
