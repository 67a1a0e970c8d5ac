/**
 * The segment store as a directory of a disk. Reads that may wait for the device share the thread pool (four threads) with
 * the write-ahead log's sync, which every acknowledgement waits for: they get two of them, and never all.
 */
import { Lanes } from '../kernel/lanes.ts';
import { type Disk, DiskFault, type SegmentFile, type SegmentStore, type SegmentWriter } from '../ports.ts';

const suffix = '.seg';
const readsMax = 2;

/** Makes the directory. */
export function directorySegments(disk: Disk, directory: string): SegmentStore {
  disk.makeDirectory(directory);
  const reads = new Lanes(readsMax);
  const nameOf = (fileId: string): string => `${directory}/${fileId}${suffix}`;
  return {
    nameOf,
    create: (fileId) => createFile(disk, directory, nameOf(fileId)),
    open(fileId): SegmentFile {
      const file = disk.open(nameOf(fileId));
      return {
        sizeBytes: async () => file.sizeBytes(),
        read: (target, position) => reads.run(() => file.read(target, position)),
        readSync: (target, position) => file.readSync(target, position),
        close: () => file.close(),
      };
    },
    async remove(fileId) {
      removeIfThere(disk, nameOf(fileId));
      // A power loss could bring the name back, when the row is gone by which anybody would look for the file.
      await disk.syncDirectory(directory);
    },
    list: async () =>
      disk
        .list(directory)
        .filter((name) => name.endsWith(suffix))
        .map((name) => name.slice(0, -suffix.length)),
  };
}

function createFile(disk: Disk, directory: string, path: string): SegmentWriter {
  const file = disk.create(path);
  let position = 0;
  return {
    async write(parts) {
      const at = position;
      for (const part of parts) position += part.length;
      await file.write(parts, at);
    },
    async commit() {
      await file.datasync();
      await disk.syncDirectory(directory);
      file.close();
    },
    abort() {
      file.close();
      disk.remove(path);
    },
  };
}

function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.remove(path);
  } catch (error) {
    // Another sweep was faster, or the file was never made.
    if (!(error instanceof DiskFault) || disk.exists(path)) throw error;
  }
}
