// redact — headers and errors as events may tell them: without what lets another in.
// Called by streamprobe.ts and its neighbours before anything is gathered. Pure.
// Invariant: of the fields below no value leaves the thread in an event, wherever headers stand: also in an error.
// Source: RFC 9110 §11.6.2, §11.7.2; RFC 6265 §4.

import { type ErrorRecord, toRecord } from '../../lib/errors.ts';
import { REDACTED } from '../../lib/events/eventtypes.ts';

const SECRET: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** The same list: name, value, name, value …, with secrets replaced. */
export function redacted(headers: readonly string[]): readonly string[] {
  return headers.map((item, at) =>
    at % 2 === 1 && SECRET.has((headers[at - 1] ?? '').toLowerCase()) ? REDACTED : item,
  );
}

/** As it crosses, without secrets. */
export function errorRecord(error: unknown): ErrorRecord {
  return cleaned(toRecord(error));
}

function cleaned(record: ErrorRecord): ErrorRecord {
  const { headers, cause } = record;
  if (!headers && !cause) return record;
  return {
    ...record,
    ...(headers && { headers: Object.fromEntries(Object.entries(headers).map(cleanedField)) }),
    ...(cause && { cause: cleaned(cause) }),
  };
}

function cleanedField([name, value]: [string, string | string[]]): [string, string | string[]] {
  if (!SECRET.has(name.toLowerCase())) return [name, value];
  return [name, typeof value === 'string' ? REDACTED : value.map(() => REDACTED)];
}
