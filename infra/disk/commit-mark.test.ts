import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CommitMark, readMarks } from './commit-mark.ts';

let volumes: string;
let volume: string;
beforeEach(() => {
  volumes = mkdtempSync(join(tmpdir(), 'marks-'));
  volume = join(volumes, '1');
  mkdirSync(volume);
});
afterEach(() => rmSync(volumes, { recursive: true }));

it('names the commit before the last one, and only ever a later one', async () => {
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

it('goes on in the file of an earlier process, which never grows', () => {
  for (const last of [123_456, 123_499]) {
    const mark = new CommitMark(volume, () => last);
    mark.note();
    mark.close();
    expect(readFileSync(join(volume, 'metadata-mark'), 'utf8')).toBe(`${String(last - 1).padStart(20, '0')}\n`);
  }
});

it('is silent where it cannot be written, and where nothing can be read', async () => {
  const mark = new CommitMark(join(volumes, 'none'), () => 5);
  mark.note();
  await mark.noteDurably();
  mark.close();
  writeFileSync(join(volume, 'metadata-mark'), 'no number');
  expect(readMarks(volumes)).toEqual([]);
  expect(readMarks(join(volumes, 'none'))).toEqual([]);
});
