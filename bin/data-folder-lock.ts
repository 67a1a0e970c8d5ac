/**
 * Who may serve a data folder: one process with all roles, or any number of controllers and gateways. The locks are Unix
 * sockets, because the kernel removes them with their process, whatever kills it: no stale lock file, no guess about a pid.
 */
import { existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isGone, pidNamespace, processStateNow } from '../infra/fleet/process-state.ts';
import { type DataFolder, fitsSockets } from './data-folder.ts';

/**
 * Named by kind, process and a random part. A name is never reused, so removing a dead one never removes a live one. `lock`
 * and `shared` are the names of earlier versions, which may be running.
 */
const lockName = /^(?:lock|one-\d+-[0-9a-f]{2}|(?:shared-(\d+)|any-(\d+)-[0-9a-f]{2}))\.sock$/;
const attemptsMax = 4;
const pauseMsMax = 200;
const namespaceLengthMax = 64;
const namespaceWaitMsMax = 1000;

/** Held until the process ends or `close` is called. Throws when another process serves the folder. */
export function lockDataFolder(folder: DataFolder): Promise<DataFolderLock> {
  return lock(folder, 'one');
}

/** The same lock, shared with others. */
export function shareDataFolder(folder: DataFolder): Promise<DataFolderLock> {
  return lock(folder, 'any');
}

export interface DataFolderLock {
  close(): void;
}

/**
 * Each process first announces itself and then looks for others, so that of two that start together at least one gives way.
 * When both do, they retry at different times.
 */
async function lock(folder: DataFolder, kind: 'one' | 'any'): Promise<DataFolderLock> {
  // Also beside the metadata: `run` looks unused, and people delete it by hand.
  const places = [...new Set([reachable(folder.locks, folder), reachable(folder.meta, folder)])];
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const name = `${kind}-${process.pid}-${randomBytes(1).toString('hex')}.sock`;
    const shown: DataFolderLock[] = [];
    const close = (): void => shown.forEach((each) => each.close());
    const alone = await isAlone(places, name, kind, shown).catch((failure: unknown) => {
      close();
      throw failure;
    });
    if (alone) return { close };
    close();
    if (attempt < attemptsMax) await new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMsMax));
  }
  throw new Error(`${folder.path} is served by another headgate; give this one its own --data`);
}

/** Announces itself in each place; returns whether nobody else was there by then. */
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

/** Removes what dead processes left; of those that would share the folder, only when the system says that they are gone. */
async function meetsOther(locks: string, own: string, kind: 'one' | 'any'): Promise<boolean> {
  for (const name of readdirSync(locks)) {
    const match = lockName.exec(name);
    if (!match || name === own) continue;
    const path = join(locks, name);
    const sharer = match[1] ?? match[2];
    if (kind === 'any' && sharer !== undefined) await meetSharer(path, Number(sharer));
    else if (await answers(path)) return true;
    else rmSync(path, { force: true });
  }
  return false;
}

/**
 * Processes that share a folder tell by process id which of them have ended, including brokers, and recover what those
 * left. For a process in another container that would be the log that a living broker still writes. (LMDB identifies
 * processes by id as well.) A process that does not say where it lives is of an earlier version, or stopped; when it
 * listens and is no process here, it lives elsewhere.
 */
async function meetSharer(path: string, pid: number): Promise<void> {
  const told = await namespaceAt(path);
  if (told === undefined) {
    if (isGone(pid)) rmSync(path, { force: true });
  } else if (told === '' ? await listensElsewhere(path, pid) : told !== pidNamespace()) {
    throw new Error(
      `${path}: another headgate shares this data folder but runs in another container, where its process ids are not visible from here: ` +
        'let the containers share one process id (PID) namespace, or run everything in one container',
    );
  }
}

/** It may have just died: then it no longer listens. */
async function listensElsewhere(path: string, pid: number): Promise<boolean> {
  return pid !== process.pid && isGone(pid) && (await namespaceAt(path)) !== undefined;
}

/** Processes that share the folder, including this one and possibly some dead ones that nobody has noticed yet. */
export function sharers(folder: DataFolder): number[] {
  const pids = readdirSync(reachable(folder.locks, folder)).map((name) => Number(lockName.exec(name)?.[2] ?? 0));
  return pids.filter((pid) => pid > 0);
}

/** The stopped ones (SIGSTOP). */
export function stoppedSharers(folder: DataFolder): number[] {
  return sharers(folder).filter((pid) => processStateNow(pid) === 'T');
}

/** Locks lie in the data folder however long its path is, because temp folders differ by user and by service. */
function reachable(place: string, { run }: DataFolder): string {
  if (fitsSockets(place)) return place;
  // Linux has a short name for an open folder. Elsewhere the locks lie where the brokers' sockets do.
  return existsSync('/proc/self/fd') ? `/proc/self/fd/${openSync(place, 'r')}` : run;
}

function listen(path: string): Promise<DataFolderLock> {
  return new Promise((done, fail) => {
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(pidNamespace());
    });
    server.once('error', fail);
    server.listen(path, () => {
      server.unref();
      done({ close: () => server.close() });
    });
  });
}

/** What the listener there reports about itself: '' for nothing, undefined when nobody listens. */
function namespaceAt(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    let told = '';
    const socket = connect(path);
    socket.once('error', () => done(undefined));
    socket.on('data', (data: Buffer) => (told = (told + data.toString('latin1')).slice(0, namespaceLengthMax)));
    socket.once('end', () => done(told));
    socket.setTimeout(namespaceWaitMsMax, () => {
      socket.destroy();
      done(told);
    });
  });
}

/**
 * The error of a connection to a socket at which nobody listens; a process that is only busy or stopped never causes
 * it.
 */
const unheard = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK']);

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    // A stopped process accepts nothing, and others that ask again and again fill its queue (EAGAIN).
    socket.once('error', (error: NodeJS.ErrnoException) => done(!unheard.has(error.code ?? '')));
  });
}
