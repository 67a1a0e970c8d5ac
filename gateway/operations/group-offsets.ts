/** What a consumer group has committed, and how far that is behind the ends of its partitions. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { innerName, tenantName } from '../../tenancy/naming.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { CoordinatorUnavailable } from '../failures.ts';
import { resolveStart } from './positions.ts';

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: number;
  readonly endOffset: number;
  readonly lag: number;
}

/** The end offsets of `partitions`, in their order. Throws OwnerUnavailable when one cannot be read. */
export type EndsOf = (topic: TopicEntry, partitions: readonly number[]) => Promise<readonly number[]>;

const client = { clientId: 'headgate', clientHost: '' };
/** The last version with topic names. */
const fetchVersion = 9;

/** Throws CoordinatorUnavailable, and what `endsOf` throws. */
export async function groupOffsets(
  context: GatewayContext,
  principal: Principal,
  groupId: string,
  endsOf: EndsOf = endsNow(context),
): Promise<GroupOffset[]> {
  const inner = innerName(principal.clusterId, groupId);
  const target = { clusterId: principal.clusterId, groupId: inner };
  const groups = [{ groupId: inner, memberId: null, memberEpoch: -1, topics: null }];
  const request = { groupId: '', topics: [], groups, requireStable: false };
  const fetched = await context.engine.coordinatorRequest(9, target, request, { ...client, version: fetchVersion });
  const group = fetched.groups[0]!;
  // Without this a group whose coordinator is moving would appear to have no offsets, and so no lag.
  if (group.errorCode !== errorCode.none) throw new CoordinatorUnavailable(group.errorCode, groupId);
  const offsets: GroupOffset[] = [];
  for (const committed of group.topics) {
    const topic = tenantName(principal.clusterId, committed.name);
    const entry = context.engine.catalogue.byName(committed.name);
    if (!entry || topic === undefined) continue;
    // A topic recreated under this name may have fewer partitions than its predecessor has committed offsets.
    const known = committed.partitions.filter(
      (p) => p.committedOffset >= 0 && p.partitionIndex < entry.partitions.length,
    );
    const partitions = known.map((p) => p.partitionIndex);
    const ends = partitions.length === 0 ? [] : await endsOf(entry, partitions);
    for (const [i, p] of known.entries()) {
      const endOffset = ends[i]!;
      // Beyond 2^53, where no log ends, the nearest double.
      const committedOffset = Number(p.committedOffset);
      const lag = Math.max(0, endOffset - committedOffset);
      offsets.push({ topic, partition: p.partitionIndex, committedOffset, endOffset, lag });
    }
  }
  return offsets;
}

function endsNow(context: GatewayContext): EndsOf {
  return async (topic, partitions) => {
    const ends = await resolveStart(context, topic, partitions, { at: 'latest' });
    return ends.map(({ offset }) => offset);
  };
}

/**
 * Asks once about each topic, for readers of many groups, which often have the same topics. What could not be read is not
 * asked again: an owner that is away holds each request for seconds.
 */
export function endsOnce(context: GatewayContext): EndsOf {
  const ask = endsNow(context);
  const known = new Map<Uuid, Promise<readonly number[]>>();
  return async (topic, partitions) => {
    const { topicId } = topic;
    let ends = known.get(topicId);
    if (!ends) {
      const all = topic.partitions.map(({ index }) => index);
      ends = ask(topic, all);
      known.set(topicId, ends);
    }
    const told = await ends;
    // Partitions that were added since then have no end here: they count as read.
    return partitions.map((partition) => told[partition] ?? 0);
  };
}
