/** The tour in the README, pasted into a shell as it stands. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

describe('the tour in the README', () => {
  let instance: Instance;
  let folder = '';
  beforeAll(async () => {
    // The commands name ./data and ./bin: a folder that has both, with this installation's data.
    folder = mkdtempSync(join(tmpdir(), 'headgate-tour-'));
    mkdirSync(join(folder, 'data'));
    for (const name of ['bin', 'dist', 'node_modules', 'package.json'])
      symlinkSync(join(root, name), join(folder, name));
    instance = await startInstallation([], join(folder, 'data'));
  });
  afterAll(async () => {
    await instance.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('works when pasted', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const block = /## A tour[^]*?```sh\n([^]*?)```/.exec(readme)![1]!;
    const { PATH, HOME, LANG } = process.env;
    const output = execFileSync('bash', ['-e', '-o', 'pipefail', '-c', block], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH, HOME, LANG },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 90_000,
    });
    const [one, many, page] = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(one).toMatchObject({ partition: 0, offset: 0 });
    expect(many).toMatchObject({ results: [{ offset: 1 }, { offset: 2 }], failed: 0 });
    expect(page.records.map((record: { key: string }) => record.key)).toEqual(['ann', 'bob', 'ann']);
    expect(output).toMatch(/^data: /m);
    expect(output).toMatch(/orders/);
    expect(output).toMatch(/serving/);
  });
});
