// markup — text as it may stand in a page, and one element.
// Called by all that draw the page.
// Invariant: what an element gets as an attribute is escaped here; its children are markup already, so text among
// them goes through `text()`. What comes out is well formed, also as XML.

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export function text(value: string): string {
  // XML has no way to say most control characters.
  const clean = [...value].filter((one) => one >= ' ' || one === '\n' || one === '\t').join('');
  return clean.replace(/[&<>"']/g, (one) => NAMED[one] ?? one);
}

/** Attributes that are undefined are left out. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const pairs = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${text(String(value))}"`);
  const open = `${name}${pairs.join('')}`;
  return children.length === 0 ? `<${open}/>` : `<${open}>${children.join('')}</${name}>`;
}

/** A share of the whole width, as SVG takes it. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
