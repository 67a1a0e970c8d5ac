/**
 * The data folder of an installation: what lies where, and who may serve it: one process that is everything, or any number
 * of controllers and gateways. The locks are Unix sockets, because the kernel takes them away with their processes whatever
 * kills those: no stale lock file, no guess about a pid.
 */
import { mkdirSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { readMarks } from '../infra/disk/commit-mark.ts';
import type { LmdbStore } from '../tenancy/store/lmdb.ts';

export interface DataFolder {
  readonly path: string;
  readonly meta: string;
  readonly segments: string;
  /** Shell variables of the demo tenant and the admin key, mode 0600. */
  readonly demoEnv: string;
  /** Sockets; 0700. */
  readonly run: string;
  /** What brokers write that outlive who started them; 0700. */
  readonly logs: string;
  volume(brokerId: number): string;
}

/** A socket's path has at most 107 bytes, which a deep data folder would pass: sockets then live in the temp folder. */
const socketPathBytesMax = 107;
const longestSocketName = '/shared-4194304.sock';

export function openDataFolder(data: string): DataFolder {
  mkdirSync(resolve(data), { recursive: true, mode: 0o700 });
  const path = realpathSync(data);
  let run = join(path, 'run');
  if (Buffer.byteLength(run + longestSocketName) > socketPathBytesMax) {
    const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
    run = join(tmpdir(), `headgate-${userInfo().uid}-${name}`);
  }
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const folder: DataFolder = {
    path,
    meta: join(path, 'meta'),
    segments: join(path, 'segments'),
    demoEnv: join(path, 'demo.env'),
    run,
    logs: join(path, 'logs'),
    volume: (brokerId) => join(path, 'volumes', String(brokerId)),
  };
  for (const directory of [folder.meta, folder.segments, folder.logs])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  return folder;
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
export function checkMetadataAge({ path, meta }: DataFolder, store: Pick<LmdbStore, 'lastCommit'>): void {
  // Before the store is asked: others may be committing.
  const marks = readMarks(join(path, 'volumes'));
  const last = store.lastCommit();
  const ahead = marks.find(({ commit }) => commit > last);
  if (!ahead) return;
  throw new Error(
    `${meta}/data.mdb is an earlier copy than the volumes: it ends with commit ${last}, and ${ahead.path} knows of ${ahead.commit}. ` +
      'Restore metadata, volumes and segments from one copy. To give up what this metadata does not know, remove the files ' +
      `${join(path, 'volumes', '*', 'metadata-mark')}`,
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

const aloneLock = 'lock.sock';
const sharedLock = /^shared-\d+\.sock$/;

/** Held until the process ends or `close` is called. Throws when another process serves the folder. */
export async function lockDataFolder(folder: DataFolder): Promise<{ close(): void }> {
  const lock = await lockAt(folder, aloneLock);
  for (const name of readdirSync(folder.run).filter((each) => sharedLock.test(each))) {
    if (await answers(join(folder.run, name))) throw served(folder);
    rmSync(join(folder.run, name), { force: true });
  }
  return lock;
}

/**
 * The same beside others that share it. Each of the two kinds first shows itself and then looks for the other, so that of
 * two that start together at least one gives way.
 */
export async function shareDataFolder(folder: DataFolder): Promise<{ close(): void }> {
  const lock = await lockAt(folder, `shared-${process.pid}.sock`);
  if (await answers(join(folder.run, aloneLock))) throw served(folder);
  return lock;
}

async function lockAt(folder: DataFolder, name: string): Promise<{ close(): void }> {
  const path = join(folder.run, name);
  try {
    return await listen(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
  }
  if (await answers(path)) throw served(folder);
  rmSync(path, { force: true });
  return listen(path);
}

function served(folder: DataFolder): Error {
  return new Error(`${folder.path} is served by another headgate; give this one its own --data`);
}

function listen(path: string): Promise<{ close(): void }> {
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
