/**
 * What a loss of power leaves of the files of processes that have ended: a disk may keep or lose each write that no sync
 * covered, on its own and in part, and each new file whose folder was not synced. Removed files stay removed.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type JournalEntry =
  | { readonly op: 'create'; readonly path: string }
  | {
      readonly op: 'write';
      readonly path: string;
      readonly position: number;
      /** Of the file, before it. */
      readonly sizeBytes: number;
      /** base64: the bytes, and what they were written over. */
      readonly data: string;
      readonly over: string;
    }
  /** Covers the entries of the path before the `before`-th of its journal. */
  | { readonly op: 'synced'; readonly path: string; readonly before: number }
  | { readonly op: 'synced-directory'; readonly path: string; readonly before: number };

type Write = Extract<JournalEntry, { op: 'write' }>;

export interface Unsynced {
  /** In the order in which they were made. */
  readonly writes: readonly Write[];
  /** Files whose names no sync covered. */
  readonly created: readonly string[];
}

export function readJournals(folder: string): JournalEntry[][] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.journal'))
    .map((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as JournalEntry),
    );
}

export function unsyncedIn(journal: readonly JournalEntry[]): Unsynced {
  const synced = new Map<string, number>();
  for (const entry of journal)
    if ('before' in entry) synced.set(entry.path, Math.max(synced.get(entry.path) ?? 0, entry.before));
  const writes: Write[] = [];
  const created: string[] = [];
  for (const [index, entry] of journal.entries()) {
    if (entry.op === 'write' && index >= (synced.get(entry.path) ?? 0)) writes.push(entry);
    if (entry.op === 'create' && index >= (synced.get(dirname(entry.path)) ?? 0)) created.push(entry.path);
  }
  return { writes, created };
}

/** `keptBytes`: how much of a write the disk has kept, from its start. `keepsName`: whether a new name is there. */
export function losePower(
  { writes, created }: Unsynced,
  keptBytes: (write: Write, bytes: number) => number,
  keepsName: (path: string) => boolean,
): void {
  for (const write of writes.toReversed()) {
    if (!existsSync(write.path)) continue;
    const fd = openSync(write.path, 'r+');
    const over = Buffer.from(write.over, 'base64');
    if (over.length > 0) writeSync(fd, over, 0, over.length, write.position);
    ftruncateSync(fd, write.sizeBytes);
    closeSync(fd);
  }
  for (const write of writes) {
    if (!existsSync(write.path)) continue;
    const data = Buffer.from(write.data, 'base64');
    const kept = data.subarray(0, keptBytes(write, data.length));
    if (kept.length === 0) continue;
    const fd = openSync(write.path, 'r+');
    writeSync(fd, kept, 0, kept.length, write.position);
    closeSync(fd);
  }
  for (const path of created) if (!keepsName(path)) rmSync(path, { force: true });
}
