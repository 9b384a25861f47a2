// markup — is a page well formed?
// Called by tests of whatever writes HTML that must hold as XML too.
// Source: XML 1.0, the part of its grammar that our pages use: no CDATA, no processing instruction, no comment.

import { expect } from 'chai';

const TOKEN = /<!DOCTYPE html>|<\/([\w-]+)>|<([\w-]+)((?:\s[\w-]+="[^"<]*")*)\s*(\/?)>|[^<]+/y;
const REFERENCE = /&(?!(?:amp|lt|gt|quot|#39);)/;

/** Fails where an element is not closed in its place, or where text is not escaped. */
export function wellFormed(page: string): void {
  const open: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < page.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(page);
    if (!token) return expect.fail(`no markup: ${page.slice(from, from + 80)}`);
    const [whole, closing, opening, attributes = '', empty] = token;
    if (closing !== undefined) expect(closing, `what closes at ${from}`).to.equal(open.pop());
    else if (opening !== undefined && !empty) open.push(opening);
    const names = [...attributes.matchAll(/\s([\w-]+)=/g)].map(([, name]) => name);
    expect(names.length, `attributes of ${whole}`).to.equal(new Set(names).size);
    expect(whole, `what is escaped at ${from}`).not.to.match(REFERENCE);
  }
  expect(open, 'what is left open').to.deep.equal([]);
}
