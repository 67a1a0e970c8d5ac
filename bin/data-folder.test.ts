import { spawnSync } from 'node:child_process';
import fs, {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkFormat, checkMetadata, type DataFolder, openDataFolder } from './data-folder.ts';

let folder: DataFolder;
beforeEach(() => {
  folder = openDataFolder(mkdtempSync(join(tmpdir(), 'data-folder-')));
});
afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

it('a data folder is accepted when it is new or complete', () => {
  expect(() => checkMetadata(folder)).not.toThrow();
  writeFileSync(join(folder.meta, 'data.mdb'), 'something');
  writeFileSync(join(folder.segments, 'b000001.seg'), '');
  expect(() => checkMetadata(folder)).not.toThrow();
});

it('a data folder is refused if it has segments or logs without the metadata that describes them', () => {
  writeFileSync(join(folder.segments, 'b000001.seg'), '');
  expect(() => checkMetadata(folder)).toThrow(`${folder.path} has segments but no metadata (meta/data.mdb)`);
  // An empty file is what a copy that ran out of room leaves.
  writeFileSync(join(folder.meta, 'data.mdb'), '');
  expect(() => checkMetadata(folder)).toThrow('has segments but no metadata');
  rmSync(join(folder.segments, 'b000001.seg'));
  mkdirSync(folder.volume(1), { recursive: true });
  expect(() => checkMetadata(folder)).toThrow('has volumes but no metadata');
});

it('a data folder is accepted while another process starts in it first and creates the metadata before the rest', () => {
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

it('a data folder in the format of a later version is refused and left unchanged', () => {
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

it('the sockets are in /tmp when the path of the temp folder is too long as well', () => {
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

it('the sockets are in /tmp when there is no temp folder', () => {
  const path = join(folder.path, 'long'.repeat(40));
  vi.stubEnv('TMPDIR', join(folder.path, 'none'));
  try {
    const { run } = openDataFolder(path);
    expect([dirname(run), existsSync(join(folder.path, 'none'))]).toEqual(['/tmp', false]);
    rmSync(run, { recursive: true });
  } finally {
    vi.unstubAllEnvs();
  }
});

const asNobody = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'];
const compiled = fileURLToPath(new URL('../dist/bin/data-folder.js', import.meta.url));
/** Not where this user may not become another one, or the other may not read the program. */
const canBeNobody =
  spawnSync(asNobody[0]!, [...asNobody.slice(1), process.execPath, '--check', compiled], { stdio: 'ignore' }).status ===
  0;

it.runIf(canBeNobody)('a user who is in no user list can open a data folder, as in containers', () => {
  chownSync(folder.path, 54321, 54321);
  const data = join(folder.path, 'data');
  const script = `import { openDataFolder } from '${compiled}';
    process.stdout.write(openDataFolder('${data}').path);`;
  const [command, ...words] = [...asNobody, process.execPath, '--input-type=module', '-e', script];
  const ended = spawnSync(command!, words, { encoding: 'utf8' });
  expect(ended).toMatchObject({ stdout: data, stderr: '' });
});

it('a data folder is created with its parents, for its owner only', () => {
  const made = openDataFolder(join(folder.path, 'a b', 'ü', 'data'));
  expect(made.path).toBe(join(folder.path, 'a b', 'ü', 'data'));
  expect(statSync(join(folder.path, 'a b')).mode & 0o777).toBe(0o700);
  symlinkSync(made.path, join(folder.path, 'link'));
  expect(openDataFolder(join(folder.path, 'link')).path).toBe(made.path);
});

it('a path where no folder can exist is refused, and the message names the flag', () => {
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  expect(() => openDataFolder(file)).toThrow(`--data ${file} cannot be the data folder: it is a file`);
  expect(() => openDataFolder(join(file, 'x'))).toThrow(/^--data .* cannot be the data folder: ENOTDIR/);
  const dangling = join(folder.path, 'dangling');
  symlinkSync(join(folder.path, 'nowhere'), dangling);
  expect(() => openDataFolder(dangling)).toThrow(/^--data .* cannot be the data folder: ENOENT/);
});

it.runIf(existsSync('/proc/self'))(
  'a path where the system refuses to create folders is refused without endless retries',
  () => {
    const script = `import { openDataFolder } from '${compiled}';
    try { openDataFolder('/proc/headgate/data'); } catch ({ message }) { process.stdout.write(message); }`;
    // In a process that can be killed: nothing else ends a loop without a turn.
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(ended.stdout).toMatch(/^--data \/proc\/headgate\/data cannot be the data folder: ENOENT/);
  },
);
