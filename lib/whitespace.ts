// whitespace — what stands around a field's value, taken off.
// Used by whoever reads fields, of users and of peers. Pure. Source: RFC 9110 §5.6.3 (OWS).

/** Without the spaces and tabs around it, and no others: String.trim would take U+00A0 too, a byte of UTF-8 here. In linear
 *  time: `/[\t ]+$/` tries each run of spaces from each of them on, and 100 KB of those hold a thread for 13 s. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return end - start === text.length ? text : text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
