/**
 * The segment store as a directory on a disk. Reads that may wait for the device share the thread pool (four threads) with
 * the write-ahead log's sync, which every acknowledgement waits for. The reads therefore get two threads, never all.
 *
 * A pieced file (pieced-file.ts) has its map under its own name, plus a second name for each source.
 */
import { Lanes } from '../../kernel/lanes.ts';
import {
  type Disk,
  DiskFault,
  type DiskFile,
  type PiecedWriter,
  type SegmentFile,
  type SegmentStore,
  type SegmentWriter,
} from '../../ports.ts';
import { PiecedFile, PieceMap } from './pieced-file.ts';
import { isPieced } from '../rows/segment-file.ts';

const suffix = '.seg';
const readsMax = 2;
/** Sources of a pieced file; its removal looks for this many names. */
const sourcesMax = 64;
/** See directorySegments. Beyond some limit of the kernel, dirty pages would make every write of the process wait. */
export const unsyncedBytesDefault = 4 * 1024 * 1024;

/**
 * Makes the directory. `unsyncedBytesMax` bytes are written between two syncs of a file in progress: the work that the
 * device gets at once bounds how long an append's sync waits behind it. Where no append waits for syncs, larger steps
 * finish a roll-up sooner.
 */
export function directorySegments(
  disk: Disk,
  directory: string,
  unsyncedBytesMax: number = unsyncedBytesDefault,
): SegmentStore {
  disk.makeDirectory(directory);
  const reads = new Lanes(readsMax);
  const nameOf = (fileId: string): string => `${directory}/${fileId}${suffix}`;
  return {
    nameOf,
    create: (fileId) => createFile(disk, directory, nameOf(fileId), unsyncedBytesMax),
    createPieced: (fileId, sources) => createPieced(disk, directory, nameOf(fileId), sources),
    open(fileId): SegmentFile {
      const file = disk.open(nameOf(fileId));
      const run = <T>(read: () => Promise<T>): Promise<T> => reads.run(read);
      if (isPieced(fileId)) return new PiecedFile(file, (source) => disk.open(pieceName(nameOf(fileId), source)), run);
      return {
        sizeBytes: async () => file.sizeBytes(),
        read: (target, position) => reads.run(() => file.read(target, position)),
        readSync: (target, position) => file.readSync(target, position),
        close: () => file.close(),
      };
    },
    async remove(fileId) {
      if (isPieced(fileId)) removePieces(disk, nameOf(fileId));
      removeIfThere(disk, nameOf(fileId));
      // Otherwise a power loss could bring the name back after its row is gone, and without the row nobody would look for
      // the file.
      await disk.syncDirectory(directory);
    },
    list: async () => fileIdsIn(disk.list(directory)),
  };
}

function createFile(disk: Disk, directory: string, path: string, unsyncedBytesMax: number): SegmentWriter {
  const file = disk.create(path);
  let position = 0;
  let synced = 0;
  return {
    async write(parts) {
      const at = position;
      for (const part of parts) position += part.length;
      await file.write(parts, at);
      if (position - synced < unsyncedBytesMax) return;
      synced = position;
      await file.datasync();
    },
    async commit() {
      // Nobody looks for the file before both are done, so neither has to wait for the other.
      await Promise.all([file.datasync(), disk.syncDirectory(directory)]);
      file.close();
    },
    abort() {
      file.close();
      removeIfPossible(() => disk.remove(path));
    },
  };
}

function createPieced(
  disk: Disk,
  directory: string,
  path: string,
  sources: readonly string[],
): PiecedWriter | undefined {
  if (sources.length > sourcesMax) return undefined;
  const file = disk.create(path);
  const abort = (): void => {
    file.close();
    removeIfPossible(() => removePieces(disk, path));
    removeIfPossible(() => disk.remove(path));
  };
  try {
    if (!sources.every((source, i) => disk.link(source, pieceName(path, i)))) {
      abort();
      return undefined;
    }
  } catch (error) {
    abort();
    throw error;
  }
  const map = new PieceMap();
  return {
    abort,
    async write(parts) {
      map.write(parts);
    },
    place: (source, position, bytes) => map.place(source, position, bytes),
    async commit() {
      await file.write(map.encode(), 0);
      // The writer of the pieces may have stopped at the page cache.
      const pieces = sources.map((_, i) => syncFile(disk.open(pieceName(path, i))));
      await Promise.all([file.datasync(), disk.syncDirectory(directory), ...pieces]);
      file.close();
    },
  };
}

async function syncFile(file: DiskFile): Promise<void> {
  try {
    await file.datasync();
  } finally {
    file.close();
  }
}

function pieceName(path: string, source: number): string {
  return `${path}.${source}`;
}

/** Tries all possible names: after a power loss any of them can be missing. */
function removePieces(disk: Disk, path: string): void {
  for (let source = 0; source < sourcesMax; source++) {
    const name = pieceName(path, source);
    if (disk.exists(name)) removeIfThere(disk, name);
  }
}

function fileIdsIn(names: readonly string[]): string[] {
  const fileIds = new Set<string>();
  for (const name of names) {
    const [, fileId] = /^(.*)\.seg(?:\.\d+)?$/.exec(name) ?? [];
    if (fileId !== undefined) fileIds.add(fileId);
  }
  return [...fileIds].sort();
}

/**
 * The caller gets the failure that made it give the file up, and removes the file by its name. A file that cannot be
 * removed now is removed later (rows/change-rows.ts), and is no reason to end the session.
 */
function removeIfPossible(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof DiskFault)) throw error;
  }
}

function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.remove(path);
  } catch (error) {
    // Another sweep was faster, or the file was never created.
    if (!(error instanceof DiskFault) || disk.exists(path)) throw error;
  }
}
