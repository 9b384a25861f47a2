// groups — all that the benchmark can do, folder by folder: a list.
// Read by options.ts for the names, and by run.ts, which starts those that were asked for, in this order.

import { BLOCKED } from './blocked/works.ts';
import { BOOKS } from './books/works.ts';
import { CONNECTIONS } from './connections/works.ts';
import { ECHOES } from './echoes/works.ts';
import { FEEDS } from './feeds/works.ts';
import { HTTP } from './http/works.ts';
import type { Group } from './instruments/work.ts';
import { SENDS } from './sends/works.ts';
import { SSE } from './sse/works.ts';
import { STARTUP } from './startup/works.ts';
import { TRANSFERS } from './transfers/works.ts';

export const GROUPS: readonly Group[] = [
  FEEDS,
  SENDS,
  ECHOES,
  BOOKS,
  BLOCKED,
  TRANSFERS,
  CONNECTIONS,
  STARTUP,
  HTTP,
  SSE,
];
