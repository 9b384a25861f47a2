// certificates — a certificate authority for tests, and what it has signed.
// Used by peers.ts and by every test that speaks TLS; made once per run, on first use (elliptic curves: a few ms each).
// Invariant: nothing is written to disk, and nothing here is trusted but through `tls: { ca }`.

import { generate } from 'selfsigned';

export interface Pair {
  readonly key: string;
  readonly cert: string;
}

export interface Certificates {
  /** PEM of the authority: what a client trusts. */
  readonly ca: string;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly localhost: Pair;
  /** For wrong.example only. */
  readonly wrongHost: Pair;
  /** For localhost, until yesterday. */
  readonly expired: Pair;
  /** For localhost, from tomorrow on. */
  readonly future: Pair;
  /** For localhost by its name, and for no address. */
  readonly nameOnly: Pair;
  /** For 127.0.0.1 and ::1, and for no name. */
  readonly addressOnly: Pair;
  /** For localhost, signed by itself. */
  readonly selfSigned: Pair;
  /** Of a client that the authority knows. */
  readonly client: Pair;
}

const DAY = 86_400_000;
const EC = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
const HERE = [
  { type: 2 as const, value: 'localhost' },
  { type: 7 as const, ip: '127.0.0.1' },
  { type: 7 as const, ip: '::1' },
];

let made: Promise<Certificates> | undefined;

/** The certificates of this run. */
export function certificates(): Promise<Certificates> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificates> {
  const authority = await generate(named('gunport test CA'), {
    ...EC,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const ca = { key: authority.private, cert: authority.cert };
  const server = async (names: readonly (typeof HERE)[number][], more: object = { ca }): Promise<Pair> => {
    const extensions = [
      { name: 'extKeyUsage' as const, serverAuth: true, clientAuth: true },
      { name: 'subjectAltName' as const, altNames: [...names] },
    ];
    const [first] = names;
    const name = first && 'value' in first ? first.value : 'an address';
    const made = await generate(named(name), { ...EC, extensions, ...more });
    return { key: made.private, cert: made.cert };
  };
  const past = { notBeforeDate: new Date(Date.now() - 9 * DAY), notAfterDate: new Date(Date.now() - DAY) };
  const later = { notBeforeDate: new Date(Date.now() + DAY), notAfterDate: new Date(Date.now() + 9 * DAY) };
  return {
    ca: authority.cert,
    localhost: await server(HERE),
    wrongHost: await server([{ type: 2, value: 'wrong.example' }]),
    expired: await server(HERE, { ca, ...past }),
    future: await server(HERE, { ca, ...later }),
    nameOnly: await server(HERE.slice(0, 1)),
    addressOnly: await server(HERE.slice(1)),
    selfSigned: await server(HERE, {}),
    client: await server([{ type: 2, value: 'client.example' }]),
  };
}

function named(value: string): { name: string; value: string }[] {
  return [{ name: 'commonName', value }];
}
