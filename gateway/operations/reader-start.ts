/** Where a reader of a topic begins, for every door: at a cursor, or at a place in the partitions it names. */
import type { TopicEntry } from '../../engine/engine.ts';
import { Failure, InvalidRequest } from '../../engine/kernel/failure.ts';
import { NotFound } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { noPartitionText } from '../failures.ts';
import { requestsBeside } from '../weight.ts';
import { admitBeside } from './admit.ts';
import { decodeCursor, encodeCursor, type Position, topicTag } from './cursor.ts';
import { parseStart, resolveStart } from './positions.ts';

/** The cursor belongs to a deleted topic of the same name. */
export class TopicRecreated extends Failure {
  readonly code = 'cursor-invalid';
}

export interface ReaderStart {
  readonly positions: readonly Position[];
  /** The reader chose no partitions: those added later belong to it. */
  readonly wholeTopic: boolean;
  /** The place was given by name or time, not as an offset: when retention passes it meanwhile, the start moves along. */
  readonly isRelative: boolean;
}

export interface ReaderRequest {
  readonly cursor?: string | undefined;
  /** The starting offset of each partition that is read: for readers that keep their own offsets. */
  readonly positions?: readonly Position[] | undefined;
  /** As parseStart takes it; 'earliest' when neither is given. */
  readonly from?: string | undefined;
  /** All partitions of the topic when absent. Ignored with a cursor, which names its own. */
  readonly partitions?: readonly number[] | undefined;
}

/**
 * A start in many partitions is charged for the reads it takes (weight.ts). Throws CursorInvalid, TopicRecreated, NotFound
 * (a cursor of another topic), InvalidRequest, OwnerUnavailable, QuotaExceeded.
 */
export async function startReader(
  context: GatewayContext,
  principal: Principal,
  topic: TopicEntry,
  request: ReaderRequest,
): Promise<ReaderStart> {
  const given =
    request.cursor !== undefined
      ? startAtCursor(topic, request.cursor)
      : request.positions && startAtPositions(topic, request.positions);
  if (given) {
    admitBeside(context, principal, requestsBeside(given.positions.length));
    return given;
  }
  const start = parseStart(request.from ?? 'earliest');
  const partitions = request.partitions ?? topic.partitions.map(({ index }) => index);
  checkPartitions(topic, partitions, 'partitions');
  const asked = [...new Set(partitions)];
  // Finding a time requires a search in the stored log.
  admitBeside(context, principal, start.at === 'time' ? asked.length : requestsBeside(asked.length));
  const positions = await resolveStart(context, topic, asked, start);
  return { positions, wholeTopic: request.partitions === undefined, isRelative: start.at !== 'offset' };
}

function checkPartitions(topic: TopicEntry, partitions: readonly number[], field: string): void {
  for (const partition of partitions) {
    if (!Number.isInteger(partition) || partition < 0 || partition >= topic.partitions.length) {
      throw new InvalidRequest(field, noPartitionText(partition, topic));
    }
  }
  if (partitions.length === 0) throw new InvalidRequest(field, 'there must be at least one partition');
}

function startAtPositions(topic: TopicEntry, positions: readonly Position[]): ReaderStart {
  const partitions = positions.map(({ partition }) => partition);
  checkPartitions(topic, partitions, 'positions');
  if (new Set(partitions).size !== partitions.length)
    throw new InvalidRequest('positions', 'a partition is named twice');
  for (const { offset } of positions) {
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new InvalidRequest('positions', `${offset} is not an offset: use a whole number, 0 or more`);
  }
  return { positions, wholeTopic: false, isRelative: false };
}

function startAtCursor(topic: TopicEntry, text: string): ReaderStart {
  const cursor = decodeCursor(text);
  if (cursor.topicId !== topic.topicId) {
    if (cursor.topicTag === topicTag(topic)) {
      throw new TopicRecreated(
        'the cursor belongs to an earlier topic of this name, which was deleted and created again: start again with from',
      );
    }
    throw new NotFound('cursor', text.slice(0, 40));
  }
  const positions = [...cursor.positions];
  if (cursor.wholeTopic) {
    const known = new Set(positions.map(({ partition }) => partition));
    for (const { index } of topic.partitions) if (!known.has(index)) positions.push({ partition: index, offset: 0 });
  }
  if (positions.some(({ partition }) => partition >= topic.partitions.length))
    throw new NotFound('cursor', text.slice(0, 40));
  return { positions, wholeTopic: cursor.wholeTopic, isRelative: false };
}

export function cursorText(topic: TopicEntry, wholeTopic: boolean, positions: readonly Position[]): string {
  return encodeCursor({ topicId: topic.topicId, topicTag: topicTag(topic), wholeTopic, positions });
}
