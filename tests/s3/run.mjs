/** `npm run s3`: installs an S3 server and tries the segment store against it. Further flags go to vitest. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const steps = [
  [join(root, '.ci', 'clients', 'setup'), ['s3']],
  [
    process.execPath,
    [
      join(root, 'bin', 'setup.mjs'),
      '--then',
      'test',
      '--',
      '--config',
      'vitest.s3.config.ts',
      ...process.argv.slice(2),
    ],
  ],
];
for (const [command, args] of steps) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
