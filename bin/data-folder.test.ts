import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkMetadata, type DataFolder, openDataFolder } from './data-folder.ts';

let folder: DataFolder;
beforeEach(() => {
  folder = openDataFolder(mkdtempSync(join(tmpdir(), 'data-folder-')));
});
afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

it('is taken when it is new, and when it has all of its parts', () => {
  expect(() => checkMetadata(folder)).not.toThrow();
  writeFileSync(join(folder.meta, 'data.mdb'), 'something');
  writeFileSync(join(folder.segments, 'b000001.seg'), '');
  expect(() => checkMetadata(folder)).not.toThrow();
});

it('is refused when segments or logs are there without the metadata that says what they are', () => {
  writeFileSync(join(folder.segments, 'b000001.seg'), '');
  expect(() => checkMetadata(folder)).toThrow(`${folder.path} has segments and no metadata (meta/data.mdb)`);
  // An empty file is what a copy that ran out of room leaves.
  writeFileSync(join(folder.meta, 'data.mdb'), '');
  expect(() => checkMetadata(folder)).toThrow('has segments and no metadata');
  rmSync(join(folder.segments, 'b000001.seg'));
  mkdirSync(folder.volume(1), { recursive: true });
  expect(() => checkMetadata(folder)).toThrow('has volumes and no metadata');
});
