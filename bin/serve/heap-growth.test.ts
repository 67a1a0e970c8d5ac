import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { heapGrowthFlag } from './heap-growth.ts';

it('the heap growth flag exists in this V8, which ignores unknown flags', () => {
  const [name] = heapGrowthFlag.split('=');
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8', timeout: 20_000 });
  expect(stdout).toContain(`${name} (`);
});
