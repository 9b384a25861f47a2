// handovers — what giver and taker tell of a hand-over to the host that publishes it: offered, adopted, revoked.
// Called by owner.ts and receive.ts, in whatever thread they are; goes by that thread's life line.
// Invariant: nothing is made while nobody listens; a host that is busy is not flooded: at most MOST are under way, the
// rest are counted, and told of with the next. Source: design.md, Flow; Gun has no event for set_owner.

import { threadId } from 'node:worker_threads';
import { lineTo } from '../lifeline.ts';
import { now } from './events.ts';
import { BIT, type EventFields } from './eventwire.ts';

/** Events of one life line that its host may not have published yet. */
const MOST = 1_024;

type Name = 'gunport:ownership:offered' | 'gunport:ownership:adopted' | 'gunport:ownership:revoked';

/** Tells the host of `connection`, if somebody listens there; only then `fields` is called. */
export function tellHandover<N extends Name>(
  host: string,
  name: N,
  connection: string,
  fields: () => EventFields<N>,
): void {
  const line = lineTo(host);
  // Written by the host alone; see events.ts.
  if (!line || ((line.listens[0] ?? 0) & BIT[name]) === 0) return;
  const { unread, dropped } = line.events;
  if (unread >= MOST) {
    dropped[name] = (dropped[name] ?? 0) + 1;
    return;
  }
  const event = { name, connection, time: now(), fields: fields() };
  const untold = Object.keys(dropped).length > 0 && dropped;
  line.post({ type: 'event', threadId, event, ...(untold && { dropped: { ...untold } }) });
  line.events.posted();
}
