// downs — watches a connection with monitors of each kind, and what they must agree on.
// Used by tests about how connections die.

import { expect } from 'chai';
import type { Connection } from '../../lib/connection.ts';
import type { Down, DownReason } from '../../lib/types.ts';

/** The reason in the one Down of each of three monitors, and of a late one. */
export async function downOf(connection: Connection): Promise<DownReason> {
  const heard: Down[] = [];
  const monitors = [
    connection.monitor((down) => heard.push(down)),
    connection.monitor(),
    connection.monitor((down) => heard.push(down), { keep: true }),
  ];
  const downs = await Promise.all(monitors.map((monitor) => monitor.down));
  // A second one would come by another road, in a later turn.
  const late = connection.monitor((down) => heard.push(down));
  await late.down;
  expect(heard).to.have.lengthOf(3);
  for (const [i, down] of downs.entries()) {
    expect(down).to.include({ type: 'down', ref: monitors[i]?.ref, connection });
    expect(down?.reason).to.equal(heard[0]?.reason);
  }
  expect(heard[2]?.reason).to.equal(heard[0]?.reason);
  expect(connection.status).to.equal('dead');
  return heard[0]!.reason;
}
