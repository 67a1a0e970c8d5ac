/**
 * Segments that a gateway reads itself, because it runs on the brokers' machine and the owner said where the records
 * lie. The records then skip a broker's memory and a socket (ADR 16). Every batch is verified as a broker would.
 *
 * A read may fail here: a merge or retention removed the file meanwhile, the disk fails, or the bytes are damaged. The
 * owner is then asked again. It follows moved segments, and finds, reports and marks damage. For a moment, all other
 * reads go to the owners too.
 *
 * Nobody tells a gateway that a file was removed, and an open file keeps its space, so unused files are closed every
 * few seconds.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import type { LocatedSegment } from '../log/log.ts';
import { type SegmentCursor, SegmentReader } from '../log/segments/segment-reader.ts';
import { type LogSettings, logSettingsDefault } from '../log/settings.ts';
import type { SegmentStore } from '../ports.ts';
import { KnownPlaces } from './known-places.ts';

/** Read positions, so a reader that continues needs no index. */
const cursorsMax = 4096;
const openFilesMax = 128;
const closeUnusedMs = 2000;
const pauseMs = 250;

export class NearSegments {
  readonly metrics = { reads: 0, unasked: 0, failed: 0 };
  readonly places: KnownPlaces;
  readonly #clock: Clock;
  readonly #reader: SegmentReader;
  /** By the segment's location; the least recently used first. */
  readonly #cursors = new Map<string, SegmentCursor>();
  #pausedUntilMs = -Infinity;
  #closing: Timer | undefined;

  constructor(
    parts: { readonly segments: SegmentStore; readonly clock: Clock },
    settings: LogSettings = logSettingsDefault,
  ) {
    this.#clock = parts.clock;
    this.places = new KnownPlaces(parts.clock);
    this.#reader = new SegmentReader({
      ...parts,
      settings: { ...settings, openFilesMax: Math.min(settings.openFilesMax, openFilesMax) },
    });
  }

  /** Whether to ask owners for the location of records instead of the records. */
  isReadable(): boolean {
    return this.#clock.monotonicMs() >= this.#pausedUntilMs;
  }

  /** Like SegmentReader.read, which documents what it throws. */
  read(segment: LocatedSegment, offset: number, maxBytes: number, minOneBatch: boolean): Buffer | Promise<Buffer> {
    this.metrics.reads++;
    this.#closing ??= this.#closeUnusedSoon();
    const from = Math.max(offset, segment.baseOffset);
    return this.#reader.read(this.#cursorOf(segment), from, maxBytes, minOneBatch, () => segment.leaderEpoch);
  }

  failed(): void {
    this.metrics.failed++;
    this.#pausedUntilMs = this.#clock.monotonicMs() + pauseMs;
  }

  close(): void {
    this.#closing?.cancel();
    this.#reader.close();
  }

  #cursorOf(segment: LocatedSegment): SegmentCursor {
    const key = `${segment.fileId}@${segment.position}`;
    let cursor = this.#cursors.get(key);
    if (cursor) this.#cursors.delete(key);
    else cursor = { row: segment, recentUntilMs: -Infinity, cursorOffset: segment.baseOffset, cursorPosition: 0 };
    this.#cursors.set(key, cursor);
    for (const oldest of this.#cursors.keys()) {
      if (this.#cursors.size <= cursorsMax) break;
      this.#cursors.delete(oldest);
    }
    return cursor;
  }

  #closeUnusedSoon(): Timer {
    const look = (): void => {
      this.places.forgetOld();
      this.#closing = this.#reader.closeUnused() > 0 ? this.#closeUnusedSoon() : undefined;
    };
    return this.#clock.after(closeUnusedMs, look, 'background');
  }
}
