// headers — header fields as a flat list, and as the object that users are given.
// Used by both wings. Pure. Source: RFC 9110 §5.2 (fields that come more than once), Node's rawHeaders.

import type { Headers } from '../types.ts';

/** Name, value, name, value … as an object: lower-case keys, no prototype, an array for what came more than once. */
export function headersOf(rawHeaders: readonly string[]): Headers {
  const headers: Headers = Object.create(null);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const value = rawHeaders[i + 1] ?? '';
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}
