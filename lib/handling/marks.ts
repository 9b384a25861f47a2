// marks — which hook stands for what: a mark between two messages, or behind the last, is told to a handler by one.
// Called by runner.ts, in the mark's place.

import { abnormal, closeResult } from '../closing.ts';
import { fromRecord, type GunportError } from '../errors.ts';
import type { Handler } from '../handler.ts';
import { headersOf } from '../protocol/headers.ts';
import type { StreamMark } from '../wire.ts';
import type { Hook } from './making.ts';

/** The hook, and how it is called. @internal */
export function hookOf(mark: StreamMark, handler: Handler, url: string): readonly [Hook, () => unknown] {
  switch (mark.type) {
    case 'upgrade': {
      const { attempt, protocol, extensions, rawHeaders } = mark;
      const headers = headersOf(rawHeaders);
      return ['open', () => handler.open?.({ attempt, url, protocol, extensions, headers })];
    }
    case 'gap':
      // Records of the process are made of our own errors.
      return [
        'down',
        () => handler.down?.({ attempt: mark.attempt, reason: fromRecord(mark.error) as GunportError }),
      ];
    case 'closed':
      return ['close', () => handler.close?.(closeResult(mark))];
    case 'error':
      return ['close', () => handler.close?.(abnormal(fromRecord(mark.error) as GunportError))]; // As above.
    default:
      return mark satisfies never;
  }
}

/** It is the last. @internal */
export function isLast({ type }: StreamMark): boolean {
  return type === 'closed' || type === 'error';
}
