/**
 * Fetch (key 1) at the owner: whole batches up to the high watermark, by topic id. When there are not enough, the
 * answer waits for one append to any of the partitions, or until the request's own time is over. It comes sooner when a
 * log's start has moved past the one the gateway knows: silence also confirms the start, and records that the gateway
 * keeps may be gone.
 *
 * For records in a segment, a gateway that can read segments is told where they are instead, and where the records
 * after them are (ADR 16, ADR 17). The number of bytes it will find there is an estimate, which assumes batches of
 * equal length. The gateway enforces the limits itself.
 *
 * Absent: fetch sessions (the gateway keeps those of its clients), aborted transactions (there are none).
 */
import type { Clock } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import { dropAll } from '../../kernel/frame-pool.ts';
import type { LocatedSegment, LogRead, PartitionLog, Waiter } from '../../log/log.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import { type FetchRequest, type FetchResponse, noSegment } from '../../protocol/messages/01-fetch.ts';
import { epochFault } from '../epoch-fault.ts';
import type { Owned, Ownership } from '../ownership.ts';

type PartitionRequest = FetchRequest['topics'][number]['partitions'][number];
type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

interface Part {
  readonly topic: number;
  readonly request: PartitionRequest;
  readonly owned: Owned;
}

/** `segments`: where the reader finds the records, instead of `batches`, and those after them. */
interface Read extends LogRead {
  readonly segments?: readonly LocatedSegment[];
}

/** Longest wait that a request may ask for. */
const waitMsMax = 60_000;

/**
 * Calls `respond` once. A failed read answers KAFKA_STORAGE_ERROR. An error that is not a Failure also goes to `onBug`.
 */
export function fetch(
  ownership: Ownership,
  clock: Clock,
  request: FetchRequest,
  respond: (response: FetchResponse, sent?: () => void) => void,
  onBug: (error: unknown) => void,
): void {
  const parts: Part[] = [];
  let open = 1;
  const ready = (): void => {
    if (--open > 0) return;
    serve(clock, request, parts).then(
      (reads) => respond(answer(request, parts, reads), () => letGo(reads)),
      (error: unknown) => {
        const nothing = parts.map(() => unreadable);
        respond(answer(request, parts, nothing));
        if (!(error instanceof Failure)) onBug(error);
      },
    );
  };
  for (const [t, topic] of request.topics.entries()) {
    for (const partition of topic.partitions) {
      open++;
      const at = parts.push({ topic: t, request: partition, owned: unknown }) - 1;
      const use = (owned: Owned): void => {
        parts[at] = { topic: t, request: partition, owned };
        ready();
      };
      ownership.with(topic.topicId, partition.partition, use, partition.currentLeaderEpoch);
    }
  }
  ready();
}

const unknown: Owned = { errorCode: errorCode.unknownTopicId };
const unreadable: LogRead = { errorCode: errorCode.kafkaStorageError, batches: [], bytes: 0 };

/** Releases reads that nobody will use. */
function letGo(reads: readonly LogRead[]): void {
  for (const { frames } of reads) dropAll(frames);
}

async function serve(clock: Clock, request: FetchRequest, parts: readonly Part[]): Promise<Read[]> {
  const deadlineMs = clock.monotonicMs() + Math.min(Math.max(request.maxWaitMs, 0), waitMsMax);
  for (;;) {
    const reads = await readAll(clock, request, parts);
    const bytes = reads.reduce((sum, read) => sum + read.bytes, 0);
    const failed = parts.some(({ owned }, i) => 'errorCode' in owned || reads[i]!.errorCode !== errorCode.none);
    const leftMs = deadlineMs - clock.monotonicMs();
    if (bytes >= request.minBytes || failed || parts.some(beginsLater) || leftMs <= 0 || parts.length === 0)
      return reads;
    if (!(await moreComes(clock, parts, leftMs))) return reads;
    letGo(reads);
  }
}

function beginsLater({ owned, request: { logStartOffset } }: Part): boolean {
  return logStartOffset >= 0 && 'log' in owned && owned.log.startOffset > logStartOffset;
}

/**
 * Reading takes the event loop a third of a millisecond per mebibyte, checksums included. After this many bytes, others
 * get a turn.
 */
const turnBytesMax = 4 * 1024 * 1024;

/**
 * A gateway is told the places for this many fetches of this size, so it can read on without asking (known-places.ts).
 */
const readsAhead = 8;

/** The first partition with data gives at least one batch, whatever the limits (KIP-74). */
async function readAll(clock: Clock, request: FetchRequest, parts: readonly Part[]): Promise<Read[]> {
  const reads: Read[] = [];
  let leftBytes = request.maxBytes;
  let turnBytes = 0;
  let first = true;
  for (const { owned, request: asked } of parts) {
    if ('errorCode' in owned) {
      reads.push({ errorCode: errorCode.none, batches: [], bytes: 0 });
      continue;
    }
    const fault = epochFault(owned.log, asked.currentLeaderEpoch);
    if (fault !== errorCode.none) {
      reads.push({ errorCode: fault as LogRead['errorCode'], batches: [], bytes: 0 });
      continue;
    }
    const bytesMax = Math.min(asked.partitionMaxBytes, Math.max(leftBytes, 0));
    if (turnBytes >= turnBytesMax) {
      turnBytes = 0;
      await new Promise<void>((resolve) => clock.endOfTurn(resolve));
    }
    const hasRoom = first || bytesMax > 0;
    const segments =
      request.readsSegments && hasRoom ? owned.log.locate(asked.fetchOffset, readsAhead * Math.max(bytesMax, 1)) : [];
    const found =
      segments.length > 0
        ? located(segments, asked.fetchOffset, bytesMax)
        : owned.log.read(asked.fetchOffset, bytesMax, first);
    const read = found instanceof Promise ? await found : found;
    if (segments.length === 0) turnBytes += read.bytes;
    owned.log.traffic.gave(read.bytes);
    if (read.bytes > 0) first = false;
    leftBytes -= read.bytes;
    reads.push(read);
  }
  return reads;
}

function located(segments: readonly LocatedSegment[], offset: number, bytesMax: number): Read {
  let estimate = 0;
  for (const { baseOffset, endOffset, bytes } of segments) {
    if (estimate >= bytesMax) break;
    estimate += bytes * ((endOffset - Math.max(offset, baseOffset)) / (endOffset - baseOffset));
  }
  return {
    errorCode: errorCode.none,
    batches: [],
    bytes: Math.max(1, Math.min(bytesMax, Math.ceil(estimate))),
    segments,
  };
}

/** False: the time is over. True: some log has grown, has a new start, or is closed. */
function moreComes(clock: Clock, parts: readonly Part[], waitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const waiters: Waiter[] = [];
    let settled = false;
    const settle = (grown: boolean): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      for (const waiter of waiters) waiter.cancel();
      resolve(grown);
    };
    const timer = clock.after(waitMs, () => settle(false));
    for (const { owned, request } of parts) {
      if ('errorCode' in owned || settled) continue;
      // Nothing exists beyond this offset yet: the read above saw the log up to its high watermark.
      const waiter = owned.log.waitFor(Math.max(request.fetchOffset, owned.log.highWatermark), () => settle(true));
      if (waiter) waiters.push(waiter);
      else settle(false);
    }
  });
}

function answer(request: FetchRequest, parts: readonly Part[], reads: readonly Read[]): FetchResponse {
  const responses: FetchResponse['responses'] = request.topics.map(({ topic, topicId }) => ({
    topic,
    topicId,
    partitions: [],
  }));
  for (const [i, part] of parts.entries()) {
    responses[part.topic]!.partitions.push(partitionAnswer(part, reads[i]!));
  }
  return { throttleTimeMs: 0, errorCode: errorCode.none, sessionId: 0, responses, nodeEndpoints: [] };
}

function partitionAnswer({ owned, request }: Part, read: Read): PartitionAnswer {
  const log = 'log' in owned ? owned.log : undefined;
  return {
    partitionIndex: request.partition,
    errorCode: 'errorCode' in owned ? owned.errorCode : read.errorCode,
    highWatermark: log?.highWatermark ?? -1,
    lastStableOffset: log?.lastStableOffset ?? -1,
    logStartOffset: log?.startOffset ?? -1,
    divergingEpoch: log ? divergence(log, request) : none,
    currentLeader: noLeader,
    snapshotId: noSnapshot,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: read.batches,
    segment: read.segments?.[0] ?? noSegment,
    following: read.segments?.slice(1) ?? [],
  };
}

const none = { epoch: -1, endOffset: -1 };
const noLeader = { leaderId: -1, leaderEpoch: -1 };
const noSnapshot = { endOffset: -1, epoch: -1 };

/**
 * KIP-595: the reader's last epoch ended before the offset where it wants to continue, so its records differ from ours.
 */
function divergence(log: PartitionLog, request: PartitionRequest): { epoch: number; endOffset: number } {
  if (request.lastFetchedEpoch < 0) return none;
  const end = log.endOfEpoch(request.lastFetchedEpoch);
  const diverged =
    end.leaderEpoch >= 0 && (end.leaderEpoch < request.lastFetchedEpoch || end.endOffset < request.fetchOffset);
  return diverged ? { epoch: end.leaderEpoch, endOffset: end.endOffset } : none;
}
