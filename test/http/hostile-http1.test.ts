import { hostilities } from '../support/hostile.ts';
import { HOSTILE_ANSWERS } from '../support/hostile-answers.ts';
import { rejects } from '../support/rejects.ts';

describe('a hostile answer of HTTP/1', () => {
  const { open, hostile, worksAnew } = hostilities();

  for (const { name, bytes, code } of HOSTILE_ANSWERS) {
    it(`is ${name}: ${code}, and the next request has a new connection`, async () => {
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.write(bytes);
      });
      const connection = open(server.url, { retryTimeout: 1 });
      await rejects(connection.get('/bad').body(), code);
      await worksAnew(connection, server);
    });
  }
});
