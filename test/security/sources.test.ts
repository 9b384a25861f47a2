// What stands in the sources of lib/ and workers/, and what must not: chance, memory that is not filled, code made of text.
// A place that is new here fails: it is to be looked at, and then to be written down.
// Source: RFC 6455 §5.3 and §10.3; ws 2016 and 2026 (uninitialised memory); node-threads facts 5.6.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Outlet } from '../../lib/handling/outlet.ts';
import { Layout } from '../../lib/layout.ts';
import { maskImage } from '../../lib/protocol/frames.ts';
import { Outgoing } from '../../workers/http1/sending.ts';

// The sources: what runs is compiled, three folders below.
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const sources = ['lib', 'workers'].flatMap((wing) =>
  readdirSync(join(ROOT, wing), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.c?ts$/.test(name))
    .map((name) => [`${wing}/${name}`, readFileSync(join(ROOT, wing, name), 'utf8')] as const),
);

/** The files in which it is written, but for comments. */
function filesWith(pattern: RegExp): string[] {
  const isCode = (line: string): boolean => !/^\s*(?:\/\/|\/?\*)/.test(line);
  const found = sources.filter(([, source]) =>
    source.split('\n').some((line) => isCode(line) && pattern.test(line)),
  );
  return found.map(([file]) => file).sort();
}

describe('in the sources', () => {
  it('Math.random is for delays, and for names that nobody has to guess', () => {
    expect(filesWith(/Math\.random/)).to.deep.equal([
      'lib/authority/authority.ts', // how long until the next attempt
      'lib/calls.ts', // ids of calls
      'lib/client/lines.ts', // how long until the next attempt
      'lib/pings.ts', // ids of pings
      'lib/sse.ts', // how long until the next request
      'workers/http2/pings.ts', // ids of pings
      'workers/process.ts', // how long until the next attempt
    ]);
  });

  it('what masks, and what a handshake is recognized by, is of node:crypto (RFC 6455 §5.3, §10.3)', () => {
    expect(filesWith(/randomFillSync\(/))
      .to.include('workers/http1/upgrade.ts')
      .and.include('workers/upgrade.ts');
    const masking = sources.filter(
      ([file, source]) => file.startsWith('workers/') && /maskImage\(/.test(source),
    );
    expect(masking).not.to.deep.equal([]);
    for (const [file, source] of masking) expect(source, file).to.match(/randomFillSync\(words\)/);
  });

  it('memory that is not filled is asked for in four places', () => {
    expect(filesWith(/allocUnsafe|new Buffer\(/)).to.deep.equal([
      'lib/handling/outlet.ts',
      'lib/layout.ts',
      'workers/http1/sending.ts',
      'workers/slabs.ts',
    ]);
  });

  it('no code is made of text, and no program is run', () => {
    expect(
      filesWith(/\beval\(|new Function\(|node:vm|child_process|\bexec(?:File|Sync)?\(['"`]/),
    ).to.deep.equal([]);
  });

  it('a module of the user is loaded in one place, by the URL that the user gave', () => {
    const dynamic = /\bawait import\((?!['"])/;
    expect(filesWith(dynamic)).to.deep.equal(['lib/modules.ts']);
  });

  it('no redirect is followed, and no content is decoded', () => {
    expect(
      filesWith(/createGunzip|createBrotli|createInflate\b|gunzip|brotliDecompress|content-encoding/i),
    ).to.deep.equal([]);
    expect(filesWith(/['"`]location['"`]|\.location\b/)).to.deep.equal([]);
  });
});

describe('memory that is not filled', () => {
  /** The same work, in memory that holds this. */
  function within<T>(rest: number, work: () => T): T {
    const { allocUnsafe, allocUnsafeSlow } = Buffer;
    const filled = (size: number): Buffer => Buffer.alloc(size, rest);
    Object.assign(Buffer, { allocUnsafe: filled, allocUnsafeSlow: filled });
    try {
      return work();
    } finally {
      Object.assign(Buffer, { allocUnsafe, allocUnsafeSlow });
    }
  }

  /** What leaves is the same, whatever was there. */
  function isFilled(work: () => Uint8Array): void {
    const [first, second] = [0x00, 0xee].map((rest) => Buffer.from(within(rest, work)).toString('hex'));
    expect(first).to.equal(second);
    expect(first?.length).to.be.above(0);
  }

  const texts = [
    '',
    'a',
    'é',
    'x'.repeat(39),
    '\u{1f600}'.repeat(50),
    '\ud800',
    'é'.repeat(200),
    'a'.repeat(70_000),
  ];

  it('is filled with messages that go out as frames', () => {
    for (const copied of [false, true]) {
      isFilled(() => {
        const layout = new Layout();
        for (const text of texts) {
          layout.text(text);
          layout.binary(Buffer.from(text));
        }
        const { image } = copied ? layout.copy() : layout.take();
        maskImage(image, () => 0x01020304);
        return image;
      });
    }
  });

  it('is filled with what a handler gives', () => {
    isFilled(() => {
      const slabs: Uint8Array[] = [];
      const outlet = new Outlet(({ slab }) => void slabs.push(slab));
      for (const text of texts) {
        outlet.add(text);
        outlet.add(Buffer.from(text));
        outlet.add({ text });
        outlet.add(new Map([[text, text]]));
      }
      outlet.ship();
      return Buffer.concat(slabs);
    });
  });

  it('is filled with requests of HTTP/1 that go out in one write', () => {
    isFilled(() => {
      const written: Uint8Array[] = [];
      const transport = { write: (bytes: Uint8Array) => void written.push(bytes) };
      const out = new Outgoing(transport as never, { bytesSent: 0 } as never);
      for (const text of ['a', 'é', '\u00ff\u0100', 'x'.repeat(999)]) {
        out.text(`POST /${text} HTTP/1.1\r\n\r\n`);
        out.body(Buffer.from(text), { left: () => {} } as never);
      }
      out.flush();
      return Buffer.concat(written);
    });
  });
});
