// hooked-tour — one life of a client, in which its adapter is asked all that there is to ask.
// Walked by test/client/hooks*.test.ts, with hooks that do their work and with hooks that fail.
// Invariant: it ends only if the client goes on to the last of it, and waits for what has happened, never for a time.

import type { HookName } from './hooked.ts';
import type { Subject } from './hooked-client.ts';

/** Every hook of the contract: one that it gains fails to compile until it is here, and then until it is reached. */
const CONTRACT: Record<HookName, true> = {
  'connection.attempt': true,
  'connection.open': true,
  'connection.down': true,
  'connection.frame': true,
  'connection.idle': true,
  'connection.status': true,
  'message.decode': true,
  'message.validate': true,
  'message.type': true,
  'message.handle': true,
  'message.encode': true,
  'message.key': true,
  'request.assign': true,
  'request.idOf': true,
  'request.result': true,
  'request.error': true,
  'subscription.subscribe': true,
  'subscription.unsubscribe': true,
  'subscription.response': true,
  'subscription.changed': true,
  'auth.login': true,
  'auth.response': true,
  'auth.accept': true,
  'auth.refresh': true,
  'auth.needed': true,
  'heartbeat.beat': true,
  'heartbeat.answer': true,
  'error.classify': true,
  'error.handle': true,
  'error.shouldReconnect': true,
  'rateLimit.cost': true,
  'rateLimit.check': true,
  'logging.connection': true,
  'logging.message': true,
  'logging.error': true,
  'metrics.connection': true,
  'metrics.message': true,
  'metrics.error': true,
};
/** Their names. */
export const HOOKS: readonly HookName[] = Object.keys(CONTRACT) as HookName[];

/** All that an adapter may be asked, in one life; what fails once is done again. */
export async function tour(subject: Subject): Promise<void> {
  const { client, server, until, messages, errors } = subject;
  await client.connect();
  const twice = <T>(step: () => Promise<T>): Promise<T> =>
    step().catch((error: Error) => {
      errors.push(`caller ${error.message}`);
      return step();
    });
  await twice(() => client.subscribe('a'));
  await client.subscribe('no').catch((error: Error) => errors.push(`caller ${error.message}`));
  await twice(subject.works);
  await client.request({ type: 'askWrong' }).catch((error: Error) => errors.push(`caller ${error.message}`));
  for (let n = 0; n < 2; n++) server.say({ type: 'news', n, key: n });
  await until('news', () => messages.some((message) => message['n'] === 1));
  for (let n = 0; n < 2; n++) server.say({ type: 'areYouThere' });
  await until('an answer to a heartbeat', () => server.of('here').length > 0);
  await until('a beat', () => server.of('beat').length > 0);
  const told = errors.length;
  for (let n = 0; n < 2; n++) server.say({ bad: n });
  await until('the error of a bad message', () => errors.length > told);
  await client.status();
  const before = server.connections;
  server.drop();
  await until('another connection', () => server.connections > before && client.isReady);
  await twice(subject.works);
  await twice(() => client.unsubscribe('a'));
  await subject.called('connection.attempt');
}
