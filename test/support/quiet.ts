// quiet — a probe that nobody listens to: for tests of what tells of events by the way.

import { WORD_BYTES } from '../../lib/events/eventwire.ts';
import { EventDesk, Probe } from '../../workers/probes/probe.ts';

export function quiet(): Probe {
  return new Probe(new EventDesk(new SharedArrayBuffer(WORD_BYTES), () => {}), '0.0');
}
