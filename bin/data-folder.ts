/** The data folder of an installation: its layout, and whether it is complete. Who may serve it: data-folder-lock.ts. */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { givenUpPath } from '../engine/log/wal/wal-format.ts';
import { isVolumeOf } from '../infra/disk/volume-owner.ts';
import { readMarks } from '../infra/disk/commit-mark.ts';
import type { LmdbStore } from '../tenancy/store/lmdb.ts';

export interface DataFolder {
  readonly path: string;
  readonly meta: string;
  readonly segments: string;
  /** Shell variables of the demo tenant and the admin key, mode 0600. */
  readonly demoEnv: string;
  /** Sockets of brokers; 0700. */
  readonly run: string;
  /**
   * Sockets by which processes see each other, with others in `meta`; 0700. The same folder, unless its path is too long
   * for sockets of brokers.
   */
  readonly locks: string;
  /** The output of brokers that outlive their starter; 0700. */
  readonly logs: string;
  volume(brokerId: number): string;
}

/** A socket's path has at most 107 bytes; the system would silently truncate a longer one. */
const socketPathBytesMax = 107;
const longestSocketName = '/one-4194304-ff.sock';

export function openDataFolder(data: string): DataFolder {
  const path = makeDataFolder(data);
  const run = socketFolder(path);
  const folder: DataFolder = {
    path,
    meta: join(path, 'meta'),
    segments: join(path, 'segments'),
    demoEnv: join(path, 'demo.env'),
    run,
    locks: join(path, 'run'),
    logs: join(path, 'logs'),
    volume: (brokerId) => join(path, 'volumes', String(brokerId)),
  };
  for (const directory of [folder.meta, folder.segments, folder.logs, folder.locks])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  return folder;
}

/** Returns its real path. Its parents are made too. Throws an error that names the flag: the system's own names a path. */
function makeDataFolder(data: string): string {
  try {
    const wanted = resolve(data);
    const missing: string[] = [];
    for (let path = wanted; !existsSync(path); path = dirname(path)) missing.unshift(path);
    // One by one: where the system refuses with ENOENT (as below /proc), Node's recursive mkdir never returns.
    for (const path of missing) makeFolder(path);
    if (!statSync(wanted).isDirectory()) throw new Error('it is a file');
    return realpathSync(wanted);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`--data ${data} cannot be the data folder: ${message}`, { cause: error });
  }
}

/** Another process that starts may make it first. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The version of the folder's format. It is raised when a program of today could no longer read the folder. */
const format = 1;

/**
 * Throws for a folder that a later version has changed so that this one would misread it. A folder without the file is new,
 * or older than the file.
 */
export function checkFormat({ path }: Pick<DataFolder, 'path'>): void {
  const file = join(path, 'format');
  const found = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (found === '') writeFormat(file);
  else if (Number(found) !== format) {
    throw new Error(
      `${path} has format ${found}, but this version reads format ${format}: use the version that made it, or a later one`,
    );
  }
}

/** A full disk is no reason to refuse to serve for two bytes: a later start writes them. */
function writeFormat(file: string): void {
  try {
    writeFileSync(file, `${format}\n`, { mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/**
 * Throws when the metadata that describes the segments and logs is lost. Served without it, the folder would look like a
 * new installation, and new writes could no longer be distinguished from the old data.
 */
export function checkMetadata(folder: DataFolder): void {
  const { path } = folder;
  // The metadata is looked for last: a process that is the first on the folder makes it before anything else, and may be
  // doing so now.
  const left =
    namesIn(folder.segments).length > 0 ? 'segments' : namesIn(join(path, 'volumes')).length > 0 ? 'volumes' : '';
  if (left === '' || statSync(join(folder.meta, 'data.mdb'), { throwIfNoEntry: false })?.size) return;
  throw new Error(
    `${path} has ${left} but no metadata (meta/data.mdb): restore that file from a backup, or start afresh with another --data`,
  );
}

/**
 * Throws when the metadata is an earlier copy than the volumes. Logs that were rolled up since then have been dropped, and
 * only the later metadata says which segments hold their records.
 */
export function checkMetadataAge(
  { path, meta }: DataFolder,
  store: Pick<LmdbStore, 'lastCommit'>,
  installation: string,
): void {
  // Before the store is read: others may be committing.
  const marks = readMarks(join(path, 'volumes'));
  const last = store.lastCommit();
  // A mark on another installation's volume proves nothing: whoever needs the volume reports that it is misplaced
  // (volume-owner.ts).
  const ahead = marks.find(
    ({ volume, commit }) => commit > last && isVolumeOf(volume, installation) && !existsSync(givenUpPath(volume)),
  );
  if (!ahead) return;
  throw new Error(
    `${meta}/data.mdb is older than the volumes: its last commit is ${last}, but ${ahead.path} has seen commit ${ahead.commit}. ` +
      'Restore metadata, volumes and segments from the same backup. Or, to give up what this metadata does not know of, create an empty file ' +
      `given-up in each folder of ${join(path, 'volumes')}`,
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return [];
  }
}

/** A deep data folder has its brokers' sockets in a temp folder, under a name that no other data folder has. */
function socketFolder(path: string): string {
  // Not os.userInfo(): containers often run as a user that has no entry in /etc/passwd.
  const uid = process.getuid?.() ?? -1;
  const name = `headgate-${uid}-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  const own = join(path, 'run');
  const places = [own, join(tmpdir(), name), join('/tmp', name)].filter(fitsSockets);
  if (places.length === 0)
    throw new Error(`${path}: the path is too long for Unix sockets, and so is TMPDIR: use a shorter one`);
  const run = firstMade(places);
  // Others may write to a temp folder and guess the name.
  if (uid >= 0 && run !== own && statSync(run).uid !== uid) {
    throw new Error(`${run}, the folder for the sockets, belongs to another user: remove it`);
  }
  return run;
}

/** TMPDIR may name a folder that is not there, or is read-only. */
function firstMade(places: readonly string[]): string {
  let failure: unknown;
  for (const place of places) {
    try {
      makeFolder(place);
      return place;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Whether the name of a socket in it is short enough for the system. */
export function fitsSockets(folder: string): boolean {
  return Buffer.byteLength(folder + longestSocketName) <= socketPathBytesMax;
}
