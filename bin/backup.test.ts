/** Where `headgate backup` makes no copy. That a copy serves is in tests/e2e/backup.test.ts. */
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../engine/kernel/clock.ts';
import { openLmdbStore } from '../tenancy/store/lmdb.ts';
import { type Backup, backUp } from './backup.ts';

let folder: string;
let data: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'backup-'));
  data = join(folder, 'data');
  mkdirSync(join(data, 'meta'), { recursive: true });
  const store = openLmdbStore({ directory: join(data, 'meta'), clock: systemClock });
  await store.transact([{ op: 'put', key: { pk: 'A', sk: 'a' }, value: '{}' }]);
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('refuses an empty target name, a folder that exists, and a folder inside the source', async () => {
  mkdirSync(join(folder, 'there'));
  await expect(backUp(data, '')).rejects.toThrow('give a folder to write');
  await expect(backUp(data, join(folder, 'there'))).rejects.toThrow('already exists');
  await expect(backUp(data, join(data, 'volumes', '9'))).rejects.toThrow('give a folder outside it');
  await expect(backUp(join(folder, 'there'), join(folder, 'copy'))).rejects.toThrow('has no metadata');
  expect(readdirSync(folder).toSorted()).toEqual(['data', 'there']);
});

it('removes a copy that fails, and leaves the remains of a killed copy alone', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(backUp(data, join(folder, 'file', 'copy'))).rejects.toThrow('ENOTDIR');
  mkdirSync(join(folder, 'copy.partial'));
  await expect(backUp(data, join(folder, 'copy'))).rejects.toThrow('did not finish');
  expect(existsSync(join(folder, 'copy.partial'))).toBe(true);
  rmSync(join(folder, 'copy.partial'), { recursive: true });
  await backUp(data, join(folder, 'copy'));
  expect(readdirSync(join(folder, 'copy'))).toContain('meta');
});

it('makes one of two copies to the same folder, and the other leaves it alone', async () => {
  const target = join(folder, 'copy');
  let other: Promise<Backup> | undefined;
  const look = fs.existsSync;
  // The second backup begins after the first has checked the target, and before the first has created its folder.
  const looks = vi.spyOn(fs, 'existsSync').mockImplementation((path) => {
    const isThere = look(path);
    if (path === `${target}.partial` && looks.mock.calls.filter(([each]) => each === path).length === 1)
      other = backUp(data, target);
    return isThere;
  });
  syncBuiltinESMExports();
  try {
    const own = backUp(data, target);
    const ends = await Promise.allSettled([own, (other ??= backUp(data, target))]);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(String(ends.find((end) => end.status === 'rejected')?.reason)).toContain('a backup that still runs');
  } finally {
    looks.mockRestore();
    syncBuiltinESMExports();
  }
  expect(readdirSync(folder).toSorted()).toEqual(['copy', 'data']);
  await expect(backUp(data, target)).rejects.toThrow('already exists');
  expect(readdirSync(folder).toSorted()).toEqual(['copy', 'data']);
});
