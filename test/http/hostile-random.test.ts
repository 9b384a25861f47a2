import { expect } from 'chai';
import { chance } from '../support/chance.ts';
import { hostilities } from '../support/hostile.ts';
import { HOSTILE_ANSWERS } from '../support/hostile-answers.ts';
import { origin } from '../support/origin.ts';

const ROUNDS = 150;
const GOOD = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nHello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nHello',
  'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
];
const PARTS = [
  '\r\n',
  '\0',
  '\n',
  '\r',
  ':',
  ' ',
  '0\r\n\r\n',
  '\xff',
  'HTTP/1.1 200 OK\r\n',
  'content-length: 3\r\n',
];
const CORPUS = [
  ...GOOD,
  ...HOSTILE_ANSWERS.map(({ bytes }) => bytes).filter((bytes) => bytes.length < 1_000),
];

/** An answer with a few bytes gone, doubled or put in. */
function mutated(roll: (below: number) => number): string {
  const one = <T>(list: readonly T[]): T => list[roll(list.length)] as T; // It is not empty.
  let bytes = one(CORPUS);
  for (let times = roll(4); times > 0; times--) {
    const from = roll(bytes.length + 1);
    const to = from + roll(12);
    const what = roll(5);
    if (what === 0) bytes = bytes.slice(0, from) + bytes.slice(to);
    else if (what === 1) bytes = bytes.slice(0, to) + bytes.slice(from);
    else if (what === 2) bytes = bytes.slice(0, from) + one(PARTS) + bytes.slice(from);
    else if (what === 3)
      bytes = bytes.slice(0, from) + String.fromCharCode(roll(256)) + bytes.slice(from + 1);
    else bytes += one(CORPUS);
  }
  return bytes;
}

describe('answers of HTTP/1 with bytes gone, doubled and put in', () => {
  const { open, keep } = hostilities();
  const seed = Number(process.env['GUNPORT_SEED'] ?? Date.now() % 1_000_000);

  it(`settle every request, and cost one connection each at most (GUNPORT_SEED=${seed})`, async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        const roll = chance(seed + talk.number);
        const bytes = mutated(roll);
        for (let at = 0; at < bytes.length; ) {
          const step = 1 + roll(roll(2) === 0 ? 8 : bytes.length);
          await talk.write(bytes.slice(at, at + step));
          at += step;
        }
        if (roll(3) === 0) talk.reset();
        else talk.end();
      }),
    );
    const connection = open(server.url, { retry: ROUNDS * 4, retryTimeout: 1 });
    for (let round = 0; round < ROUNDS; round++) {
      const streams = Array.from({ length: 1 + (round % 3) }, () => connection.get('/'));
      for (const stream of streams) {
        const error = await stream.body().then(
          () => undefined,
          (error: unknown) => error,
        );
        if (error)
          expect(error)
            .to.have.property('code')
            .that.matches(/^ERR_GUNPORT_(PROTOCOL|CLOSED|CLOSING)$/);
      }
    }
    expect(connection.status).to.not.equal('dead');
    expect(server.taken).to.be.at.most(ROUNDS * 3 + 1);
  }).timeout(20_000);
});
