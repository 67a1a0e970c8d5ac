/**
 * The first steps of `npm start`, `npm test` and `npm run demo`, so that a fresh clone needs nothing else: install from the
 * lockfile when it has changed, compile what has changed, then continue. Plain JavaScript without dependencies, because it
 * runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { oneAtATime } from './one-setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 20)) {
  console.error(`Headgate needs Node 20.20 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** One line that names the step, and its time when it ends. A step's output is shown when it fails, or as it arrives. */
function step(title, command, args, { quiet } = { quiet: true }) {
  const beginMs = Date.now();
  process.stderr.write(`headgate: ${title} …${process.stderr.isTTY ? '' : '\n'}`);
  const result = spawnSync(command, args, { cwd: root, stdio: quiet ? 'pipe' : 'inherit', encoding: 'utf8' });
  const seconds = ((Date.now() - beginMs) / 1000).toFixed(1);
  if (result.status === 0) {
    process.stderr.write(process.stderr.isTTY ? ` ${seconds} s\n` : `headgate: ${title}: ${seconds} s\n`);
    return;
  }
  process.stderr.write(`\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`);
  console.error(`headgate: ${title} failed after ${seconds} s`);
  process.exit(result.status || 1);
}

function install() {
  const stamp = join(root, 'node_modules', '.headgate-installed');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const wanted = `${lock} ${process.versions.modules}`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  step('installing packages (about 150 MB, once)', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, wanted);
}

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const separator = process.argv.indexOf('--', 2);
const then = process.argv[process.argv.indexOf('--then') + 1];
const rest = separator < 0 ? [] : process.argv.slice(separator + 1);

const dist = join(root, 'dist');

async function setUp() {
  install();
  step('compiling', process.execPath, [tsc, '--build']);
  const { freshBundles } = await import(pathToFileURL(join(dist, 'bin', 'bundles', 'bundles.js')).href);
  if (!freshBundles(dist)) step('bundling', process.execPath, [join(dist, 'bin', 'bundles', 'make-bundles.js')]);
}

try {
  await oneAtATime(dist, setUp, (holder) => console.error(`headgate: waiting for process ${holder}, which compiles`));
} catch (error) {
  console.error(`headgate: ${error.message}`);
  process.exit(1);
}

/**
 * In this process, so that a signal to `npm start` reaches the program itself. `file` is below dist/bin, or dist/`folder`.
 */
async function run(file, args, folder = 'bin') {
  const path = join(root, 'dist', folder, file);
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}

/** Ends with the exit code of vitest. */
function runTests(args, env = process.env) {
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...args], { cwd: root, stdio: 'inherit', env });
  process.exit(status ?? 1);
}

/** For tests, which get no flags of ours: `--seed 7` becomes HEADGATE_FUZZ_SEED=7. */
function environmentOf(variables) {
  const env = { ...process.env };
  for (const [flag, variable] of Object.entries(variables)) {
    const at = rest.indexOf(`--${flag}`);
    if (at >= 0 && rest[at + 1]) env[`HEADGATE_${variable}`] = rest[at + 1];
  }
  return env;
}

switch (then) {
  case 'start':
    await run('main.js', ['serve', ...(rest.includes('--role') ? [] : ['--role', 'all']), ...rest]);
    break;
  case 'demo':
    await run('demo.js', rest);
    break;
  case 'bench':
    await run('run.js', rest, 'loadtests/compare');
    break;
  case 'load':
    await run('run-k6.js', rest, 'loadtests/k6');
    break;
  case 'sim':
    await run('main.js', ['simulate', ...rest]);
    break;
  case 'soak':
    await run('run-soak.js', rest, 'tests/soak');
    break;
  case 'fuzz': {
    const env = environmentOf({ seed: 'FUZZ_SEED', inputs: 'FUZZ_INPUTS', server: 'FUZZ_SERVER' });
    if (rest.includes('--tls')) {
      env.HEADGATE_FUZZ_TLS = '1';
      // Read when a process starts, so the test itself cannot set it.
      env.NODE_EXTRA_CA_CERTS = join(root, 'tests', 'fixtures', 'tls', 'certificate.pem');
    }
    runTests(['--config', join(root, 'vitest.fuzz.config.ts')], env);
    break;
  }
  case 'differential': {
    step('fetching Apache Kafka, once', join(root, '.ci', 'clients', 'setup'), ['kafka']);
    const env = environmentOf({ seed: 'DIFFERENTIAL_SEED', steps: 'DIFFERENTIAL_STEPS' });
    if (rest.includes('--go-on')) env.HEADGATE_DIFFERENTIAL_GOES_ON = 'true';
    runTests(['--config', join(root, 'vitest.differential.config.ts')], env);
    break;
  }
  case 'docs':
    await run('write-docs.js', rest);
    break;
  case 'test':
    runTests(rest);
    break;
  default:
    console.error(
      'usage: node bin/setup.mjs --then start|test|demo|bench|load|sim|soak|fuzz|differential|docs [-- arguments]',
    );
    process.exit(2);
}
