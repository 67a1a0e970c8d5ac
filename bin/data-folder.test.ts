import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  checkFormat,
  checkMetadata,
  type DataFolder,
  lockDataFolder,
  openDataFolder,
  shareDataFolder,
} from './data-folder.ts';

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

it('is refused when a later version has changed its format, and takes no harm by it', () => {
  checkFormat(folder);
  const file = join(folder.path, 'format');
  expect(readFileSync(file, 'utf8')).toBe('1\n');
  checkFormat(folder);
  writeFileSync(file, '2\n');
  expect(() => checkFormat(folder)).toThrow(`${folder.path} has format 2, and this version knows 1`);
  expect(readFileSync(file, 'utf8')).toBe('2\n');
  // No room for a byte of it.
  writeFileSync(file, '');
  checkFormat(folder);
  expect(readFileSync(file, 'utf8')).toBe('1\n');
});

const refusal = /is served by another headgate/;
const socketsIn = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.sock'));

it('is served by one, or by any number that share it', async () => {
  const one = await lockDataFolder(folder);
  await expect(lockDataFolder(folder)).rejects.toThrow(refusal);
  await expect(shareDataFolder(folder)).rejects.toThrow(refusal);
  one.close();
  const shares = [await shareDataFolder(folder), await shareDataFolder(folder)];
  await expect(lockDataFolder(folder)).rejects.toThrow(refusal);
  for (const share of shares) share.close();
  (await lockDataFolder(folder)).close();
});

it('is shared without what killed ones have left in it', async () => {
  const program = `require('net').createServer().listen(\`\${process.argv[1]}/any-\${process.pid}-ab.sock\`, () => process.kill(process.pid, 'SIGKILL'))`;
  for (const place of [folder.locks, folder.meta]) spawnSync(process.execPath, ['-e', program, place]);
  // Of another namespace of process ids: it answers.
  const foreign = 'any-99999999-ab.sock';
  const server = createServer().listen(join(folder.meta, foreign));
  await once(server, 'listening');
  const shares = [await shareDataFolder(folder), await shareDataFolder(folder)];
  expect([folder.locks, folder.meta].map((place) => socketsIn(place).length)).toEqual([2, 3]);
  expect(socketsIn(folder.meta)).toContain(foreign);
  for (const share of shares) share.close();
  server.close();
});

it.each(['run', 'meta'] as const)('is known to be served when somebody has removed what is in %s', async (part) => {
  const one = await lockDataFolder(folder);
  for (const socket of socketsIn(join(folder.path, part))) rmSync(join(folder.path, part, socket));
  await expect(lockDataFolder(openDataFolder(folder.path))).rejects.toThrow(refusal);
  await expect(shareDataFolder(folder)).rejects.toThrow(refusal);
  one.close();
  (await lockDataFolder(folder)).close();
});

it('has one at most of many that come at once, also where a dead one has left its lock', async () => {
  const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  for (let round = 0; round < 5; round++) {
    const stale = join(folder.locks, round % 2 ? 'lock.sock' : 'one-1-ab.sock');
    spawnSync(process.execPath, ['-e', program, stale]);
    expect(socketsIn(folder.locks)).toHaveLength(1);
    const came = await Promise.allSettled(Array.from({ length: 6 }, () => lockDataFolder(folder)));
    const held = came.filter((each) => each.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) value.close();
    (await lockDataFolder(folder)).close();
    expect(socketsIn(folder.locks)).toEqual([]);
  }
});

it.runIf(existsSync('/proc/self/fd'))(
  'with a long path has its lock in itself, whatever the temp folder is',
  async () => {
    const path = join(folder.path, 'long'.repeat(40));
    const [near, far] = [openDataFolder(path), { ...openDataFolder(path), run: '/another/temp/folder' }];
    expect(near.run.length).toBeLessThan(100);
    const one = await lockDataFolder(near);
    expect(socketsIn(join(near.path, 'run'))).toHaveLength(1);
    await expect(lockDataFolder(far)).rejects.toThrow(refusal);
    one.close();
    (await lockDataFolder(far)).close();
    rmSync(near.run, { recursive: true });
  },
);

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
