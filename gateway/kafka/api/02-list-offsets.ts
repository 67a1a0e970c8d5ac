/**
 * ListOffsets (key 2): v1-v11. Back: engine/broker/api/02-list-offsets.ts. Times that are kept for brokers with tiered
 * storage (-5, -6) have no answer there.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../../engine/protocol/messages/02-list-offsets.ts';
import { api, type Call } from '../api.ts';
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

/** Times that have a meaning of their own, and the version that brought it (KIP-734, KIP-405, KIP-1005, KIP-1023). */
const firstVersions: ReadonlyMap<number, number> = new Map([
  [-1, 0],
  [-2, 0],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
]);

/** A time that the request's version does not know is refused (35) before it matters whether there is such a partition. */
async function ask(
  call: Call,
  request: ListOffsetsRequest,
): Promise<{ name: string; partitions: PartitionAnswer[] }[]> {
  const isKnown = ({ timestamp }: Partition): boolean =>
    timestamp >= 0 || call.version >= (firstVersions.get(timestamp) ?? Infinity);
  const answers = await askOwners(
    call,
    request.topics.map(({ name, partitions }) => ({ name, partitions: partitions.filter(isKnown) })),
    (partition) => partition.partitionIndex,
    refusal,
    async (topics) => {
      call.charge(topics.reduce((sum, { partitions }) => sum + partitions.filter(isLookedFor).length, 0));
      return (await throughEngine(call, 2, { ...request, topics })).topics;
    },
  );
  return request.topics.map(({ name, partitions }, t) => {
    const known = answers[t]!.partitions.values();
    return {
      name,
      partitions: partitions.map((partition) =>
        isKnown(partition) ? known.next().value! : refusal(partition, errorCode.unsupportedVersion),
      ),
    };
  });
}

/** A time is looked for in what is stored, and so is the newest: a read for each. The ends are known. */
function isLookedFor({ timestamp }: Partition): boolean {
  return timestamp >= 0 || timestamp === newest;
}

function refusal({ partitionIndex }: Partition, code: number = errorCode.none): PartitionAnswer {
  return { partitionIndex, errorCode: code, timestamp: -1, offset: -1, leaderEpoch: -1 };
}
