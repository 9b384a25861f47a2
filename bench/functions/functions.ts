// functions — what one message costs in each of the hot functions, by tinybench: `npm run bench -- --functions`.
// It looks behind the public face, as all of this folder do: it calls what the fast path calls, a slab at a time.
// A figure is the median of a call, divided by the messages in it; bytes are in cache, no thread and no socket is
// involved, so these are floors: run.ts tells what is left of them.

import { isAscii, isUtf8 } from 'node:buffer';
import { Bench, type Task } from 'tinybench';
import { Batch } from '../../lib/batch.ts';
import { BIT, WORD_BYTES } from '../../lib/events/eventwire.ts';
import { Layout } from '../../lib/layout.ts';
import { type Cursor, maskImage, readHeader, walk, writeHeader } from '../../lib/protocol/frames.ts';
import { type Parcel, TEXT_BIT } from '../../lib/wire.ts';
import { Inflater } from '../../workers/deflate.ts';
import { EventDesk, Probe } from '../../workers/probes/probe.ts';
import { SLAB } from '../../workers/slabs.ts';
import { buildBlock, PAYLOADS, type PayloadName } from '../feeds/payloads.ts';
import { type Case, httpCases } from './http.ts';
import { partCases } from './parts.ts';
import { smallCases } from './small.ts';

const TIME = 300;
/** Messages of one call where no slab says otherwise. */
const SENT = 1_000;

/** Runs all and prints a line for each. */
export async function benchFunctions(): Promise<void> {
  const binary = await slabOf('64B');
  const text = await slabOf('150B');
  const cases = [
    ...receiving('64 B binary', binary),
    ...receiving('150 B text', text),
    await inflating(),
    ...telling(),
    ...reading(binary.parcel, text.parcel),
    ...sending(),
    ...smallCases(),
    ...httpCases(),
    ...partCases(),
  ];
  const bench = new Bench({ time: TIME, iterations: 16, throws: true });
  for (const { name, call, prepare } of cases) {
    bench.add(name, call, prepare ? { beforeEach: prepare } : {});
  }
  const width = Math.max(...cases.map(({ name }) => name.length));
  console.log(`${'function'.padEnd(width)}    ns/msg p50         p75`);
  bench.addEventListener('cycle', ({ task }) => {
    const done = cases.find(({ name }) => name === task?.name);
    if (task && done) console.log(`${done.name.padEnd(width)}${line(task, done.messages)}`);
  });
  await bench.run();
}

function line({ result }: Task, messages: number): string {
  if (!('latency' in result)) return `  ${result.state}`;
  const perMessage = (ms: number): string => ((ms * 1e6) / messages).toFixed(1);
  const { p50, p75 } = result.latency;
  return `${perMessage(p50).padStart(12)}${perMessage(p75).padStart(12)}`;
}

// ── in the worker ───────────────────────────────────────────────────────────────────────────────────────────

interface Slab {
  /** As read from the socket. */
  readonly wire: Uint8Array;
  /** As walked: what the owner gets. */
  readonly parcel: Parcel;
}

async function slabOf(name: PayloadName): Promise<Slab> {
  const { bytes } = await buildBlock(PAYLOADS[name]);
  const wire = Uint8Array.from(bytes.subarray(0, SLAB));
  const slab = Uint8Array.from(wire);
  const index = new Int32Array(SLAB / 16);
  const cursor = fresh();
  walk(slab, slab.length, cursor, index, { base: 0, maxPayload: SLAB });
  const { count } = cursor;
  const payload = PAYLOADS[name].size * count;
  return {
    wire,
    parcel: {
      type: 'parcel',
      stream: 1,
      seq: 1,
      slab,
      index,
      count,
      texts: (index[1] ?? 0) < 0,
      ascii: true,
      bytes: payload,
    },
  };
}

function fresh(): Cursor {
  return { at: 0, count: 0, kinds: 0, bytes: 0, needed: 0 };
}

function receiving(what: string, { wire, parcel }: Slab): Case[] {
  const slab = new Uint8Array(wire.length);
  const index = new Int32Array(SLAB / 16);
  const limits = { base: 0, maxPayload: SLAB };
  const messages = parcel.count;
  const walking: Case = {
    name: `walk, ${what}`,
    messages,
    // The walk zeroes headers.
    prepare: () => slab.set(wire),
    call: () => walk(slab, slab.length, fresh(), index, limits),
  };
  if ((parcel.index[1] ?? 0) >= 0) return [walking];
  return [
    walking,
    { name: `isAscii of a parcel, ${what}`, messages, call: () => isAscii(parcel.slab) },
    { name: `isUtf8 of a parcel, ${what}`, messages, call: () => isUtf8(parcel.slab) },
    {
      name: `readHeader, ${what}`,
      messages,
      call: () => {
        for (let i = 0; i < messages; i++) readHeader(wire, i * 154, wire.length);
      },
    },
  ];
}

/** All of the block, since each message needs the ones before it. */
async function inflating(): Promise<Case> {
  const { bytes: block, messages } = await buildBlock(PAYLOADS.deflate);
  const bytes = Uint8Array.from(block);
  const agreed = { serverNoContextTakeover: false, clientNoContextTakeover: false };
  const inflater = new Inflater({ ...agreed, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }, SLAB);
  const call = (): void => {
    for (let at = 0; at < bytes.length; ) {
      const header = readHeader(bytes, at, bytes.length);
      if (!header) throw new Error('the block ends within a frame');
      at = header.start + header.length;
      const inflated = inflater.inflate(bytes, header.start, at);
      if (inflated instanceof Error) throw inflated;
    }
  };
  return { name: 'Inflater.inflate, 150 B text', messages, call };
}

/** What an event costs its thread: while nobody listens, and when somebody does. */
function telling(): Case[] {
  const probeOf = (bits: number): { probe: Probe; desk: EventDesk } => {
    const listens = new SharedArrayBuffer(WORD_BYTES);
    new Int32Array(listens)[0] = bits;
    const desk: EventDesk = new EventDesk(listens, ({ weight }) => desk.read(weight));
    return { probe: new Probe(desk, '0.1'), desk };
  };
  const name = 'gunport:protocol-changed';
  return [0, BIT[name]].map((bits) => {
    const { probe, desk } = probeOf(bits);
    return {
      name: `Probe.tell, ${bits === 0 ? 'nobody listens' : 'somebody listens'}`,
      messages: SENT,
      call: () => {
        for (let i = 0; i < SENT; i++) if (probe.wants(BIT[name])) probe.tell(name, { protocol: 'http' });
        desk.flush();
      },
    };
  });
}

// ── at the owner ────────────────────────────────────────────────────────────────────────────────────────────

function reading(binary: Parcel, text: Parcel): Case[] {
  const each = (
    name: string,
    parcel: Parcel,
    take: (batch: Batch, i: number) => { length: number } | number,
  ): Case => ({
    name,
    messages: parcel.count,
    call: () => {
      const batch = new Batch(parcel);
      let last: unknown;
      for (let i = 0; i < batch.length; i++) last = take(batch, i);
      return last;
    },
  });
  const nodes = Buffer.from(text.slab.buffer);
  return [
    each('Batch.byteLength', binary, (batch, i) => batch.byteLength(i)),
    each('Batch.bytes, 64 B', binary, (batch, i) => batch.bytes(i)),
    each('Batch.get, 64 B', binary, (batch, i) => batch.get(i)),
    each('Batch.text, 150 B, parcel told as ASCII', text, (batch, i) => batch.text(i)),
    each('Batch.text, 150 B, parcel not told as ASCII', { ...text, ascii: false }, (batch, i) =>
      batch.text(i),
    ),
    each('Batch.get, 150 B text', text, (batch, i) => batch.get(i)),
    {
      name: 'Batch iterator, 64 B',
      messages: binary.count,
      call: () => {
        let last: unknown;
        for (const message of new Batch(binary)) last = message;
        return last;
      },
    },
    each('for comparison: Buffer.subarray, 64 B', text, (_, i) => nodes.subarray(i * 66, i * 66 + 64)),
    each('for comparison: Buffer.toString, 150 B', text, (_, i) => {
      const start = (text.index[2 * i] ?? 0) & ~TEXT_BIT;
      return nodes.toString('utf8', start, start + 150);
    }),
  ];
}

// ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────

function sending(): Case[] {
  const bytes = new Uint8Array(64).fill(7);
  const short = 'x'.repeat(32);
  const long = 'x'.repeat(150);
  const memory = new Uint8Array(SENT * 80);
  const image = laidOut((layout) => layout.binary(bytes));
  let key = 0x12345678;
  const laying = (name: string, lay: (layout: Layout) => void): Case => ({
    name,
    messages: SENT,
    call: () => laidOut(lay),
  });
  return [
    laying('Layout.binary, 64 B', (layout) => layout.binary(bytes)),
    laying('Layout.text, 32 B', (layout) => layout.text(short)),
    laying('Layout.text, 150 B', (layout) => layout.text(long)),
    {
      name: 'writeHeader, 64 B',
      messages: SENT,
      call: () => {
        for (let i = 0; i < SENT; i++) writeHeader(memory, i * 70, 0x82, 64);
      },
    },
    {
      name: 'maskImage, 64 B',
      messages: SENT,
      call: () =>
        maskImage(image, () => {
          key = Math.imul(key, 0x9e3779b1);
          return key;
        }),
    },
  ];
}

/** A tick's worth of messages, taken as the stream does. */
function laidOut(lay: (layout: Layout) => void): Uint8Array {
  const layout = new Layout();
  for (let i = 0; i < SENT; i++) lay(layout);
  return layout.take().image;
}
