// echo-server — sends back what it is sent. Used by tests of the echo adapter.

import { type ScriptedServer, serve } from '../../lib/testing/index.ts';

export function echoServer(): Promise<ScriptedServer> {
  return serve((connection) => void connection.onMessage((data) => connection.send(data)));
}
