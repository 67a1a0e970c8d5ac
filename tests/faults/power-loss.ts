/**
 * What a loss of power leaves of the files that a broker wrote, from the journal of its disk: a disk may keep or lose each
 * write that no sync covered, on its own and in part, and each new file whose folder was not synced.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type JournalEntry =
  | { readonly op: 'create'; readonly path: string }
  | {
      readonly op: 'write';
      readonly path: string;
      readonly position: number;
      /** base64. */
      readonly data: string;
    }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string }
  /** Covers the entries of the path before the `before`-th of its journal. */
  | { readonly op: 'synced'; readonly path: string; readonly before: number }
  | { readonly op: 'synced-directory'; readonly path: string; readonly before: number };

export interface Survival {
  /** How much of a write without a sync the disk has kept, from its start. `index`: among the entries of the journal. */
  keptBytes(index: number, bytes: number): number;
  /** Whether a new name without a sync is there. */
  keepsName(path: string): boolean;
}

export const keepsAll: Survival = { keptBytes: (_index, bytes) => bytes, keepsName: () => true };

/** Of every broker process that has run, in no order. */
export function readJournals(folder: string): JournalEntry[][] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.journal'))
    .map((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        // The process may have been killed over its last line.
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as JournalEntry),
    );
}

/** The files as they are after a loss of power behind the first `count` entries. */
export function imagesAfter(journal: readonly JournalEntry[], count: number, survival: Survival): Map<string, Buffer> {
  const synced = new Map<string, number>();
  for (const entry of journal.slice(0, count)) {
    // Of two that ran at the same time the later one may have ended first.
    if ('before' in entry) synced.set(entry.path, Math.max(entry.before, synced.get(entry.path) ?? 0));
  }
  const images = new Map<string, Buffer>();
  for (const [index, entry] of journal.slice(0, count).entries()) {
    const { op, path } = entry;
    if (op === 'create') {
      const isThere = index < (synced.get(dirname(path)) ?? 0) || survival.keepsName(path);
      if (isThere) images.set(path, Buffer.alloc(0));
    } else if (op === 'remove') images.delete(path);
    else if (op === 'rename') {
      const image = images.get(path);
      const isThere = index < (synced.get(dirname(path)) ?? 0) || survival.keepsName(entry.to);
      // Lost, the file has its old name still, and what was written under the other one is nowhere.
      if (image && isThere) images.set(entry.to, image);
      if (isThere) images.delete(path);
    } else if (op === 'write') {
      const image = images.get(path);
      const data = Buffer.from(entry.data, 'base64');
      const kept = index < (synced.get(path) ?? 0) ? data.length : survival.keptBytes(index, data.length);
      if (image) images.set(path, overwritten(image, data.subarray(0, kept), entry.position));
    }
  }
  return images;
}

function overwritten(image: Buffer, data: Buffer, position: number): Buffer {
  if (data.length === 0) return image;
  const grown = Buffer.alloc(Math.max(image.length, position + data.length));
  image.copy(grown);
  data.copy(grown, position);
  return grown;
}

/** Makes the files of the journal what the loss left of them, and returns them. Nothing may run that uses them. */
export function losePower(journal: readonly JournalEntry[], survival: Survival): Map<string, Buffer> {
  const images = imagesAfter(journal, journal.length, survival);
  for (const entry of journal) {
    const made = entry.op === 'create' ? entry.path : entry.op === 'rename' ? entry.to : undefined;
    if (made !== undefined && !images.has(made)) rmSync(made, { force: true });
  }
  for (const [path, image] of images) writeFileSync(path, image);
  return images;
}
