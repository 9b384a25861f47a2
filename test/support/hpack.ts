// hpack — header blocks of HTTP/2 by hand: literal fields out, whatever a client has made of them in.
// Used by h2frames.ts and h2origin.ts. Invariant: what is written has neither Huffman codes nor a place in the dynamic
// table, so that each block stands for itself; what is read may have both. Source: RFC 7541.

/** Header fields: an object, or pairs where a name comes twice or the order counts. */
export type Fields =
  | Readonly<Record<string, string | number>>
  | readonly (readonly [string, string | number])[];

/** A header block of literal fields without indexing. RFC 7541 §6.2.2. */
export function encode(fields: Fields): Buffer {
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields);
  return Buffer.concat(
    pairs.flatMap(([name, value]) => [Buffer.of(0), text(String(name)), text(String(value))]),
  );
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
}

/** RFC 7541 §5.1. */
function integer(value: number, bits: number, first: number): Buffer {
  const most = (1 << bits) - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let left = value - most;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

// RFC 7541, Appendix A: `name`, or `name=value`.
const STATIC = (
  ':authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 ' +
  ':status=204 :status=206 :status=304 :status=400 :status=404 :status=500 accept-charset ' +
  'accept-encoding=gzip,_deflate accept-language accept-ranges accept access-control-allow-origin age allow ' +
  'authorization cache-control content-disposition content-encoding content-language content-length ' +
  'content-location content-range content-type cookie date etag expect expires from host if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards ' +
  'proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie ' +
  'strict-transport-security transfer-encoding user-agent vary via www-authenticate'
)
  .split(' ')
  .map((entry): readonly [string, string] => {
    const [, name = '', value = ''] = /^([^=]+)=?(.*)$/.exec(entry) ?? [];
    return [name, value.replace('_', ' ')];
  });

// RFC 7541, Appendix B: the code is canonical, so the characters of each length say all of it. As far as text goes.
const LENGTHS: readonly (readonly [number, string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\0$@[]~'],
  [14, '^}'],
  [15, '<`{'],
];
const CODES = canonical();

function canonical(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  let code = 0;
  let before = 0;
  for (const [length, characters] of LENGTHS) {
    code <<= length - before;
    before = length;
    for (const character of characters) codes.set((code++).toString(2).padStart(length, '0'), character);
  }
  return codes;
}

function huffman(bytes: Uint8Array): string {
  let decoded = '';
  let code = '';
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      code += bit;
      const character = CODES.get(code);
      if (character === undefined) continue;
      decoded += character;
      code = '';
    }
  }
  // RFC 7541 §5.2: the rest is "the most significant bits of the code corresponding to the EOS".
  if (code.length > 7 || code.includes('0')) throw new Error(`no text in Huffman code: ${code}`);
  return decoded;
}

/** The reading end of one connection: it has the dynamic table. */
export class Decoder {
  #table: (readonly [string, string])[] = [];
  #most = 4_096;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** The fields of a whole header block, in order. */
  decode(block: Uint8Array): (readonly [string, string])[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: (readonly [string, string])[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0;
      if (first >= 0x80) fields.push(this.#entry(this.#integer(7)));
      else if (first >= 0x40) fields.push(this.#keep(this.#literal(6)));
      else if (first >= 0x20) this.#resize(this.#integer(5));
      else fields.push(this.#literal(4));
    }
    return fields;
  }

  #entry(index: number): readonly [string, string] {
    const entry = STATIC[index - 1] ?? this.#table[index - 1 - STATIC.length];
    if (!entry) throw new Error(`no entry ${index} in the tables`);
    return entry;
  }

  #literal(bits: number): readonly [string, string] {
    const index = this.#integer(bits);
    return [index === 0 ? this.#text() : this.#entry(index)[0], this.#text()];
  }

  #keep(field: readonly [string, string]): readonly [string, string] {
    this.#table.unshift(field);
    this.#resize(this.#most);
    return field;
  }

  #resize(most: number): void {
    this.#most = most;
    // RFC 7541 §4.1: "plus 32".
    const size = ([name, value]: readonly [string, string]): number => name.length + value.length + 32;
    let total = this.#table.reduce((sum, entry) => sum + size(entry), 0);
    for (let last = this.#table.at(-1); total > most && last; last = this.#table.at(-1)) {
      total -= size(last);
      this.#table.pop();
    }
  }

  #text(): string {
    const coded = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return coded ? huffman(bytes) : Buffer.from(bytes).toString('latin1');
  }

  #integer(bits: number): number {
    const most = (1 << bits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}
