// judge — the verdict on what a client did in one case, with its reason.
// Called for every case by play.ts; pure.
// Invariant: a rule of the standard that was broken is FAILED in whatever case it shows; what the standard only
// recommends is NON-STRICT at worst.
// Source: the verdicts of the Autobahn test suite; RFC 6455 §7.1.1 (the server ends TCP first), §7.1.7 (failing: "SHOULD
// send a Close frame with an appropriate status code").

import type { Case, Message } from './case.ts';
import type { Transcript } from './server.ts';

export type Grade = 'OK' | 'NON-STRICT' | 'INFORMATIONAL' | 'FAILED';

export interface Verdict {
  readonly id: string;
  readonly grade: Grade;
  /** Why it is not OK; else ''. */
  readonly reason: string;
}

/** What a client says of a case itself. */
export interface Outcome {
  /** It took the handshake for done. */
  readonly opened: boolean;
  /** What it ended with, for people. */
  readonly end: string;
}

export function judge(one: Case, transcript: Transcript, outcome: Outcome): Verdict {
  const { id } = one;
  const failure = failureOf(one, transcript, outcome);
  const remark = failure ?? remarkOf(one, transcript);
  if (remark === undefined) return { id, grade: 'OK', reason: '' };
  const grade = failure === undefined ? 'NON-STRICT' : one.informational ? 'INFORMATIONAL' : 'FAILED';
  const reason = grade === 'NON-STRICT' ? remark : `${remark} (the client says: ${outcome.end})`;
  return { id, grade, reason };
}

/** What must not be. */
function failureOf(one: Case, transcript: Transcript, outcome: Outcome): string | undefined {
  const { faults, heard, vain } = transcript;
  const { expected } = one;
  if (faults[0] !== undefined) return faults[0];
  if (!transcript.asked) return 'did not connect';
  if (expected.end.type === 'refuse') {
    if (outcome.opened) return 'took a wrong answer for an opening handshake';
    if (heard.messages.length > 0 || heard.halfFrame > 0) return 'sent frames after a wrong answer';
    return vain === undefined ? undefined : `did not do in time: ${vain}`;
  }
  if (!outcome.opened) return 'did not open';
  const wrong = echoFault(expected, heard.messages) ?? pongFault(expected.pongs, heard.pongs);
  if (wrong !== undefined) return wrong;
  if (vain !== undefined) return `did not do in time: ${vain}`;
  return endFault(one, transcript);
}

function echoFault(
  { messages, perhaps = [] }: Case['expected'],
  got: readonly Message[],
): string | undefined {
  const all = [...messages, ...perhaps];
  const at = got.findIndex((message, i) => !all[i] || !same(message, all[i]));
  if (at !== -1) {
    const wanted = all[at] ? `instead of ${tell(all[at])}` : 'more than was sent';
    return `echo ${at + 1} is ${tell(got[at])}, ${wanted}`;
  }
  if (got.length < messages.length) return `echoed ${got.length} of ${messages.length} messages`;
  return undefined;
}

/** RFC 6455 §5.5.3: "MAY elect to send a Pong frame for only the most recently processed Ping frame". */
function pongFault(wanted: readonly Buffer[] = [], got: readonly Buffer[]): string | undefined {
  let next = 0;
  for (const pong of got) {
    while (next < wanted.length && !wanted[next]?.equals(pong)) next++;
    if (next++ >= wanted.length) return `sent a pong that answers no ping: ${pong.toString('hex')}`;
  }
  if (wanted.length > 0 && next < wanted.length) return 'left the last ping unanswered';
  return undefined;
}

function endFault({ expected: { end } }: Case, { heard, ended, failedFast }: Transcript): string | undefined {
  const { close } = heard;
  if (end.type === 'close') {
    if (!close) return `ended without a Close frame (${ended})`;
    if (close.code !== end.code) return `answered Close ${end.code ?? 'without code'} with ${close.code}`;
    if (end.reason !== undefined && close.reason !== end.reason) return `gave the reason ${close.reason}`;
    return undefined;
  }
  if (end.type === 'fail' && close && (close.code === 1000 || close.code === undefined)) {
    return `took it for a normal end: closed with ${close.code ?? 'no code'}`;
  }
  if (end.type === 'fail' && failedFast === false && !close && ended === 'not') return 'did not fail';
  return undefined;
}

/** What should not be. */
function remarkOf({ expected }: Case, transcript: Transcript): string | undefined {
  const { heard, ended, endedFirst, failedFast } = transcript;
  const { end, pongs = [] } = expected;
  const { close } = heard;
  if (failedFast === false) return 'failed only when the whole was there';
  if (heard.pongs.length < pongs.length) return `answered ${heard.pongs.length} of ${pongs.length} pings`;
  if (end.type === 'fail') {
    if (!close) return `failed without a Close frame (${ended})`;
    if (!end.codes.includes(close.code ?? 1005)) return `failed with code ${close.code}`;
    if (!endedFirst) return 'left the end of TCP to the server';
  }
  if (ended === 'reset' && end.type !== 'refuse') return 'reset TCP';
  if (end.type === 'close' && endedFirst) return 'ended TCP before the server';
  return undefined;
}

function same(one: Message, other: Message): boolean {
  return one.text === other.text && one.bytes.equals(other.bytes);
}

function tell(message: Message | undefined): string {
  if (!message) return 'nothing';
  const { text, bytes } = message;
  const shown = text ? JSON.stringify(bytes.toString().slice(0, 20)) : bytes.toString('hex').slice(0, 20);
  return `${text ? 'text' : 'binary'} ${shown} (${bytes.length} bytes)`;
}
