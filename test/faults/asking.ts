// asking — a request whose end is looked at, whatever it is; and a connection that is gone afterwards.
// Used by the tests of this folder that speak HTTP.

import { expect } from 'chai';
import {
  type Connection,
  GunportError,
  type OpenOptions,
  type Pool,
  type StreamNotice,
} from '../../lib/index.ts';

export interface Answered {
  /** Types of the notices. */
  readonly types: string;
  readonly body: string;
  readonly error?: GunportError | undefined;
}

/** What becomes of a request, notice by notice. */
export async function answered(
  connection: Connection,
  got: (body: string) => void = () => {},
): Promise<Answered> {
  const stream = connection.get('/');
  const types: string[] = [];
  let body = '';
  try {
    for (let over = false; !over; ) {
      const notice: StreamNotice = await connection.await(stream);
      types.push(notice.type);
      if (notice.type === 'data') body += Buffer.from(notice.data).toString('latin1');
      got(body);
      over = notice.type === 'trailers' || ('fin' in notice && notice.fin);
    }
    return { types: types.join(' '), body };
  } catch (error) {
    expect(error).to.be.instanceOf(GunportError);
    return { types: types.join(' '), body, error: error as GunportError }; // The line above has looked.
  }
}

/** Runs with a connection to a URL; it is gone afterwards, and each has told so once. */
export function usingOf(
  pool: Pool,
): <T>(url: string, options: OpenOptions, run: (connection: Connection) => Promise<T>) => Promise<T> {
  return async (url, options, run) => {
    const connection = pool.open(url, { retry: 0, ...options });
    const heard: string[] = [];
    const monitor = connection.monitor(({ reason }) => heard.push(reason.kind));
    try {
      return await run(connection);
    } finally {
      await connection.close().catch(() => {});
      await monitor.down;
      expect(heard).to.have.lengthOf(1);
    }
  };
}
