/**
 * How `headgate backup` gets the segments that the metadata names: from the data folder, by their names, or from the store
 * that holds them (a bucket). Either way they become files of the copy, which is served without that store: two
 * installations over the same objects would delete each other's.
 */
import { closeSync, constants, existsSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lanes } from '../engine/kernel/lanes.ts';
import { DiskFault, type SegmentStore } from '../engine/ports.ts';

export interface SegmentSource {
  /** For messages. */
  readonly name: string;
  /**
   * Copies into `to`, which may hold some from an earlier round. Returns the segments that are gone. A file that has a row
   * is complete and never changes.
   */
  copy(fileIds: readonly string[], to: string): Promise<string[]>;
}

const downloadsTogetherMax = 4;
const sliceBytes = 8 * 1024 * 1024;

export function folderSource(from: string): SegmentSource {
  return {
    name: from,
    async copy(fileIds, to) {
      const parts = new Map<string, string[]>();
      for (const name of namesIn(from)) {
        const fileId = fileIdOf(name);
        parts.set(fileId, [...(parts.get(fileId) ?? []), name]);
      }
      dropOthers(fileIds, to);
      const gone: string[] = [];
      for (const fileId of fileIds) {
        const names = parts.get(fileId) ?? [];
        let isWhole = names.includes(`${fileId}.seg`);
        for (const name of names) {
          const target = join(to, name);
          isWhole &&= existsSync(target) || (await copiedFile(join(from, name), target));
        }
        if (!isWhole) gone.push(fileId);
      }
      return gone;
    },
  };
}

/** `name`: where the segment is. Rejects with SegmentsUnavailable when the store does not answer. */
export function storeSource(store: SegmentStore, name: string): SegmentSource {
  return {
    name,
    async copy(fileIds, to) {
      dropOthers(fileIds, to);
      const lanes = new Lanes(downloadsTogetherMax);
      const got = await Promise.all(
        fileIds.map((fileId) => lanes.run(() => downloaded(store, fileId, join(to, `${fileId}.seg`)))),
      );
      return fileIds.filter((_, i) => !got[i]);
    },
  };
}

/** False when it is gone. */
async function downloaded(store: SegmentStore, fileId: string, target: string): Promise<boolean> {
  if (existsSync(target)) return true;
  const fd = openSync(target, 'wx', 0o600);
  const file = store.open(fileId, 'once');
  try {
    const bytes = await file.sizeBytes();
    for (let at = 0; at < bytes; ) {
      const slice = Buffer.alloc(Math.min(sliceBytes, bytes - at));
      const read = await file.read(slice, at);
      if (read === 0) throw new Error(`${store.nameOf(fileId)} ends at byte ${at} of ${bytes}`);
      for (let written = 0; written < read; ) {
        const taken = writeSync(fd, slice, written, read - written);
        if (taken === 0) throw new Error(`${target}: the system took no bytes`);
        written += taken;
      }
      at += read;
    }
    return true;
  } catch (error) {
    if (!(error instanceof DiskFault)) throw error;
    rmSync(target);
    return false;
  } finally {
    file.close();
    closeSync(fd);
  }
}

/** Removes segments from an earlier round that the metadata no longer names. */
function dropOthers(fileIds: readonly string[], to: string): void {
  const named = new Set(fileIds);
  for (const name of namesIn(to)) if (!named.has(fileIdOf(name))) rmSync(join(to, name));
}

/** Copies a file, and the links of the logs whose batches it holds (directory-segments.ts). */
function fileIdOf(name: string): string {
  return name.replace(/\.seg(\.\d+)?$/, '');
}

/** False when it is gone. */
export async function copiedFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

export function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
