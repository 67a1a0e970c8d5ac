/**
 * ListOffsets (key 2): v1-v11. Back: engine/broker/api/02-list-offsets.ts. The special timestamps for brokers with tiered
 * storage (-5, -6) have no answer there.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../../engine/protocol/messages/02-list-offsets.ts';
import { api, type Call } from '../api.ts';
import { doublesIn } from '../change-topics.ts';
import { askOwners, throughEngine } from '../partition-request.ts';

type Partition = ListOffsetsRequest['topics'][number]['partitions'][number];
type PartitionAnswer = ListOffsetsResponse['topics'][number]['partitions'][number];

const firstEpochVersion = 4;

export const listOffsets = api(
  2,
  { from: 1, to: 11 },
  async (call, request) => {
    const topics = await ask(call, request);
    if (call.version < firstEpochVersion) {
      for (const { partitions } of topics) for (const partition of partitions) partition.leaderEpoch = -1;
    }
    return { throttleTimeMs: 0, topics };
  },
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => refusal(partition, code)),
    })),
  }),
);

const newest = -3;

/** Special timestamps, and the version that introduced each (KIP-734, KIP-405, KIP-1005, KIP-1023). */
const firstVersions: ReadonlyMap<number, number> = new Map([
  [-1, 0],
  [-2, 0],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
]);

/**
 * As in Kafka, a partition named twice is answered once and refused (42). A timestamp that the request's version does not
 * know is refused (35) before the partition is looked up.
 */
async function ask(
  call: Call,
  request: ListOffsetsRequest,
): Promise<{ name: string; partitions: PartitionAnswer[] }[]> {
  const keyOf = (name: string, { partitionIndex }: Partition): string => `${partitionIndex}/${name}`;
  const twice = doublesIn(
    request.topics.flatMap(({ name, partitions }) => partitions.map((each) => keyOf(name, each))),
  );
  const faultOf = (name: string, partition: Partition): number => {
    if (twice.has(keyOf(name, partition))) return errorCode.invalidRequest;
    const { timestamp } = partition;
    const isKnown = timestamp >= 0 || call.version >= (firstVersions.get(timestamp) ?? Infinity);
    return isKnown ? errorCode.none : errorCode.unsupportedVersion;
  };
  const judged = onceEach(request.topics, keyOf).map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((partition) => ({ partition, fault: faultOf(name, partition) })),
  }));
  const answers = await askOwners(
    call,
    judged.map(({ name, partitions }) => ({
      name,
      partitions: partitions.filter(({ fault }) => fault === errorCode.none).map(({ partition }) => partition),
    })),
    (partition) => partition.partitionIndex,
    refusal,
    async (topics) => {
      call.charge(topics.reduce((sum, { partitions }) => sum + partitions.filter(isLookedFor).length, 0));
      return (await throughEngine(call, 2, { ...request, topics })).topics;
    },
  );
  return judged.map(({ name, partitions }, t) => {
    const asked = answers[t]!.partitions.values();
    return {
      name,
      partitions: partitions.map(({ partition, fault }) =>
        fault === errorCode.none ? asked.next().value! : refusal(partition, fault),
      ),
    };
  });
}

/** Each partition where it is named first; a topic left without partitions is not answered. */
function onceEach(topics: ListOffsetsRequest['topics'], keyOf: (name: string, partition: Partition) => string) {
  const seen = new Set<string>();
  const isFirst = (key: string): boolean => {
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
  return topics
    .map(({ name, partitions }) => ({ name, partitions: partitions.filter((each) => isFirst(keyOf(name, each))) }))
    .filter(({ partitions }) => partitions.length > 0);
}

/** A timestamp, or the newest one, must be searched for in the stored log: a read for each. The ends are known. */
function isLookedFor({ timestamp }: Partition): boolean {
  return timestamp >= 0 || timestamp === newest;
}

function refusal({ partitionIndex }: Partition, code: number = errorCode.none): PartitionAnswer {
  return { partitionIndex, errorCode: code, timestamp: -1, offset: -1, leaderEpoch: -1 };
}
