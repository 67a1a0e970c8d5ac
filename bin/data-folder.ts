/**
 * The data folder of an installation: what lies where, and who may serve it: one process that is everything, or any number
 * of controllers and gateways. The locks are Unix sockets, because the kernel takes them away with their processes whatever
 * kills those: no stale lock file, no guess about a pid.
 */
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { givenUpPath } from '../engine/log/wal/wal-format.ts';
import { isVolumeOf } from '../infra/disk/volume-owner.ts';
import { isGone } from '../infra/fleet/process-state.ts';
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
  /** Sockets by which processes see each other, with others in `meta`; 0700. The same, but where its path is too long for sockets of brokers. */
  readonly locks: string;
  /** What brokers write that outlive who started them; 0700. */
  readonly logs: string;
  volume(brokerId: number): string;
}

/** A socket's path has at most 107 bytes; what is longer the system would cut off without a word. */
const socketPathBytesMax = 107;
const longestSocketName = '/one-4194304-ff.sock';

export function openDataFolder(data: string): DataFolder {
  mkdirSync(resolve(data), { recursive: true, mode: 0o700 });
  const path = realpathSync(data);
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

/** Of what lies in the folder. One more when a program of today could not read it any more. */
const format = 1;

/**
 * Throws for a folder that a later version has changed so that this one would misread it. A folder without the file is new, or
 * older than the file.
 */
export function checkFormat({ path }: Pick<DataFolder, 'path'>): void {
  const file = join(path, 'format');
  const found = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (found === '') writeFormat(file);
  else if (Number(found) !== format) {
    throw new Error(
      `${path} has format ${found}, and this version knows ${format}: use the version that made it, or a later one`,
    );
  }
}

/** What is served on a full disk is not refused for two bytes: a later start writes them. */
function writeFormat(file: string): void {
  try {
    writeFileSync(file, `${format}\n`, { mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/**
 * Throws when the metadata is lost that says what segments and logs are: served without it, the folder would look like a new
 * installation, and what is written to it could no longer be told from what was there.
 */
export function checkMetadata({ path, meta, segments }: DataFolder): void {
  if (statSync(join(meta, 'data.mdb'), { throwIfNoEntry: false })?.size) return;
  const left = namesIn(segments).length > 0 ? 'segments' : namesIn(join(path, 'volumes')).length > 0 ? 'volumes' : '';
  if (left === '') return;
  throw new Error(
    `${path} has ${left} and no metadata (meta/data.mdb): restore that file from a copy, or begin anew with another --data`,
  );
}

/**
 * Throws when the metadata is an earlier copy than what lies on the volumes: the logs that were rolled up since are dropped, and
 * in which segments their records are only the later metadata says.
 */
export function checkMetadataAge(
  { path, meta }: DataFolder,
  store: Pick<LmdbStore, 'lastCommit'>,
  installation: string,
): void {
  // Before the store is asked: others may be committing.
  const marks = readMarks(join(path, 'volumes'));
  const last = store.lastCommit();
  // What another installation's volume knows says nothing: that it is in this place is told by who needs it (volume-owner.ts).
  const ahead = marks.find(
    ({ volume, commit }) => commit > last && isVolumeOf(volume, installation) && !existsSync(givenUpPath(volume)),
  );
  if (!ahead) return;
  throw new Error(
    `${meta}/data.mdb is an earlier copy than the volumes: it ends with commit ${last}, and ${ahead.path} knows of ${ahead.commit}. ` +
      'Restore metadata, volumes and segments from one copy. To give up what this metadata does not know, make an empty file ' +
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

/** A deep data folder has its brokers' sockets in a temp folder, by a name that no other data folder has. */
function socketFolder(path: string): string {
  const name = `headgate-${userInfo().uid}-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  const run = [join(path, 'run'), join(tmpdir(), name), join('/tmp', name)].find(fitsSockets);
  if (run === undefined) throw new Error(`${path}: the path is too long for Unix sockets, and so is that of TMPDIR`);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  // Others may write to a temp folder, and guess the name.
  if (userInfo().uid >= 0 && run !== join(path, 'run') && statSync(run).uid !== userInfo().uid) {
    throw new Error(`${run}, where the sockets belong, is another user's: remove it`);
  }
  return run;
}

function fitsSockets(folder: string): boolean {
  return Buffer.byteLength(folder + longestSocketName) <= socketPathBytesMax;
}

/**
 * By kind, process and chance: a name is not used again, so that whoever finds one dead removes no living one. `lock` and
 * `shared` are those of earlier versions, which may be at work.
 */
const lockName = /^(?:lock|one-\d+-[0-9a-f]{2}|(?:shared-(\d+)|any-(\d+)-[0-9a-f]{2}))\.sock$/;
const attemptsMax = 4;
const pauseMsMax = 200;

/** Held until the process ends or `close` is called. Throws when another process serves the folder. */
export function lockDataFolder(folder: DataFolder): Promise<DataFolderLock> {
  return lock(folder, 'one');
}

/** The same beside others that share it. */
export function shareDataFolder(folder: DataFolder): Promise<DataFolderLock> {
  return lock(folder, 'any');
}

export interface DataFolderLock {
  close(): void;
}

/**
 * Each first shows itself and then looks for others, so that of two that start together at least one gives way. When both do,
 * they come again at different times.
 */
async function lock(folder: DataFolder, kind: 'one' | 'any'): Promise<DataFolderLock> {
  // Beside the metadata as well: `run` looks as if nobody needed it, and is removed by hand.
  const places = [...new Set([reachable(folder.locks, folder), reachable(folder.meta, folder)])];
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const name = `${kind}-${process.pid}-${randomBytes(1).toString('hex')}.sock`;
    const shown: DataFolderLock[] = [];
    if (await isAlone(places, name, kind, shown)) return { close: () => shown.forEach((each) => each.close()) };
    for (const each of shown) each.close();
    if (attempt < attemptsMax) await new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMsMax));
  }
  throw new Error(`${folder.path} is served by another headgate; give this one its own --data`);
}

/** Shows itself in each of the places; whether nobody else was there by then. */
async function isAlone(
  places: readonly string[],
  name: string,
  kind: 'one' | 'any',
  shown: DataFolderLock[],
): Promise<boolean> {
  try {
    for (const place of places) shown.push(await listen(join(place, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  for (const place of places) {
    if ((await meetsOther(place, name, kind)) || !existsSync(join(place, name))) return false;
  }
  return true;
}

/** Takes what the dead have left away; also of those who would share the folder, when the system says that they are gone. */
async function meetsOther(locks: string, own: string, kind: 'one' | 'any'): Promise<boolean> {
  for (const name of readdirSync(locks)) {
    const match = lockName.exec(name);
    if (!match || name === own) continue;
    const sharer = match[1] ?? match[2];
    const isSharing = kind === 'any' && sharer !== undefined;
    if (isSharing && !isGone(Number(sharer))) continue;
    const answering = await answers(join(locks, name));
    if (answering && !isSharing) return true;
    // One that answers lives where process ids mean other processes.
    if (!answering) rmSync(join(locks, name), { force: true });
  }
  return false;
}

/** Locks lie in the data folder however long its path is: temp folders differ by user and by service. */
function reachable(place: string, { run }: DataFolder): string {
  if (fitsSockets(place)) return place;
  // Linux has a short name for a folder that is open. Elsewhere they lie where the brokers' sockets do.
  return existsSync('/proc/self/fd') ? `/proc/self/fd/${openSync(place, 'r')}` : run;
}

function listen(path: string): Promise<DataFolderLock> {
  return new Promise((done, fail) => {
    const server: Server = createServer((socket) => socket.destroy());
    server.once('error', fail);
    server.listen(path, () => {
      server.unref();
      done({ close: () => server.close() });
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
