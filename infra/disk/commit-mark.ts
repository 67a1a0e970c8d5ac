/**
 * How far the metadata store was when a volume was last written to: the number of a commit, in a small file on the volume.
 * What the log of a broker holds is let go once the metadata says in which segments it is. Behind metadata that somebody has
 * put back from an earlier copy, a volume would look as if it had never held anything, and offsets would be given out again;
 * a mark ahead of the store tells the two apart.
 *
 * It names the commit before the last one: while that one is on its way to the disk others may see it, and a loss of power
 * may take it back. Commits come one after the other, so the one before is on the disk.
 */
import { closeSync, fdatasync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const fileName = 'metadata-mark';

const digits = 20;
const datasync = promisify(fdatasync);

/**
 * Of one volume, which must be there. What cannot be written is not told: the mark protects from a mishap, and is no reason to
 * stop when there is no room.
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
    // Of one length, in one place: there is never half of it, and it needs room once.
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
  const fd = openSync(path, 'wx', 0o600);
  const directory = openSync(volume, 'r');
  fsyncSync(directory);
  closeSync(directory);
  return fd;
}

/** Of each volume in the folder that has one. */
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
