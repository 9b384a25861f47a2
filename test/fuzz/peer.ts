// peer — a fuzzed peer: a server that speaks the conversation of its plan on every connection, and spoils one piece of it.
// Started by fuzz.ts, for one client each.
// Invariant: whatever its client does, close() leaves nothing; a fault of its own script is told by close().

import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { certificates } from '../support/certificates.ts';
import { chance } from '../support/chance.ts';
import { ClientLeft, type Talk, talkOver } from '../support/origin.ts';
import { type Peer, peer } from '../support/peers.ts';
import { http1, type Speaking } from './conversations/http1.ts';
import { http2 } from './conversations/http2.ts';
import { connect, raw, socks } from './conversations/roads.ts';
import { Mouth, type Piece } from './mouth.ts';
import type { Plan } from './plan.ts';
import type { Spoken } from './stages.ts';

type Conversation = (talk: Talk, speaking: Speaking) => AsyncGenerator<Piece, void>;

const CONVERSATIONS: Readonly<Record<Exclude<Spoken, 'tls'>, Conversation>> = {
  ...{ http1, ws: http1, sse: http1, http2, ws2: http2, connect2: http2, socks, connect, raw },
};

export interface FuzzedPeer extends Peer {
  /** The piece that the plan is about was come by. */
  readonly hit: boolean;
}

export async function fuzzedPeer(plan: Plan): Promise<FuzzedPeer> {
  const mouths: Mouth[] = [];
  const { localhost } = await certificates();
  let failure: unknown;
  const served = await peer(
    async (socket) => {
      const talk = talkOver(socket, mouths.length + 1);
      const mouth = new Mouth(socket, plan, () => talk.reset());
      mouths.push(mouth);
      try {
        if (plan.spoken === 'tls') await below(talk, mouth, plan, localhost);
        else await speak(talk, mouth, CONVERSATIONS[plan.spoken], plan);
      } catch (error) {
        // One that did not understand its client may be a fault of the client's: it is told.
        if (!(error instanceof ClientLeft)) failure ??= error;
      }
    },
    { secure: plan.secure && { ...localhost, ALPNProtocols: alpnOf(plan.spoken) } },
  );
  const close = async (): Promise<void> => {
    await served.close();
    if (failure !== undefined) throw failure;
  };
  const more = {
    get hit() {
      return mouths.some(({ hit }) => hit);
    },
    close,
  };
  // `taken`, `open` and `hit` are getters.
  return Object.defineProperties({} as FuzzedPeer, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** What it takes by ALPN. */
function alpnOf(spoken: Spoken): string[] {
  if (spoken === 'http2' || spoken === 'ws2') return ['h2'];
  return spoken === 'raw' ? [] : ['http/1.1'];
}

async function speak(talk: Talk, mouth: Mouth, conversation: Conversation, plan: Plan): Promise<void> {
  const roll = chance(plan.peerSeed ^ 0x5bd1e995);
  for await (const piece of conversation(talk, { aim: plan.stage, roll })) {
    if (!(await mouth.say(piece))) return;
  }
}

/** TLS by hand: what is said in it is right, and its records are the pieces. */
async function below(talk: Talk, mouth: Mouth, plan: Plan, pair: tls.TlsOptions): Promise<void> {
  const http = plan.clientSeed % 2 === 0;
  let records = 0;
  let secured = false;
  if (!(await mouth.say(['before anything', '']))) return;
  const stageOf = (record: Buffer): Piece[] => {
    records++;
    if (records === 1) return [['in the hello', record]];
    if (!secured) return [['in the flight', record]];
    return [
      ['in a record header', record.subarray(0, 5)],
      ['in a record', record.subarray(5)],
    ];
  };
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      const write = async (): Promise<void> => {
        for (let at = 0; at < chunk.length; ) {
          const end = at + 5 + chunk.readUInt16BE(at + 3);
          for (const piece of stageOf(chunk.subarray(at, end))) if (!(await mouth.say(piece))) return;
          at = end;
        }
      };
      write().then(() => done(), done);
    },
    final: (done) => {
      if (!mouth.over) talk.end();
      done();
    },
  });
  talk.socket.on('data', (chunk: Buffer) => wire.push(chunk));
  talk.socket.on('end', () => wire.push(null)).on('close', () => wire.destroy());
  const secure = new tls.TLSSocket(wire, {
    ...{ isServer: true, secureContext: tls.createSecureContext(pair) },
    ALPNProtocols: [http ? 'http/1.1' : 'h2'],
  });
  secure.on('error', () => {}); // What its client says to spoilt bytes.
  secure.on('secure', () => {
    secured = true;
    void mouth.say(['behind the handshake', '']);
  });
  const inner = talkOver(secure as never, talk.number); // It is a Socket in all that a talk asks of it.
  const roll = chance(plan.peerSeed ^ 0x5bd1e995);
  for await (const [, bytes] of (http ? http1 : http2)(inner, { aim: '', roll })) {
    if (bytes.length > 0) await inner.write(bytes as string);
  }
}
