/**
 * Checks at start-up, before anything is served, whether the segment store is the one that the metadata describes. A folder
 * that is not mounted, or the wrong bucket, is as empty as the store of a new installation, and whatever were written there
 * meanwhile would be missing from the real store. Single missing segments are no reason to stop: their readers get an error.
 */
import { Failure } from '../../kernel/failure.ts';
import { inTime } from '../../kernel/request-time.ts';
import { DiskFault, type SegmentStore, SegmentsUnavailable } from '../../ports.ts';
import type { Persistence } from '../../store-surely.ts';
import { isFileUsed, segmentFilePk } from '../rows/segment-file.ts';

export class SegmentsMissing extends Failure {
  readonly code = 'segments-unavailable';
  constructor(name: string) {
    super(
      `${name} is missing, and so is every other segment: bring them back, or set --segments to the store that has them`,
    );
  }
}

const rowsMax = 64;
const looksMax = 3;
/** A store that does not answer within this time passes; those who need it will find out. */
const waitMsMax = 2_000;

/** Throws SegmentsMissing. */
export async function checkSegments(persistence: Persistence, segments: SegmentStore): Promise<void> {
  const { rows } = await persistence.store.range(segmentFilePk, { limit: rowsMax });
  const published = rows.filter(({ value }) => isFileUsed(value)).map(({ sk }) => sk);
  const [first] = published;
  if (first === undefined) return;
  const isMissing = await inTime(persistence.clock, waitMsMax, isEmpty(segments, published.slice(0, looksMax)));
  if (isMissing === true) throw new SegmentsMissing(segments.nameOf(first));
}

async function isEmpty(segments: SegmentStore, fileIds: readonly string[]): Promise<boolean> {
  try {
    for (const fileId of fileIds) if (await isThere(segments, fileId)) return false;
    return (await segments.list()).length === 0;
  } catch (error) {
    if (error instanceof SegmentsUnavailable) return false;
    throw error;
  }
}

async function isThere(segments: SegmentStore, fileId: string): Promise<boolean> {
  try {
    const file = segments.open(fileId);
    await file.sizeBytes().finally(() => file.close());
    return true;
  } catch (error) {
    if (error instanceof DiskFault) return false;
    throw error;
  }
}
