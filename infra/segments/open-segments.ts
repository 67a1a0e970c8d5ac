/** The segment store of the settings: a folder of the data folder, or a bucket. */
import { directorySegments, unsyncedBytesDefault } from '../../engine/log/segments/directory-segments.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import { inTime, late } from '../../engine/kernel/request-time.ts';
import { type Disk, type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';
import { type BucketTrouble, bucketTrouble } from './bucket-watch.ts';
import { s3Location } from './s3-location.ts';
import { tellOutages } from './tell-outages.ts';

export interface SegmentsSettings {
  /** Empty, or s3://bucket/prefix. */
  readonly segments: string;
  readonly segmentsEndpoint: string;
  readonly durability: string;
}

export interface OpenedSegments {
  readonly segments: SegmentStore;
  /** Absent for a folder, which is watched as part of its disk. */
  readonly trouble?: BucketTrouble;
}

/** Where no append waits for a sync: that of a roll-up is one, and well below what the kernel takes unwritten. */
const unsyncedBytesOfPageCache = 64 * 1024 * 1024;

/** How long a start waits for the bucket's first answer. */
const probeMsMax = 2_000;

/**
 * Throws an Error that names the flag or the bucket for settings that can never work. A service that does not answer is no
 * reason not to start: `warn` is called, and writes continue until the write-ahead log has reached its limit.
 *
 * @param refusal What a bucket that is missing or refuses the keys means. For a process that takes part in a running
 *   installation it is an outage like any other.
 */
export async function openSegments(
  settings: SegmentsSettings,
  local: { readonly disk: Disk; readonly directory: string },
  clock: Clock,
  warn: (text: string) => void,
  refusal: 'throws' | 'warns' = 'throws',
): Promise<OpenedSegments> {
  const location = s3Location(settings.segments, settings.segmentsEndpoint, process.env);
  if (!location) {
    const unsyncedBytesMax = settings.durability === 'page-cache' ? unsyncedBytesOfPageCache : unsyncedBytesDefault;
    return { segments: directorySegments(local.disk, local.directory, unsyncedBytesMax) };
  }
  // Loads the client only when it is used. Its notice about future Node versions is meant for whoever pins the client,
  // which is us, and not for every process's log.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const { s3Segments } = await import('./s3-segments.ts');
  const store = s3Segments(location, clock);
  let refused: Error | undefined;
  let isAwaited = true;
  const probing = store.probe().catch((error: Error) => {
    if (isAwaited && refusal === 'throws' && !(error instanceof SegmentsUnavailable)) refused = error;
    else warn(error.message);
  });
  const answered = await inTime(clock, probeMsMax, probing);
  isAwaited = false;
  if (refused) throw refused;
  if (answered === late)
    warn(`segments: s3://${location.bucket} has not answered in ${probeMsMax / 1000} s: starting without it`);
  return { segments: tellOutages(store, clock, warn), trouble: bucketTrouble(clock, () => store.probe()) };
}
