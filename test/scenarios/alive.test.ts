// alive.test — what keeps a process alive: each wait until it has settled, and nothing once all is closed (I10).
// In a process of its own nothing else is alive; where a wait did not keep it, Node would end it with 13.

import { expect } from 'chai';
import { run } from '../support/child.ts';
import { peer, silent, wsPeer } from '../support/peers.ts';

describe('a process', () => {
  it('lives until each wait has settled, one after another, and ends by itself then (S1, I10)', async () => {
    // Neither answers anything: each wait ends at its own deadline.
    await using mute = await peer(silent);
    await using deaf = await wsPeer(({ socket }) => socket.resume());
    const ran = await run(
      `import { MessageChannel } from 'node:worker_threads';
       const { port1, port2 } = new MessageChannel();
       const say = (name, promise) => promise.then(
         (result) => console.log(name, result?.code ?? result?.type ?? 'ends'), ({ code }) => console.log(name, code));
       await say('connect', gunport.connect(args[0], { upgradeTimeout: 30 }));
       const http = gunport.open(args[0].replace('ws', 'http'), { protocols: ['http2'], settingsTimeout: 30, retry: 0 });
       await say('awaitUp', http.awaitUp());
       await say('down', http.monitor().down);
       await say('receive', gunport.receiveOwnership({ source: port2, timeout: 30 }));
       const feed = await gunport.connect(args[1], { closingTimeout: 30 });
       await say('give', feed.transferOwnership(port1, { timeout: 30 }));
       await say('ping', feed.ping(undefined, { timeout: 30 }));
       await say('await', feed.connection.await(feed, { timeout: 30 }));
       await say('close', feed.close());
       const pool = new gunport.Pool({ threads: 1 });
       const other = await pool.connect(args[1], { closingTimeout: 30 });
       await say('shutdown', other.connection.shutdown());
       await pool.connect(args[1], { closingTimeout: 30 });
       await say('pool', pool.close());
       port1.close();`,
      { args: [mute.url, deaf.url] },
    );
    expect(ran).to.deep.equal({
      code: 0,
      signal: null,
      errors: '',
      output: `${[
        'connect ERR_GUNPORT_UPGRADE_TIMEOUT',
        'awaitUp ERR_GUNPORT_SETTINGS_TIMEOUT',
        'down down',
        'receive ERR_GUNPORT_TIMEOUT',
        'give ERR_GUNPORT_TRANSFER_TIMEOUT',
        'ping ERR_GUNPORT_TIMEOUT',
        'await ERR_GUNPORT_TIMEOUT',
        'close 1006',
        'shutdown ends',
        'pool ends',
      ].join('\n')}\n`,
    });
  });

  it('ends by itself once all is closed, here and in a thread that owned it for a while (I10)', async () => {
    await using server = await wsPeer(async ({ read, send, end }) => {
      for (;;) {
        const { opcode, payload } = await read();
        if (opcode === 1) send(Buffer.concat([Buffer.from([0x81, payload.length]), payload]));
        if (opcode !== 8) continue;
        send('88 02 03e8');
        return end();
      }
    });
    const ran = await run(
      `import { Worker } from 'node:worker_threads';
       const worker = new Worker(\`import(\${JSON.stringify(args[1])}).then(async ({ receiveOwnership }) => {
         const { feed } = await receiveOwnership();
         feed.send('there');
         for await (const message of feed) if (message === 'there') break;
         await feed.transferOwnership((await import('node:worker_threads')).parentPort);
       })\`, { eval: true });
       const feed = await gunport.connect(args[0]);
       const back = gunport.receiveOwnership({ source: worker });
       await feed.transferOwnership(worker);
       const taken = await back;
       taken.feed.send('here');
       for await (const message of taken.feed) if (message === 'here') break;
       console.log((await taken.feed.close()).code, (await feed.closed).error.code);`,
      { args: [server.url, new URL('../../lib/index.js', import.meta.url)] },
    );
    expect(ran).to.deep.equal({
      code: 0,
      signal: null,
      errors: '',
      output: '1000 ERR_GUNPORT_NOT_OWNER\n',
    });
  });
});
