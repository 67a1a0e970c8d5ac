import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { heapGrowthFlag } from './heap-growth.ts';

it('is a flag of this V8, which passes over those it does not know', () => {
  const [name] = heapGrowthFlag.split('=');
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8', timeout: 20_000 });
  expect(stdout).toContain(`${name} (`);
});
