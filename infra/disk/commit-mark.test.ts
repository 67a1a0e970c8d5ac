import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CommitMark, readMarks } from './commit-mark.ts';

let volumes: string;
let volume: string;
beforeEach(() => {
  volumes = mkdtempSync(join(tmpdir(), 'marks-'));
  volume = join(volumes, '1');
  mkdirSync(volume);
});
afterEach(() => rmSync(volumes, { recursive: true }));

it('the mark names the last commit but one, and only ever grows', async () => {
  let last = 1000;
  const mark = new CommitMark(volume, () => last);
  mark.note();
  const path = join(volume, 'metadata-mark');
  expect(readMarks(volumes)).toEqual([{ volume, path, commit: 999 }]);
  last = 7;
  await mark.noteDurably();
  expect(readMarks(volumes)).toEqual([{ volume, path, commit: 999 }]);
  last = 100_000;
  await mark.noteDurably();
  expect(readMarks(volumes)).toEqual([{ volume, path, commit: 99_999 }]);
  mark.close();
});

it('the mark continues in the file of an earlier process, which never grows', () => {
  for (const last of [123_456, 123_499]) {
    const mark = new CommitMark(volume, () => last);
    mark.note();
    mark.close();
    expect(readFileSync(join(volume, 'metadata-mark'), 'utf8')).toBe(`${String(last - 1).padStart(20, '0')}\n`);
  }
});

it('a process that looked for the file just before another created it writes the mark too', async () => {
  const path = join(volume, 'metadata-mark');
  const open = fs.openSync;
  const opens = vi.spyOn(fs, 'openSync').mockImplementation((...asked) => {
    try {
      return open(...asked);
    } catch (error) {
      if (asked[0] === path) writeFileSync(path, `${'5'.padStart(20, '0')}\n`);
      throw error;
    }
  });
  syncBuiltinESMExports();
  try {
    const mark = new CommitMark(volume, () => 1000);
    await mark.noteDurably();
    mark.close();
  } finally {
    opens.mockRestore();
    syncBuiltinESMExports();
  }
  expect(readMarks(volumes)).toEqual([{ volume, path, commit: 999 }]);
});

it('a mark that cannot be written or read causes no error', async () => {
  const mark = new CommitMark(join(volumes, 'none'), () => 5);
  mark.note();
  await mark.noteDurably();
  mark.close();
  writeFileSync(join(volume, 'metadata-mark'), 'no number');
  expect(readMarks(volumes)).toEqual([]);
  expect(readMarks(join(volumes, 'none'))).toEqual([]);
});
