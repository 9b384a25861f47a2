// faults — what a wrong client may do wrong: each switches off one rule of the raw client.
// Used by kit.test.ts, which has every one of them caught, and by `run.js --client <fault>`.
// Invariant: one rule each; without a fault the raw client follows them all.

/** How a fault is caught. */
export interface Fault {
  readonly title: string;
  /** A case that catches it, for this reason. Its family is where the rule belongs. */
  readonly by: string;
  readonly says: string;
  /** It does not do what it must: the server waits for it in vain. */
  readonly waits?: true;
  /** Where the standard does not demand it. Default FAILED. */
  readonly grade?: 'NON-STRICT';
}

export type FaultName =
  | 'no-mask'
  | 'one-key'
  | 'long-lengths'
  | 'drops-empty'
  | 'repeats'
  | 'truncates'
  | 'swaps-kinds'
  | 'old-version'
  | 'sets-rsv'
  | 'wrong-pong'
  | 'no-pong'
  | 'answers-pongs'
  | 'takes-large-control'
  | 'takes-rsv'
  | 'wrong-code'
  | 'takes-opcodes'
  | 'takes-fragmented-control'
  | 'takes-continuation'
  | 'takes-nested'
  | 'ends-early'
  | 'loses-last'
  | 'reorders'
  | 'no-utf8'
  | 'late-utf8'
  | 'whole-fragments'
  | 'takes-surrogates'
  | 'speaks-after-close'
  | 'answers-any-code'
  | 'answers-1000'
  | 'no-close'
  | 'half-code'
  | 'takes-reasons'
  | 'stays-connected'
  | 'hears-after-close'
  | 'unbounded'
  | 'bounded-frames'
  | 'keeps-context'
  | 'forgets-context'
  | 'wide-window'
  | 'inflates-any'
  | 'rsv1-anywhere'
  | 'takes-accept'
  | 'takes-head'
  | 'takes-status'
  | 'takes-subprotocol'
  | 'takes-extension'
  | 'takes-parameters'
  | 'drops-rest'
  | 'takes-masked'
  | 'takes-long-lengths'
  | 'takes-top-bit';

export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  'no-mask': { title: 'does not mask', by: '1.1.2', says: 'is not masked' },
  'one-key': { title: 'masks all with one key', by: '1.1.1', says: 'with one key' },
  'long-lengths': {
    title: 'writes lengths in more bytes than needed',
    by: '1.1.2',
    says: 'in more bytes than needed',
  },
  'drops-empty': { title: 'drops messages without content', by: '1.1.1', says: 'echoed 0 of 1', waits: true },
  repeats: { title: 'echoes everything twice', by: '1.1.2', says: 'more than was sent' },
  truncates: { title: 'cuts messages off at 65535 bytes', by: '1.1.7', says: '(65535 bytes), instead of' },
  'swaps-kinds': { title: 'echoes texts as binaries', by: '1.1.2', says: 'is binary' },
  'old-version': { title: 'asks for version 8', by: '1.1.1', says: 'the version is not 13' },
  'sets-rsv': { title: 'sets RSV2 in what it sends', by: '1.1.2', says: 'set reserved bits 2' },
  'wrong-pong': { title: 'answers pings with another payload', by: '2.2', says: 'answers no ping' },
  'no-pong': { title: 'answers no pings', by: '2.2', says: 'left the last ping unanswered', waits: true },
  'answers-pongs': { title: 'answers pongs', by: '2.8', says: 'answers no ping' },
  'takes-large-control': {
    title: 'takes control frames above 125 bytes',
    by: '2.5',
    says: 'a control frame of 126 bytes',
  },
  'takes-rsv': { title: 'takes reserved bits', by: '3.1', says: 'more than was sent' },
  'wrong-code': { title: 'fails with 1000', by: '3.1', says: 'took it for a normal end' },
  'takes-opcodes': { title: 'takes reserved opcodes', by: '4.1.1.c', says: 'more than was sent' },
  'takes-fragmented-control': {
    title: 'takes control frames in fragments',
    by: '5.1',
    says: 'answers no ping',
  },
  'takes-continuation': { title: 'takes a continuation of nothing', by: '5.9', says: 'more than was sent' },
  'takes-nested': { title: 'takes a message within a message', by: '5.18', says: 'more than was sent' },
  'ends-early': {
    title: 'takes the first fragment for all of a message',
    by: '5.3',
    says: '(9 bytes), instead of',
  },
  'loses-last': {
    title: 'does not see a last fragment without payload',
    by: '5.29',
    says: 'echoed 0 of 1',
    waits: true,
  },
  reorders: {
    title: 'echoes what comes together backwards',
    by: '5.32',
    says: 'instead of text "message 0"',
  },
  'no-utf8': {
    title: 'does not look whether texts are UTF-8',
    by: '6.3.1',
    says: 'a text that is not UTF-8',
  },
  'late-utf8': {
    title: 'looks only at the end of a text',
    by: '6.4.1',
    says: 'only when the whole was there',
    grade: 'NON-STRICT',
  },
  'whole-fragments': {
    title: 'takes no character that is cut by a fragment',
    by: '6.2.4',
    says: 'echoed 0 of 1',
  },
  'takes-surrogates': { title: 'takes surrogates in texts', by: '6.20.1', says: 'a text that is not UTF-8' },
  'speaks-after-close': {
    title: 'sends a frame after its Close',
    by: '7.1.1',
    says: 'after its Close frame',
  },
  'answers-any-code': { title: 'answers any code with the same', by: '7.9.6', says: 'closed with code 1005' },
  'answers-1000': {
    title: 'answers every code with 1000',
    by: '7.7.2',
    says: 'answered Close 1001 with 1000',
  },
  'no-close': { title: 'does not answer a Close', by: '7.1.2', says: 'its Close frame', waits: true },
  'half-code': { title: 'takes a Close with half a code', by: '7.3.2', says: 'took it for a normal end' },
  'takes-reasons': {
    title: 'takes reasons that are no UTF-8',
    by: '7.5.1',
    says: 'took it for a normal end',
  },
  'stays-connected': { title: 'does not end TCP', by: '7.3.3', says: 'the end of TCP', waits: true },
  'hears-after-close': {
    title: 'echoes what comes behind a Close',
    by: '7.1.4',
    says: 'after its Close frame',
  },
  unbounded: { title: 'takes messages of any size', by: '9.9.2', says: 'more than was sent' },
  'bounded-frames': { title: 'bounds frames, but not messages', by: '9.9.5', says: 'more than was sent' },
  'keeps-context': {
    title: 'keeps its context, whatever was agreed on',
    by: '13.1.3',
    says: 'cannot be inflated',
  },
  'forgets-context': { title: "forgets the server's context", by: '13.1.1', says: 'echoed 1 of 9' },
  'wide-window': {
    title: 'compresses with 15 bits, whatever was agreed on',
    by: '13.3.9.1',
    says: 'cannot be inflated',
  },
  'inflates-any': { title: 'inflates to any size', by: '13.9.2', says: 'more than was sent' },
  'rsv1-anywhere': { title: 'takes RSV1 on continuations', by: '13.6.12', says: 'more than was sent' },
  'takes-accept': { title: 'takes any Sec-WebSocket-Accept', by: '14.4.2', says: 'took a wrong answer' },
  'takes-head': { title: 'needs no Upgrade and no Connection', by: '14.2.1', says: 'took a wrong answer' },
  'takes-status': { title: 'takes any status', by: '14.1.1', says: 'took a wrong answer' },
  'takes-subprotocol': { title: 'takes any subprotocol', by: '14.5.2', says: 'took a wrong answer' },
  'takes-extension': { title: 'takes any extension', by: '14.6.1', says: 'took a wrong answer' },
  'takes-parameters': {
    title: 'takes any parameters of permessage-deflate',
    by: '14.7.4',
    says: 'set reserved bits 4',
  },
  'drops-rest': {
    title: 'drops what comes right behind the answer',
    by: '14.10.1',
    says: 'echoed 0 of 1',
    waits: true,
  },
  'takes-masked': { title: 'takes masked frames', by: '15.2.1', says: 'more than was sent' },
  'takes-long-lengths': {
    title: 'takes lengths in more bytes than needed',
    by: '15.1.2',
    says: 'more than was sent',
  },
  'takes-top-bit': {
    title: 'waits for a frame of 2^63 bytes',
    by: '15.3.1',
    says: 'its failure',
    waits: true,
  },
};

/** Whether a rule is followed. */
export type Has = (fault: FaultName) => boolean;

export function isFault(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}
