import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { expect } from 'chai';
import { Mailbox } from '../lib/mailbox.ts';
import { unpackCast } from '../lib/smallwire.ts';
import type { Cast } from '../lib/wire.ts';

const KiB = 1024;

/** A mailbox, and what its process is posted. */
function setUp(): { readonly mailbox: Mailbox; readonly port: MessagePort; posted(): Cast[] } {
  const { port1, port2 } = new MessageChannel();
  const mailbox = new Mailbox(port1, { notice() {}, closed() {} });
  mailbox.attach();
  const posted = (): Cast[] => {
    const casts: Cast[] = [];
    for (let last = receiveMessageOnPort(port2); last; last = receiveMessageOnPort(port2)) {
      casts.push(unpackCast(last.message));
    }
    return casts;
  };
  return { mailbox, port: port2, posted };
}

function sent(): Cast & { type: 'send' } {
  return { type: 'send', stream: 1, image: new Uint8Array(8), messages: 1, unhurried: true };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('a mailbox acknowledges', () => {
  let made: ReturnType<typeof setUp>;
  beforeEach(() => {
    made = setUp();
  });
  afterEach(() => made.port.close());

  it('large parcels in the next turn, all in one cast (F1)', async () => {
    made.mailbox.parcelRead(1, undefined, 64 * KiB);
    made.mailbox.parcelRead(1);
    expect(made.posted()).to.deep.equal([]);
    await turn();
    expect(made.posted()).to.deep.equal([{ type: 'ack', read: [1, 2] }]);
  });

  it('few small parcels late', async () => {
    made.mailbox.parcelRead(1, undefined, 100);
    made.mailbox.parcelRead(2, undefined, 100);
    await turn();
    expect(made.posted()).to.deep.equal([]);
    await delay(20);
    expect(made.posted()).to.deep.equal([{ type: 'ack', read: [1, 1, 2, 1] }]);
  });

  it('more of them in the next turn (F1)', async () => {
    for (let i = 0; i < 3; i++) made.mailbox.parcelRead(1, undefined, 100);
    await turn();
    expect(made.posted()).to.deep.equal([{ type: 'ack', read: [1, 3] }]);
  });

  it('with what is sent, in one post', async () => {
    made.mailbox.parcelRead(1, undefined, 100);
    made.mailbox.post(sent());
    made.mailbox.post(sent());
    const [first, second] = made.posted();
    expect(first).to.deep.include({ type: 'send', read: [1, 1] });
    expect(second).to.deep.include({ type: 'send', read: undefined });
    await delay(20);
    expect(made.posted()).to.deep.equal([]);
  });

  it('before it is moved to another owner (O1)', () => {
    made.mailbox.parcelRead(1, undefined, 100);
    made.mailbox.flushAcks();
    made.mailbox.detach();
    expect(made.posted()).to.deep.equal([{ type: 'ack', read: [1, 1] }]);
  });
});
