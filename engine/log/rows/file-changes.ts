/** How much a set of row changes alters the live data in each segment file. */
import type { SegmentRow } from './segment.ts';

export interface FileChange {
  segments: number;
  /** Bytes of batches. */
  bytes: number;
}

type Share = Pick<SegmentRow, 'fileId' | 'bytes'>;

export class FileChanges {
  readonly byFile = new Map<string, FileChange>();

  add({ fileId, bytes }: Share): void {
    this.#change(fileId, 1, bytes);
  }

  remove({ fileId, bytes }: Share): void {
    this.#change(fileId, -1, -bytes);
  }

  #change(fileId: string, segments: number, bytes: number): void {
    const change = this.byFile.get(fileId);
    if (!change) {
      this.byFile.set(fileId, { segments, bytes });
      return;
    }
    change.segments += segments;
    change.bytes += bytes;
  }
}
