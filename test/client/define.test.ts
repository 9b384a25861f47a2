// define.test — kinds of clients: an adapter and its usual options under one name.
// Source: lib/client/defineclient.ts; WebsockexNova's ClientMacro and its tests of merge order.

import { expect } from 'chai';
import { defineClient, OptionError } from '../../lib/index.ts';
import { serve } from '../../lib/testing/index.ts';

interface Greeting {
  readonly type: 'greeting';
  readonly name: string;
}

describe('defineClient', () => {
  it('check 40: makes typed clients of one kind, whose options go over the usual ones, headers by name', async () => {
    const server = await serve((connection) => connection.send({ type: 'greeting', name: 'you' }));
    const adapter = { url: 'ws://127.0.0.1:1/nowhere' };
    const greeter = defineClient<Greeting>(adapter, {
      url: server.url,
      name: 'usual',
      headers: { 'x-kind': 'usual', 'x-who': 'nobody' },
    });
    await using client = greeter({ name: 'mine', headers: [['X-Who', 'me']] });
    await client.connect();
    const { value } = await client[Symbol.asyncIterator]().next();
    expect((value as Greeting).name).to.equal('you');
    expect(client.name).to.equal('mine');
    expect(server.upgrades[0]?.headers).to.include({ 'x-kind': 'usual', 'x-who': 'me' });
    await client.close();
    await server.stop();
  });

  it('has the usual ones where an option is undefined, and the adapter’s own url where there is none', () => {
    const clientOf = defineClient({ url: 'ws://127.0.0.1:1/own?token=secret' }, { queue: 7 });
    expect(clientOf({ url: undefined, queue: undefined }).url).to.equal('ws://127.0.0.1:1/own');
  });

  it('takes the module of an adapter by its URL, also as a text', async () => {
    const server = await serve();
    const module = "data:text/javascript,export default () => ({ api: { where: () => 'beside' } })";
    for (const adapter of [module, new URL(module), { module }]) {
      await using client = defineClient(adapter)({ url: server.url });
      await client.connect();
      expect(await client.remote<{ where(): string }>().where()).to.equal('beside');
    }
    expect(() => defineClient('./exchange.js')({ url: server.url })).to.throw(
      OptionError,
      'adapter.module must be an absolute file: or data: URL, got "./exchange.js"',
    );
    await server.stop();
  });

  it('refuses bad options when a client is made', () => {
    const clientOf = defineClient({}, { queue: -1 });
    expect(() => clientOf({ url: 'ws://127.0.0.1:1' })).to.throw(OptionError, 'queue must be');
    expect(() => clientOf()).to.throw(OptionError, 'url must be a URL');
  });
});
