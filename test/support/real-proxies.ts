// real-proxies — how each proxy that others have written is started for a test; see real.ts.
// Used by test/tunnels/real-*.test.ts. The one who may come is `aladdin`, whose password is `sesame`.
// Invariant: each listens on 127.0.0.1 only, writes nothing outside its folder, and stays the process that was started.
// Source: their manuals: squid.conf(5), tinyproxy.conf(5), danted.conf(5), microsocks, stunnel4(8), nghttpx(1).

import type { Place, Plan } from './real.ts';

export const USER = { username: 'aladdin', password: 'sesame' } as const;

/** `open` and `auth`: the first takes everybody. CONNECT to these ports only. */
export function squid({ folder, port }: Place, allowed: readonly number[]): Plan {
  const conf = `
http_port 127.0.0.1:${port('open')}
http_port 127.0.0.1:${port('auth')} name=auth
pid_filename none
access_log none
cache_log /dev/null
cache deny all
coredump_dir none
pinger_enable off
netdb_filename none
memory_cache_shared off
shutdown_lifetime 0 seconds
auth_param basic program /bin/sh ${folder}/helper.sh
auth_param basic children 1
auth_param basic realm gunport
acl known proxy_auth REQUIRED
acl asks myportname auth
acl good port ${allowed.join(' ')}
http_access deny asks !known
http_access deny CONNECT !good
http_access allow all
`;
  const helper = `while read -r user password; do
  if [ "$user $password" = "${USER.username} ${USER.password}" ]; then echo OK; else echo ERR; fi
done
`;
  return { args: ['-N', '-f', 'squid.conf', '-d', '1'], files: { 'squid.conf': conf, 'helper.sh': helper } };
}

/** `proxy`. CONNECT to these ports only. `asks`: for the user. */
export function tinyproxy({ port }: Place, allowed: readonly number[], asks = false): Plan {
  const conf = `
Listen 127.0.0.1
Port ${port('proxy')}
Timeout 600
MaxClients 100
${asks ? `BasicAuth ${USER.username} ${USER.password}` : ''}
${allowed.map((one) => `ConnectPort ${one}`).join('\n')}
`;
  return { args: ['-d', '-c', 'tinyproxy.conf'], files: { 'tinyproxy.conf': conf } };
}

/** `proxy`, which takes no CONNECT to these ports. `asks`: for a user of the system, whom a test cannot be. */
export function danted({ folder, port }: Place, refused: readonly number[], asks = false): Plan {
  const conf = `
logoutput: stderr
internal: 127.0.0.1 port = ${port('proxy')}
external: 127.0.0.1
clientmethod: none
socksmethod: ${asks ? 'username' : 'none'}
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
${refused.map((one) => `socks block { from: 0.0.0.0/0 to: 127.0.0.1/32 port = ${one} }`).join('\n')}
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`;
  return { args: ['-p', `${folder}/pid`, '-f', 'danted.conf'], files: { 'danted.conf': conf } };
}

/** `proxy`. */
export function microsocks({ port }: Place, asks = false): Plan {
  const user = asks ? ['-u', USER.username, '-P', USER.password] : [];
  return { args: ['-i', '127.0.0.1', '-p', String(port('proxy')), ...user] };
}

/** TLS in front of each of these ports; its own are named by them. */
export function stunnel({ port }: Place, behind: readonly number[]): Plan {
  const services = behind.map(
    (one) => `[to-${one}]\naccept = 127.0.0.1:${port(String(one))}\nconnect = 127.0.0.1:${one}\n`,
  );
  const conf = `
foreground = yes
pid =
syslog = no
cert = cert.pem
key = key.pem
${services.join('')}`;
  return { args: ['stunnel.conf'], files: { 'stunnel.conf': conf } };
}

/** HTTP/2 in front of a proxy of HTTP/1.1: `h2` with TLS, `h2c` with prior knowledge. */
export function nghttpx({ port }: Place, behind: number): Plan {
  const front = (name: string, more = ''): string => `--frontend=127.0.0.1,${port(name)}${more}`;
  return {
    args: [
      ...['--http2-proxy', '--single-process', '--no-ocsp', '--conf=/dev/null', '--workers=1'],
      ...[front('h2'), front('h2c', ';no-tls'), `--backend=127.0.0.1,${behind}`],
      ...['key.pem', 'cert.pem'],
    ],
  };
}
