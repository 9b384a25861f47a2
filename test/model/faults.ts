// faults — wrong turns that the code could have taken, each in one place: planted to show that the checks see them.
// Read by loader.ts, which plants one in the compiled code of every thread. Nothing in lib/ or workers/ knows of it.

/** One wrong turn. */
export interface Fault {
  /** Below dist/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** What it breaks. */
  readonly promise: string;
  /** The suite plants it each time; the others the soak. */
  readonly always?: true;
}

/** By what is done wrong. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'the taker opens the port before it has laid the backlog': {
    file: 'lib/queue.js',
    find: "for (const item of items)\n            this.#items.push('mark' in item ? item : held(item.parcel));",
    replace:
      "setImmediate(() => { for (const item of items) this.#items.push('mark' in item ? item : held(item.parcel)); });",
    promise: 'O2',
    always: true,
  },
  'the commit is posted twice': {
    file: 'lib/owner.js',
    find: 'handshake.postMessage(message, [port,',
    replace: 'handshake.postMessage(message, [port, ...memory]); handshake.postMessage(message, [port,',
    promise: 'O3',
    always: true,
  },
  'the streams are not sealed at the call': {
    file: 'lib/owned.js',
    find: 'this.roster.seal(true);',
    replace: '',
    promise: 'O2',
    always: true,
  },
  'the mailbox goes on listening while it gives': {
    file: 'lib/mailbox.js',
    find: "this.#port.off('message', this.#onMessage);",
    replace: '',
    promise: 'O3',
  },
  'a late adopt is honoured': {
    file: 'lib/owner.js',
    find: 'handshake.removeAllListeners();\n            handshake.close();',
    replace: '',
    promise: 'O3',
    always: true,
  },
  'a hand-over that has failed leaves the streams sealed': {
    file: 'lib/owned.js',
    find: 'this.roster.seal(false);',
    replace: '',
    promise: 'O3',
  },
  'what nobody was given stays with the giver': {
    file: 'lib/wsstream.js',
    find: 'untaken: untaken(this.#queue, memory),',
    replace: 'untaken: [],',
    promise: 'O2',
  },
  'a half-read parcel is given from its beginning': {
    file: 'lib/remainder.js',
    find: 'if (next === 0) {',
    replace: 'if (next >= 0) {',
    promise: 'O1',
  },
  'a parked reader is left behind by a hand-over': {
    file: 'lib/wsstream.js',
    find: 'this.#queue.abandon(error);',
    replace: '',
    promise: 'S1',
  },
  'credit begins anew with each owner': {
    file: 'lib/owned.js',
    find: 'this.#mailbox.restore(one.stream, one.acked);',
    replace: '',
    promise: 'F1',
    always: true,
  },
  'the outbox does not count what is under way': {
    file: 'workers/outbox.js',
    find: 'const IN_FLIGHT = { parcels: 8,',
    replace: 'const IN_FLIGHT = { parcels: 12,',
    promise: 'F1',
  },
  'a parcel overtakes what is held': {
    file: 'workers/outbox.js',
    find: 'this.#held.length === 0 ? this.#deliver(notice) : notice',
    replace: 'this.#deliver(notice)',
    promise: 'O1',
  },
  'the end overtakes what is held before it': {
    file: 'workers/streams.js',
    find: "outbox.ordered({ type: 'closed', ...told });",
    replace: "outbox.reply({ type: 'closed', ...told });",
    promise: 'S2',
    always: true,
  },
  'an old owner goes on watching': {
    file: 'lib/owned.js',
    find: 'this.monitors.ownershipEnded();',
    replace: '',
    promise: 'O6',
  },
  'a new owner does not watch': {
    file: 'lib/owned.js',
    find: 'watch(this.#state.id, this.#state.host, this.#watcher);\n        this.#mailbox.attach();',
    replace: 'this.#mailbox.attach();',
    promise: 'O6',
  },
  'a Down that is queued comes in spite of a flush': {
    file: 'lib/monitor.js',
    find: 'entry.queued = undefined;',
    replace: '',
    promise: 'M2',
  },
  'the death of an owner is not heard': {
    file: 'workers/process.js',
    find: "port.on('close', () => this.guard(() => this.#ownerGone()));",
    replace: '',
    promise: 'O8',
    always: true,
  },
  'a thread that dies takes what it had posted along': {
    file: 'lib/owned.js',
    find: 'if (this.#mailbox.closed)',
    replace: 'if (!this.hold.isGiven)',
    promise: 'M2',
  },
  'a wait that has timed out is given the next message': {
    file: 'lib/queue.js',
    find: 'return () => this.leave(waiter);',
    replace: 'return () => {};',
    promise: 'S3',
  },
};
