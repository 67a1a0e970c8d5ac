/**
 * How far the metadata store was when a volume was last written to: the number of a commit, in a small file on the volume.
 * A broker drops a part of its log once the metadata says which segments hold it. If somebody restored the metadata from an
 * earlier copy, a volume would look as if it had never held anything, and offsets would be assigned twice. A mark ahead of
 * the store reveals that.
 *
 * The mark names the commit before the last one: while the last one is on its way to the disk others may see it, and a loss
 * of power may undo it. Commits come one after the other, so the one before is on the disk.
 */
import { closeSync, constants, fdatasync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const fileName = 'metadata-mark';

const digits = 20;
const datasync = promisify(fdatasync);

/**
 * The mark of one volume, which must exist. Failed writes are not reported: the mark protects from a mishap, and a full
 * disk is no reason to stop.
 */
export class CommitMark {
  readonly #volume: string;
  readonly #lastCommit: () => number;
  #fd: number | undefined;
  #noted = 0;

  constructor(volume: string, lastCommit: () => number) {
    this.#volume = volume;
    this.#lastCommit = lastCommit;
  }

  /** Outlives this process, not the machine. */
  note(): void {
    try {
      this.#write();
    } catch {
      // See above.
    }
  }

  async noteDurably(): Promise<void> {
    try {
      this.#write();
      if (this.#fd !== undefined) await datasync(this.#fd);
    } catch {
      // See above.
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(): void {
    const commit = this.#lastCommit() - 1;
    if (commit <= this.#noted) return;
    this.#fd ??= openMark(this.#volume);
    // Always the same length, in the same place: it is never half written, and needs room only once.
    writeSync(this.#fd, `${String(commit).padStart(digits, '0')}\n`, 0);
    this.#noted = commit;
  }
}

function openMark(volume: string): number {
  const path = join(volume, fileName);
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Not exclusive: a broker of the volume and a controller that recovers it may both be the first.
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  const directory = openSync(volume, 'r');
  fsyncSync(directory);
  closeSync(directory);
  return fd;
}

/** The marks of all volumes in the folder that have one. */
export function readMarks(
  volumes: string,
): { readonly volume: string; readonly path: string; readonly commit: number }[] {
  let names: string[];
  try {
    names = readdirSync(volumes);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const volume = join(volumes, name);
    const path = join(volume, fileName);
    try {
      const commit = Number(readFileSync(path, 'utf8'));
      return Number.isSafeInteger(commit) ? [{ volume, path, commit }] : [];
    } catch {
      return [];
    }
  });
}
