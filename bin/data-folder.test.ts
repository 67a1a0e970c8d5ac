import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkFormat, checkMetadata, type DataFolder, openDataFolder } from './data-folder.ts';

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
  expect(() => checkMetadata(folder)).toThrow(`${folder.path} has segments but no metadata (meta/data.mdb)`);
  // An empty file is what a copy that ran out of room leaves.
  writeFileSync(join(folder.meta, 'data.mdb'), '');
  expect(() => checkMetadata(folder)).toThrow('has segments but no metadata');
  rmSync(join(folder.segments, 'b000001.seg'));
  mkdirSync(folder.volume(1), { recursive: true });
  expect(() => checkMetadata(folder)).toThrow('has volumes but no metadata');
});

it('is taken while another process is the first on it, which makes the metadata before anything that it describes', () => {
  const { meta, segments } = folder;
  // After this one's first look.
  const made = vi.fn(() => {
    writeFileSync(join(meta, 'data.mdb'), 'something');
    writeFileSync(join(segments, 'b000001.seg'), '');
  });
  const looks = (['statSync', 'readdirSync'] as const).map((name) => {
    const look = fs[name] as (...asked: unknown[]) => unknown;
    return vi.spyOn(fs, name).mockImplementation((...asked: unknown[]): never => {
      const found = look(...asked);
      if (made.mock.calls.length === 0) made();
      return found as never;
    });
  });
  syncBuiltinESMExports();
  try {
    expect(() => checkMetadata(folder)).not.toThrow();
  } finally {
    for (const each of looks) each.mockRestore();
    syncBuiltinESMExports();
  }
  expect(made).toHaveBeenCalledOnce();
});

it('is refused when a later version has changed its format, and takes no harm by it', () => {
  checkFormat(folder);
  const file = join(folder.path, 'format');
  expect(readFileSync(file, 'utf8')).toBe('1\n');
  checkFormat(folder);
  writeFileSync(file, '2\n');
  expect(() => checkFormat(folder)).toThrow(`${folder.path} has format 2, but this version reads format 1`);
  expect(readFileSync(file, 'utf8')).toBe('2\n');
  // No room for a byte of it.
  writeFileSync(file, '');
  checkFormat(folder);
  expect(readFileSync(file, 'utf8')).toBe('1\n');
});

it('has its sockets in /tmp when the path of the temp folder is long too', () => {
  const path = join(folder.path, 'long'.repeat(40));
  vi.stubEnv('TMPDIR', join(folder.path, 'temp'.repeat(40)));
  try {
    const { run } = openDataFolder(path);
    expect(dirname(run)).toBe('/tmp');
    rmSync(run, { recursive: true });
  } finally {
    vi.unstubAllEnvs();
  }
});
