/**
 * The Disk port over the operating system. Appends go into the page cache on the caller's thread, which takes microseconds
 * (a trip to the thread pool costs more than the write); calls that wait for the device run on the pool.
 */
import {
  close,
  closeSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
  writev,
  writevSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Disk, DiskFault, type DiskFile, DiskFull } from '../../engine/ports.ts';
import { assert } from '../../engine/kernel/assert.ts';
import { Lanes } from '../../engine/kernel/lanes.ts';

/** IOV_MAX of Linux and macOS: more parts than this go in several calls. */
const partsPerCallMax = 1024;

const datasyncAsync = promisify(fdatasync);

export const systemDisk: Disk = {
  create: (path) => guard('create', path, () => new SystemFile(path, openSync(path, 'wx+'))),
  open: (path) => guard('open', path, () => new SystemFile(path, openSync(path, 'r+'))),
  // An error such as EACCES or EIO does not mean that the file is missing.
  exists: (path) => guard('look for', path, () => isThere(path)),
  list: (directory) => guard('list', directory, () => (isThere(directory) ? readdirSync(directory).sort() : [])),
  makeDirectory: (directory) => guard('make', directory, () => makeDurably(resolve(directory))),
  remove: (path) => guard('remove', path, () => unlinkLater(path)),
  rename: (from, to) => guard('rename', from, () => renameSync(from, to)),
  link(path, second) {
    try {
      linkSync(path, second);
      return true;
    } catch (error) {
      if (cannotLink.has((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw asFailure('link', path, error);
    }
  },
  removeDirectory: (directory) => guard('remove', directory, () => rmdirSync(directory)),
  async syncDirectory(directory) {
    try {
      await using handle = await openHandle(directory, 'r');
      await handle.sync();
    } catch (error) {
      throw asFailure('sync', directory, error);
    }
  },
  freeBytes(directory) {
    return guard('measure', directory, () => {
      const stats = statfsSync(directory);
      return stats.bavail * stats.bsize;
    });
  },
};

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Another file system, one without links, or a file with the maximum number of links. */
const cannotLink = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS']);

class SystemFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  /** Calls still in the thread pool: the descriptor must outlive them, or its number may belong to another file. */
  #running = 0;
  #closed = false;
  #syncFailed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  sizeBytes(): number {
    return guard('measure', this.path, () => fstatSync(this.#checked()).size);
  }

  writeSync(parts: readonly Uint8Array[], position: number): void {
    guard('write', this.path, () => {
      const fd = this.#checked();
      let at = position;
      for (let rest = parts; rest.length > 0; ) {
        const some = rest.length > partsPerCallMax ? rest.slice(0, partsPerCallMax) : rest;
        const written = writevSync(fd, some, at);
        rest = dropBytes(rest, written);
        at += written;
      }
    });
  }

  readSync(target: Uint8Array, position: number): number {
    return guard('read', this.path, () => {
      const fd = this.#checked();
      let got = 0;
      while (got < target.length) {
        const some = readSync(fd, target, got, target.length - got, position + got);
        if (some === 0) break;
        got += some;
      }
      return got;
    });
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    await this.#pooled('write', async (fd) => {
      let at = position;
      for (let rest = parts; rest.length > 0; ) {
        const some = rest.length > partsPerCallMax ? rest.slice(0, partsPerCallMax) : rest;
        const written = await writevAsync(fd, some, at);
        rest = dropBytes(rest, written);
        at += written;
      }
    });
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.#pooled('read', async (fd) => {
      let got = 0;
      while (got < target.length) {
        const some = await readAsync(fd, target, got, position + got);
        if (some === 0) break;
        got += some;
      }
      return got;
    });
  }

  async datasync(): Promise<void> {
    // After a failed fdatasync Linux marks the pages clean: a second one would succeed although the data was lost.
    if (this.#syncFailed) throw new DiskFault(`sync ${this.path}: an earlier sync failed`);
    try {
      await this.#pooled('sync', datasyncAsync);
    } catch (error) {
      this.#syncFailed = true;
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running === 0) closeLater(this.#fd);
  }

  #checked(): number {
    assert(!this.#closed, 'a closed file is not used');
    return this.#fd;
  }

  async #pooled<Result>(act: string, work: (fd: number) => Promise<Result>): Promise<Result> {
    const fd = this.#checked();
    this.#running++;
    try {
      return await work(fd);
    } catch (error) {
      throw asFailure(act, this.path, error);
    } finally {
      this.#running--;
      if (this.#closed && this.#running === 0) closeLater(fd);
    }
  }
}

/** Only the name goes at once: freeing the blocks takes milliseconds, and happens when the last descriptor is closed. */
function unlinkLater(path: string): void {
  const fd = openSync(path, 'r');
  try {
    unlinkSync(path);
  } finally {
    closeLater(fd);
  }
}

/** Descriptors waiting to be closed. Above this limit closes run in parallel: descriptors are scarcer than threads. */
const closesWaitingMax = 256;
const closes = new Lanes(1);
let closesWaiting = 0;

/**
 * The last close of a removed file frees its blocks. That takes milliseconds for a large one (tens where the file system
 * tells the device of each, mount option discard), so it belongs on the thread pool. One at a time: retention removes a
 * hundred files in a row, and four closes at once would leave no thread for the write-ahead log's sync, on which
 * acknowledgements wait.
 */
function closeLater(fd: number): void {
  if (closesWaiting >= closesWaitingMax) return close(fd, () => undefined);
  closesWaiting++;
  void closes.run(() => closeAsync(fd)).finally(() => closesWaiting--);
}

/** An error of close gives nothing to act on, and the descriptor is gone. */
function closeAsync(fd: number): Promise<void> {
  return new Promise((done) => close(fd, () => done()));
}

// By hand: the promisified forms of these two return objects with the buffers in them.
function writevAsync(fd: number, parts: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((done, fail) => {
    writev(fd, parts, position, (error, written) => (error ? fail(error) : done(written)));
  });
}

function readAsync(fd: number, target: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((done, fail) => {
    read(fd, target, from, target.length - from, position, (error, got) => (error ? fail(error) : done(got)));
  });
}

/** The rest of `parts` after the kernel took `bytes` of them: usually nothing, sometimes from inside a part. */
export function dropBytes(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  let i = 0;
  while (i < parts.length && left >= parts[i]!.length) left -= parts[i++]!.length;
  if (i === parts.length) return [];
  if (bytes === 0 && i === 0) throw new Error(noProgress);
  const rest = parts.slice(i);
  rest[0] = rest[0]!.subarray(left);
  return rest;
}

/** mkdir -p, durable on return: makes the missing levels top down and syncs the parent of each. */
function makeDurably(directory: string): void {
  if (isThere(directory)) return;
  const parent = dirname(directory);
  makeDurably(parent);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another broker process on the same volume may have created it first.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const fd = openSync(parent, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function guard<Result>(act: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw asFailure(act, path, error);
  }
}

function asFailure(act: string, path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DiskFull(`${act} ${path}: ${code}`, { cause: error });
  // An error without an errno is a bug of ours (a closed file, a bad argument), unless it says that the kernel made no
  // progress.
  if (code === undefined && message !== noProgress) return error as Error;
  return new DiskFault(`${act} ${path}: ${code ?? message}`, { cause: error });
}

const noProgress = 'the kernel took no bytes';
