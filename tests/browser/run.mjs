/**
 * `npm run browser`: pages in headless Chromium against whole installations; installs the browser if it is missing.
 * `npm run screenshots` retakes the pictures of docs/images. Further arguments go to vitest.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { argv, env, execPath } = process;
const isPictures = argv.includes('--screenshots');
const rest = argv.slice(2).map((word) => (word === '--screenshots' ? 'engine-page' : word));

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...env, ...environment } });
  return result.status ?? 1;
}

const setup = run(join(root, '.ci', 'clients', 'setup'), isPictures ? ['chromium', 'fonts'] : ['chromium']);
if (setup !== 0) process.exit(setup);
const test = [join(root, 'bin', 'setup.mjs'), '--then', 'test', '--', '--config', 'vitest.browser.config.ts'];
process.exit(run(execPath, [...test, ...rest], isPictures ? { HEADGATE_SCREENSHOTS: '1' } : {}));
